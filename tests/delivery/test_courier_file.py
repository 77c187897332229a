"""The courier file: whole, torn at every byte, damaged, foreign, and fed in any pieces."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.ids import bundle_id
from chasqui.base.limits import BUNDLE_STEPS
from chasqui.delivery.courier_file import (
    COUNT_MAX,
    HEADER_BYTES,
    RECORD_BYTES_EXTRA,
    CourierReader,
    CourierReport,
    CourierVersionError,
    Ending,
    ForeignFileError,
    courier_chunks,
    record_bytes,
)

DAY = 20_000


def some_bundles(seed: int, sizes: list[int]) -> list[bytes]:
    dice = random.Random(seed)
    return [dice.randbytes(size) for size in sizes]


def read(data: bytes, piece: int = 1 << 16) -> tuple[list[bytes], CourierReport]:
    reader = CourierReader()
    found: list[bytes] = []
    for start in range(0, len(data), piece):
        found += reader.feed(data[start : start + piece])
    return found, reader.finish()


bundle_lists = st.lists(st.sampled_from(BUNDLE_STEPS), max_size=6).flatmap(
    lambda sizes: st.builds(lambda seed: some_bundles(seed, sizes), st.integers(0, 2**32))
)


@pytest.mark.must("M-CHQ-1")
def test_bytes_are_those_of_the_spec() -> None:
    bundle = bytes(range(128))
    data = b"".join(courier_chunks([bundle], 0x0102))
    assert data == (
        b"CHQB" + b"\x01" + b"\x01\x02" + b"\x00\x00\x00\x01" + b"\x00\x80" + bundle + bundle_id(bundle)[:8]
    )
    assert len(data) == HEADER_BYTES + record_bytes(bundle)


@pytest.mark.must("M-CHQ-2")
@given(bundle_lists, st.integers(1, 5000))
def test_what_was_written_is_read_in_any_pieces(bundles: list[bytes], piece: int) -> None:
    found, report = read(b"".join(courier_chunks(bundles, DAY)), piece)
    assert found == bundles
    assert report == CourierReport(Ending.WHOLE, len(bundles), len(bundles), 0)
    assert report.clean


@pytest.mark.must("M-CHQ-2")
@given(bundle_lists, st.data())
def test_a_torn_file_gives_every_bundle_before_the_tear(bundles: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(courier_chunks(bundles, DAY))
    cut = data.draw(st.integers(0, len(whole) - 1))
    found, report = read(whole[:cut], data.draw(st.integers(1, 5000)))
    room, expected = cut - HEADER_BYTES, 0
    for bundle in bundles:
        room -= record_bytes(bundle)
        if room < 0:
            break
        expected += 1
    assert found == bundles[:expected]
    assert report.ending is Ending.TORN
    assert report.read == expected
    assert not report.clean


def test_one_byte_at_a_time() -> None:
    bundles = some_bundles(1, [128, 207, 15360])
    found, report = read(b"".join(courier_chunks(bundles, DAY)), 1)
    assert found == bundles
    assert report.clean


@pytest.mark.must("M-CHQ-3")
def test_a_damaged_record_costs_that_record_only() -> None:
    bundles = some_bundles(2, [207, 207, 207])
    data = bytearray(b"".join(courier_chunks(bundles, DAY)))
    data[HEADER_BYTES + 217 + 50] ^= 1
    found, report = read(bytes(data))
    assert found == [bundles[0], bundles[2]]
    assert report == CourierReport(Ending.WHOLE, 3, 2, 1)
    assert not report.clean


@pytest.mark.must("M-CHQ-3")
def test_a_length_that_no_bundle_has_ends_the_reading() -> None:
    bundles = some_bundles(3, [207, 207, 207])
    data = bytearray(b"".join(courier_chunks(bundles, DAY)))
    data[HEADER_BYTES + 217] ^= 0x40
    reader = CourierReader()
    assert reader.feed(bytes(data)) == bundles[:1]
    assert reader.ended
    assert reader.feed(bytes(1000)) == []
    assert reader.finish() == CourierReport(Ending.LOST, 3, 1, 0)


@pytest.mark.must("M-CHQ-4")
@pytest.mark.parametrize("piece", [1, 1 << 16])
def test_bytes_behind_the_last_record_are_reported(piece: int) -> None:
    bundles = some_bundles(4, [128])
    found, report = read(b"".join(courier_chunks(bundles, DAY)) + b"more", piece)
    assert found == bundles
    assert report.ending is Ending.TRAILING


def test_no_bundles_at_all() -> None:
    assert read(b"".join(courier_chunks([], DAY))) == ([], CourierReport(Ending.WHOLE, 0, 0, 0))
    assert read(b"") == ([], CourierReport(Ending.TORN, 0, 0, 0))


@pytest.mark.must("M-CHQ-5")
def test_foreign_and_newer_files_are_told_apart_at_the_first_byte_that_shows_it() -> None:
    with pytest.raises(ForeignFileError):
        CourierReader().feed(b"P")
    with pytest.raises(ForeignFileError):
        CourierReader().feed(b"CHQO")
    with pytest.raises(CourierVersionError):
        CourierReader().feed(b"CHQB\x02")
    with pytest.raises(ForeignFileError):
        CourierReader().feed(b"CHQB\x01\x00\x00" + (COUNT_MAX + 1).to_bytes(4, "big"))


def test_the_day_shows_once_the_header_is_whole() -> None:
    reader = CourierReader()
    data = b"".join(courier_chunks([], DAY))
    reader.feed(data[:10])
    assert reader.day is None
    reader.feed(data[10:])
    assert reader.day == DAY


@pytest.mark.must("M-CHQ-1")
@pytest.mark.parametrize("size", [0, 1, 127, 129, 15361])
def test_only_legal_sizes_are_written(size: int) -> None:
    with pytest.raises(ValueError):
        courier_chunks([bytes(size)], DAY)


@pytest.mark.parametrize("day", [-1, 65_536])
def test_a_day_out_of_range_is_our_own_fault(day: int) -> None:
    with pytest.raises(ValueError):
        courier_chunks([], day)


def fuzz_one(data: bytes) -> None:
    """Entry point for a fuzzer: only `PeerError` may escape, and memory stays below one record."""
    reader = CourierReader()
    try:
        for bundle in reader.feed(data):
            assert len(bundle) in BUNDLE_STEPS
        for start in range(min(len(data), 512)):
            reader.feed(data[start : start + 1])
    except PeerError:
        return
    report = reader.finish()
    assert report.read + report.damaged <= max(report.expected, 0)
    assert len(reader._buffer) <= BUNDLE_STEPS[-1] + RECORD_BYTES_EXTRA


@pytest.mark.must("M-CHQ-5")
@pytest.mark.must("M-CHQ-6")
@settings(max_examples=300)
@given(st.binary(max_size=2000), st.booleans(), st.integers(0, 3))
def test_hostile_bytes_raise_only_peer_error(data: bytes, head: bool, count: int) -> None:
    fuzz_one((b"CHQB\x01\x4e\x20" + count.to_bytes(4, "big") + b"\x00\x80" if head else b"") + data)


@pytest.mark.must("M-CHQ-3")
@given(bundle_lists, st.data())
def test_any_damage_gives_only_true_bundles(bundles: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(courier_chunks(bundles, DAY)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found, _ = read(bytes(whole))
    except PeerError:
        return
    assert set(found) <= set(bundles)
