"""Commits by members who break the rules, and histories in which nobody does and things still go apart."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.base.days import day_of
from chasqui.base.errors import RefusedForSafetyError
from chasqui.base.ids import GroupId
from chasqui.base.limits import COUNTER_WORN
from chasqui.base.schema import encode
from chasqui.base.secret import Secret
from chasqui.groups.bodies import CommitBody
from chasqui.groups.operation import Add, Role
from chasqui.mls.extensions import own_capabilities
from chasqui.mls.leaf import LeafTemplate
from chasqui.node import inputs, messages
from chasqui.node.epochs import head_of, load_chain, save_chain
from chasqui.node.groups import history_of, load_group
from chasqui.node.records import Space, SpareRecord
from chasqui.sealed.chain import Chain
from chasqui.sealed.kinds import Kind
from tests.node.hostile import head, keep, mls_state, utter, utter_commit
from tests.node.world import Person, make_group, meet, pair


def three() -> tuple[Person, Person, Person, GroupId]:
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    return ana, ben, mal, make_group(ana, ben, mal)


def refused_by(person: Person, bundle: bytes, group: GroupId) -> bool:
    """Whether a commit changes nothing for an honest member, who goes on."""
    before = head(person, group)[0]
    person.do(inputs.TakeBundles((bundle,)))
    person.do(inputs.SendText(group, "still here"))
    return head(person, group)[0] == before


@pytest.mark.must("M-COM-9")
def test_a_path_cannot_change_who_a_member_is() -> None:
    """Else a removal would name a key that sits at no leaf any more, and be carried out by nothing."""
    ana, ben, mal, group = three()
    state = mls_state(mal, group)
    commit = state.commit((), mal.entropy, mal.now_s, path=True, signature_private=mal.entropy(32))
    bundle = utter_commit(mal, group, commit.message)
    assert refused_by(ana, bundle, group)
    ana.do(inputs.RemoveMember(group, mal.key(group)))
    assert mal.key(group) not in {key for _, key in head(ana, group)[1].roster}
    assert refused_by(ben, bundle, group)


@pytest.mark.must("M-COM-9")
def test_a_path_cannot_change_a_member_s_name() -> None:
    ana, _, mal, group = three()
    state = mls_state(mal, group)
    leaf = LeafTemplate(mls.Credential.basic(b"ana"), own_capabilities(()), ())
    try:
        commit = state.commit((), mal.entropy, mal.now_s, path=True, leaf=leaf)
    except mls.MlsError:
        return  # the package itself refuses to make one
    assert refused_by(ana, utter_commit(mal, group, commit.message), group)


@pytest.mark.must("M-COM-8")
@pytest.mark.parametrize("kind", ["reinit", "extensions"])
def test_a_commit_cannot_do_what_no_operation_asks_for(kind: str) -> None:
    ana, _, mal, group = three()
    state = mls_state(mal, group)
    proposals: dict[str, mls.ProposalRequest] = {
        "reinit": mls.ReInitProposal(group, mls.CipherSuite.X25519_CHACHA, ()),
        "extensions": mls.GroupContextExtensionsProposal(()),
    }
    commit = state.commit((proposals[kind],), mal.entropy, mal.now_s)
    bundle = utter_commit(mal, group, commit.message)
    assert refused_by(ana, bundle, group)
    ana.do(inputs.RemoveMember(group, mal.key(group)))


@pytest.mark.must("M-COM-8")
def test_a_proposal_in_the_place_of_a_commit_is_refused() -> None:
    ana, _, mal, group = three()
    proposed = mls_state(mal, group).propose(mls.UpdateProposal(), mal.entropy, mal.now_s)
    assert refused_by(ana, utter_commit(mal, group, proposed.message), group)


@pytest.mark.must("M-COM-10")
@pytest.mark.parametrize("days", [-1, 1, 400, 2**24 - 1 - day_of(1_800_000_000)])
def test_an_epoch_begins_on_the_day_of_its_commit(days: int) -> None:
    ana, _, mal, group = three()
    commit = mls_state(mal, group).commit((), mal.entropy, mal.now_s, path=True)
    body = CommitBody((), bytes(16), day_of(mal.now_s) + days, mls.shorten(commit.message))
    assert refused_by(ana, utter(mal, group, Kind.COMMIT, encode(body)), group)


@pytest.mark.must("M-COM-16")
def test_one_mls_commit_with_two_sorts_of_keys_is_two_commits() -> None:
    """Else each of two would go on with keys that the other has not, in epochs of one name, and never hear of it."""
    ana, ben, mal, group = three()
    short = mls.shorten(mls_state(mal, group).commit((), mal.entropy, mal.now_s, path=True).message)
    one, two = (CommitBody((), key, day_of(mal.now_s), short) for key in (bytes(16), b"\1" * 16))
    ana.do(inputs.TakeBundles((utter(mal, group, Kind.COMMIT, encode(one)),)))
    ben.do(inputs.TakeBundles((utter(mal, group, Kind.COMMIT, encode(two)),)))
    assert head(ana, group)[0] != head(ben, group)[0], "their words differ, so that it shows"
    for _ in range(3):
        meet(ana, ben)
    assert head(ana, group)[0] == head(ben, group)[0]
    assert head(ana, group)[1].mark_key == head(ben, group)[1].mark_key
    ana.do(inputs.RemoveMember(group, mal.key(group)))
    meet(ana, ben)
    assert mal.key(group) not in {key for _, key in head(ben, group)[1].roster}


@pytest.mark.must("M-COM-11")
def test_an_old_addition_brings_nobody_back() -> None:
    ana, ben, mal, group = three()
    xav = Person("xav")
    contact = pair(ana, xav)
    spares = {ref: spare.key_package for ref, spare in ana.tx().load_prefix(Space.SPARE, contact, SpareRecord)}
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    addition = next(
        operation for operation in reversed(history_of(ana.tx(), group).order) if isinstance(operation.change, Add)
    )
    meet(ana, ben, mal, xav)
    xav.do(inputs.JoinGroup(group))
    meet(ana, ben, mal, xav)
    ana.do(inputs.RemoveMember(group, xav.key(group)))
    meet(ana, ben, mal)
    assert isinstance(addition.change, Add)
    again = mls.AddProposal(spares[addition.change.key_package])
    commit = mls_state(mal, group).commit((again,), mal.entropy, mal.now_s)
    assert refused_by(ben, utter_commit(mal, group, commit.message, (addition.id,)), group)
    assert ben.show(group).state == "current"


def test_a_bundle_that_trips_us_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever mistake of ours a bundle finds, the others that came with it are taken in."""
    ana, ben, mal, group = three()
    poison = utter(mal, group, Kind.TEXT, b"poison")
    ana.do(inputs.SendText(group, "wholesome"))
    honest = messages.read_text

    def trip(body: bytes) -> str:
        if body == b"poison":
            raise ZeroDivisionError
        return honest(body)

    monkeypatch.setattr("chasqui.node.handlers.read_text", trip)
    answer = ben.do(inputs.TakeBundles((poison, *ana.held())))
    assert answer.refused == 1
    assert ben.texts(group) == ["wholesome"]
    assert "trouble" in {notice.what for notice in ben.notices}


