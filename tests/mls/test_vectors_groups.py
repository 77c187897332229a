"""Official vectors that need a whole client: message protection, welcome, and the three passive clients."""

from __future__ import annotations

from typing import Any

import pytest

from chasqui.mls import key_schedule
from chasqui.mls.codec import decode_all
from chasqui.mls.framing import (
    Auth,
    AuthenticatedContent,
    Body,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    frame,
    read_message,
    wrap,
)
from chasqui.mls.group import GroupState
from chasqui.mls.joining import join
from chasqui.mls.key_package import KeyPackageKeys, read_key_package_form
from chasqui.mls.proposals import read_commit, read_proposal
from chasqui.mls.protect import (
    check_signature,
    from_public,
    open_private,
    sign_content,
    to_private,
    to_public,
)
from chasqui.mls.psk import PskId, PskType
from chasqui.mls.secret import Secret
from chasqui.mls.secret_tree import SecretTree
from chasqui.mls.suite import crypto_of
from chasqui.mls.welcome import Welcome, read_group_info, read_group_secrets, welcome_key_nonce
from tests.mls.support import Rng, cases, h


def test_message_protection() -> None:
    for case in cases("message-protection"):
        crypto = crypto_of(case["cipher_suite"])
        context = key_schedule.GroupContext(
            case["cipher_suite"],
            h(case["group_id"]),
            case["epoch"],
            h(case["tree_hash"]),
            h(case["confirmed_transcript_hash"]),
            (),
        ).encode()
        public_key, seed = h(case["signature_pub"]), h(case["signature_priv"])[:32]
        membership, sender_data = Secret(h(case["membership_key"])), Secret(h(case["sender_data_secret"]))
        tree = SecretTree.of(Secret(h(case["encryption_secret"])), 2)
        bodies: dict[str, Body] = {
            "proposal": decode_all(h(case["proposal"]), read_proposal),
            "commit": decode_all(h(case["commit"]), read_commit),
            "application": h(case["application"]),
        }
        for name, body in bodies.items():
            private = read_message(h(case[f"{name}_priv"]))
            assert isinstance(private, PrivateMessage)
            content, _, _ = open_private(crypto, private, tree, sender_data)
            check_signature(crypto, content, context, public_key)
            assert content.content.body == body
            if name != "application":
                public = read_message(h(case[f"{name}_pub"]))
                assert isinstance(public, PublicMessage)
                assert from_public(crypto, public, membership, context, public_key).framed.body == body
            # and the other way round: protect it ourselves, open it again
            for wire_format in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
                framed = frame(
                    h(case["group_id"]), case["epoch"], Sender(SenderType.MEMBER, 1), b"aad", body
                )
                signature = sign_content(crypto, wire_format, framed, context, seed, public_key)
                auth = Auth(signature, bytes(32) if name == "commit" else None)
                made = AuthenticatedContent(wire_format, framed, auth)
                if wire_format == WireFormat.PRIVATE_MESSAGE:
                    sent, _ = to_private(crypto, made, tree, sender_data, Rng(name), 7)
                    opened, _, _ = open_private(crypto, sent, tree, sender_data)
                    assert opened == made
                elif name != "application":
                    from_public(
                        crypto, to_public(crypto, made, membership, context), membership, context, public_key
                    )


def test_welcome() -> None:
    for case in cases("welcome"):
        crypto = crypto_of(case["cipher_suite"])
        welcome = read_message(h(case["welcome"]))
        assert isinstance(welcome, Welcome)
        key_package = decode_all(h(case["key_package"])[4:], read_key_package_form)
        entry = welcome.find(key_package.ref)
        plaintext = crypto.decrypt_with_label(
            h(case["init_priv"]),
            b"Welcome",
            welcome.encrypted_group_info,
            entry.secrets.kem_output,
            entry.secrets.ciphertext,
        )
        secrets = decode_all(plaintext, read_group_secrets)
        joiner = secrets.joiner.reveal()
        key, nonce = welcome_key_nonce(crypto, key_schedule.welcome_secret(crypto, joiner, crypto.zero))
        info = decode_all(
            crypto.aead.open(key, nonce, b"", welcome.encrypted_group_info), read_group_info
        )
        info.check_signature(crypto, h(case["signer_pub"]))
        epoch = key_schedule.epoch_of_joiner(crypto, joiner, crypto.zero, info.context.encode())
        assert epoch.secrets.confirmation is not None
        tag = crypto.mac(epoch.secrets.confirmation.reveal(), info.context.confirmed_transcript_hash)
        assert tag == info.confirmation_tag


class _Psks:
    """External keys of the case, and the resumption keys of the epochs that went by."""

    def __init__(self, case: Any) -> None:
        self.external = {h(item["psk_id"]): h(item["psk"]) for item in case["external_psks"]}
        self.past: dict[tuple[bytes, int], bytes] = {}

    def remember(self, state: GroupState) -> None:
        self.past[state.group_id, state.epoch] = state.resumption_psk.reveal()

    def __call__(self, psk: PskId) -> bytes | None:
        if psk.type == PskType.EXTERNAL:
            return self.external.get(psk.name)
        return self.past.get((psk.group_id, psk.epoch))


@pytest.mark.parametrize(
    "name", ["passive-client-welcome", "passive-client-handling-commit", "passive-client-random"]
)
def test_passive_client(name: str) -> None:
    for case in cases(name):
        keys = KeyPackageKeys(
            h(case["key_package"])[4:],
            Secret(h(case["init_priv"])),
            Secret(h(case["encryption_priv"])),
            Secret(h(case["signature_priv"])[:32]),
        )
        tree = case["ratchet_tree"] and h(case["ratchet_tree"])
        psks = _Psks(case)
        state = join(h(case["welcome"]), keys, tree=tree, psks=psks)
        assert state.epoch_authenticator == h(case["initial_epoch_authenticator"])
        psks.remember(state)
        for number, epoch in enumerate(case["epochs"]):
            for proposal in epoch["proposals"]:
                after = state.process(h(proposal)).state
                assert after is not None
                state = after
            if number % 7 == 0:
                saved = state.to_bytes()
                state = GroupState.from_bytes(saved)
                assert state.to_bytes() == saved
            after = state.process(h(epoch["commit"]), psks=psks).state
            assert after is not None
            state = after
            assert state.epoch_authenticator == h(epoch["epoch_authenticator"])
            psks.remember(state)


def test_messages_are_wrapped_again_as_they_came() -> None:
    for case in cases("passive-client-welcome"):
        message = read_message(h(case["welcome"]))
        assert isinstance(message, Welcome)
        assert wrap(WireFormat.WELCOME, message.encode()) == h(case["welcome"])
