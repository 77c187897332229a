"""Probes of a link test: their bytes, and the books of a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.links.probe import PROBE_BYTES, STATIONS_MAX, Probe, Report, StationId, Tally, read_probe, write_probe

A, B, C = (StationId(letter * 2) for letter in (b"a", b"b", b"c"))
reports = st.builds(
    lambda station, heard, more: Report(StationId(station), heard, heard + more),
    st.binary(min_size=2, max_size=2),
    st.integers(1, 100),
    st.integers(0, 100),
)


@pytest.mark.must("M-PRB-3")
@given(st.integers(1, 255), st.lists(reports, max_size=20), st.integers(14, 1_000))
def test_a_probe_fits_every_mtu_and_is_read_back(number: int, said: list[Report], mtu_bytes: int) -> None:
    frame = write_probe(Probe(A, number, tuple(said)), mtu_bytes)
    assert len(frame) == min(mtu_bytes, PROBE_BYTES)
    fit = min((mtu_bytes - 9) // 4, STATIONS_MAX)
    assert read_probe(frame) == Probe(A, number, tuple(said[:fit]))


@pytest.mark.must("M-PRB-3")
@given(st.binary(max_size=200))
def test_no_other_bytes_are_a_probe(data: bytes) -> None:
    with pytest.raises(PeerError):
        read_probe(data)
    frame = write_probe(Probe(A, 3, (Report(B, 1, 2),)), 50)
    for at in range(len(frame)):
        with pytest.raises(PeerError):
            read_probe(frame[:at] + bytes((frame[at] ^ 1,)) + frame[at + 1 :])
        with pytest.raises(PeerError):
            read_probe(frame[:at])


@pytest.mark.must("M-PRB-3")
@pytest.mark.parametrize(
    "body",
    [
        b"aa\x00\x00",  # number 0
        b"aa\x01\x01bb\x00\x01",  # nothing heard
        b"aa\x01\x01bb\x02\x01",  # more than there were
        b"aa\x01\x02bb\x01\x01",  # fewer than it says
        b"aa\x01\x11" + b"bb\x01\x01" * 17,
        b"aa\x01\x00\x00\x01",  # padding that is not zero
    ],
)
def test_a_probe_that_breaks_its_rules(body: bytes) -> None:
    from zlib import crc32

    with pytest.raises(PeerError, match="breaks"):
        read_probe(b"\xf0" + crc32(body).to_bytes(4, "big") + body)


def test_the_example_of_the_spec() -> None:
    made = write_probe(Probe(A, 3, (Report(B, 1, 2),)), 15).hex()
    spec = Path(__file__).parents[2].joinpath("docs/spec/link-test.md").read_text(encoding="utf-8")
    assert made in spec.replace(" ", "")


def test_both_directions_are_counted() -> None:
    here, there = Tally(A), Tally(B)
    for number in range(1, 11):
        if number % 2:
            there.heard(here.probe(number), None)
        if number != 4:
            here.heard(there.probe(number), float(number))
    (found,) = here.result()
    assert (found.station, found.arrived, found.reached) == (B, 0.9, 5 / 9)
    assert found.strength_db == pytest.approx(5.67, abs=0.01)
    (other,) = there.result()
    assert (other.arrived, other.reached, other.strength_db) == (5 / 9, 7 / 8, None)


def test_the_best_comes_first_and_who_says_nothing_of_us_last() -> None:
    tally = Tally(A)
    tally.heard(Probe(B, 1, ()), None)
    for number in (1, 2):
        tally.heard(Probe(C, 2 * number, (Report(A, 1, 1),)), None)
    assert [(h.station, h.arrived, h.reached) for h in tally.result()] == [(C, 0.5, 1.0), (B, 1.0, None)]


def test_an_echo_of_our_own_and_a_crowd_fill_no_books() -> None:
    tally = Tally(A)
    tally.heard(tally.probe(1), None)
    assert tally.result() == ()
    for number in range(100):
        tally.heard(Probe(StationId(bytes((0, number))), 1, ()), None)
    assert len(tally.result()) == STATIONS_MAX
    assert len(read_probe(write_probe(tally.probe(2), 1_000)).reports) == STATIONS_MAX
