"""The order of reading: a function of the set of objects, whatever is late, lost, erased or a lie."""

from __future__ import annotations

import random
import time

import pytest

from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import SEQUENCE_MAX
from chasqui.node import inputs
from chasqui.node.effects import Persist
from chasqui.node.epochs import epochs_of, erase_epoch
from chasqui.node.groups import load_group
from chasqui.node.keys import u24, u64
from chasqui.node.order import mark_stale
from chasqui.node.records import AuthorRecord, MessageRecord, Space, StampRecord
from chasqui.node.upkeep import erase_message
from chasqui.sealed.receipts import ReceiptEntry
from tests.node.hostile import fresh, keep
from tests.node.liar import Liar
from tests.node.world import Person, make_group


def said(person: Person, group: GroupId, text: str) -> tuple[bytes, ...]:
    before = set(person.held())
    person.do(inputs.SendText(group, text))
    return fresh(person, before)


def three() -> tuple[Person, Person, Person, GroupId]:
    """Ben's clock is three hours behind."""
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    for person in (ana, ben, caro):
        person.now_s += 86_400 // 2
    ben.now_s -= 3 * 3600
    return ana, ben, caro, group


def test_an_answer_that_came_before_its_question() -> None:
    ana, ben, caro, group = three()
    question = said(ana, group, "question")
    ben.do(inputs.TakeBundles(question))
    caro.do(inputs.TakeBundles(said(ben, group, "answer")))
    caro.do(inputs.TakeBundles(question))
    assert caro.texts(group) == ben.texts(group) == ["question", "answer"]


@pytest.mark.must("M-ORD-1")
def test_the_newest_that_an_answer_knew_is_lost() -> None:
    ana, ben, caro, group = three()
    question, lost = said(ana, group, "question"), said(ana, group, "lost")
    ben.do(inputs.TakeBundles(question + lost))
    answer = said(ben, group, "answer")
    caro.do(inputs.TakeBundles(question))
    caro.do(inputs.TakeBundles(answer))
    assert caro.texts(group) == ["question", "answer"]
    caro.do(inputs.TakeBundles(lost))
    assert caro.texts(group) == ["question", "lost", "answer"]


def test_own_numbers_stay_in_order_over_a_gap() -> None:
    ana, ben, caro, group = three()
    first, _, third = (said(ana, group, text) for text in ("1", "2", "3"))
    ana.now_s -= 7200
    fourth = said(ana, group, "4")
    for bundle in (fourth, first):
        ben.do(inputs.TakeBundles(bundle))
    for bundle in (first, fourth):
        caro.do(inputs.TakeBundles(bundle))
    assert ben.texts(group) == caro.texts(group) == ["1", "4"]
    ben.do(inputs.TakeBundles(third))
    assert ben.texts(group) == ["1", "3", "4"]


def test_the_order_outlives_the_epoch_in_which_it_was_signed() -> None:
    ana, ben, caro, group = three()
    question, more = said(ana, group, "question"), said(ana, group, "and more")
    ben.do(inputs.TakeBundles(question))
    caro.do(inputs.TakeBundles((*question, *said(ben, group, "answer"), *more)))
    before = caro.texts(group)
    tx = caro.tx()
    for epoch, _ in list(epochs_of(tx, group)):
        erase_epoch(tx, group, epoch)
    mark_stale(tx, group)
    keep(caro, tx)
    assert caro.texts(group) == before
    assert before.index("question") < before.index("answer")


@pytest.mark.must("M-OBJ-7")
@pytest.mark.parametrize("later_s", [0, 600])
def test_both_of_a_clash_are_shown_and_each_is_erased_alone(later_s: int) -> None:
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    group = make_group(ana, ben, mal)
    liar = Liar(mal, group)
    number = liar.seq
    one, other = liar.says("one"), liar.says("other", seq=number, later_s=later_s)
    after = liar.says("after")
    ben.do(inputs.TakeBundles((one, after, other)))
    ana.do(inputs.TakeBundles((other, one, after)))
    assert ben.texts(group) == ana.texts(group)
    assert ana.texts(group) == ["one", "other", "after"] or not later_s
    assert sorted(ana.texts(group)[:2]) == ["one", "other"]
    assert ben.read(group).clashes == ana.read(group).clashes == (liar.key,)
    tx = ben.tx()
    assert len(list(tx.scan_prefix(Space.ORDER, group))) == 3
    arrival, record = next(tx.load_prefix(Space.MESSAGE, group, MessageRecord))
    erase_message(tx, group, arrival, record)
    keep(ben, tx)
    assert len(ben.texts(group)) == len(list(ben.tx().scan_prefix(Space.ORDER, group))) == 2


@pytest.mark.must("M-ORD-2")
@pytest.mark.parametrize("seed", range(5))
def test_lies_neither_make_devices_differ_nor_move_honest_words(seed: int) -> None:
    rng = random.Random(seed)
    ana, ben, caro, mal = (Person(name) for name in ("ana", "ben", "caro", "mal"))
    group = make_group(ana, ben, caro, mal)
    liar = Liar(mal, group)
    ana.now_s += 40_000
    ben.now_s += 30_000
    bundles: list[bytes] = []
    honest: list[str] = []
    for turn in range(12):
        person = (ana, ben)[turn % 2]
        honest.append(f"{turn}")
        bundle = said(person, group, honest[-1])
        bundles += bundle
        for other in (ana, ben):
            other.do(inputs.TakeBundles(bundle))
        claims = sorted(
            ReceiptEntry(liar.leaf(p.key(group)), rng.choice((5, 12, 500, SEQUENCE_MAX)), b"")
            for p in rng.sample((ana, ben, mal), 2)
        )
        bundles.append(liar.says(f"lie {turn}", receipts=tuple(claims), later_s=rng.randrange(50_000)))
    start = caro.store.after_crash()
    seen = set()
    for _ in range(4):
        rng.shuffle(bundles)
        caro.store = start.after_crash()
        caro.restart()
        for data in bundles:
            caro.do(inputs.TakeBundles((data,)))
            if rng.random() < 0.2:
                caro.texts(group)
        seen.add(tuple(caro.texts(group)))
    (order,) = seen
    assert [text for text in order if not text.startswith("lie")] == honest


