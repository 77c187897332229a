"""Each checker sees what it is there for: somebody breaks the promise on purpose."""

from __future__ import annotations

import pytest
from msgspec import structs

from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.ranges import Ranges
from chasqui.base.schema import decode_own, encode
from chasqui.groups.membership import cites
from chasqui.groups.operation import Reason, Remove
from chasqui.lab.courier import Stick
from chasqui.lab.liveness import Liveness
from chasqui.lab.run import Run
from chasqui.lab.scenario import Scenario, read_scenario
from chasqui.lab.stage import Stage
from chasqui.node import changes, inputs, node
from chasqui.node.authors import load_author
from chasqui.node.effects import Notice
from chasqui.node.groups import history_of, load_group
from chasqui.node.records import ChainRecord, EpochRecord, GroupRecord, HaveRecord, Space
from chasqui.node.store_port import Write
from chasqui.node.transaction import Transaction

THREE = Scenario(name="three", story="", days=1, people=("ana", "ben", "cy"))


def staged() -> Stage:
    stage = Stage(THREE, 1)
    stage.set()
    return stage


def failed(stage: Stage) -> set[str]:
    return {violation.check for violation in stage.safety.violations}


def goes_round(stage: Stage) -> None:
    stick = Stick(stage.world)
    for _ in range(2):
        for device in stage.devices.values():
            stick.visit(device)


def test_an_honest_stage_breaks_nothing() -> None:
    stage = staged()
    stage.people["ana"].say()
    goes_round(stage)
    assert not failed(stage)
    assert not Liveness(stage).unmet()
    assert not Liveness(stage).unmet_by_readers()