@pytest.mark.must("M-EPO-2")
def test_two_admins_who_remove_each_other_are_both_out_and_the_others_go_on() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = ana.do(inputs.CreateGroup("relief"))
    for person, role in ((ben, Role.ADMIN), (caro, Role.MEMBER)):
        ana.do(inputs.AddMember(group, pair(ana, person), role))
    meet(ana, ben, caro)
    for person in (ben, caro):
        person.do(inputs.JoinGroup(group))
    meet(ana, ben, caro)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    ben.do(inputs.RemoveMember(group, ana.key(group)))
    meet(ana, ben, caro)
    assert ana.show(group).state == ben.show(group).state == "removed"
    caro.do(inputs.SendText(group, "alone"))
    assert {key for _, key in head(caro, group)[1].roster} == {caro.key(group)}
    assert [m.role for m in caro.show(group).members if m.state != "removed"] == ["admin"]


@pytest.mark.must("M-COM-13")
def test_who_is_stranded_on_another_branch_carries_out_the_removal_before_he_sends() -> None:
    """Mal's empty commit reaches Ben before Ana's removal of Mal: Ana's commit can never reach Ben's branch."""
    ana, ben, mal, group = three()
    empty = utter_commit(mal, group, mls_state(mal, group).commit((), mal.entropy, mal.now_s, path=True).message)
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, mal.key(group)))
    ben.do(inputs.TakeBundles((empty,)))
    ben.do(inputs.TakeBundles(tuple(bundle for bundle in ana.held() if bundle not in before)))
    assert ben.show(group).state in ("removal-pending", "fork-pending")
    ben.do(inputs.SendText(group, "without mal"))
    assert mal.key(group) not in {key for _, key in head(ben, group)[1].roster}


