"""Ticks: no group stops another, and what has to go goes, whatever the clock did meanwhile."""

from __future__ import annotations

import random

import pytest

from chasqui.base.days import day_of
from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId
from chasqui.base.limits import (
    BUNDLE_AGE_DAYS_MAX,
    FILE_PARTS_MAX,
    KEY_PACKAGE_LIFETIME_S,
    SECONDS_PER_DAY,
    SKIPPED_KEYS_MAX,
)
from chasqui.base.secret import Secret
from chasqui.groups.operation import Role
from chasqui.lab.run import Run
from chasqui.lab.scenario import packaged
from chasqui.node import inputs, upkeep
from chasqui.node.changes import until_out
from chasqui.node.derived import Follows
from chasqui.node.effects import Notice
from chasqui.node.epochs import note_day
from chasqui.node.groups import load_group
from chasqui.node.holding import _carried
from chasqui.node.pauses import Pause
from chasqui.node.records import GroupRecord, Space
from chasqui.node.skipped import erase_outdated, keep_skipped, skipped_key, spend_key
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import CLASS_OF_KIND, BundleClass, Kind
from tests.node.hostile import head
from tests.node.test_large import brief
from tests.node.world import Person, make_group, meet, pair, settled_group

TRAVEL_S = (BUNDLE_AGE_DAYS_MAX + 1) * SECONDS_PER_DAY


def heard_of(person: Person) -> None:
    """Others bear out what the clock says."""
    tx = person.tx()
    note_day(tx, day_of(person.now_s))
    for effect in tx.outcome():
        person._carry_out(effect, None)


