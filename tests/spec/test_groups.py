"""The MUSTs of docs/spec/groups.md: bodies byte by byte, the rest asked of nodes whom somebody lies to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import msgspec
import pytest
from msgspec import structs

from chasqui import mls
from chasqui.base.errors import PeerError, RefusedForSafetyError, UserError
from chasqui.base.ids import NO_GROUP, EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.schema import encode
from chasqui.groups.bodies import ManifestBody, PartBody, WelcomeBody, read_manifest
from chasqui.groups.history import arrange
from chasqui.groups.membership import cites, members
from chasqui.groups.operation import Add, Genesis, Operation, Remove, Role, encode_change, group_id_of, read_operation
from chasqui.mls.extensions import own_capabilities
from chasqui.mls.leaf import LeafTemplate
from chasqui.node import inputs
from chasqui.node.changes import add_member, carry_out, issue
from chasqui.node.effects import Persist
from chasqui.node.groups import history_of, load_group, roster_of
from chasqui.node.inbox import Received
from chasqui.node.pairing import take_spare
from chasqui.node.records import CommitRecord, EpochRecord, GroupRecord, InvitationRecord, Space
from chasqui.node.views import list_contacts
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject, parse_whole
from tests.node.hostile import fresh, head, keep, mls_state, utter, utter_commit, utter_object
from tests.node.world import Person, make_group, meet, pair


def people(*names: str) -> list[Person]:
    return [Person(name) for name in names]


def tree(person: Person, group: GroupId) -> set[bytes]:
    return {key for _, key in head(person, group)[1].roster}


def leaf(person: Person, group: GroupId, member: bytes) -> int:
    return next(at for at, key in head(person, group)[1].roster if key == member)


def applied(person: Person, group: GroupId) -> int:
    """How many commits were applied."""
    return len(list(person.tx().load_prefix(Space.COMMIT, group, CommitRecord)))


def cut_out(person: Person, group: GroupId, member: bytes) -> bytes:
    """The MLS message of a commit that removes somebody, made by whoever likes."""
    request = mls.RemoveProposal(leaf(person, group, member))
    return mls_state(person, group).commit((request,), person.entropy, person.now_s).message


# -- operations ---------------------------------------------------------------------------------------------


GROUP = GroupId(b"g" * 16)


def signed(body: object, group: GroupId = GROUP) -> SignedObject:
    """An operation object, whose signature nobody asks for here."""
    origin = Origin(EpochId(bytes(16)), 0, 0)
    data = msgspec.msgpack.encode(body)
    return SignedObject(group, MemberKey(b"a" * 32), 1, 0, Kind.OP, data, b"", origin, bytes(64))


ID, OTHER, KEY = b"\1" * 16, b"\2" * 16, b"k" * 32


@pytest.mark.must("M-GRP-1")
def test_operations_as_arrays() -> None:
    assert encode_change(Genesis(1, 3, "n", ID, 60, 2, 1)) == msgspec.msgpack.encode([0, 1, 3, "n", ID, 60, 2, 1])
    assert encode_change(Add((ID,), KEY, KEY, 2)) == msgspec.msgpack.encode([1, [ID], KEY, KEY, 2])
    assert encode_change(Remove((ID,), KEY, 7, 2)) == msgspec.msgpack.encode([2, [ID], KEY, 7, 2])
    assert read_operation(signed([0, 1, 3, "n", ID, 60, 2, 1], NO_GROUP))
    assert read_operation(signed([1, [ID, OTHER], KEY, KEY, 2]))
    assert read_operation(signed([2, [ID], KEY, 0, 2]))
    assert read_operation(signed([2, [ID], b"a" * 32, 0, 1]))
    for good in ([3, [ID], KEY, 1], [4, [ID], KEY], [5, [ID], KEY, 9], [6, [ID], KEY], [7, [ID], OTHER]):
        assert encode_change(read_operation(signed(good)).change) == msgspec.msgpack.encode(good)
    for bad in (
        [1, [], KEY, KEY, 2],
        [1, [OTHER, ID], KEY, KEY, 2],
        [1, [ID, ID], KEY, KEY, 2],
        [1, [ID[:15]], KEY, KEY, 2],
        [1, [bytes((n,)) * 16 for n in range(17)], KEY, KEY, 2],
        [1, [ID], KEY[:31], KEY, 2],
        [1, [ID], KEY, KEY[:31], 2],
        [1, [ID], KEY, KEY, 3],
        [1, [ID], KEY, KEY, 2, 0],
        [2, [ID], KEY, 0, 1],
        [2, [ID], b"a" * 32, 0, 2],
        [2, [ID], KEY, 0, 4],
        [2, [ID], b"a" * 32, 0, 3],
        [3, [ID], b"a" * 32, 1],
        [3, [ID], KEY, 0],
        [4, [ID], KEY[:31]],
        [5, [ID], b"a" * 32, 9],
        [6, [ID], b"a" * 32],
        [7, [ID], KEY],
        [0, 1, 3, "n", ID, 60, 2, 1],
    ):
        with pytest.raises(PeerError):
            read_operation(signed(bad))
    for group, body in ((NO_GROUP, [0, 3, 3, "n", ID, 60, 2, 1]), (NO_GROUP, [1, [ID], KEY, KEY, 2])):
        with pytest.raises(PeerError):
            read_operation(signed(body, group))


@pytest.mark.must("M-GRP-2")
def test_the_group_is_named_by_its_genesis() -> None:
    (ana,) = people("ana")
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    ((_, whole),) = list(ana.tx().scan_prefix(Space.OPERATION, group))
    genesis = parse_whole(whole, NO_GROUP).verified()
    named = blake2b(genesis.author + genesis.signed_bytes(), person=b"chq1 group id", digest_size=16).digest()
    assert group == group_id_of(genesis) == named == mls_state(ana, group).group_id


def op(name: str, issuer: str, change: Any) -> Operation:
    """An operation for the pure function, named as it likes; ids are the names."""
    thing = signed([0, 1, 3, "n", ID, 60, 2, 1], NO_GROUP)
    return Operation(ObjectId(name.encode().ljust(16)), key(issuer), 1, 0, change, thing)


def key(name: str) -> MemberKey:
    return MemberKey(name.encode().ljust(32))


def add(name: str, issuer: str, member: str, *heads: str, role: Role = Role.ADMIN) -> Operation:
    cited = tuple(sorted(h.encode().ljust(16) for h in heads))
    return op(name, issuer, Add(cited, key(member), KEY, role))


def remove(name: str, issuer: str, member: str, *heads: str) -> Operation:
    cited = tuple(sorted(h.encode().ljust(16) for h in heads))
    return op(name, issuer, Remove(cited, key(member), 0, 1 if issuer == member else 2))


FOUNDED = op("0", "ana", Genesis(1, 3, "n", ID, 0, 2, 1))
BEN, CARO = add("1", "ana", "ben", "0"), add("2", "ana", "caro", "1", role=Role.MEMBER)
CARO_ = add("1", "ana", "caro", "0", role=Role.MEMBER)  # the only one beside the founder
CASES: list[tuple[str, list[Operation], str, str]] = [
    ("1 a member may not add", [BEN, CARO, add("3", "caro", "dora", "2")], "ana ben caro", ""),
    ("1 a member may not remove", [BEN, CARO, remove("3", "caro", "ana", "2")], "ana ben caro", ""),
    ("1 everyone may leave", [BEN, CARO, remove("3", "caro", "caro", "2")], "ana ben", ""),
    ("1 rights of the past only", [BEN, remove("2", "ben", "ana", "0")], "ana ben", ""),
    ("2 a key never comes back", [BEN, remove("2", "ana", "ben", "1"), add("3", "ana", "ben", "2")], "ana", ""),
    (
        "3 added while its issuer was removed",
        [BEN, remove("2", "ana", "ben", "1"), add("3", "ben", "dora", "1"), add("4", "dora", "ed", "3")],
        "ana",
        "3 4",
    ),
    ("3 removals stand", [BEN, CARO, remove("3", "ana", "ben", "2"), remove("4", "ben", "caro", "2")], "ana", ""),
    ("3 each other", [BEN, CARO, remove("3", "ana", "ben", "2"), remove("4", "ben", "ana", "2")], "caro", ""),
    ("4 the first is admin", [CARO_, remove("3", "ana", "ana", "1"), add("4", "caro", "dora", "3")], "caro dora", ""),
]  # fmt: skip


@pytest.mark.must("M-GRP-3")
@pytest.mark.parametrize(("what", "operations", "expected", "void"), CASES, ids=[case[0] for case in CASES])
def test_who_is_a_member(what: str, operations: list[Operation], expected: str, void: str) -> None:
    for order in itertools.permutations([FOUNDED, *operations]):
        roster = members(arrange(order))
        assert roster.members == {key(name) for name in expected.split()}, what
        assert {v.strip().decode() for v in roster.void} == set(void.split())


@pytest.mark.must("M-GRP-3")
def test_a_contact_never_grows() -> None:
    founded = op("0", "ana", Genesis(2, 3, "", ID, 0, 1, 1))
    more = add("2", "ana", "caro", "1")
    assert members(arrange([founded, BEN, more])).members == {key("ana"), key("ben")}


@pytest.mark.must("M-GRP-4")
def test_an_operation_cites_all_that_nobody_cites() -> None:
    ana, ben, caro, dora = people("ana", "ben", "caro", "dora")
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, pair(ana, ben), Role.ADMIN))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    ana.do(inputs.AddMember(group, pair(ana, caro), Role.MEMBER))
    ben.do(inputs.AddMember(group, pair(ben, dora), Role.MEMBER))
    ben.sync(ana)
    loose = set(history_of(ana.tx(), group).heads)
    assert len(loose) == 2
    third = members(history_of(ana.tx(), group)).seats[2].member
    ana.do(inputs.RemoveMember(group, third))
    (last,) = history_of(ana.tx(), group).heads
    change = {o.id: o.change for o in history_of(ana.tx(), group).order}[last]
    assert isinstance(change, Remove)
    assert set(change.heads) == loose


# -- commits ------------------------------------------------------------------------------------------------


@pytest.mark.must("M-COM-1", "M-COM-4")
def test_a_commit_does_what_its_operations_say_and_nothing_else() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    before = head(ana, group)
    victim = cut_out(ben, group, caro.key(group))
    forged = [
        utter_commit(ben, group, victim),  # removes without an operation
        utter_commit(ben, group, b"no commit"),
    ]
    renewal = mls_state(ben, group).commit((), ben.entropy, ben.now_s, path=True).message
    forged.append(utter_commit(caro, group, renewal))  # signed by one, made by another
    assert ana.do(inputs.TakeBundles(tuple(forged))).refused == 3
    assert head(ana, group) == before
    assert ana.do(inputs.TakeBundles((utter_commit(ben, group, renewal),))).new == 1
    assert head(ana, group)[1].parent == before[0]


@pytest.mark.must("M-GRP-5")
def test_of_operations_without_a_right_or_a_past_few_are_kept() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    known = history_of(ana.tx(), group)
    bundle = utter(ben, group, Kind.OP, encode_change(Remove(known.heads, caro.key(group), 0, 2)))
    before = ana.show(group)
    assert ana.do(inputs.TakeBundles((bundle,))).new == 1
    assert ana.show(group).state == before.state
    assert caro.key(group) in roster_of(ana.tx(), group).members
    ours = cites(history_of(ana.tx(), group), ana.key(group))
    assert ours == known.heads
    unknown = tuple(
        utter(ben, group, Kind.OP, encode_change(Remove((bytes((n,)) * 16,), caro.key(group), 0, 2))) for n in range(18)
    )
    received = ana.do(inputs.TakeBundles(unknown))
    assert (received.new, received.refused) == (15, 3)
    assert len(history_of(ana.tx(), group).order) == len(known.order) + 1


@pytest.mark.must("M-COM-2")
def test_a_commit_of_an_operation_that_does_not_count() -> None:
    ana, ben, caro, dora = people("ana", "ben", "caro", "dora")
    contacts = [pair(ana, ben), pair(ana, caro)]
    spares = pair(ben, dora)
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    for contact, person, role in zip(contacts, (ben, caro), (Role.ADMIN, Role.MEMBER), strict=True):
        ana.do(inputs.AddMember(group, contact, role))
        meet(ana, ben, caro)
        person.do(inputs.JoinGroup(group))
    meet(ana, ben, caro)
    tx = ben.tx()  # Ben adds Dora while Ana removes him: void
    spare = take_spare(tx, spares)
    assert spare is not None
    package = mls.read_key_package(spare)
    heads = history_of(tx, group).heads
    added, addition = utter_object(
        ben, group, Kind.OP, encode_change(Add(heads, package.signature_key, package.ref, Role.MEMBER))
    )
    ana.do(inputs.TakeBundles((addition,)))
    tx = ana.tx()
    change = Remove(heads, ben.key(group), 0, 2)
    removed, _ = issue(tx, group, load_group(tx, group), change)
    keep(ana, tx)
    before, tx = set(ana.held()), ana.tx()
    proposals = (mls.RemoveProposal(leaf(ana, group, ben.key(group))), mls.AddProposal(spare))
    carry_out(tx, group, load_group(tx, group), (removed.id, added.id), proposals)
    keep(ana, tx)
    commit = fresh(ana, before)
    operations = tuple(bundle for bundle in ana.held() if bundle not in commit)
    caro.do(inputs.TakeBundles(operations))
    assert caro.show(group).void
    assert caro.do(inputs.TakeBundles(commit)).refused == 1
    assert package.signature_key not in tree(caro, group)


@pytest.mark.must("M-COM-2")
def test_a_commit_that_keeps_somebody_whom_its_past_removes() -> None:
    ana, ben, caro, dora = people("ana", "ben", "caro", "dora")
    group = make_group(ana, ben, caro)
    contact = pair(ana, dora)
    before, tx = set(ana.held()), ana.tx()
    record, history = load_group(tx, group), history_of(tx, group)
    change = Remove(tuple(history.heads), caro.key(group), 0, 2)
    _, record = issue(tx, group, record, change)
    spare = take_spare(tx, contact)
    assert spare is not None
    package = mls.read_key_package(spare)
    history = history_of(tx, group)
    added, record = issue(
        tx, group, record, Add(tuple(history.heads), package.signature_key, package.ref, Role.MEMBER)
    )
    carry_out(tx, group, record, (added.id,), (mls.AddProposal(spare),))
    keep(ana, tx)
    received = ben.do(inputs.TakeBundles(tuple(sorted(fresh(ana, before), key=len))))
    assert (received.new, received.refused) == (2, 1)
    assert package.signature_key not in tree(ben, group)


@pytest.mark.must("M-COM-3")
def test_a_commit_waits_for_its_operation_across_a_restart() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    operation, commit = sorted(fresh(ana, before), key=len)
    assert ben.do(inputs.TakeBundles((commit,))).new == 1
    ben.restart()
    assert caro.key(group) in tree(ben, group)
    with pytest.raises(RefusedForSafetyError) as held_up:
        ben.do(inputs.SendText(group, "is he out?"))
    assert f"ana ({ana.key(group).hex()[:8]})" in held_up.value.todo, "an admin can hold up all; so he is named"
    ben.do(inputs.TakeBundles((operation,)))
    assert caro.key(group) not in tree(ben, group)


@pytest.mark.must("M-COM-5")
def test_operation_and_commit_are_one_transaction() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    effects = ana.node.step(inputs.RemoveMember(group, caro.key(group)), ana.now_s)
    persists = [effect for effect in effects if isinstance(effect, Persist)]
    assert len(persists) == 1
    spaces = [write.space for write in persists[0].writes]
    assert {Space.OPERATION, Space.COMMIT, Space.EPOCH} <= set(spaces)
    assert spaces.count(Space.BUNDLE) == 2
    ana.restart()  # it was not made durable, so the node that did it is thrown away
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    operation = max(history_of(ana.tx(), group).order, key=lambda o: o.seq if o.issuer == ana.key(group) else 0)
    record = ana.tx().load(Space.GROUP, group, GroupRecord)
    assert record is not None
    assert isinstance(operation.change, Remove)
    assert record.seq == operation.seq + 1


@pytest.mark.must("M-COM-6", "M-COM-13")
def test_nothing_is_sealed_to_somebody_whom_we_know_to_be_removed() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    ana.do(inputs.SendText(group, "something to sign for"))
    ben.do(inputs.Tick())
    before = set(ana.held())
    texts = tuple(ana.held())
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    operation = min(fresh(ana, before), key=len)
    ben.do(inputs.TakeBundles((*texts, operation)))
    held = set(ben.held())
    ben.now_s += 1  # the second of a sweep is everybody's turn
    tx = ben.tx()
    tx.put(Space.DUE, group, ben.now_s.to_bytes(8, "big"))
    keep(ben, tx)
    ben.do(inputs.Tick())
    assert set(ben.held()) == held, "not even a receipt"
    assert caro.key(group) in tree(ben, group)
    known, old = ben.store.after_crash(), head(ben, group)[0]
    for event in (inputs.SendText(group, "yes"), inputs.SendFile(group, "f", b"yes"), inputs.Flush()):
        ben.store = known.after_crash()
        ben.restart()
        ben.do(event)
        assert caro.key(group) not in tree(ben, group)
        assert head(ben, group)[1].parent == old
        said = fresh(ben, held)
        assert len(said) > 1, "a commit first, then the rest"
        caro.do(inputs.TakeBundles((*said, operation)))
        assert not caro.read(group).messages[1:]


@pytest.mark.must("M-COM-7")
def test_a_sibling_is_noticed_and_followed_as_a_branch_of_its_own() -> None:
    ana, ben, caro, dora = people("ana", "ben", "caro", "dora")
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, pair(ana, ben), Role.ADMIN))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    meet(ana, ben)
    ana.do(inputs.AddMember(group, pair(ana, caro), Role.MEMBER))
    contact, before = pair(ben, dora), set(ben.held())
    ben.do(inputs.AddMember(group, contact, Role.MEMBER))
    sibling = fresh(ben, before)
    mine, theirs = head(ana, group)[0], head(ben, group)[0]
    before = set(ben.held())
    ben.do(inputs.SendText(group, "on the other branch"))
    ana.do(inputs.TakeBundles((*fresh(ben, before), *sibling)))
    assert {epoch for epoch, record in epochs(ana, group) if record.parent == head(ana, group)[1].parent} == {
        mine,
        theirs,
    }
    assert ana.texts(group) == ["on the other branch"]
    for _ in range(2):
        view = ana.show(group)
        assert view.state == "fork-pending"
        assert [set(fork.committers) for fork in view.forks] == [{ana.key(group), ben.key(group)}]
        ana.restart()


@pytest.mark.must("M-COM-7", "M-COM-12")
def test_of_one_committer_and_parent_two_commits_are_applied_in_a_day() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    states = [mls_state(ben, group).commit((), ben.entropy, ben.now_s, path=True).message for _ in range(4)]
    bundles = tuple(utter_commit(ben, group, message) for message in states)
    received = ana.do(inputs.TakeBundles(bundles))
    assert (received.new, received.refused) == (4, 0)
    assert applied(ana, group) == 2 + 2  # two additions before
    assert len(list(ana.tx().scan_prefix(Space.HELD, group))) == 2
    assert ana.show(group).state == "fork-pending"
    assert ana.show(group).forks[0].by_one_member
    ana.now_s += 86_400
    ana.do(inputs.Tick())
    assert applied(ana, group) == 2 + 4
    assert not list(ana.tx().scan_prefix(Space.HELD, group))


@pytest.mark.must("M-COM-12")
def test_few_commits_of_one_member_are_applied_while_nothing_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    start, before = applied(ana, group), set(ben.held())
    known = ana.store.after_crash()
    for _ in range(34):
        tx = ben.tx()
        carry_out(tx, group, load_group(tx, group), (), ())
        keep(ben, tx)
    renewals = fresh(ben, before)
    for limit, taken in ((64, 32), (5, 5)):
        monkeypatch.setattr("chasqui.node.commits.COMMITS_A_DAY_MAX", limit)
        ana.store = known.after_crash()
        ana.restart()
        for renewal in renewals:
            ana.do(inputs.TakeBundles((renewal,)))
        assert applied(ana, group) - start == taken
    ana.now_s += 86_400
    ana.do(inputs.Tick())
    assert applied(ana, group) - start == 10


@pytest.mark.must("M-COM-3", "M-COM-12")
def test_what_waits_for_its_pace_alone_silences_nobody() -> None:
    ana, ben, caro, dora = people("ana", "ben", "caro", "dora")
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    for person, role in ((ben, Role.ADMIN), (caro, Role.MEMBER), (dora, Role.MEMBER)):
        ana.do(inputs.AddMember(group, pair(ana, person), role))
        meet(ana, ben, caro, dora)
        person.do(inputs.JoinGroup(group))
    meet(ana, ben, caro, dora)
    renewals = [mls_state(ben, group).commit((), ben.entropy, ben.now_s, path=True).message for _ in range(2)]
    removal = cut_out(ben, group, dora.key(group))
    heads = tuple(history_of(ben.tx(), group).heads)
    signed, operation = utter_object(ben, group, Kind.OP, encode_change(Remove(heads, dora.key(group), 0, 2)))
    waits = utter_commit(ben, group, removal, (signed.id,))
    caro.do(inputs.TakeBundles((operation, *(utter_commit(ben, group, message) for message in renewals))))
    known = caro.store.after_crash()
    for bundles in ((), (waits,)):
        caro.store = known.after_crash()
        caro.restart()
        caro.do(inputs.TakeBundles(bundles))
        assert len(list(caro.tx().scan_prefix(Space.HELD, group))) == len(bundles)
        caro.do(inputs.SendText(group, "on we go"))
        assert dora.key(group) not in tree(caro, group)


@pytest.mark.must("M-COM-7")
def test_what_has_not_the_form_of_a_commit_raises_no_alarm() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    foreign = mls_state(ben, pair(ben, Person("eve"))).commit((), ben.entropy, ben.now_s, path=True).message
    other = mls_state(caro, group).commit((), caro.entropy, caro.now_s, path=True).message
    proposal = mls_state(ben, group).propose(mls.UpdateProposal(), ben.entropy, ben.now_s).message
    bundles = tuple(utter_commit(ben, group, message) for message in (b"junk", foreign, other, proposal))
    contact = pair(ana, Person("dora"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))  # the parent of all these has a child now
    assert ana.do(inputs.TakeBundles(bundles)).refused == 4
    assert ana.show(group).state == "current"


@pytest.mark.must("M-COM-3")
def test_few_commits_of_one_member_wait() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    bundles = tuple(utter_commit(ben, group, b"never read", (bytes((n,)) * 16,)) for n in range(18))
    received = ana.do(inputs.TakeBundles(bundles))
    assert (received.new, received.refused) == (16, 2)
    assert len(list(ana.tx().scan_prefix(Space.HELD, group))) == 16


@pytest.mark.must("M-COM-9")
def test_nobody_puts_a_large_leaf_into_the_tree() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    for size, taken in ((1100, 0), (600, 1)):
        state = mls_state(ben, group)
        template = LeafTemplate(
            mls.Credential.basic(b"ben"), own_capabilities((0xF000,)), (mls.Extension(0xF000, bytes(size)),)
        )
        message = state.commit((), ben.entropy, ben.now_s, path=True, leaf=template).message
        assert ana.do(inputs.TakeBundles((utter_commit(ben, group, message),))).new == taken


# -- epochs -------------------------------------------------------------------------------------------------


def epochs(person: Person, group: GroupId) -> Iterator[tuple[bytes, EpochRecord]]:
    yield from person.tx().load_prefix(Space.EPOCH, group, EpochRecord)


@pytest.mark.must("M-EPO-1")
def test_a_tip_is_whole_an_unsettled_parent_retained_a_settled_one_empty() -> None:
    crowd = ana, ben, caro, dora = people("ana", "ben", "caro", "dora")
    group = make_group(*crowd)
    for person in crowd:
        person.now_s += 72 * 3600  # who was let in cannot sign for the commit that let him in
    meet(*crowd)
    for person in crowd:
        person.now_s += 31 * 86_400
        person.do(inputs.Tick())
    old = head(ana, group)[0]
    assert [epoch for epoch, record in epochs(ana, group) if record.mls_state] == [old]
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    for person in (ben, dora):
        person.do(inputs.TakeBundles(tuple(ana.held())))
    for person in (ana, ben):
        kept = {epoch: record.mls_state for epoch, record in epochs(person, group) if record.mls_state}
        assert kept.keys() == {old, head(person, group)[0]}
        assert mls.GroupState.from_bytes(kept[old]).is_retained_parent
        assert not mls_state(person, group).is_retained_parent
    meet(ana, ben, dora)
    for person in (ana, ben):
        record = load_group(person.tx(), group)
        assert record.root == record.head
        assert dict(epochs(person, group))[old].mls_state, "siblings that come late are still followed"
        person.now_s += 31 * 86_400
        person.do(inputs.Tick())
        assert not dict(epochs(person, group))[old].mls_state


@pytest.mark.must("M-EPO-2")
@pytest.mark.parametrize("leaves", [False, True])
def test_who_is_out_keeps_no_key(leaves: bool) -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    ana.do(inputs.SendText(group, "read before"))
    ana.sync(ben, caro)
    old = [epoch for epoch, _ in epochs(caro, group)]
    if leaves:
        caro.do(inputs.LeaveGroup(group))
    else:
        ana.do(inputs.RemoveMember(group, caro.key(group)))
        ana.sync(caro)
    assert not list(epochs(caro, group))
    for epoch in old:
        assert not list(caro.tx().scan_prefix(Space.CHAIN, epoch))
        assert not list(caro.tx().scan_prefix(Space.SKIPPED, epoch))
    record = caro.tx().load(Space.GROUP, group, GroupRecord)
    assert record is not None
    assert record.signing_key == b""
    assert caro.texts(group) == ["read before"]


@pytest.mark.must("M-EPO-3")
def test_retention_counts_from_the_first_sight() -> None:
    ana, ben = people("ana", "ben")
    contact = pair(ana, ben)
    group: GroupId = ana.do(inputs.CreateGroup("relief", 6 * 3600))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    ana.do(inputs.SendText(group, "soon gone"))
    for person in (ana, ben):
        person.now_s += 5 * 3600  # the stick takes its time
    ana.sync(ben)
    for hours, there in ((5, ["soon gone"]), (2, [])):
        ben.now_s += hours * 3600
        ben.do(inputs.Tick())
        assert ben.texts(group) == there
    assert not ben.read(group).gaps


# -- joining ------------------------------------------------------------------------------------------------


def invited(ana: Person, ben: Person, contact: GroupId, group: GroupId, changes: dict[str, Any]) -> int:
    """A welcome with some fields changed, on its way to Ben: how many bundles he took in."""
    tx = ana.tx()
    spare = take_spare(tx, contact)
    assert spare is not None
    body = add_member(tx, group, spare, Role.MEMBER).welcome
    keep(ana, tx)
    changed = structs.replace(body, **{name: make(body) for name, make in changes.items()})
    received: Received = ben.do(inputs.TakeBundles((utter(ana, contact, Kind.WELCOME, encode(changed)),)))
    return received.new


@pytest.mark.must("M-JOI-1", "M-JOI-2")
@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, 1),
        ({"group": lambda body: bytes(16)}, 0),
        ({"operations": lambda body: body.operations[1:]}, 0),
        ({"operations": lambda body: (body.operations[0], body.operations[-1])}, 0),
        ({"operations": lambda body: (*body.operations[:-1], body.operations[-1][:-1] + b"\0")}, 0),
        ({"inviter": lambda body: KEY}, 0),
    ],
)
def test_what_an_invitation_needs(changes: dict[str, Any], taken: int) -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    contact, other = pair(ana, ben), pair(ana, caro)
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, other, Role.MEMBER))
    assert invited(ana, ben, contact, group, changes) == taken
    assert (ben.store.get(Space.INVITATION, group) is not None) is bool(taken)


@pytest.mark.must("M-JOI-1", "M-JOI-2")
def test_an_invitation_comes_from_the_contact_who_has_our_key_package() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    shared, third = make_group(ana, ben), pair(caro, ben)
    contact = list_contacts(ana.tx())[0].id
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    tx = ana.tx()
    spare = take_spare(tx, contact)
    assert spare is not None
    body = encode(add_member(tx, group, spare, Role.MEMBER).welcome)
    keep(ana, tx)
    ben.do(inputs.TakeBundles((utter(ana, shared, Kind.WELCOME, body),)))
    assert not list(ben.tx().scan(Space.INVITATION)), "in a group it is none of ours"
    assert ben.do(inputs.TakeBundles((utter(caro, third, Kind.WELCOME, body),))).refused == 1
    assert ben.do(inputs.TakeBundles((utter(ana, contact, Kind.WELCOME, body),))).new == 1


@pytest.mark.must("M-JOI-2", "M-JOI-3")
@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
def test_nobody_joins_where_tree_and_operations_differ(role: Role) -> None:
    ana, ben, dora = people("ana", "ben", "dora")
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, pair(ana, ben), role))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    meet(ana, ben)
    contact = pair(ben, dora)
    ghost = mls.make_key_package(mls.CipherSuite.X25519_CHACHA, b"", ben.entropy, ben.now_s, 86_400).key_package
    tx = ben.tx()  # Ben adds Dora, and a ghost whom no operation names
    spare = take_spare(tx, contact)
    assert spare is not None
    package = mls.read_key_package(spare)
    record, history = load_group(tx, group), history_of(tx, group)
    change = Add(tuple(history.heads), package.signature_key, package.ref, Role.MEMBER)
    added, record = issue(tx, group, record, change)
    carried = carry_out(tx, group, record, (added.id,), (mls.AddProposal(spare), mls.AddProposal(ghost)))
    assert carried.welcome is not None
    operations = tuple(o.signed.to_whole() for o in history_of(tx, group).order)
    before = (0,) * len(carried.state.members)
    body = WelcomeBody(
        group, record.member, operations, carried.r, carried.first_day, before, carried.welcome, (), (), (), ()
    )
    keep(ben, tx)
    received = dora.do(inputs.TakeBundles((utter(ben, contact, Kind.WELCOME, encode(body)),)))
    assert received.refused == (role is Role.MEMBER)  # no admin: at once
    with pytest.raises(UserError if role is Role.MEMBER else PeerError, match=r"no invitation|do not let in"):
        dora.do(inputs.JoinGroup(group))
    assert dora.store.get(Space.GROUP, group) is None


@pytest.mark.must("M-JOI-3")
def test_a_welcome_into_another_group_than_it_says() -> None:
    ana, ben = people("ana", "ben")
    contact = pair(ana, ben)
    one, two = (ana.do(inputs.CreateGroup(name)) for name in ("one", "two"))
    tx = ana.tx()
    spare = take_spare(tx, contact)
    assert spare is not None
    bodies = [add_member(tx, group, spare, Role.MEMBER).welcome for group in (one, two)]
    keep(ana, tx)
    mixed = structs.replace(bodies[0], message=bodies[1].message, r=bodies[1].r)
    ben.do(inputs.TakeBundles((utter(ana, contact, Kind.WELCOME, encode(mixed)),)))
    with pytest.raises(PeerError, match="another group"):
        ben.do(inputs.JoinGroup(one))


@pytest.mark.must("M-JOI-4")
def test_a_key_package_is_gone_with_the_join() -> None:
    ana, ben = people("ana", "ben")
    contact = pair(ana, ben)
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    ana.sync(ben)
    invitation = ben.tx().load(Space.INVITATION, group, InvitationRecord)
    assert invitation is not None
    assert ben.store.get(Space.KEY_PACKAGE, invitation.key_package) is not None
    ben.do(inputs.JoinGroup(group))
    assert ben.store.get(Space.KEY_PACKAGE, invitation.key_package) is None
    assert ben.store.get(Space.INVITATION, group) is None


# -- files --------------------------------------------------------------------------------------------------


@pytest.mark.must("M-FIL-1")
def test_a_file_is_given_whole_and_true_or_not_at_all() -> None:
    ana, ben = people("ana", "ben")
    group = make_group(ana, ben)
    data, before = bytes(range(256)) * 200, set(ana.held())
    message = ana.do(inputs.SendFile(group, "map.png", data))
    bundles = fresh(ana, before)
    assert len(bundles) == 1 + -(-len(data) // 15_200)
    ben.do(inputs.TakeBundles(bundles[1:]))
    with pytest.raises(UserError):
        ben.do(inputs.ReadFile(group, message))
    ben.do(inputs.TakeBundles(bundles))
    assert ben.do(inputs.ReadFile(group, message)) == ("map.png", data)
    digest = blake2b(b"promised", person=b"chq1 file", digest_size=32).digest()
    lie = [
        utter(ana, group, Kind.MANIFEST, encode(ManifestBody(7, digest, 8, "x"))),
        utter(ana, group, Kind.PART, encode(PartBody(digest, 0, b"Promised"))),
    ]
    ben.do(inputs.TakeBundles(tuple(lie)))
    forged = ben.read(group).messages[-1]
    with pytest.raises(PeerError):
        ben.do(inputs.ReadFile(group, forged.id))


@pytest.mark.must("M-FIL-2")
def test_manifests_out_of_bounds() -> None:
    good = ManifestBody(7, bytes(32), 64 * 2**20, "n" * 200)
    assert read_manifest(encode(good)) == good
    for change in (
        {"kind": 1},
        {"digest": bytes(31)},
        {"size": 64 * 2**20 + 1},
        {"size": -1},
        {"name": "n" * 201},
        {"name": "a/b"},
        {"name": "a\\b"},
        {"name": ".."},
        {"name": "a\nb"},
    ):
        with pytest.raises(PeerError):
            read_manifest(encode(structs.replace(good, **change)))


# -- gaps and order -----------------------------------------------------------------------------------------


@pytest.mark.must("M-GAP-1")
def test_gaps_stay_until_they_are_closed() -> None:
    ana, ben = people("ana", "ben")
    group = make_group(ana, ben)
    bundles = [utter(ana, group, Kind.TEXT, text) for text in (b"1", b"2", b"3", b"4")]
    ben.do(inputs.TakeBundles((bundles[3], bundles[1])))
    first = ben.read(group).messages[0].seq - 1
    assert [(gap.first, gap.last) for gap in ben.read(group).gaps] == [(first, first), (first + 2, first + 2)]
    ben.restart()
    ben.do(inputs.TakeBundles((bundles[0],)))
    assert [(gap.first, gap.last) for gap in ben.read(group).gaps] == [(first + 2, first + 2)]
    ben.do(inputs.TakeBundles((bundles[2],)))
    assert not ben.read(group).gaps


@pytest.mark.must("M-ORD-1", "M-ORD-2")
def test_an_answer_stands_behind_its_question_on_every_device() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    ben.now_s -= 5 * 3600
    caro.now_s += 3600
    said = []
    for turn, person in enumerate((ana, ben, caro, ben, ana, caro)):
        person.do(inputs.SendText(group, f"{turn}"))
        said.append(f"{turn}")
        person.sync(*(other for other in (ana, ben, caro) if other is not person))
    for person in (ana, ben, caro):
        assert person.texts(group) == said


@pytest.mark.must("M-ORD-2")
def test_the_order_does_not_depend_on_arrival() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    group = make_group(ana, ben, caro)
    start = caro.store.after_crash()
    before = set(ana.held()) | set(ben.held())
    for turn, person in enumerate((ana, ben, ana, ben)):
        person.now_s += 600 * (turn % 3)
        person.do(inputs.SendText(group, f"{turn}"))
        if turn == 1:
            meet(ana, ben)
    meet(ana, ben)
    bundles = fresh(ana, before)
    seen = set()
    for order in (bundles, bundles[::-1], bundles[1::2] + bundles[::2]):
        caro.store = start.after_crash()
        caro.restart()
        for bundle in order:
            caro.do(inputs.TakeBundles((bundle,)))
        seen.add(tuple(caro.texts(group)))
    assert seen == {tuple(ana.texts(group))}
