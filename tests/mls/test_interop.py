"""Both directions against both mls-rs bindings: each operation with every partner that offers it, in random histories.

One history holds members of all three implementations in one group. Whatever one of them does, the others must
follow: same epoch, same exporter where it is offered, every application message readable, past epochs too.
"""

from __future__ import annotations

import hmac
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chasqui.mls import AddProposal, ProposalRequest, RemoveProposal, UpdateProposal, join, own_capabilities, suite
from chasqui.mls.hpke import CHACHA20_POLY1305, Hpke
from chasqui.mls.xwing import XWing
from tests.mls.partners import AgentVault, Client, Ours, Rine
from tests.mls.support import Rng

pytest.importorskip("mls_rs_uniffi")
pytest.importorskip("rine_mls")

Matrix = Counter[tuple[str, str, str]]


class History:
    """A group of mixed members and everything that was checked in it, as (operation, by whom, read by whom)."""

    def __init__(self, seed: int, size_max: int) -> None:
        self.rng = Rng(seed)
        self.now = int(time.time())
        self.size_max = size_max
        self.count = 0
        self.members: list[Client] = []
        self.matrix: Matrix = Counter()
        self.makers: tuple[Callable[[bytes], Client], ...] = (
            lambda name: Ours(name, seed, self.now),
            AgentVault,
            lambda name: Rine(name, seed),
        )

    def new(self, kind: int | None = None) -> Client:
        self.count += 1
        return self.makers[self.rng.below(3) if kind is None else kind](b"member %d" % self.count)

    @property
    def reference(self) -> Ours:
        """One of ours that is a member; histories always keep one."""
        return next(member for member in self.members if isinstance(member, Ours))

    def pick(self, ability: str) -> Client:
        able = [member for member in self.members if ability in member.can]
        return able[self.rng.below(len(able))]

    def told(self, operation: str, by: Client, message: bytes, skip: Client | None = None) -> None:
        for member in self.members:
            if member is not by and member is not skip:
                member.process(message, by)
                self.matrix[operation, by.kind, member.kind] += 1

    def agree(self) -> None:
        values = {member.exported() for member in self.members if "export" in member.can}
        assert len(values) == 1

    def create(self, kind: int) -> None:
        founder = self.new(kind)
        founder.create(b"history!")
        self.members = [founder]
        self.add(0)

    def add(self, kind: int | None = None, many: int = 1) -> None:
        by = self.pick("add")
        new = [self.new(kind) for _ in range(many)]
        commit, welcomes = by.add([client.key_package() for client in new])
        self.told("add", by, commit)
        for client, welcome in zip(new, welcomes, strict=True):
            client.join(welcome)
            self.matrix["welcome", by.kind, client.kind] += 1
        self.members += new

    def update(self) -> None:
        by = self.pick("update")
        self.told("update", by, by.update())

    def remove(self) -> None:
        by = self.pick("remove")
        others = [member for member in self.members if member not in (by, self.reference)]
        if not others:
            return
        target = others[self.rng.below(len(others))]
        leaf = {seen.identity: seen.leaf for seen in self.reference.state.members}[target.name]
        commit = by.remove(leaf, target)
        if commit is None:
            return
        self.told("remove", by, commit, skip=target)
        self.members.remove(target)
        target.close()

    def external(self, kind: int | None = None, info: Client | None = None) -> None:
        new = self.new(kind)
        if "external" not in new.can:
            return
        info = info or self.pick("group_info")
        self.matrix["group info", info.kind, new.kind] += 1
        self.told("external", new, new.join_external(info.group_info()))
        self.members.append(new)

    def talk(self) -> None:
        by = self.pick("app")
        sent = by.encrypt(b"hello")
        for member in self.members:
            if member is not by:
                assert member.decrypt(sent, by) == b"hello"
                self.matrix["message", by.kind, member.kind] += 1

    def talk_late(self) -> None:
        """A message of the epoch before, read after a commit."""
        by = self.pick("app")
        sent = by.encrypt(b"late")
        self.update()
        for member in self.members:
            if member is not by:
                assert member.decrypt(sent, by) == b"late"
                self.matrix["past epoch", by.kind, member.kind] += 1

    def step(self) -> None:
        size = len(self.members)
        choice = self.rng.below(12)
        if choice < 3 and size < self.size_max:
            self.add(many=1 + self.rng.below(3))
        elif choice < 4 and size < self.size_max:
            self.external()
        elif choice < 6 and size > 3:
            self.remove()
        elif choice < 9:
            self.update()
        elif choice < 11:
            self.talk()
        else:
            self.talk_late()
        self.agree()


