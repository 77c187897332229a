"""Group check, asked of nodes: who sees the same group answers alike, and nobody else does."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.app import groups as desk
from chasqui.app import requests
from chasqui.base.errors import RefusedForSafetyError, UserError
from chasqui.base.ids import GroupId
from chasqui.groups.check import answer_to, draw_challenge
from chasqui.groups.pairing import SUITE
from chasqui.node import inputs
from chasqui.node.checking import check_group
from chasqui.node.groups import load_group, save_group
from chasqui.node.records import Space
from tests.node.hostile import keep, mls_state
from tests.node.world import Person, SeededEntropy, make_group, meet

ASKED = (7, 2000)


def words(person: Person, group: GroupId, asked: tuple[int, ...] = ASKED) -> tuple[int, ...]:
    return check_group(person.tx(), group, asked).words


def three() -> tuple[Person, Person, Person, GroupId]:
    ana, ben, caro = (Person(name) for name in ("ana", "ben", "caro"))
    return ana, ben, caro, make_group(ana, ben, caro)


@pytest.mark.must("M-CHK-2")
def test_the_same_head_gives_the_same_words_and_another_head_others() -> None:
    ana, ben, caro, group = three()
    before = words(ana, group)
    assert before == words(ben, group) == words(caro, group)
    assert words(ana, group, (7, 2001)) != before
    view = check_group(ben.tx(), group, ASKED)
    assert view.members[0] == ben.key(group)
    assert set(view.members) == {person.key(group) for person in (ana, ben, caro)}
    for person in (ana, ben, caro):
        person.now_s += 8 * 86_400
    ben.do(inputs.Flush())  # renews
    assert words(ben, group) != before == words(ana, group)
    meet(ana, ben, caro)
    assert words(ana, group) == words(ben, group) == words(caro, group) != before


@pytest.mark.must("M-CHK-2")
def test_a_ghost_in_somebodys_tree_is_heard() -> None:
    ana, _, _, group = three()
    state = mls_state(ana, group)
    ghost = mls.make_key_package(SUITE, b"", SeededEntropy("ghost"), ana.now_s, 86_400)
    shown = state.commit((), SeededEntropy("x"), ana.now_s, path=True).state
    hidden = state.commit((mls.AddProposal(ghost.key_package),), SeededEntropy("x"), ana.now_s, path=True).state
    assert answer_to(ASKED, shown.epoch_authenticator, group) != answer_to(ASKED, hidden.epoch_authenticator, group)


@pytest.mark.must("M-CHK-2")
def test_no_words_where_they_would_say_nothing() -> None:
    ana, ben, caro, group = three()
    alone = ana.do(inputs.CreateGroup("alone"))
    with pytest.raises(UserError, match="alone"):
        words(ana, alone)
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    ana.sync(caro)
    with pytest.raises(UserError, match="not in this group"):
        words(caro, group)
    tx = ben.tx()
    tx.put(Space.REMOVED, group + caro.key(group), bytes(3))  # heard of, not carried out
    keep(ben, tx)
    with pytest.raises(RefusedForSafetyError, match="removal"):
        words(ben, group)
    ana.sync(ben)
    assert words(ana, group) == words(ben, group)
    tx = ben.tx()
    save_group(tx, group, load_group(tx, group), stale_s=ben.now_s)
    keep(ben, tx)
    with pytest.raises(UserError, match="older copy"):
        words(ben, group)


class _Looking:
    """What a job may do with a runner; steps are counted."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self.steps = 0

    def look(self) -> object:
        return self._person.tx()

    def step(self, event: inputs.Input) -> object:
        self.steps += 1
        return self._person.do(event)


@pytest.mark.must("M-CHK-1", "M-CHK-3")
def test_a_check_asks_anew_each_time_and_leaves_nothing() -> None:
    ana, ben, _, group = three()
    before = {space: list(ana.store.scan(space)) for space in Space}
    runner = _Looking(ana)
    first, second = (desk.check(runner, requests.CheckGroup(group.hex())) for _ in range(2))  # type: ignore[arg-type]
    assert first.challenge != second.challenge
    answer = desk.check(_Looking(ben), requests.CheckGroup(group.hex(), first.challenge))  # type: ignore[arg-type]
    assert answer.words == first.words != second.words
    assert not runner.steps
    assert not ana.tx().outcome()
    assert {space: list(ana.store.scan(space)) for space in Space} == before
    assert len({draw_challenge(ana.entropy) for _ in range(50)}) > 45
