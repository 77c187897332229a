"""Somebody whom nobody but us hears sends in our place what others asked us for: that they go on asking tells us. Or he
asks in our place."""

from __future__ import annotations

import pytest

from chasqui.base.ids import bundle_id
from chasqui.delivery.answering import GIVEN_MS, SAME_MS, WAYS_GIVEN, Answering
from chasqui.delivery.index import fingerprint, short_id
from chasqui.delivery.radio_frames import (
    CodedFrame,
    DaysFrame,
    SumFrame,
    WantFrame,
    read_radio_frame,
    write_radio_frame,
)
from chasqui.delivery.sketch import syndromes_of
from tests.delivery.place import TODAY, Place, bundle_of, seeded

MINUTE_MS = 60_000
COMMON = 3


class Liar:
    """Beside `a`, and nobody else hears him: he answers in its place whatever it is asked for. `b` lacks something."""

    def __init__(self, lacking: int, seed: int) -> None:
        self.place = Place("ab", seed=seed)
        self.near, self.asker = self.place.stations.values()
        for station in self.place.stations.values():
            station.hold([bundle_of(("common", n)) for n in range(COMMON)], news=False)
        self.lacking = [bundle_of(("lacking", n)) for n in range(lacking)]
        self.near.hold(self.lacking, news=False)
        self.said = 0
        self._hear = self.near.engine.heard

    def answers(self) -> None:
        """Sends all of it, so that only `a` hears."""
        for bundle in self.lacking:
            self.said += 1
            frame = CodedFrame(self.said // 256 % 256, self.said % 256, 1, 0, bundle, False, False, True)
            self._hear(write_radio_frame(frame), 10.0, self.place.now_ms)
        if self.near.queued is None:
            self.near.turn()

    def at_each_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whenever somebody has said what he holds or lacks."""

        def heard(data: bytes, strength_db: float | None, now_ms: int) -> list[bytes]:
            if isinstance(read_radio_frame(data), DaysFrame | SumFrame | WantFrame):
                self.place.at(now_ms + 300, self.answers)
            return self._hear(data, strength_db, now_ms)

        monkeypatch.setattr(self.near.engine, "heard", heard)

    def without_end(self) -> None:
        """Before anybody has asked, and after."""
        self.answers()
        self.place.at(self.place.now_ms + 2_000, self.without_end)

    def asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beside `b` in place of `a`: he says the SUM that `a` would, and then REQ, so that `b` says neither."""
        hear, salts = self.asker.engine.heard, seeded("salts of the liar")

        def tell(frame: SumFrame | WantFrame) -> None:
            hear(write_radio_frame(frame), 10.0, self.place.now_ms)
            if self.asker.queued is None:
                self.asker.turn()

        def heard(data: bytes, strength_db: float | None, now_ms: int) -> list[bytes]:
            brought, word, salt = hear(data, strength_db, now_ms), read_radio_frame(data), salts(2)
            if isinstance(word, DaysFrame):
                ids = tuple(self.near.index.short_ids(salt, TODAY, 0))
                check, sketch = fingerprint(salt, len(ids), sum(ids)), syndromes_of(ids, 3)
                self.place.at(now_ms + 300, lambda: tell(SumFrame(TODAY % 256, salt, 0, len(ids), check, sketch)))
            elif isinstance(word, SumFrame):
                salt = word.salt
            if isinstance(word, DaysFrame | SumFrame):
                wanted = tuple(short_id(salt, bundle_id(bundle)) for bundle in self.lacking)
                self.place.at(now_ms + 600, lambda: tell(WantFrame(salt, wanted)))
            return brought

        monkeypatch.setattr(self.asker.engine, "heard", heard)

    def failed(self) -> bool:
        """Whether the asker has all of it."""
        return len(self.asker.held) == COMMON + len(self.lacking)


@pytest.mark.must("M-RAD-24")
@pytest.mark.parametrize("lacking", [1, 5])
def test_who_is_always_sooner_takes_no_fourth_answer(lacking: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        liar = Liar(lacking, seed)
        liar.at_each_word(monkeypatch)
        assert liar.place.run(15 * MINUTE_MS, liar.failed)


@pytest.mark.must("M-RAD-24")
def test_nor_who_sends_it_before_it_is_asked_for() -> None:
    """He is never silent, and so keeps others waiting as well: that ends, too."""
    liar = Liar(2, 1)
    liar.place.at(500, liar.without_end)
    assert liar.place.run(60 * MINUTE_MS, liar.failed)


@pytest.mark.must("M-RAD-24")
def test_what_was_begun_and_is_asked_for_a_fourth_time_goes_on() -> None:
    """What others have heard the beginning of is left to whoever is sooner as often, and no more."""
    liar, told = Liar(4, 2), 0
    outgoing, held = liar.near.engine._outgoing, liar.near.held
    items = [item for item in liar.near.index.newest(9) if held[item.id] in liar.lacking]
    for now_ms in range(100_000, 100_000 + (WAYS_GIVEN + 1) * SAME_MS, SAME_MS):
        outgoing.add_answers(items, now_ms, lambda ours: 0)
        assert isinstance(outgoing.next(1, now_ms, held.get), CodedFrame)
        for item in items:
            outgoing.overheard(item.id, now_ms + 7_000)
        told = 0
        while outgoing.ranks(now_ms + 8_000):
            told += isinstance(outgoing.next(1, now_ms + 8_000, held.get), CodedFrame)
        assert told == (3 if now_ms == 100_000 + WAYS_GIVEN * SAME_MS else 0)


@pytest.mark.must("M-RAD-20")
def test_who_asks_in_the_place_of_who_lacks_it_gains_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        liar = Liar(1, seed)
        liar.asks(monkeypatch)
        assert liar.place.run(25 * MINUTE_MS, liar.failed)
        assert liar.place.now_ms > 5 * MINUTE_MS, "he does gain something"


def test_what_is_asked_for_by_many_at_once_is_one_asking() -> None:
    answering, bundle = Answering(seeded("a")), bundle_id(bundle_of(1))
    for at_ms in range(0, WAYS_GIVEN * SAME_MS, SAME_MS):
        assert answering.gives_way(bundle, at_ms)
        assert answering.gives_way(bundle, at_ms + SAME_MS - 1)
    assert not answering.gives_way(bundle, WAYS_GIVEN * SAME_MS)
    answering.sent(bundle, WAYS_GIVEN * SAME_MS)
    assert answering.gives_way(bundle, (WAYS_GIVEN + 1) * SAME_MS), "it has been said: now it is others' turn again"


def test_who_gave_way_long_ago_gives_way_again() -> None:
    answering, bundle = Answering(seeded("a")), bundle_id(bundle_of(1))
    last_ms = (WAYS_GIVEN - 1) * SAME_MS
    assert all(answering.gives_way(bundle, at_ms) for at_ms in range(0, last_ms + 1, SAME_MS))
    assert not answering.gives_way(bundle, last_ms + GIVEN_MS - 1)
    assert answering.gives_way(bundle, last_ms + GIVEN_MS)
    for n in range(5_000):
        answering.gives_way(bundle_id(n.to_bytes(2, "big")), last_ms + GIVEN_MS)
    assert len(answering._given) <= 4_096


def test_who_gave_way_often_means_to_answer_however_many_there_are() -> None:
    answering, bundle = Answering(seeded("a")), bundle_id(bundle_of(1))
    for _ in range(200):
        answering.was_sooner()
    assert not all(answering.means_to(bundle_id(bundle_of(n)), 0) for n in range(50))
    for n in range(WAYS_GIVEN):
        answering.gives_way(bundle, n * SAME_MS)
    assert all(answering.means_to(bundle, WAYS_GIVEN * SAME_MS) for _ in range(50))
