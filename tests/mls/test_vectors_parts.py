"""Official vectors of the building blocks: mlswg/mls-implementations, folder test-vectors."""

from __future__ import annotations

import pytest

from chasqui.mls import key_schedule, labels, secret_tree, tree_math
from chasqui.mls.codec import Reader, decode_all, vl_header
from chasqui.mls.errors import UsageError
from chasqui.mls.framing import read_authenticated_content
from chasqui.mls.psk import PreSharedKeyId, PskId, psk_secret
from chasqui.mls.secret import Secret
from chasqui.mls.suite import crypto_of
from tests.mls.support import cases, h, load


def test_crypto_basics() -> None:
    for case in cases("crypto-basics"):
        crypto = crypto_of(case["cipher_suite"])
        t = case["ref_hash"]
        assert crypto.ref_hash(t["label"].encode(), h(t["value"])) == h(t["out"])
        t = case["expand_with_label"]
        assert crypto.expand_with_label(
            h(t["secret"]), t["label"].encode(), h(t["context"]), t["length"]
        ) == h(t["out"])
        t = case["derive_secret"]
        assert crypto.derive_secret(h(t["secret"]), t["label"].encode()) == h(t["out"])
        assert crypto.derive_secret_of_any_label(h(t["secret"]), t["label"].encode()) == h(t["out"])
        t = case["derive_tree_secret"]
        assert crypto.derive_tree_secret(
            h(t["secret"]), t["label"].encode(), t["generation"], t["length"]
        ) == h(t["out"])
        t = case["sign_with_label"]
        label, content = t["label"].encode(), h(t["content"])
        assert crypto.verify_with_label(h(t["pub"]), label, content, h(t["signature"]))
        assert crypto.sign_with_label(h(t["priv"]), label, content) == h(t["signature"])
        assert not crypto.verify_with_label(h(t["pub"]), label, content + b"x", h(t["signature"]))
        t = case["encrypt_with_label"]
        label, context = t["label"].encode(), h(t["context"])
        assert crypto.decrypt_with_label(
            h(t["priv"]), label, context, h(t["kem_output"]), h(t["ciphertext"])
        ) == h(t["plaintext"])
        made = crypto.encrypt_with_label(h(t["pub"]), label, context, h(t["plaintext"]), lambda n: bytes(n))
        assert crypto.decrypt_with_label(h(t["priv"]), label, context, *made) == h(t["plaintext"])


def test_deserialization() -> None:
    for case in load("deserialization"):
        header = h(case["vlbytes_header"])
        reader = Reader(header + bytes(min(case["length"], 1 << 22)))
        if case["length"] <= 1 << 22:
            assert reader.length() == case["length"]
        assert vl_header(case["length"]) == header


def test_tree_math() -> None:
    for case in load("tree-math"):
        n = case["n_leaves"]
        assert tree_math.node_count(n) == case["n_nodes"]
        assert tree_math.root(n) == case["root"]
        for x in range(case["n_nodes"]):
            for name, call in (("left", tree_math.left), ("right", tree_math.right)):
                if case[name][x] is None:
                    with pytest.raises(UsageError):
                        call(x)
                else:
                    assert call(x) == case[name][x]
            for name, climb in (("parent", tree_math.parent), ("sibling", tree_math.sibling)):
                if case[name][x] is None:
                    with pytest.raises(UsageError):
                        climb(x, n)
                else:
                    assert climb(x, n) == case[name][x]


def test_a_leaf_outside_the_tree_has_no_path() -> None:
    for climb in (tree_math.direct_path, tree_math.copath):
        assert climb(0, 1) == ()
        for leaf in (-1, 4, 1 << 31):
            with pytest.raises(UsageError):
                climb(leaf, 4)


def test_common_ancestor_agrees_with_the_direct_paths() -> None:
    for a in range(16):
        for b in range(16):
            paths = [[2 * leaf, *tree_math.direct_path(leaf, 16)] for leaf in (a, b)]
            assert tree_math.common_ancestor(a, b) == next(x for x in paths[0] if x in paths[1])