@pytest.mark.must("M-KEY-10")
def test_a_restored_copy_finds_out_and_sends_nothing() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    copy = ana.store.after_crash()
    ana.do(inputs.SendText(group, "sent after the backup"))
    meet(ana, ben)
    ana.store = copy
    ana.restart()
    assert ana.show(group).state == "current"
    ben.sync(ana)
    assert ana.show(group).state == "stale"
    with pytest.raises(RefusedForSafetyError):
        ana.do(inputs.SendText(group, "with the same key"))
    sealed = set(ana.held())
    ana.do(inputs.Flush())
    ana.do(inputs.LeaveGroup(group))
    said = set(ana.held()) - sealed
    assert len(said) == 1, "it asks its contact for a new leaf, and says nothing in the group"
    other = Person("other")
    other.store = ben.store.after_crash()
    other.restart()
    before = other.show(group)
    other.do(inputs.TakeBundles(tuple(said)))
    assert other.show(group) == before
    assert ana.show(group).state == "left"


@pytest.mark.must("M-KEY-8")
def test_a_clock_that_jumps_ahead_for_a_moment_erases_no_key() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    right = ana.now_s
    ana.now_s += 2 * 365 * 86_400
    ana.do(inputs.Tick())
    ana.now_s = right
    ana.do(inputs.SendText(group, "hello"))
    ben.do(inputs.SendText(group, "answer"))
    meet(ana, ben)
    assert sorted(ben.texts(group)) == sorted(ana.texts(group)) == ["answer", "hello"]


@pytest.mark.must("M-KEY-9")
def test_worn_keys_are_renewed_before_the_next_message() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    tx = ana.tx()
    epoch_id, epoch = head_of(tx, group, load_group(tx, group))
    chain = load_chain(tx, epoch_id, epoch.own_leaf)
    assert chain is not None
    save_chain(tx, epoch_id, epoch.own_leaf, Chain(COUNTER_WORN, Secret(chain.key)))
    keep(ana, tx)
    ana.do(inputs.SendText(group, "with new keys"))
    assert head(ana, group)[0] != epoch_id


@pytest.mark.must("M-JOI-5")
def test_one_who_was_removed_can_be_invited_again_with_new_keys() -> None:
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    group = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    ana.do(inputs.SendText(group, "one"))
    meet(ana, ben)
    old_key = ben.key(group)
    ana.do(inputs.RemoveMember(group, old_key))
    ana.do(inputs.SendText(group, "not for ben"))
    meet(ana, ben)
    assert ben.show(group).state == "removed"
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    ana.do(inputs.SendText(group, "two"))
    meet(ana, ben)
    assert ben.show(group).state == "invited"
    ben.do(inputs.JoinGroup(group))
    meet(ana, ben)
    assert ben.key(group) != old_key
    assert ben.texts(group) == ["one", "two"]
    assert not ben.read(group).gaps
    assert ana.read(group).messages[-1].state == "delivered"
