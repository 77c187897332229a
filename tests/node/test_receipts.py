"""Gaps and receipts: nothing is signed for that did not come, nothing lost is hidden, no lie about numbers lasts."""

from __future__ import annotations

import time

import pytest

from chasqui.base.ids import GroupId
from chasqui.base.limits import AUTHOR_SPANS_MAX, CLAIMED_AHEAD_MAX, RECORD_BYTES_MAX, SEQUENCE_MAX
from chasqui.base.ranges import Ranges
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.authors import load_author
from chasqui.node.receipting import have
from chasqui.node.records import AuthorRecord, HaveRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.receipts import ReceiptEntry
from tests.node.hostile import fresh, keep
from tests.node.liar import Liar
from tests.node.world import Person, make_group, meet, pair


def gaps(person: Person, group: GroupId) -> list[tuple[str, int, int]]:
    return [(gap.author_name, gap.first, gap.last) for gap in person.read(group).gaps]


def said(person: Person, group: GroupId, *texts: str) -> tuple[bytes, ...]:
    """The bundles of some texts that are not handed to anybody."""
    bundles: tuple[bytes, ...] = ()
    for text in texts:
        before = set(person.held())
        person.do(inputs.SendText(group, text))
        bundles += fresh(person, before)
    return bundles


def delivered(person: Person, group: GroupId, other: Person) -> dict[str, bool]:
    """What of a person's texts the other has signed for."""
    return {
        message.text: dict(message.receipts)[other.key(group)]
        for message in person.read(group).messages
        if other.key(group) in dict(message.receipts)
    }


def up_to(person: Person, group: GroupId, other: Person) -> int:
    return next(m.delivered_up_to for m in person.show(group).members if m.key == other.key(group))


def relief() -> tuple[Person, Person, Person, Person, GroupId]:
    """Ana founded, Ben is an admin too, Caro a member; Dora was let in by Ben and has joined."""
    ana, ben, caro, dora = Person("ana"), Person("ben"), Person("caro"), Person("dora")
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    for person, role in ((ben, Role.ADMIN), (caro, Role.MEMBER)):
        ana.do(inputs.AddMember(group, pair(ana, person), role))
    meet(ana, ben, caro)
    for person in (ben, caro):
        person.do(inputs.JoinGroup(group))
    meet(ana, ben, caro)
    ben.do(inputs.AddMember(group, pair(ben, dora), Role.MEMBER))
    meet(ben, dora)
    dora.do(inputs.JoinGroup(group))
    meet(ben, dora, caro)
    ben.sync(ana)
    return ana, ben, caro, dora, group


# -- what a newcomer lost ---------------------------------------------------------------------------------------


@pytest.mark.must("M-GAP-1", "M-REC-2", "M-REC-5")
def test_the_first_message_to_a_newcomer_is_lost_and_keys_change() -> None:
    ana, ben, _, dora, group = relief()
    lost = said(ana, group, "do not cross the bridge")
    ben.do(inputs.AddMember(group, pair(ben, Person("ed")), Role.MEMBER))
    meet(ben, dora)
    ben.sync(ana)
    dora.do(inputs.TakeBundles(said(ana, group, "second")))
    assert dora.texts(group) == ["second"]
    number = ana.read(group).messages[0].seq
    assert gaps(dora, group) == [("ana", number, number)]
    dora.sync(ana)
    assert delivered(ana, group, dora) == {"do not cross the bridge": False, "second": True}
    assert up_to(ana, group, dora) == 0
    dora.do(inputs.TakeBundles(lost))
    assert gaps(dora, group) == []
    dora.sync(ana)
    assert delivered(ana, group, dora) == {"do not cross the bridge": True, "second": True}
    assert up_to(ana, group, dora) == number + 1


def test_what_others_have_from_one_who_was_never_heard_is_a_gap() -> None:
    ana, _, caro, dora, group = relief()
    lost = said(ana, group, "one", "two")
    caro.do(inputs.TakeBundles(lost))
    dora.do(inputs.TakeBundles(said(caro, group, "as ana says")))
    first = ana.read(group).messages[0].seq
    assert gaps(dora, group) == [("ana", first, first + 1)]
    dora.do(inputs.TakeBundles(lost[1:]))
    assert gaps(dora, group) == [("ana", first, first)]
    dora.do(inputs.TakeBundles(lost[:1]))
    assert gaps(dora, group) == []


def test_what_was_sealed_before_one_joined_is_no_gap() -> None:
    ana, ben, caro, dora = Person("ana"), Person("ben"), Person("caro"), Person("dora")
    group = make_group(ana, ben, caro)
    contact = pair(ana, dora)
    ben.do(inputs.SendText(group, "on its way while dora is let in"))
    ben.sync(caro)
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, caro, dora)
    dora.do(inputs.JoinGroup(group))
    meet(ana, caro, dora)
    assert [name for name, _, _ in gaps(dora, group)] == ["ben"]  # it may be hers: nobody has told yet
    ana.sync(ben)
    ben.do(inputs.SendText(group, "hello"))
    ben.sync(dora)
    assert gaps(dora, group) == []
    meet(ana, ben, caro, dora)
    assert ben.read(group).messages[-1].state == "delivered"


def test_it_is_signed_for_beyond_what_a_bitmap_reaches() -> None:
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    group = make_group(ana, ben, mal)
    liar = Liar(mal, group)
    for number in (50_000, 90_000):
        ben.do(inputs.TakeBundles((liar.says("far away", seq=number),)))
        ben.do(inputs.Flush())
    assert 50_000 in have(ben.tx(), group, ben.key(group), liar.key)
    assert 49_999 not in have(ben.tx(), group, ben.key(group), liar.key)


# -- lies about numbers -----------------------------------------------------------------------------------------


