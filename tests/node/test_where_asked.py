"""Who lacks an operation may be unable to follow to where the others are: he gets it where he asked."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.groups.operation import Add, Remove, Role
from chasqui.node import inputs
from chasqui.node.changes import issue
from chasqui.node.groups import history_of, load_group
from chasqui.node.records import Space, SpareRecord
from tests.node.hostile import fresh, head, keep, mls_state, utter_commit
from tests.node.test_newcomers_witnesses import back_dated
from tests.node.world import Person, meet, pair


@pytest.mark.must("M-ASK-8")
def test_an_operation_sealed_where_we_do_not_sit_comes_where_we_asked() -> None:
    ana, ben, caro, dora, group = back_dated()  # ben's head has no caro in it
    contact = pair(ben, Person("ghost"))
    ((_, spare), *_) = ben.tx().load_prefix(Space.SPARE, contact, SpareRecord)
    package = mls.read_key_package(spare.key_package)
    tx, before = ben.tx(), set(ben.held())
    removal = next(o for o in history_of(tx, group).order if isinstance(o.change, Remove))
    add = Add(tuple(sorted(removal.heads)), package.signature_key, package.ref, Role.MEMBER)
    signed, _ = issue(tx, group, load_group(tx, group), add)
    keep(ben, tx)
    said = fresh(ben, before)
    dora.do(inputs.TakeBundles(said))
    commit = mls_state(dora, group).commit((mls.AddProposal(spare.key_package),), dora.entropy, dora.now_s)
    bundle = utter_commit(dora, group, commit.message, (signed.id,))  # dora does not seal the operation again
    ana.do(inputs.TakeBundles((*said, bundle)))
    caro.do(inputs.TakeBundles((*said, bundle)))
    ana.do(inputs.SendText(group, "for caro"))
    for _ in range(8):
        for person in (ana, caro):
            person.now_s += 86400
            person.do(inputs.Tick())
        meet(ana, caro)
    assert "for caro" in caro.texts(group)
    assert head(ana, group)[0] == head(caro, group)[0]
