"""Groups in which two admins stand behind every change, on nodes: what waits, who confirms, who carries it out."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.limits import KEY_PACKAGE_LIFETIME_S
from chasqui.groups.operation import Add, Confirm, Operation, Reason, Remove, Role
from chasqui.node import inputs
from chasqui.node.changes import issue
from chasqui.node.effects import Notice
from chasqui.node.epochs import leaf_of
from chasqui.node.groups import history_of, load_group, roster_of, tree_keys
from chasqui.node.pairing import send_spares
from chasqui.node.records import Space, SpareRecord
from tests.node.hostile import head, keep, mls_state, utter_commit
from tests.node.world import Person, meet, pair


def all_of(*names: str) -> list[Person]:
    return [Person(name) for name in names]


def later(hours: float, *people: Person) -> None:
    for person in people:
        person.now_s += int(hours * 3600)
        person.do(inputs.Tick())


def group_of_two_keys(founder: Person, *others: Person, admins: int = 2) -> GroupId:
    """The founder alone lets the second admin in; from then on two stand behind every change."""
    contacts = [pair(founder, other) for other in others]
    group: GroupId = founder.do(inputs.CreateGroup("convoy", quorum=2))
    for place, contact in enumerate(contacts):
        role = Role.ADMIN if place < admins - 1 else Role.MEMBER
        founder.do(inputs.AddMember(group, contact, role))
        meet(founder, *others)
        for waits in [p.id for p in others[0].show(group).void] if place else ():
            others[0].do(inputs.Confirm(group, ObjectId(waits)))
        meet(founder, *others)
        others[place].do(inputs.JoinGroup(group))
        meet(founder, *others)
    return group


def confirms_of(person: Person, group: GroupId) -> list[Operation]:
    return [o for o in history_of(person.tx(), group).order if isinstance(o.change, Confirm)]


def waiting(person: Person, group: GroupId) -> ObjectId:
    """The one change that waits for an admin."""
    (found,) = person.show(group).void
    return ObjectId(found.id)


def tree(person: Person, group: GroupId) -> frozenset[MemberKey]:
    return tree_keys(head(person, group)[1])


def names(person: Person, group: GroupId) -> dict[str, str]:
    return {m.name: m.state for m in person.show(group).members}


@pytest.mark.must("M-QUO-1", "M-QUO-2")
def test_a_newcomer_waits_for_the_second_admin_and_reads_nothing_before() -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro)
    contact = pair(ana, dora)
    key = ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    assert key not in tree(ana, group)
    ana.do(inputs.SendText(group, "before"))
    meet(*people)
    assert not dora.tx().get(Space.INVITATION, group)
    assert key not in roster_of(ben.tx(), group).members
    (line,) = ben.show(group).void
    assert (line.change, line.key, line.by) == ("add", key, ana.key(group))
    with pytest.raises(UserError, match="signed this already"):
        ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    with pytest.raises(UserError, match="your own"):
        ana.do(inputs.Confirm(group, ObjectId(line.id)))
    with pytest.raises(UserError, match="Only an admin"):
        caro.do(inputs.Confirm(group, ObjectId(line.id)))
    ben.do(inputs.Confirm(group, ObjectId(line.id)))
    assert key not in tree(ben, group), "only who signed the addition has the key package"
    ben.sync(ana)
    ana.do(inputs.Tick())
    assert key in tree(ana, group)
    assert not list(ana.tx().scan_prefix(Space.PROPOSED, group)), "a key package is used once"
    meet(*people)
    dora.do(inputs.JoinGroup(group))
    meet(*people)
    dora.do(inputs.SendText(group, "here I am"))
    meet(*people)
    for person in people:
        assert tree(person, group) == {p.key(group) for p in people}
        assert person.show(group).state == "current"
        assert not person.show(group).void
        assert not person.show(group).pending
        assert "here I am" in person.texts(group)
    assert "before" not in dora.texts(group)


@pytest.mark.must("M-QUO-2")
def test_a_removal_waits_for_the_second_admin_who_carries_it_out_and_holds_nobody_up() -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro, dora, admins=3)
    gone = dora.key(group)
    ana.notices.clear()
    ana.do(inputs.RemoveMember(group, gone))
    before = head(ana, group)[0]
    assert ana.show(group).state == "current"
    ana.do(inputs.SendText(group, "dora still reads"))
    with pytest.raises(UserError, match="signed this already"):
        ana.do(inputs.RemoveMember(group, gone))
    ben.notices.clear()
    meet(*people)
    assert Notice("removal-known", group) not in ben.notices
    assert {head(person, group)[0] for person in people} == {before}
    assert "dora still reads" in dora.texts(group)
    assert [p.change for p in dora.show(group).void] == ["remove"], "nothing is hidden from her"
    ben.do(inputs.Confirm(group, waiting(ben, group)))
    assert gone not in tree(ben, group)
    ben.do(inputs.SendText(group, "without dora"))
    meet(*people)
    for person in (ana, ben, caro):
        assert names(person, group)["dora"] == "removed"
        assert gone not in tree(person, group)
        assert not person.show(group).forks, "whoever signed it first leaves it to the one who confirmed it"
        assert not person.show(group).void
    assert caro.texts(group)[-1] == "without dora"
    assert "without dora" not in dora.texts(group)
    assert load_group(dora.tx(), group).out == Reason.REMOVED


@pytest.mark.must("M-QUO-3")
def test_who_removes_whom_another_admin_wants_removed_stands_behind_that() -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro, dora, admins=2)
    ana.do(inputs.RemoveMember(group, dora.key(group)))
    meet(*people)
    ben.do(inputs.RemoveMember(group, dora.key(group)))
    meet(*people)
    assert sum(isinstance(o.change, Remove) for o in history_of(ben.tx(), group).order) == 1
    assert names(caro, group)["dora"] == "removed"


@pytest.mark.must("M-QUO-3")
def test_two_who_remove_the_same_member_without_knowing_are_two_who_want_it() -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro, dora, admins=3)
    gone = dora.key(group)
    ana.do(inputs.RemoveMember(group, gone))
    ben.do(inputs.RemoveMember(group, gone))
    meet(ana, caro)
    assert gone in tree(caro, group)
    meet(ana, ben, caro)
    for person in (ana, ben, caro):
        assert gone not in tree(person, group)
        assert names(person, group)["dora"] == "removed"
        assert not person.show(group).void
        assert person.show(group).state == "current"
    assert len(confirms_of(ana, group)) == 3, "one each for caro and dora, and one for this"
    meet(*people)
    assert load_group(dora.tx(), group).out == Reason.REMOVED


@pytest.mark.must("M-QUO-2")
def test_roles_and_lifts_wait_for_the_second_admin() -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro, dora)
    ana.do(inputs.SetRole(group, caro.key(group), Role.ADMIN))
    assert roster_of(ana.tx(), group).admins == (ana.key(group), ben.key(group))
    meet(*people)
    assert [p.change for p in ben.show(group).void] == ["admin"]
    ben.do(inputs.Confirm(group, waiting(ben, group)))
    meet(*people)
    assert roster_of(dora.tx(), group).admins == (ana.key(group), ben.key(group), caro.key(group))
    for person in (ana, caro):
        person.do(inputs.Accuse(group, dora.key(group)))
    meet(*people)
    assert names(ben, group)["dora"] == "quarantined"
    ana.do(inputs.Lift(group, dora.key(group)))
    meet(ana, ben, caro)
    assert names(ben, group)["dora"] == "quarantined"
    ben.do(inputs.Confirm(group, waiting(ben, group)))
    meet(ana, ben, caro)
    assert names(caro, group)["dora"] == "current"
    dora.do(inputs.Rejoin(group))
    meet(*people)
    later(1, *people)
    meet(*people)
    assert dora.key(group) in tree(caro, group), "the commit cites the lift with what stands behind it"
    dora.do(inputs.SendText(group, "safe"))
    meet(*people)
    assert caro.texts(group)[-1] == "safe"


def refused_by(person: Person, bundle: bytes, group: GroupId) -> bool:
    """Whether a commit changes nothing for an honest member, who goes on."""
    before = head(person, group)[0]
    person.do(inputs.TakeBundles((bundle,)))
    person.do(inputs.SendText(group, "still here"))
    return head(person, group)[0] == before


@pytest.mark.must("M-COM-2")
@pytest.mark.parametrize("cites_more", [False, True])
def test_a_commit_that_cites_an_unconfirmed_removal_is_refused_by_everybody(cites_more: bool) -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro, dora)
    gone = dora.key(group)
    ana.do(inputs.RemoveMember(group, gone))
    meet(*people)
    cited: tuple[ObjectId, ...] = (waiting(ana, group),)
    if cites_more:  # what is here and stands behind something else
        cited = tuple(sorted((*cited, *(o.id for o in confirms_of(ana, group)))))
    leaf = leaf_of(head(ana, group)[1], gone)
    assert leaf is not None
    commit = mls_state(ana, group).commit((mls.RemoveProposal(leaf),), ana.entropy, ana.now_s)
    bundle = utter_commit(ana, group, commit.message, cited)
    for person in (ben, caro, dora):
        assert refused_by(person, bundle, group)
    assert load_group(dora.tx(), group).out == 0


@pytest.mark.must("M-COM-2")
def test_a_commit_that_cites_an_unconfirmed_addition_is_refused_by_everybody() -> None:
    ana, ben, caro, ghost = people = all_of("ana", "ben", "caro", "ghost")
    group = group_of_two_keys(ana, ben, caro)
    contact = pair(ana, ghost)
    spares = {ref: spare.key_package for ref, spare in ana.tx().load_prefix(Space.SPARE, contact, SpareRecord)}
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben, caro)
    operation = waiting(ana, group)
    change = history_of(ana.tx(), group).order[history_of(ana.tx(), group).position[operation]].change
    assert isinstance(change, Add)
    adding = mls.AddProposal(spares[change.key_package])
    commit = mls_state(ana, group).commit((adding,), ana.entropy, ana.now_s)
    bundle = utter_commit(ana, group, commit.message, (operation,))
    for person in (ben, caro):
        assert refused_by(person, bundle, group)
    assert len(people) == 4


def ghost_by_old_days(ana: Person, group: GroupId, ghost: Person) -> tuple[bytes, MemberKey, tuple[bytes, ...]]:
    """Ana's device is taken, and adds somebody as if she were still the only admin: the bundle of the commit, the key
    that it lets in, and what goes before it."""
    contact = pair(ana, ghost)
    ((_, spare), *_) = ana.tx().load_prefix(Space.SPARE, contact, SpareRecord)
    package = mls.read_key_package(spare.key_package)
    tx = ana.tx()
    genesis = history_of(tx, group).order[0].id
    signed, _ = issue(tx, group, load_group(tx, group), Add((genesis,), package.signature_key, package.ref, Role.ADMIN))
    held = set(ana.held())
    keep(ana, tx)
    said = tuple(bundle for bundle in ana.held() if bundle not in held)
    commit = mls_state(ana, group).commit((mls.AddProposal(spare.key_package),), ana.entropy, ana.now_s)
    return utter_commit(ana, group, commit.message, (signed.id,)), MemberKey(package.signature_key), said


@pytest.mark.must("M-COM-2")
def test_who_is_let_in_as_if_in_the_days_of_one_admin_is_put_out_before_anything_is_sent() -> None:
    ana, ben, caro, dora, ghost = all_of("ana", "ben", "caro", "dora", "ghost")
    group = group_of_two_keys(ana, ben, caro, dora, admins=3)
    bundle, key, said = ghost_by_old_days(ana, group, ghost)
    for person in (ben, caro, dora):
        before = person.texts(group)
        person.do(inputs.TakeBundles((*said, bundle)))
        assert key not in roster_of(person.tx(), group).members, "two admins have made a third: one is not enough now"
        assert key in tree(person, group), "the commit holds by what it cites"
        assert person.show(group).state == "removal-pending"
        assert person.texts(group) == before
    dora.do(inputs.SendText(group, "who is that?"))
    assert key not in tree(dora, group)
    meet(ben, caro, dora)
    for person in (ben, caro, dora):
        assert key not in tree(person, group)
        assert person.show(group).state in ("current", "fork-pending")  # a stick is everybody's turn
        assert person.texts(group)[-1] == "who is that?"


@pytest.mark.must("M-COM-2")
def test_nobody_puts_out_a_newcomer_by_hiding_who_confirmed_him() -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro, dora, admins=3)
    key = dora.key(group)
    additions = [o for o in history_of(caro.tx(), group).order if isinstance(o.change, Add) and o.change.member == key]
    confirms = confirms_of(caro, group)
    leaf = leaf_of(head(caro, group)[1], key)
    assert leaf is not None
    for cited in (additions, [*additions, confirms[0]]):
        commit = mls_state(caro, group).commit((mls.RemoveProposal(leaf),), caro.entropy, caro.now_s)
        bundle = utter_commit(caro, group, commit.message, tuple(sorted(o.id for o in cited)))
        for person in (ana, ben):
            assert refused_by(person, bundle, group)
    meet(*people)
    assert key in tree(ana, group)


@pytest.mark.must("M-QUO-1")
def test_a_key_package_can_expire_while_an_addition_waits() -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro)
    contact = pair(ana, dora)
    first = ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(*people)
    for _ in range(KEY_PACKAGE_LIFETIME_S // 86_400 // 25):
        later(24 * 25, *people)
        meet(*people)
    ben.do(inputs.Confirm(group, waiting(ben, group)))
    later(24 * 10, *people)
    meet(*people)
    (line,) = [p for p in ana.show(group).pending if p.op == "add"]
    assert line.expired
    assert first not in tree(ana, group)
    tx = dora.tx()
    send_spares(tx, contact)
    keep(dora, tx)
    meet(*people)
    second = ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    assert second not in (first, b"")
    meet(*people)
    ben.do(inputs.Confirm(group, waiting(ben, group)))
    meet(*people)
    dora.do(inputs.JoinGroup(group))
    meet(*people)
    assert second in tree(caro, group)
    assert first in roster_of(ana.tx(), group).removals, "she leaves the seat that stayed empty (M-SEA-9)"
    assert not ana.show(group).pending


def test_an_addition_that_waited_for_too_long_cannot_be_confirmed() -> None:
    ana, ben, caro, dora = people = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro)
    ana.do(inputs.AddMember(group, pair(ana, dora), Role.MEMBER))
    for _ in range(7):
        later(24 * 30, *people)
        meet(*people)
    (line,) = ben.show(group).void
    assert line.expired
    with pytest.raises(UserError, match="expired"):
        ben.do(inputs.Confirm(group, ObjectId(line.id)))


def test_across_a_split_both_sides_change_and_one_group_comes_of_it() -> None:
    ana, ben, caro, dan, eve, flo = people = all_of("ana", "ben", "caro", "dan", "eve", "flo")
    group = group_of_two_keys(ana, ben, caro, dan, eve, admins=4)
    later(80, *people)
    meet(ana, ben, caro, dan, eve)
    gone = eve.key(group)
    caro.do(inputs.AddMember(group, pair(caro, flo), Role.MEMBER))
    ana.do(inputs.RemoveMember(group, gone))  # before the cut reaches them, each waits on its own side
    meet(ana, ben)
    meet(caro, dan, flo)
    ben.do(inputs.Confirm(group, waiting(ben, group)))
    dan.do(inputs.Confirm(group, waiting(dan, group)))
    meet(ana, ben)
    meet(caro, dan, flo)
    flo.do(inputs.JoinGroup(group))
    meet(caro, dan, flo, eve)
    ana.do(inputs.SendText(group, "without eve"))
    caro.do(inputs.SendText(group, "with flo"))
    meet(caro, dan, flo, eve)
    meet(ana, ben)
    everybody = (ana, ben, caro, dan, flo)
    meet(*everybody)
    for _ in range(8):
        later(12, *everybody)
        meet(*everybody)
    wanted = {person.key(group) for person in everybody}
    assert {head(person, group)[0] for person in everybody} == {head(ana, group)[0]}
    for person in everybody:
        assert person.show(group).state == "current"
        assert tree(person, group) == wanted
        assert roster_of(person.tx(), group).members == wanted
        assert {"without eve", "with flo"} <= set(person.texts(group)) | ({"without eve"} if person is flo else set())
    assert "with flo" in eve.texts(group)
    assert "without eve" not in eve.texts(group)


def test_a_change_that_is_confirmed_on_the_other_side_is_carried_out_after_the_cut() -> None:
    ana, ben, caro, dan, eve = people = all_of("ana", "ben", "caro", "dan", "eve")
    group = group_of_two_keys(ana, ben, caro, dan)
    ana.do(inputs.RemoveMember(group, dan.key(group)))
    key = ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    ana.sync(ben, caro)  # and then nothing reaches her for a week
    for line in ben.show(group).void:
        ben.do(inputs.Confirm(group, ObjectId(line.id)))
    later(24 * 8, *people)
    ana.do(inputs.Flush())  # renews on her side, where dan still sits
    ana.do(inputs.SendText(group, "on her own"))
    meet(ben, caro)
    for _ in range(8):
        meet(*people)
        later(12, *people)
    eve.do(inputs.JoinGroup(group))
    for _ in range(8):
        meet(*people)
        later(12, *people)
    wanted = {person.key(group) for person in (ana, ben, caro, eve)}
    assert key in wanted
    for person in (ana, ben, caro, eve):
        assert tree(person, group) == wanted
        assert person.show(group).state == "current"
    assert "on her own" in caro.texts(group)


@pytest.mark.must("M-COM-14")
def test_a_leaving_on_top_of_a_removal_as_if_in_old_days_is_carried_out_by_all_alike() -> None:
    """By what lies in the past of her leaving, Ana was the only admin when she removed Dora: a commit that cites that
    alone would keep somebody whom its operations remove, and every reader would refuse it."""
    ana, ben, caro, dora, eve = people = all_of("ana", "ben", "caro", "dora", "eve")
    group = group_of_two_keys(ana, ben, caro, dora, eve, admins=3)
    meet(*people)
    tx, own, held = ana.tx(), ana.key(group), set(ana.held())
    genesis = history_of(tx, group).order[0].id
    removal, record = issue(tx, group, load_group(tx, group), Remove((genesis,), dora.key(group), 1, Reason.REMOVED))
    leaving, _ = issue(tx, group, record, Remove((removal.id,), own, record.seq + 1, Reason.LEFT))
    keep(ana, tx)
    said = tuple(bundle for bundle in ana.held() if bundle not in held)
    others = (ben, caro, dora, eve)
    for person in others:
        person.do(inputs.TakeBundles(said))
        assert removal.id in roster_of(person.tx(), group).pending
        assert leaving.id in roster_of(person.tx(), group).counting
    caro.do(inputs.SendText(group, "without ana"))
    meet(*others)
    for person in others:
        assert head(person, group)[0] == head(caro, group)[0]
        assert tree(person, group) == {other.key(group) for other in others}
        assert person.texts(group)[-1] == "without ana"