def test_key_schedule() -> None:
    for case in cases("key-schedule"):
        crypto = crypto_of(case["cipher_suite"])
        init = h(case["initial_init_secret"])
        for number, epoch in enumerate(case["epochs"]):
            context = key_schedule.GroupContext(
                case["cipher_suite"],
                h(case["group_id"]),
                number,
                h(epoch["tree_hash"]),
                h(epoch["confirmed_transcript_hash"]),
                (),
            ).encode()
            assert context == h(epoch["group_context"])
            joiner = key_schedule.joiner_secret(crypto, init, h(epoch["commit_secret"]), context)
            assert joiner == h(epoch["joiner_secret"])
            new = key_schedule.epoch_of_joiner(crypto, joiner, h(epoch["psk_secret"]), context)
            assert new.welcome == Secret(h(epoch["welcome_secret"]))
            assert new.encryption == Secret(h(epoch["encryption_secret"]))
            secrets = new.secrets
            for ours, theirs in (
                (secrets.init, "init_secret"),
                (secrets.membership, "membership_key"),
                (secrets.exporter, "exporter_secret"),
                (secrets.authenticator, "epoch_authenticator"),
                (secrets.external, "external_secret"),
                (secrets.confirmation, "confirmation_key"),
                (secrets.resumption, "resumption_psk"),
                (secrets.sender_data, "sender_data_secret"),
            ):
                assert ours == Secret(h(epoch[theirs])), theirs
            assert secrets.external is not None
            assert secrets.exporter is not None
            assert secrets.init is not None
            pair = key_schedule.external_key_pair(crypto, secrets.external.reveal())
            assert pair[1] == h(epoch["external_pub"])
            t = epoch["exporter"]
            assert key_schedule.export(
                crypto, secrets.exporter.reveal(), t["label"].encode(), h(t["context"]), t["length"]
            ) == h(t["secret"])
            init = secrets.init.reveal()


def test_secret_tree() -> None:
    for case in cases("secret-tree"):
        crypto = crypto_of(case["cipher_suite"])
        t = case["sender_data"]
        from chasqui.mls.protect import _sender_data_key

        assert _sender_data_key(crypto, h(t["sender_data_secret"]), h(t["ciphertext"])) == (
            h(t["key"]),
            h(t["nonce"]),
        )
        start = secret_tree.SecretTree.of(Secret(h(case["encryption_secret"])), len(case["leaves"]))
        tree = start
        for leaf, generations in enumerate(case["leaves"]):
            for entry in generations:
                for kind, name in (
                    (secret_tree.RatchetKind.APPLICATION, "application"),
                    (secret_tree.RatchetKind.HANDSHAKE, "handshake"),
                ):
                    want = (h(entry[f"{name}_key"]), h(entry[f"{name}_nonce"]))
                    key, tree = tree.take(crypto, leaf, kind, entry["generation"])
                    assert (key.key, key.nonce) == want
        assert not tree.nodes or len(case["leaves"]) == 1
        assert set(start.nodes) == {tree_math.root(len(case["leaves"]))}


def test_psk_secret() -> None:
    for case in cases("psk_secret"):
        crypto = crypto_of(case["cipher_suite"])
        psks = [
            (PreSharedKeyId(PskId.external(h(t["psk_id"])), h(t["psk_nonce"])), h(t["psk"]))
            for t in case["psks"]
        ]
        assert psk_secret(crypto, psks) == h(case["psk_secret"])


def test_transcript_hashes() -> None:
    for case in cases("transcript-hashes"):
        crypto = crypto_of(case["cipher_suite"])
        content = decode_all(h(case["authenticated_content"]), read_authenticated_content)
        assert content.encode() == h(case["authenticated_content"])
        confirmed = key_schedule.confirmed_transcript(
            crypto,
            h(case["interim_transcript_hash_before"]),
            content.wire_format,
            content.content.raw,
            content.auth.signature,
        )
        assert confirmed == h(case["confirmed_transcript_hash_after"])
        tag = content.auth.confirmation_tag
        assert tag is not None
        assert crypto.mac(h(case["confirmation_key"]), confirmed) == tag
        interim = key_schedule.interim_transcript(crypto, confirmed, tag)
        assert interim == h(case["interim_transcript_hash_after"])


def test_labels_are_distinct() -> None:
    found = [value for name, value in vars(labels).items() if isinstance(value, bytes)]
    assert len(set(found)) == len(found)