@pytest.mark.parametrize("error", [PeerError("on purpose"), RuntimeError("on purpose")])
@pytest.mark.parametrize("work", ["carry_out_due", "say", "erase_expired", "erase_old"])
def test_one_group_stops_no_other(work: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    groups: list[GroupId] = sorted(ana.do(inputs.CreateGroup(name, 3600)) for name in ("one", "two", "three"))
    for group in groups:
        ana.do(inputs.AddMember(group, contact, Role.MEMBER))
        meet(ana, ben)
        ben.do(inputs.JoinGroup(group))
        meet(ana, ben)
    for group in groups:
        ben.do(inputs.SendText(group, "to be answered, then erased"))
    ben.sync(ana)
    true_work = getattr(upkeep, work)

    def fail(tx: Transaction, group: GroupId, *arguments: object, **named: object) -> object:
        result = true_work(tx, group, *arguments, **named)
        if group == groups[0]:
            tx.put(Space.META, b"half done", b"")
            raise error
        return result

    with monkeypatch.context() as broken:
        broken.setattr(upkeep, work, fail)
        broken.setattr(upkeep, "_rests", lambda *_: False)
        ana.now_s += 3700
        ana.notices.clear()
        ana.do(inputs.Flush())
    assert ana.store.get(Space.META, b"half done") is None
    assert (Notice("trouble", groups[0]) in ana.notices) == isinstance(error, RuntimeError)
    texts = {group: len(ana.texts(group)) for group in groups}
    assert texts == {group: int(group == groups[0] and work == "erase_old") for group in groups}
    ben.do(inputs.TakeBundles(tuple(ana.held())))
    for group in groups:
        ben_sees = [message.state for message in ben.read(group).messages]
        assert ben_sees == ["waiting" if group == groups[0] and work == "say" else "delivered"]


def test_a_receipt_that_cannot_be_sent_does_not_call_for_a_tick_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ben.do(inputs.SendText(group, "hello"))
    ben.sync(ana)

    def fail(*_: object, **__: object) -> None:
        raise PeerError("on purpose")

    monkeypatch.setattr(upkeep, "say", fail)
    ana.now_s += 100
    ana.do(inputs.Tick())
    assert upkeep.next_due_s(ana.tx(), None) > ana.now_s
    assert upkeep.next_due_s(ana.tx(), ana.now_s + 5) == ana.now_s + 5


@pytest.mark.must("M-EPO-3")
def test_a_message_from_a_clock_ahead_holds_up_no_erasing_and_goes_itself() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = brief(ben, founder=ana)
    start_s = ana.now_s
    ana.now_s += 20 * 3600
    ana.do(inputs.SendText(group, "seen by a clock that is 20 hours ahead"))
    ana.now_s = start_s
    ana.do(inputs.SendText(group, "one hour"))
    ana.now_s += 2 * 3600
    ana.do(inputs.Tick())
    assert ana.texts(group) == ["seen by a clock that is 20 hours ahead"]
    ana.now_s += 3600
    ana.do(inputs.Tick())
    assert ana.texts(group) == []


def test_a_receipt_is_due_although_the_clock_was_ahead() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ben.do(inputs.SendText(group, "hello"))
    ana.now_s += 10 * SECONDS_PER_DAY
    ana.do(inputs.TakeBundles(tuple(ben.held())))
    ana.now_s -= 10 * SECONDS_PER_DAY
    assert upkeep.next_due_s(ana.tx(), None) <= ana.now_s + upkeep.SWEEP_EVERY_S
    ana.do(inputs.Tick())
    ben.do(inputs.TakeBundles(tuple(ana.held())))
    assert [message.state for message in ben.read(group).messages] == ["delivered"]


def test_private_keys_that_nobody_can_use_any_more_go() -> None:
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    ana.do(inputs.MakeOffer())
    group = ana.do(inputs.CreateGroup("convoy"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    ana.sync(ben)
    start_s = ana.now_s
    for age_s, packages, invitations in (
        (TRAVEL_S, (9, 8), 1),
        (TRAVEL_S + 2 * SECONDS_PER_DAY, (9, 7), 0),
        (KEY_PACKAGE_LIFETIME_S + TRAVEL_S, (9, 7), 0),
        (KEY_PACKAGE_LIFETIME_S + TRAVEL_S + 2 * SECONDS_PER_DAY, (0, 0), 0),
    ):
        for person in (ana, ben):
            person.now_s = start_s + age_s
            heard_of(person)
            person.do(inputs.Tick())
        assert tuple(person.tx().count(Space.KEY_PACKAGE) for person in (ana, ben)) == packages
        assert ben.tx().count(Space.INVITATION) == invitations


@pytest.mark.must("M-KEY-6", "M-KEY-8")
def test_keys_that_were_passed_over_are_bounded_and_go_in_time() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    epoch, record = head(ben, group)
    leaf = next(leaf for leaf, key in record.roster if key == ana.key(group))
    tx = ben.tx()
    spend_key(tx, epoch, leaf, 60_000)
    assert tx.count(Space.SKIPPED) == SKIPPED_KEYS_MAX
    spend_key(tx, epoch, leaf, 65_000)
    assert tx.count(Space.SKIPPED) == SKIPPED_KEYS_MAX
    assert skipped_key(tx, epoch, leaf, 64_999) is not None
    assert skipped_key(tx, epoch, leaf, 65_000 - SKIPPED_KEYS_MAX - 2) is None
    today = day_of(ben.now_s)
    erase_outdated(tx, today + BUNDLE_AGE_DAYS_MAX + 1)
    assert tx.count(Space.SKIPPED) == SKIPPED_KEYS_MAX
    erase_outdated(tx, today + BUNDLE_AGE_DAYS_MAX + 2)
    assert tx.count(Space.SKIPPED) == 0


def test_a_key_that_was_passed_over_while_the_clock_was_ahead_goes_in_time() -> None:
    ana, ben = Person("ana"), Person("ben")
    epoch, _ = head(ben, make_group(ana, ben))
    today = day_of(ben.now_s)
    ben.now_s += 1000 * SECONDS_PER_DAY
    tx = ben.tx()
    keep_skipped(tx, epoch, 0, ((7, Secret(bytes(64))),))
    erase_outdated(tx, today)
    assert skipped_key(tx, epoch, 0, 7) == bytes(64)
    erase_outdated(tx, today + BUNDLE_AGE_DAYS_MAX + 2)
    assert skipped_key(tx, epoch, 0, 7) is None


@pytest.mark.must("M-KEY-8")
def test_the_head_s_skipped_keys_are_swept_too() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ana.do(inputs.SendText(group, "lost"))
    lost = set(ana.held()) - set(ben.held())
    ana.do(inputs.SendText(group, "came"))
    ben.do(inputs.TakeBundles(tuple(set(ana.held()) - lost)))
    assert ben.tx().count(Space.SKIPPED) == 1
    ben.now_s += (BUNDLE_AGE_DAYS_MAX + 2) * SECONDS_PER_DAY
    heard_of(ben)
    ben.do(inputs.Tick())
    assert ben.tx().count(Space.SKIPPED) == 0
    assert ben.tx().load(Space.GROUP, group, GroupRecord).head  # type: ignore[union-attr]


def test_the_bound_on_skipped_keys_leaves_the_largest_file_whole() -> None:
    """In any order: the last of its parts may come first."""
    assert SKIPPED_KEYS_MAX > FILE_PARTS_MAX + 1000
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    data = random.Random(2).randbytes(18_000_000)  # more parts than a bound of 1,024 would leave
    before = set(ana.held())
    file = ana.do(inputs.SendFile(group, "x", data))
    bundles = [bundle for bundle in ana.held() if bundle not in before]
    random.Random(3).shuffle(rest := bundles[1:])
    ben.do(inputs.TakeBundles((bundles[0], *rest)))
    assert ben.do(inputs.ReadFile(group, file)) == ("x", data)


def test_no_class_of_its_own_tells_of_a_pairing() -> None:
    assert BundleClass.BULK not in CLASS_OF_KIND.values()
    assert CLASS_OF_KIND[Kind.KEY_PACKAGES] is CLASS_OF_KIND[Kind.RECEIPT]


def test_carried_bytes_are_counted_and_reading_the_count_writes_nothing() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    make_group(ana, ben)
    caro.do(inputs.TakeBundles(tuple(ana.held())))
    tx = caro.tx()
    assert _carried(tx, known=True) == sum(map(len, ana.held()))
    assert tx.outcome() == []
    meet(ana, ben, caro)


@pytest.mark.parametrize("scenario", ["taken", "restored-in-haste", "admin-lost"])  # each duty has its turn in one
def test_a_group_rests_only_while_a_turn_would_change_nothing(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    true_rests, rested = upkeep._rests, 0

    def rests(tx: Transaction, group: GroupId, pause: Follows[Pause]) -> bool:
        nonlocal rested
        if not true_rests(tx, group, pause):
            return False
        rested += 1
        for duty in upkeep._TURN if pause is upkeep.pause_of else upkeep._SWEEP:
            part = tx.part()
            upkeep._apart(part, group, duty.work, group)
            written = {(space, key) for space, keys in part._staged.items() for key in keys}
            # that nobody waits for his turn is what rest means
            assert not written - {(Space.TURN, group)}, f"{duty.pause.work.__name__} overslept"
            assert not part.effects
            assert not part.retry
        return True

    monkeypatch.setattr(upkeep, "_rests", rests)
    run = Run(packaged()[scenario], 1)
    assert run.play().held
    assert rested > 100


def test_a_group_that_rests_costs_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    for _ in range(4):
        ana.sync(ben)
        ben.sync(ana)
    turns: list[GroupId] = []

    def asked(tx: Transaction, group: GroupId) -> bool:
        turns.append(group)
        return False

    monkeypatch.setattr(upkeep, "shut_if_out", asked)
    monkeypatch.setattr(upkeep, "_TURN", (upkeep._Duty(asked, until_out), *upkeep._TURN[1:]))
    ana.now_s += 2 * SECONDS_PER_DAY  # votes are given, receipts sent, no key is old
    ana.do(inputs.Tick())
    ana.do(inputs.Flush())
    assert turns == []
    ana.now_s += 14 * SECONDS_PER_DAY
    ana.do(inputs.Tick())
    assert group in turns


def test_whoever_is_out_by_the_operations_does_not_rest() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    tx = ben.tx()
    for key, whole in ana.store.scan(Space.OPERATION, group, prefix_end(group)):
        tx.put(Space.OPERATION, key, whole)  # as a step that came no further than this would have left them
    for effect in tx.outcome():
        ben._carry_out(effect, None)
    ben.restart()
    ben.do(inputs.Flush())
    assert load_group(ben.tx(), group).out


def test_a_sweep_is_left_out_only_while_it_would_erase_nothing() -> None:
    crowd, group = settled_group("ana", "ben")
    awake = set[str]()
    for _ in range(80):
        for person in crowd:
            person.now_s += 5 * SECONDS_PER_DAY
            heard_of(person)
            tx = person.tx()
            for duty in upkeep._SWEEP:
                part = tx.part()
                duty.work(part, group)
                if not duty.pause(tx, group).covers(person.now_s):
                    awake.add(duty.pause.work.__name__)
                else:
                    assert not part._staged, f"{duty.pause.work.__name__} overslept"
        meet(*crowd)  # keys renew, epochs are settled
    assert {"until_expired", "until_settled"} <= awake
    tx = crowd[0].tx()
    tx.put(Space.HELD, group + bytes(16), bytes(33))
    assert not upkeep.sweep_pause(tx, group).covers(tx.now_s)
