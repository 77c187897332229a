"""Vectors for the sending side: inputs, the entropy that was drawn, and the bytes that came of it.

A second implementation replays `entropy` (one entry per draw, in order) and must make the same bytes. Seeds become
key pairs by HPKE DeriveKeyPair, signature seeds are Ed25519 seeds, HPKE takes each draw as ikmE of RFC 9180.
`python -m tests.mls.sending` writes the file; a test fails when the code makes other bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chasqui.mls import (
    AddProposal,
    Extension,
    GroupContextExtensionsProposal,
    GroupState,
    PreSharedKeyProposal,
    PskId,
    ReInitProposal,
    RemoveProposal,
    RequiredCapabilities,
    UpdateProposal,
    create_group,
    join,
    join_external,
    make_key_package,
)
from tests.mls.support import Rng

FILE = Path(__file__).parent / "sending_vectors.json"
NOW = 1_900_000_000
LIFETIME_S = 2_592_000
PSK = PskId.external(b"psk")


class Tape:
    """Entropy that replays and remembers what it gave."""

    def __init__(self, seed: object) -> None:
        self.rng = Rng(seed)
        self.drawn: list[str] = []

    def __call__(self, length: int) -> bytes:
        data = self.rng(length)
        self.drawn.append(data.hex())
        return data

    def cut(self) -> list[str]:
        """What was given since the last cut."""
        drawn, self.drawn = self.drawn, []
        return drawn


class Script:
    """One run; every step is written down."""

    def __init__(self, suite: int) -> None:
        self.suite = suite
        self.tape = Tape(("sending", suite))
        self.steps: list[dict[str, Any]] = []

    def note(self, step: str, state: GroupState | None, **values: object) -> None:
        entry: dict[str, Any] = {"step": step, "entropy": self.tape.cut()}
        for name, value in values.items():
            entry[name] = value.hex() if isinstance(value, bytes) else value
        if state is not None:
            entry["epoch"] = state.epoch
            entry["tree_hash"] = state.tree_hash.hex()
            entry["confirmed_transcript_hash"] = state.confirmed_transcript_hash.hex()
            entry["epoch_authenticator"] = state.epoch_authenticator.hex()
            entry["exported"] = state.export("label", b"context", 32).hex()
        self.steps.append(entry)

    def keys(self, name: str) -> Any:
        made = make_key_package(self.suite, name.encode(), self.tape, NOW, LIFETIME_S)
        self.note(
            f"key package of {name}",
            None,
            key_package=made.key_package,
            init_private=made.init_private.reveal(),
            leaf_private=made.leaf_private.reveal(),
            signature_private=made.signature_private.reveal(),
        )
        return made

    def run(self) -> dict[str, Any]:
        tape = self.tape
        ana, ben, caro, dan = (self.keys(name) for name in ("ana", "ben", "caro", "dan"))
        a = create_group(self.suite, b"sending vectors", ana, tape)
        self.note("ana creates the group", a)
        made = a.commit([AddProposal(ben.key_package), AddProposal(caro.key_package)], tape, NOW)
        self.note("ana adds ben and caro, no path", made.state, message=made.message, welcome=made.welcome)
        a, b, c = made.state, join(made.welcome or b"", ben), join(made.welcome or b"", caro)
        made = b.commit([], tape, NOW)
        self.note("ben updates", made.state, message=made.message)
        a, b, c = _after(a, made.message), made.state, _after(c, made.message)
        message, c = c.encrypt(b"text", b"authenticated", tape, padding=11)
        self.note("caro says 'text' with 11 bytes of padding", None, message=message)
        proposed = c.propose(UpdateProposal(), tape, NOW)
        self.note("caro proposes to update", None, message=proposed.message, ref=proposed.ref)
        a, b, c = _after(a, proposed.message), _after(b, proposed.message), proposed.state
        private = b.propose(AddProposal(dan.key_package), tape, NOW, private=True)
        self.note("ben proposes to add dan, private", None, message=private.message, ref=private.ref)
        a, c = _after(a, private.message), _after(c, private.message)
        made = a.commit([PreSharedKeyProposal(PSK)], tape, NOW, psks=_psks, authenticated_data=b"aad")
        self.note(
            "ana commits both, with psk 'key of psk'", made.state, message=made.message, welcome=made.welcome
        )
        a, c, d = made.state, _after(c, made.message), join(made.welcome or b"", dan, psks=_psks)
        required = (RequiredCapabilities(credentials=(1,)).extension(), Extension(1, b"application"))
        made = d.commit([GroupContextExtensionsProposal(required), RemoveProposal(1)], tape, NOW, private=True)
        self.note("dan sets extensions and removes ben, private", made.state, message=made.message)
        a, c, d = _after(a, made.message), _after(c, made.message), made.state
        info = c.group_info(external_pub=True)
        self.note("caro publishes a group info", None, group_info=info)
        entered = join_external(info, self.keys("eva"), tape, NOW)
        self.note("eva enters from outside", entered.state, message=entered.message)
        a = _after(a, entered.message)
        made = a.commit([ReInitProposal(b"next", self.suite)], tape, NOW)
        self.note("ana closes the group", made.state, message=made.message)
        return {"cipher_suite": self.suite, "now": NOW, "lifetime_s": LIFETIME_S, "steps": self.steps}


def _psks(psk: PskId) -> bytes | None:
    return b"key of psk" if psk == PSK else None


def _after(state: GroupState, message: bytes) -> GroupState:
    after = state.process(message, psks=_psks).state
    if after is None:
        raise AssertionError("nobody here is removed")
    return after


def make() -> str:
    """The file's text."""
    return json.dumps([Script(suite).run() for suite in (1, 3)], indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="utf-8")