def test_who_claims_what_is_not_yet_said_only_loses_his_own_place() -> None:
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    group = make_group(ana, ben, mal)
    liar = Liar(mal, group)
    for person in (ana, ben):
        person.now_s += 3600
    lie = liar.says("lie", receipts=(ReceiptEntry(liar.leaf(ana.key(group)), SEQUENCE_MAX, b""),))
    for person in (ana, ben):
        person.do(inputs.TakeBundles((lie,)))
    ana.do(inputs.SendText(group, "question"))
    ana.sync(ben)
    ben.now_s -= 7200
    ben.do(inputs.SendText(group, "answer"))
    ben.sync(ana)
    for person in (ana, ben):
        assert person.texts(group) == ["lie", "question", "answer"]


def test_words_that_contradict_each_other_turn_nothing_else_around() -> None:
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    group = make_group(ana, ben, mal)
    liar = Liar(mal, group)
    claim = (ReceiptEntry(liar.leaf(ana.key(group)), SEQUENCE_MAX, b""),)
    one, two = liar.says("one", receipts=claim, later_s=3600), liar.says("two", receipts=claim)
    for person in (ana, ben):
        person.do(inputs.TakeBundles((one, two)))
    ana.do(inputs.SendText(group, "question"))
    ana.sync(ben)
    ben.now_s -= 3600
    ben.do(inputs.SendText(group, "answer"))
    ben.sync(ana)
    ana.do(inputs.SendText(group, "thanks"))
    ana.sync(ben)
    for person in (ana, ben):
        order = person.texts(group)
        assert order.index("one") < order.index("two")
        assert order.index("question") < order.index("answer") < order.index("thanks")


def test_a_ring_of_three_is_cut_at_its_earliest_and_what_waits_behind_keeps_its_order() -> None:
    ana, ben, mal, eve = (Person(name) for name in ("ana", "ben", "mal", "eve"))
    group = make_group(ana, ben, mal, eve)
    liars = Liar(mal, group), Liar(eve, group)
    leaves = {key: liars[0].leaf(key) for key in (ana.key(group), *(liar.key for liar in liars))}

    def names(key: MemberKey, last: int) -> tuple[ReceiptEntry, ...]:
        return (ReceiptEntry(leaves[key], last, b""),)

    # mal's second claims eve's, eve's claims ana's "question", ana had mal's first and second
    first, second = (
        liars[0].says(text, receipts=names(liars[1].key, liars[1].seq), later_s=later_s)
        for text, later_s in (("first", 7200), ("second", 3600))
    )
    number = load_group(ana.tx(), group).seq + 1
    third = liars[1].says("third", receipts=names(ana.key(group), number), later_s=9000)
    ana.do(inputs.TakeBundles((first, second)))
    ana.now_s += 4 * 3600
    question = said(ana, group, "question")
    ben.now_s -= 7200
    ben.do(inputs.TakeBundles((first, second, *question)))
    answer = said(ben, group, "answer")
    ben.do(inputs.TakeBundles((third,)))
    ana.do(inputs.TakeBundles((third, *answer)))
    assert ana.texts(group) == ben.texts(group)
    order = ana.texts(group)
    assert order.index("first") < order.index("second")
    assert order.index("question") < order.index("answer")


def planted(count: int, ahead: int) -> tuple[Person, GroupId]:
    """A store with so many messages of two authors in turn, stamped in vain; each claims what the other had said, and
    `ahead` more."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    tx = ana.tx()
    for space in (Space.AUTHOR, Space.STAMP):
        tx.erase_prefix(space, group)
    for index, author in ((1, b"a" * 32), (2, b"b" * 32)):
        tx.save(Space.AUTHOR, group + author, AuthorRecord(1, ((1, count),), count, 1, index=index))
    for n in range(count):
        key = b"ab"[n % 2 : n % 2 + 1] * 32 + u24(n // 2 + 1) + n.to_bytes(16, "big")
        had = ((2 - n % 2, (n + 1) // 2 + ahead),) if n else ()
        tx.save(Space.STAMP, group + key, StampRecord(0, 0, 30_000_000 + n // 3, had, n + 1))
        tx.save(Space.MESSAGE, group + u64(n + 1), MessageRecord(b"x" * 200, 1, group + u64(n)))
        tx.put(Space.ORDER, group + u64(n), u64(n + 1))
    mark_stale(tx, group)
    keep(ana, tx)
    return ana, group


@pytest.mark.parametrize("ahead", [0, 7], ids=["honest", "rings"])
def test_settling_is_nearly_linear(ahead: int) -> None:
    person, group = planted(10_000, ahead)
    began = time.process_time()
    effects = person.node.step(inputs.SettleOrder(group), person.now_s)
    took = time.process_time() - began
    assert isinstance(effects[0], Persist)
    assert len(effects[0].writes) == 40_001  # every stamp and message, both order keys, the mark
    assert took < 3, f"{took:.2f} s"  # 0.4 s where this was written; a square would take minutes
