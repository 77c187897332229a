"""Who is put out by what does not count is told that others go on without him, and what to do."""

from __future__ import annotations

import pytest
from msgspec import structs

from chasqui import mls
from chasqui.app.screens import groups as screen
from chasqui.base.ids import GroupId
from chasqui.groups.operation import Reason, Remove, Role
from chasqui.node import inputs
from chasqui.node.changes import issue
from chasqui.node.epochs import leaf_of
from chasqui.node.groups import history_of, load_group, roster_of, save_group
from tests.app.test_states import details, narrow, read, status
from tests.node.hostile import head, keep, mls_state, utter_commit
from tests.node.test_quorum import group_of_two_keys, later, waiting
from tests.node.world import Person, meet, settled_group
from tests.spec.test_newcomers import gives, renews
from tests.spec.test_seats import seated_again


def passed_over() -> tuple[list[Person], GroupId]:
    """Ana and Ben, the two admins, have made Caro one, too. Ben's device is taken, and puts Ana out as if in the days
    when there were two; Dora has heard nothing of Caro."""
    ana, ben, caro, dora = crowd = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = group_of_two_keys(ana, ben, caro, dora)
    old = tuple(history_of(ben.tx(), group).heads)
    ana.do(inputs.SetRole(group, caro.key(group), Role.ADMIN))
    meet(*crowd)
    ben.do(inputs.Confirm(group, waiting(ben, group)))
    meet(*crowd)
    key = ana.key(group)
    tx = ben.tx()
    signed, _ = issue(tx, group, load_group(tx, group), Remove(old, key, 99, Reason.REMOVED))
    keep(ben, tx)
    leaf = leaf_of(head(ben, group)[1], key)
    assert leaf is not None
    commit = mls_state(ben, group).commit((mls.RemoveProposal(leaf),), ben.entropy, ben.now_s)
    utter_commit(ben, group, commit.message, (signed.id,))
    return crowd, group


@pytest.mark.must("M-QUO-4")
def test_who_is_passed_over_is_told_so_and_comes_back() -> None:
    crowd, group = passed_over()
    ana, ben, caro, dora = crowd
    assert details(ana, group).state == "current"
    ana.do(inputs.TakeBundles(tuple(ben.held())))
    assert ana.key(group) in roster_of(ana.tx(), group).current
    found = details(ana, group)
    assert (found.state, load_group(ana.tx(), group).out) == ("passed-over", 0)
    told = " ".join(narrow(screen.shown(found)).split())
    assert "!! others go on without you: rejoin" in told
    assert "`chasqui group rejoin convoy`" in told
    assert "chasqui group log convoy" in told
    assert "convoy: others have made keys without you" in narrow(status(ana))
    assert "`chasqui group rejoin convoy`" in narrow(read(ana, group))
    caro.do(inputs.TakeBundles(tuple(ben.held())))
    dora.do(inputs.TakeBundles(tuple(ben.held())))
    assert details(caro, group).state != "passed-over"
    ana.do(inputs.Rejoin(group))
    assert "You asked for new keys" in narrow(read(ana, group))
    for _ in range(4):
        meet(*crowd)
        later(26, *crowd)
    assert head(ana, group)[0] == head(caro, group)[0] == head(dora, group)[0]
    assert details(ana, group).state == "current"
    assert ana.key(group) in {key for _, key in head(dora, group)[1].roster}


@pytest.mark.must("M-QUO-4")
def test_it_is_over_when_that_commit_has_lost() -> None:
    crowd, group = passed_over()
    ana, ben = crowd[:2]
    ana.do(inputs.TakeBundles(tuple(ben.held())))
    renews(ana, group)
    assert details(ana, group).state == "passed-over", "nothing is settled by going on alone"
    tx = ana.tx()
    record = load_group(tx, group)
    save_group(tx, group, record, root=record.head)
    keep(ana, tx)
    assert details(ana, group).state == "current"


def test_who_gets_a_new_leaf_is_not_passed_over() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    made = gives(ben, group, ana, caro)
    seated_again(ana, group, ben, made)
    ben.do(inputs.TakeBundles(tuple(ana.held())))
    assert head(ben, group)[0] != head(ana, group)[0]
    assert details(ben, group).state == "current"


@pytest.mark.must("M-COM-19")
def test_who_cannot_open_keys_reads_who_made_them() -> None:
    crowd, group = passed_over()
    ana, ben = crowd[:2]
    ana.do(inputs.TakeBundles(tuple(ben.held())))
    found = details(ana, group)
    assert "cannot open keys by" not in " ".join(narrow(screen.shown(found)).split())
    named = structs.replace(found, sealed_off=("ben",))
    assert "Your device cannot open keys by ben:" in " ".join(narrow(screen.shown(named)).split())