def test_a_step_that_raises_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = staged()
    monkeypatch.setattr(node, "keep_message", lambda *_: 1 // 0)
    stage.people["ana"].say()
    assert failed(stage) == {"error"}


def test_trouble_that_the_node_caught_is_seen() -> None:
    stage = staged()
    stage.noticed(stage.devices["ana"], Notice("trouble"))
    assert failed(stage) == {"error"}


def test_sending_before_clean_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ana removes Cy and does not carry it out."""
    stage = staged()
    monkeypatch.setattr(changes, "carry_out_due", lambda *_, **__: False)
    monkeypatch.setattr(changes, "is_clean", lambda *_: True)
    monkeypatch.setattr(node, "remove_member", _only_signed)
    monkeypatch.setattr(node, "require_clean", lambda tx, group, **_: load_group(tx, group))
    stage.people["ana"].remove("cy")
    stage.people["ana"].say()
    assert failed(stage) == {"dirty-send"}


def test_a_removed_member_who_reads_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    test_sending_before_clean_is_seen(monkeypatch)
    stage = staged()
    stage.people["ana"].remove("cy")
    stage.people["ana"].say()
    stage.devices["cy"].do(inputs.TakeBundles(tuple(_held(stage, "ana"))))
    assert failed(stage) == {"dirty-send", "removed-reads"}


def test_a_key_that_is_used_twice_is_seen() -> None:
    stage = staged()
    ana = stage.devices["ana"]
    head = stage.ledger.heads[stage.group, "ana"]
    leaf = decode_own(ana.store.get(Space.EPOCH, stage.group + head) or b"", EpochRecord).own_leaf
    place = head + leaf.to_bytes(2, "big")
    before = ana.store.get(Space.CHAIN, place) or b""
    stage.people["ana"].say()
    stage.safety._counters["ana", place] = decode_own(before, ChainRecord).counter  # as if the chain were put back
    ana.write((Write(Space.CHAIN, place, ana.store.get(Space.CHAIN, place)),))
    assert failed(stage) == {"key-reuse"}


def test_a_false_receipt_is_seen() -> None:
    stage = staged()
    ana, keys = stage.devices["ana"], stage.ledger.keys
    mine, cys = keys[stage.group, "ana"][-1], keys[stage.group, "cy"][-1]
    claim = encode(HaveRecord(((1, 99),), 1))
    ana.write((Write(Space.HAVE, stage.group + cys + mine, claim),))
    assert failed(stage) == {"false-receipt"}
    stage.people["ana"].say()
    stage.people["ana"].say()
    ana.write((Write(Space.HAVE, stage.group + cys + mine, claim),))
    assert "delivered" in Liveness(stage).unmet_by_readers()


def test_a_session_that_is_cut_off_is_seen() -> None:
    stage = staged()
    stage.network.rude(stage.devices["ana"], stage.devices["ben"])
    assert failed(stage) == {"rude"}


def test_a_head_of_ones_own_and_a_text_that_is_not_read_are_seen() -> None:
    stage = staged()
    stage.people["ana"].remove("cy")
    stage.people["ana"].say()
    unmet = Liveness(stage).unmet()
    assert {"one-head", "one-roster", "all-read"} == unmet.keys()


def test_a_text_is_demanded_under_the_key_that_a_device_uses_alone() -> None:
    """Ana says something that does not reach Cy; it was not for him while his device sits under another key."""
    stage = staged()
    cys = stage.ledger.sits_as[stage.group, "cy"]
    stage.people["ana"].say()
    assert "all-read" in Liveness(stage).unmet()
    stage.ledger.sits_as[stage.group, "cy"] = MemberKey(bytes(32))
    stage.hand_over("ana", "ben")
    assert "all-read" not in Liveness(stage).unmet()
    stage.ledger.sits_as[stage.group, "cy"] = cys
    assert Liveness(stage).unmet()["all-read"].startswith("cy has not read")


def test_one_who_is_out_by_his_own_word_alone_is_seen() -> None:
    stage = staged()
    ben = stage.devices["ben"]
    record = decode_own(ben.store.get(Space.GROUP, stage.group) or b"", GroupRecord)
    ben.write((Write(Space.GROUP, stage.group, encode(structs.replace(record, out=2, head=b""))),))
    assert Liveness(stage).unmet()["who-is-in"].startswith("ben is not in")


def test_what_is_known_not_to_hold_is_told_apart() -> None:
    text = """
name = "apart"
story = "Two who do not know of one another's word say that Cy's device was taken, and it is lifted."
days = 3
people = ["ana", "ben", "cy", "dee"]
settle_days = 2
expects = ["lifted"]
[[couriers]]
route = ["ana", "ben", "cy", "dee"]
every_hours = 2
[[events]]
day = 1
who = "ben"
do = "accuse"
whom = "cy"
[[events]]
day = 1
who = "dee"
do = "accuse"
whom = "cy"
[[events]]
day = 2
who = "ana"
do = "lift"
whom = "cy"
"""
    outcome = Run(read_scenario(text), 1).play()
    assert outcome.held
    assert outcome.expected
    open_again = structs.replace(read_scenario(text), expects=())
    again = Run(open_again, 1).play()
    assert again.unmet.keys() == outcome.expected.keys()


def test_who_is_quarantined_and_should_not_be_is_seen() -> None:
    stage = staged()
    stage.people["ana"].accuse("cy")
    stage.people["ben"].accuse("cy")
    Stick(stage.world)
    stage.hand_over("ben", "ana")
    assert Liveness(stage).unmet()["quarantine"].endswith(": cy")


def _only_signed(tx: Transaction, group: GroupId, member: MemberKey) -> None:
    record = load_group(tx, group)
    history = history_of(tx, group)
    last = Ranges(load_author(tx, group, member).spans).last
    change = Remove(cites(history, MemberKey(record.member)), member, last, Reason.REMOVED)
    changes.issue(tx, group, record, change)


def _held(stage: Stage, name: str) -> list[bytes]:
    stick = Stick(stage.world)
    stick.take_from(stage.devices[name])
    return list(stick.bundles.values())