def table(matrix: Matrix) -> str:
    """Operation by sender, counted per receiver."""
    kinds = ("chasqui", "agentvault", "rine")
    lines = [f"{'operation':12}{'by':12}" + "".join(f"{kind:>12}" for kind in kinds)]
    for operation, by in sorted({(operation, by) for operation, by, _ in matrix}):
        cells = "".join(f"{matrix[operation, by, kind]:12}" for kind in kinds)
        lines.append(f"{operation:12}{by:12}{cells}")
    return "\n".join(lines)


@pytest.fixture
def histories() -> Iterator[list[History]]:
    made: list[History] = []
    yield made
    for history in made:
        for member in history.members:
            member.close()


def run(histories: list[History], seed: int, size_max: int, steps: int) -> Matrix:
    history = History(seed, size_max)
    histories.append(history)
    history.create(seed % 3)
    for number in range(steps):
        try:
            history.step()
        except Exception as error:
            raise AssertionError(f"seed {seed}, step {number}, {len(history.members)} members") from error
    return history.matrix


Record = Callable[[str, object], None]
"""pytest's record_property; `conftest.py` prints what is recorded under this name."""


def test_each_operation_with_every_partner(histories: list[History], record_property: Record) -> None:
    matrix: Matrix = Counter()
    for seed in range(3):
        matrix += run(histories, seed, 10, 60)
        history = histories[-1]
        history.add(2)
        rine = next(member for member in history.members if isinstance(member, Rine))
        before = Counter(history.matrix)
        for kind in (0, 2):  # ours and theirs, each by the other's group info and by their own
            for info in (history.reference, rine):
                history.external(kind, info)
                history.agree()
        matrix += history.matrix - before
    record_property("interoperability matrix", table(matrix))
    ours_to_them = {(operation, receiver) for operation, by, receiver in matrix if by == "chasqui"}
    for operation in ("add", "welcome", "update", "remove", "external", "message", "past epoch"):
        for partner in ("agentvault", "rine"):
            assert (operation, partner) in ours_to_them, (operation, partner)
    assert ("group info", "rine") in ours_to_them
    theirs_to_us = {(operation, by) for operation, by, receiver in matrix if receiver == "chasqui"}
    for partner, operations in (
        ("agentvault", ("add", "welcome", "update", "remove", "message", "past epoch")),
        ("rine", ("add", "welcome", "remove", "external", "group info", "message", "past epoch")),
    ):
        for operation in operations:
            assert (operation, partner) in theirs_to_us, (operation, partner)


def test_proposals_by_reference_with_agentvault() -> None:
    """rine refuses proposals that travel alone; agentvault makes and takes them."""
    now = int(time.time())
    ana, ben, caro = (Ours(name, "refs", now) for name in (b"ana", b"ben", b"caro"))
    other, newcomer = AgentVault(b"other"), AgentVault(b"newcomer")
    ana.create(b"by reference")
    _, welcomes = ana.add([ben.key_package(), other.key_package()])
    ben.join(welcomes[0])
    other.join(welcomes[1])
    members: list[Client] = [ana, ben, other]

    def tell(message: bytes, by: Client, skip: Client | None = None) -> None:
        for member in members:
            if member not in (by, skip):
                member.process(message, by)

    # they propose, we commit
    wrapped = other.rs.Message.from_bytes(b"\0\1\0\5" + newcomer.key_package())
    for proposal in other.group.propose_add_members([wrapped]):
        for member in (ana, ben):
            member.propose_received(proposal.to_bytes())
    made = ana.state.commit([], ana.entropy, now)
    assert made.welcome is not None
    ana._adopt(made.state)
    tell(made.message, ana)
    newcomer.join(made.welcome)
    members.append(newcomer)
    assert len({member.exported() for member in members}) == 1
    # we propose (an Update among others), they commit
    rounds: list[list[ProposalRequest]] = [
        [UpdateProposal(ben.entropy(32))],
        [AddProposal(caro.key_package()), UpdateProposal()],
    ]
    for requests in rounds:
        for request in requests:
            proposed = ben.state.propose(request, ben.entropy, now)
            ben._state = proposed.state
            for receiver in (ana, other, newcomer):
                receiver.propose_received(proposed.message)
        output = other.group.commit()
        other.group.process_incoming_message(output.commit_message)
        tell(output.commit_message.to_bytes(), other)
        if output.welcome_message is not None:
            caro.join(output.welcome_message.to_bytes())
            members.append(caro)
        assert len({member.exported() for member in members}) == 1
    # they propose a removal, we commit it
    ana.process(other_update := other.update(), other)
    tell(other_update, other, skip=ana)
    newcomer_identity = newcomer.client.signing_identity()
    for proposal in other.group.propose_remove_members([newcomer_identity]):
        for receiver in (ana, ben, caro, newcomer):
            receiver.propose_received(proposal.to_bytes())
    made = caro.state.commit([], caro.entropy, now)
    caro._adopt(made.state)
    members.remove(newcomer)
    tell(made.message, caro)
    assert len({member.exported() for member in members}) == 1


