"""Airtime that was spent, by the minute: it outlives the process, and the link whose it was.

The books are kept by a clock that nobody sets (`Uptime`), and know by which. What they hold of another boot, or of
another machine, was spent before they were first seen on this one: nothing else is known of it, so it counts as spent
just then.

A frame is booked before it leaves, at least a minute ahead: whoever dies in between has it in the books. What any link
has spent, removed or not, counts for every link that is added within the hour, because nobody can tell whether it is
the same radio: devices change their names when they are plugged in again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from chasqui.base.ports import Uptime
from chasqui.delivery.airtime import HOUR_MS
from chasqui.node.keys import u64
from chasqui.node.records import Space
from chasqui.node.transaction import Transaction

AHEAD_MS: Final = 60_000  # what is booked covers a frame that has left within so long
_MINUTE_S: Final = 60
_HOUR_S: Final = HOUR_MS // 1000
_BOOT: Final = b"boot"  # the name in META of that by whose clock all books are kept


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


def spent(tx: Transaction, book: Book, link: str | None, now: Uptime) -> list[tuple[int, int]]:
    """When by this clock, in milliseconds, and how much, the oldest first. A frame that may still be under way stands
    a little ahead."""
    minutes = _seen(_read(tx, _key(book, link)), now, same_boot=tx.get(Space.META, _BOOT) == now.boot)
    return [(end_s * 1000, airtime_ms) for end_s, airtime_ms in sorted(minutes.items())]


def spend(tx: Transaction, book: Book, link: str | None, airtime_ms: int, now: Uptime) -> Booked:
    """Books a frame before it leaves."""
    if tx.get(Space.META, _BOOT) != now.boot:
        keep_by(tx, now)
        tx.put(Space.META, _BOOT, now.boot)
    booked = Booked(_latest_s(now), airtime_ms)
    _change(tx, _key(book, link), {booked.end_s: airtime_ms}, now)
    return booked


def settle(tx: Transaction, book: Book, link: str | None, booked: Booked, took_ms: int, now: Uptime) -> None:
    """The frame has left just now. Nothing is written where it is booked late and high enough."""
    end_s = _latest_s(now) - _MINUTE_S
    if end_s > booked.end_s:
        by = {booked.end_s: -booked.airtime_ms, end_s: max(took_ms, booked.airtime_ms)}
        _change(tx, _key(book, link), by, now)
    elif took_ms > booked.airtime_ms:
        _change(tx, _key(book, link), {booked.end_s: took_ms - booked.airtime_ms}, now)


def inherit(tx: Transaction, link: str) -> None:
    """A link was added: its radio may be that of a link that was removed, or will be."""
    for book in Book:
        kept = [_read(tx, key) for key, _ in tx.scan_prefix(Space.META, book.value)]
        _write(tx, _key(book, link), _largest(kept))


def bequeath(tx: Transaction, link: str) -> None:
    """A link was removed."""
    for book in Book:
        _write(tx, _key(book, None), _largest([_read(tx, _key(book, None)), _read(tx, _key(book, link))]))
        tx.erase(Space.META, _key(book, link))


def _largest(kept: list[dict[int, int]]) -> dict[int, int]:
    """Of each minute the largest part: a radio can only have been one of those."""
    return {end_s: max(minutes.get(end_s, 0) for minutes in kept) for end_s in set[int]().union(*kept)}


def keep_by(tx: Transaction, now: Uptime) -> None:
    """From now on the books are kept by this clock. Erases what is an hour old, and by which clock that was, too: it
    tells when a radio was used."""
    same_boot = tx.get(Space.META, _BOOT) == now.boot
    kept = [_each(tx, book, lambda minutes: _seen(minutes, now, same_boot=same_boot)) for book in Book]
    if not any(kept):
        _put(tx, _BOOT, b"")
    elif not same_boot:
        tx.put(Space.META, _BOOT, now.boot)


def _seen(minutes: dict[int, int], now: Uptime, *, same_boot: bool) -> dict[int, int]:
    """What counts now. What lies ahead by more than a frame under way is of a machine that was set back to an earlier
    state of itself: that is as good as another."""
    latest_s = _latest_s(now)
    seen: dict[int, int] = {}
    for end_s, airtime_ms in minutes.items():
        at_s = min(end_s, latest_s) if same_boot else latest_s
        if (at_s + _HOUR_S) * 1000 > now.ms:
            seen[at_s] = seen.get(at_s, 0) + airtime_ms
    return seen


def _latest_s(now: Uptime) -> int:
    """The end of the minute that covers `AHEAD_MS` from now on."""
    return (now.ms // 1000 // _MINUTE_S + 2) * _MINUTE_S


def _key(book: Book, link: str | None) -> bytes:
    """None: of links that were removed."""
    return book.value if link is None else book.value + b" " + link.encode()


def _each(tx: Transaction, book: Book, change: Callable[[dict[int, int]], dict[int, int]]) -> bool:
    """Whether anything is left."""
    left = False
    for key, _ in list(tx.scan_prefix(Space.META, book.value)):
        minutes = change(_read(tx, key))
        _write(tx, key, minutes)
        left = left or bool(minutes)
    return left


def _change(tx: Transaction, key: bytes, by: dict[int, int], now: Uptime) -> None:
    minutes = _read(tx, key)
    for end_s, airtime_ms in by.items():
        minutes[end_s] = minutes.get(end_s, 0) + airtime_ms
    _write(tx, key, _seen(minutes, now, same_boot=True))


def _read(tx: Transaction, key: bytes) -> dict[int, int]:
    value = tx.get(Space.META, key) or b""
    pieces = [(value[at : at + 8], value[at + 8 : at + 16]) for at in range(0, len(value), 16)]
    return {int.from_bytes(end, "big"): int.from_bytes(spent_ms, "big") for end, spent_ms in pieces}


def _write(tx: Transaction, key: bytes, minutes: dict[int, int]) -> None:
    """The end of a minute in seconds since the boot, 8 bytes, and milliseconds of airtime, 8 bytes."""
    _put(tx, key, b"".join(u64(end_s) + u64(ms) for end_s, ms in sorted(minutes.items()) if ms > 0))


def _put(tx: Transaction, key: bytes, value: bytes) -> None:
    """Nothing is written that is there already."""
    before = tx.get(Space.META, key)
    if value and value != before:
        tx.put(Space.META, key, value)
    elif not value and before is not None:
        tx.erase(Space.META, key)
