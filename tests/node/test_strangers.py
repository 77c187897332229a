"""Bundles of others: held, compared with each epoch once, and never missed by one that opens later."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from chasqui.base.errors import PeerError
from chasqui.base.ids import EpochId, GroupId
from chasqui.groups.operation import Role
from chasqui.node import holding, inbox, inputs
from chasqui.node.records import BundleRecord, Space
from chasqui.sealed.recogniser import Recogniser
from tests.node.hostile import fresh
from tests.node.world import Person, make_group, pair

EPOCHS = 4


def changes(ana: Person, group: GroupId) -> tuple[tuple[bytes, ...], tuple[bytes, ...], list[str]]:
    """What opens epochs one after the other, the first first; a text in each, the last first; and these texts."""
    keys: list[bytes] = []
    texts: list[bytes] = []
    said = []
    for number in range(EPOCHS):
        newcomer = Person(f"newcomer {number}")
        contact = pair(ana, newcomer)
        before = set(ana.held())
        ana.do(inputs.AddMember(group, contact, Role.MEMBER))
        operation, commit, _ = sorted(fresh(ana, before), key=len)  # and the welcome
        keys += [operation, commit]
        before = set(ana.held())
        ana.do(inputs.SendText(group, f"in epoch {number}"))
        texts = [*fresh(ana, before), *texts]
        said.append(f"in epoch {number}")
    return tuple(keys), tuple(texts), said


class Compared:
    """How often a bundle that is held was compared with an epoch."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.times = 0
        true = Recogniser.is_of_any

        def counted(live: Recogniser, epochs: Collection[EpochId], *mark: Any) -> bool:
            self.times += len(epochs)
            return true(live, epochs, *mark)

        patch.setattr(Recogniser, "is_of_any", counted)


@pytest.mark.must("M-BUN-8")
@pytest.mark.parametrize("restarts", range(EPOCHS + 2))
def test_what_came_before_its_epoch_is_opened_with_it_whenever_the_node_starts_anew(restarts: int) -> None:
    """`restarts`: after how many of the changes; at the last number, never."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    keys, texts, said = changes(ana, group)
    ben.do(inputs.TakeBundles(texts))
    assert ben.texts(group) == []
    for number, key in enumerate(keys):
        if number == 2 * restarts:
            ben.restart()
        ben.do(inputs.TakeBundles((key,)))
    assert ben.texts(group) == said
    assert ben.store.count(Space.FOREIGN) == 0 or not set(texts) & foreign(ben)


def foreign(person: Person) -> set[bytes]:
    """What is held as strangers'."""
    tx = person.tx()
    records = (tx.load(Space.BUNDLE, bundle, BundleRecord) for bundle, _ in holding.foreign(tx))
    return {record.data for record in records if record is not None}


@pytest.mark.parametrize("restart", [False, True])
def test_what_was_refused_is_tried_again_when_an_epoch_opens(restart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    before = set(ana.held())
    ana.do(inputs.SendText(group, "refused at first"))
    (text,) = fresh(ana, before)

    def refuse(*_: object) -> None:
        raise PeerError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "handle", refuse)
        assert ben.do(inputs.TakeBundles((text,))).refused == 1
    assert text in foreign(ben)
    if restart:
        ben.restart()
    ben.do(inputs.Flush())
    assert ben.texts(group) == []
    keys, _, _ = changes(ana, group)
    ben.do(inputs.TakeBundles(keys[:2]))
    assert ben.texts(group) == ["refused at first"]
    assert text not in foreign(ben)


def test_an_epoch_is_compared_with_each_strangers_bundle_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, cy, dot = (Person(name) for name in ("ana", "ben", "cy", "dot"))
    group, others = make_group(ana, ben), make_group(cy, dot)
    for number in range(30):
        cy.do(inputs.SendText(others, f"not for ben {number}"))
    cy.sync(ben)
    held = ben.store.count(Space.FOREIGN)
    assert held >= 30
    keys, _, _ = changes(ana, group)
    ben.restart()
    ben.do(inputs.TakeBundles(keys[:2]))  # from here on ben's node has compared what it holds with all its epochs
    compared = Compared(monkeypatch)
    for number in range(1, EPOCHS):
        ben.do(inputs.TakeBundles(keys[2 * number : 2 * number + 2]))
        assert ben.store.count(Space.FOREIGN) == held
        assert compared.times == number * held


def test_a_bundle_that_comes_is_compared_with_every_live_epoch() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    keys, texts, said = changes(ana, group)
    ben.do(inputs.TakeBundles(keys))
    assert ben.do(inputs.TakeBundles(texts)).new == EPOCHS
    assert ben.texts(group) == said
    assert not set(texts) & foreign(ben)