@pytest.mark.must("M-GAP-1")
def test_a_lie_about_an_author_is_bounded_and_ends_with_his_answer() -> None:
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    group = make_group(ana, ben, mal)
    liar = Liar(mal, group)
    lie = liar.says(receipts=(ReceiptEntry(liar.leaf(ana.key(group)), SEQUENCE_MAX, b""),))
    newest = load_author(ben.tx(), group, ana.key(group)).spans[-1][1]
    for person in (ana, ben):
        person.do(inputs.TakeBundles((lie,)))
    assert gaps(ben, group) == [("ana", newest + 1, newest + CLAIMED_AHEAD_MAX)]
    ben.do(inputs.SendText(group, "what?"))
    ben.sync(ana)
    ana.do(inputs.Flush())
    lost = said(ana, group, "nothing")
    said(ana, group, "at all")
    ben.do(inputs.TakeBundles(tuple(bundle for bundle in ana.held() if bundle not in lost)))
    known = load_author(ben.tx(), group, ana.key(group))
    number = ana.read(group).messages[-2].seq
    assert gaps(ben, group) == [("ana", number, number)]  # what is lost stays
    assert known.claimed == SEQUENCE_MAX
    ben.do(inputs.TakeBundles(lost))
    assert gaps(ben, group) == []


def test_after_an_answer_the_word_of_others_still_counts() -> None:
    ana, ben, caro, mal = (Person(name) for name in ("ana", "ben", "caro", "mal"))
    group = make_group(ana, ben, caro, mal)
    liar = Liar(mal, group)
    lie = liar.says("x", receipts=(ReceiptEntry(liar.leaf(ana.key(group)), SEQUENCE_MAX, b""),))
    for person in (ana, ben, caro):
        person.do(inputs.TakeBundles((lie,)))
    meet(ana, ben)
    assert gaps(ben, group) == []
    caro.do(inputs.TakeBundles(said(ana, group, "for caro only")))
    caro.sync(caro)
    (receipt,) = [bundle for bundle in caro.held() if bundle not in ben.held() and bundle not in ana.held()][-1:]
    ben.do(inputs.TakeBundles((receipt,)))
    number = ana.read(group).messages[-1].seq
    assert gaps(ben, group)[-1] == ("ana", gaps(ben, group)[-1][1], number)


@pytest.mark.must("M-GAP-2")
@pytest.mark.parametrize("kind", ["objects", "receipts"])
def test_scattered_numbers_are_refused_before_a_record_bursts(kind: str) -> None:
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    group = make_group(ana, ben, mal)
    liar = Liar(mal, group)
    spans = tuple((70_000 + 2 * n, 70_000 + 2 * n) for n in range(AUTHOR_SPANS_MAX))
    tx: Transaction = ben.tx()
    entry = ReceiptEntry(liar.leaf(ana.key(group)), 0, b"\x02")
    record: AuthorRecord | HaveRecord
    if kind == "objects":
        record = AuthorRecord(1, spans, spans[-1][1], 1)
        tx.save(Space.AUTHOR, group + liar.key, record)
        more, filling = liar.says("x", seq=9), liar.says("x", seq=70_001)
    else:
        record = HaveRecord(spans, 1)
        tx.save(Space.HAVE, group + liar.key + ana.key(group), record)
        more = liar.says("x", receipts=(entry,))
        filling = liar.says("x", receipts=(ReceiptEntry(entry.leaf, 70_001, b"", 70_001),))
    keep(ben, tx)
    assert len(ben.store.get(Space.AUTHOR, group + liar.key) or b"") < RECORD_BYTES_MAX // 4
    assert ben.do(inputs.TakeBundles((more,))).refused == 1
    assert ben.do(inputs.TakeBundles((filling,))).new == 1


def test_wide_bitmaps_cost_little() -> None:
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    group = make_group(ana, ben, mal)
    liar = Liar(mal, group)
    wide = tuple(ReceiptEntry(leaf, 100, b"\x55" * 255) for leaf in range(2))
    bundles = tuple(liar.says("x", receipts=wide) for _ in range(50))
    began = time.process_time()
    assert ben.do(inputs.TakeBundles(bundles[1:] + bundles[:1])).new == 50
    ben.do(inputs.SettleOrder(group))
    assert time.process_time() - began < 2


# -- after removal ----------------------------------------------------------------------------------------------


def test_after_removal_does_not_depend_on_arrival_nor_on_what_others_claim() -> None:
    ana, ben, caro, mal = (Person(name) for name in ("ana", "ben", "caro", "mal"))
    group = make_group(ana, ben, caro, mal)
    liar, other = Liar(mal, group), Liar(caro, group)
    claim = other.says(receipts=(ReceiptEntry(other.leaf(liar.key), SEQUENCE_MAX, b""),))
    ana.do(inputs.TakeBundles((liar.says("in time"), claim)))
    late = liar.says("too late")
    in_time = tuple(ana.held())
    ana.do(inputs.RemoveMember(group, liar.key))
    removal = tuple(bundle for bundle in ana.held() if bundle not in in_time)
    ben.do(inputs.TakeBundles((*in_time, late, *removal)))
    caro.do(inputs.TakeBundles((*in_time, *removal, late)))
    for person in (ben, caro):
        states = {message.text: message.state for message in person.read(group).messages}
        assert states == {"in time": "received", "too late": "after removal"}


def test_spans_of_a_newcomer_begin_with_what_came() -> None:
    ana, _, _, dora, group = relief()
    dora.do(inputs.TakeBundles(said(ana, group, "hello")))
    dora.sync(ana)
    number = ana.read(group).messages[0].seq
    assert have(ana.tx(), group, dora.key(group), ana.key(group)) == Ranges(((number, number),))
    assert up_to(ana, group, dora) == number
