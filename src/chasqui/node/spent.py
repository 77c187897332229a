"""Airtime that was spent, by the minute: it outlives the process, and the link whose it was.

A frame is booked before it leaves, at least a minute ahead: whoever dies in between has it in the books. What a removed
link has spent counts for every link that is added within the hour, because nobody can tell whether it is the same
radio: devices change their names when they are plugged in again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from chasqui.delivery.airtime import HOUR_MS
from chasqui.node.keys import u64
from chasqui.node.records import Space
from chasqui.node.transaction import Transaction

_MINUTE_S: Final = 60
_HOUR_S: Final = HOUR_MS // 1000
_FORGOTTEN_S: Final = 24 * _HOUR_S  # not an hour: a clock that is set ahead must not empty the books


class Book(Enum):
    """What airtime was spent on. The value is the name in META; behind it a space and the link, or nothing for what
    removed links have spent."""

    FRAMES = b"airtime"
    PROBES = b"probes"


@dataclass(frozen=True)
class Booked:
    """A frame that is under way: in which minute it is booked, by its end, and with how much."""

    end_s: int
    airtime_ms: int


def spent(tx: Transaction, book: Book, link: str | None) -> list[tuple[int, int]]:
    """How many milliseconds ago, and how much, the oldest first. What lies a little ahead counts as just now."""
    minutes = _read(tx, _key(book, link))
    return [(max(tx.now_s - end_s, 0) * 1000, airtime_ms) for end_s, airtime_ms in sorted(minutes.items())]


def spend(tx: Transaction, book: Book, link: str | None, airtime_ms: int) -> Booked:
    """Books a frame before it leaves."""
    booked = Booked((tx.now_s // _MINUTE_S + 2) * _MINUTE_S, airtime_ms)
    _change(tx, _key(book, link), {booked.end_s: airtime_ms})
    return booked


def settle(tx: Transaction, book: Book, link: str | None, booked: Booked, took_ms: int) -> None:
    """The frame has left just now. Nothing is written where it is booked late and high enough."""
    end_s = (tx.now_s // _MINUTE_S + 1) * _MINUTE_S
    if end_s > booked.end_s:
        _change(tx, _key(book, link), {booked.end_s: -booked.airtime_ms, end_s: max(took_ms, booked.airtime_ms)})
    elif took_ms > booked.airtime_ms:
        _change(tx, _key(book, link), {booked.end_s: took_ms - booked.airtime_ms})


def inherit(tx: Transaction, link: str) -> None:
    """A link was added: its radio may be that of a link that was removed."""
    for book in Book:
        _write(tx, _key(book, link), _read(tx, _key(book, None)))


def bequeath(tx: Transaction, link: str) -> None:
    """A link was removed. Of each minute the larger part counts: a radio can only have been one of those removed."""
    for book in Book:
        gone = _read(tx, _key(book, None))
        for end_s, airtime_ms in _read(tx, _key(book, link)).items():
            gone[end_s] = max(gone.get(end_s, 0), airtime_ms)
        _write(tx, _key(book, None), gone)
        tx.erase(Space.META, _key(book, link))


def shift(tx: Transaction, by_s: int) -> None:
    """The clock was set: what was spent stays as old as it is."""
    minutes = -(-by_s // _MINUTE_S) * _MINUTE_S
    _each(tx, lambda book: {end_s + minutes: airtime_ms for end_s, airtime_ms in book.items()})


def bring_back(tx: Transaction) -> None:
    """The clock may have been put back while nobody ran: what lies ahead was spent just now, and grows old from now."""
    latest_s = (tx.now_s // _MINUTE_S + 2) * _MINUTE_S

    def brought(minutes: dict[int, int]) -> dict[int, int]:
        near: dict[int, int] = {}
        for end_s, airtime_ms in minutes.items():
            near[min(end_s, latest_s)] = near.get(min(end_s, latest_s), 0) + airtime_ms
        return near

    _each(tx, brought)


def forget_old(tx: Transaction) -> None:
    """Erases what nobody asks for any more: it tells when a radio was used."""
    _each(tx, lambda book: {at: ms for at, ms in book.items() if at + _FORGOTTEN_S > tx.now_s})


def _key(book: Book, link: str | None) -> bytes:
    """None: of links that were removed."""
    return book.value if link is None else book.value + b" " + link.encode()


def _each(tx: Transaction, change: Callable[[dict[int, int]], dict[int, int]]) -> None:
    for book in Book:
        for key, _ in list(tx.scan_prefix(Space.META, book.value)):
            _write(tx, key, change(_read(tx, key)))


def _change(tx: Transaction, key: bytes, by: dict[int, int]) -> None:
    minutes = _read(tx, key)
    for end_s, airtime_ms in by.items():
        minutes[end_s] = minutes.get(end_s, 0) + airtime_ms
    _write(tx, key, {at: ms for at, ms in minutes.items() if at + _HOUR_S > tx.now_s})


def _read(tx: Transaction, key: bytes) -> dict[int, int]:
    value = tx.get(Space.META, key) or b""
    pieces = [(value[at : at + 8], value[at + 8 : at + 16]) for at in range(0, len(value), 16)]
    return {int.from_bytes(end, "big"): int.from_bytes(spent_ms, "big") for end, spent_ms in pieces}


def _write(tx: Transaction, key: bytes, minutes: dict[int, int]) -> None:
    """The end of a minute in seconds since 1970, 8 bytes, and milliseconds of airtime, 8 bytes."""
    value = b"".join(u64(max(end_s, 0)) + u64(ms) for end_s, ms in sorted(minutes.items()) if ms > 0)
    if value:
        tx.put(Space.META, key, value)
    elif tx.get(Space.META, key) is not None:
        tx.erase(Space.META, key)