def test_welcome_without_a_tree_with_agentvault() -> None:
    now = int(time.time())
    ana, other = Ours(b"ana", "no tree", now), AgentVault(b"other")
    ana.create(b"no tree")
    made = ana.state.commit([AddProposal(other.key_package())], ana.entropy, now, welcome_tree=False)
    assert made.welcome is not None
    ana._adopt(made.state)
    tree = other.rs.RatchetTree(bytes=made.state.ratchet_tree())
    other.group = other.client.join_group(tree, other.rs.Message.from_bytes(made.welcome)).group
    assert other.exported() == ana.exported()
    ben = Ours(b"ben", "no tree", now)
    commit, welcomes = other.add([ben.key_package()])
    ana.process(commit, other)
    assert ben.waiting is not None
    ben._state = join(welcomes[0], ben.waiting, tree=bytes(other.group.export_tree().bytes))
    assert ben.exported() == ana.exported()


def test_private_handshakes_with_both() -> None:
    """Both read commits of ours that travel encrypted."""
    now = int(time.time())
    ana = Ours(b"ana", "private", now)
    others: list[Client] = [AgentVault(b"vault"), Rine(b"rine", "private"), Ours(b"ben", "private", now)]
    ana.create(b"private")
    _, welcomes = ana.add([other.key_package() for other in others])
    for other, welcome in zip(others, welcomes, strict=True):
        other.join(welcome)
    for padding in (0, 100):
        made = ana.state.commit([], ana.entropy, now, private=True, padding=padding)
        ana._adopt(made.state)
        for other in others:
            other.process(made.message, ana)
        sent = ana.encrypt(b"text")
        assert [other.decrypt(sent, ana) for other in others] == [b"text"] * 3
    others[1].close()


def test_removed_and_added_again_in_one_commit() -> None:
    now = int(time.time())
    ana, ben = (Ours(name, "again", now) for name in (b"ana", b"ben"))
    others: list[Client] = [AgentVault(b"vault"), Rine(b"rine", "again")]
    ana.create(b"again")
    _, welcomes = ana.add([client.key_package() for client in (ben, *others)])
    for client, welcome in zip((ben, *others), welcomes, strict=True):
        client.join(welcome)
    requests: list[ProposalRequest] = [RemoveProposal(1), AddProposal(ben.key_package())]
    made = ana.state.commit(requests, ana.entropy, now)
    assert made.welcome is not None
    ana._adopt(made.state)
    for other in others:
        other.process(made.message, ana)
    ben.join(made.welcome)
    sent = ben.encrypt(b"back")
    assert [client.decrypt(sent, ben) for client in (ana, *others)] == [b"back"] * 3
    others[1].close()


def test_x_wing_with_rine(monkeypatch: pytest.MonkeyPatch) -> None:
    """rine's suite 0xf057 is ours 0xf04d but for two things: in HPKE the KEM id is the number of the suite, and
    DeriveKeyPair begins with the extraction that RFC 9180 has for other KEMs (mls-rs does so before any KEM)."""

    class RineKem(XWing):
        kem_id = 0xF057  # type: ignore[misc]

        def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
            return super().derive_key_pair(hmac.digest(b"", b"HPKE-v1KEM\xf0\x57dkp_prk" + ikm, "sha256"))

    crypto = suite.Crypto(0xF057, Hpke(RineKem(), CHACHA20_POLY1305))
    monkeypatch.setitem(suite._CRYPTO, 0xF057, crypto)
    now = int(time.time())
    rine, external = (Rine(name, name, 0xF057) for name in (b"first", b"last"))
    ana, ben = (Ours(name, 1, now, 0xF057) for name in (b"ana", b"ben"))
    for client in (ana, ben):
        client.capabilities = replace(own_capabilities(), cipher_suites=(0xF057,))
    try:
        rine.create(b"x-wing")
        commit, welcomes = rine.add([ana.key_package()])
        ana.join(welcomes[0])
        commit, welcomes = ana.add([ben.key_package()])
        rine.process(commit, ana)
        ben.join(welcomes[0])
        update = ben.update()
        for member in (rine, ana):
            member.process(update, ben)
        commit = external.join_external(ana.group_info())
        for member in (rine, ana, ben):
            member.process(commit, external)
        assert ana.exported() == ben.exported()
        sent = ben.encrypt(b"text")
        assert [member.decrypt(sent, ben) for member in (rine, ana, external)] == [b"text"] * 3
        sent = external.encrypt(b"back")
        assert [member.decrypt(sent, external) for member in (rine, ana, ben)] == [b"back"] * 3
    finally:
        rine.close()
        external.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 16))
def test_long_histories(histories: list[History], seed: int, record_property: Record) -> None:
    record_property("interoperability matrix", table(run(histories, seed, 64, 300)))
