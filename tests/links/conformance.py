"""One suite for every kind of link, after the idea of trio's `check_one_way_stream`.

A kind brings a factory that gives two ends joined by the link (`Pair`); each check gets a fresh pair. A payload
is what the link carries: a bundle on a medium, a frame in a session.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import pytest

from chasqui.base.limits import FRAME_BYTES_MAX
from chasqui.node.link_port import LinkProfile


class Pair(Protocol):
    """Two ends, 0 and 1, joined by one link. All that waits is bounded by the pair itself."""

    @property
    def profiles(self) -> Sequence[LinkProfile]: ...

    @property
    def sizes(self) -> Sequence[int]:
        """Payload sizes worth trying; the smallest and the largest legal one are among them."""
        ...

    async def carry(self, start: int, payloads: Sequence[bytes]) -> list[bytes]:
        """Hands the payloads to one end and gives what newly came out of the other. Called again with the
        same payloads it may give them again or not."""
        ...

    def offer_illegal(self, start: int, payload: bytes) -> None:
        """Hands one payload of an illegal size to the link itself."""
        ...

    async def restart(self, end: int) -> None:
        """Ends one end and starts it anew, with nothing remembered but the medium."""
        ...

    async def disturb(self, dice: random.Random) -> None:
        """Hostile bytes wherever a stranger can put bytes."""
        ...

    async def cut(self) -> None:
        """End 1, or the medium, is gone without a word; returns when end 0 has noticed."""
        ...


Factory = Callable[[], AbstractAsyncContextManager[Pair]]


def payloads_of(pair: Pair, seed: int, count: int = 0) -> list[bytes]:
    """Different random payloads of every size, or `count` of the smallest."""
    dice = random.Random(seed)
    if count:
        return [
            dice.randbytes(min(pair.sizes) + 15) if min(pair.sizes) < 16 else dice.randbytes(min(pair.sizes))
            for _ in range(count)
        ]
    return [dice.randbytes(size) for size in pair.sizes]


async def check_profile(pair: Pair) -> None:
    for profile in pair.profiles:
        assert profile.kind.isidentifier()
        assert 0 < profile.mtu_bytes <= FRAME_BYTES_MAX
        assert profile.bit_rate_bps is None or profile.bit_rate_bps > 0
        assert 0 <= profile.loss_expected < 1
        assert 0 < profile.airtime_share_max <= 1
    assert pair.profiles[0] == pair.profiles[1], "a profile may not tell one node from another"


async def check_every_size_arrives_identical(pair: Pair) -> None:
    for start in (0, 1):
        sent = payloads_of(pair, start)
        assert Counter(await pair.carry(start, sent)) == Counter(sent)


async def check_many_arrive_once(pair: Pair, count: int = 500) -> None:
    sent = payloads_of(pair, 7, count)
    assert Counter(await pair.carry(0, sent)) == Counter(sent)


async def check_nothing_is_carried_as_nothing(pair: Pair) -> None:
    assert await pair.carry(0, []) == []


async def check_duplicates_do_no_harm(pair: Pair) -> None:
    sent = payloads_of(pair, 3)
    assert set(await pair.carry(0, sent + sent)) == set(sent)
    assert set(await pair.carry(0, sent)) <= set(sent)
    more = payloads_of(pair, 4)
    assert set(more) <= set(await pair.carry(1, more))


async def check_illegal_sizes_are_refused(pair: Pair) -> None:
    for size in (0, pair.profiles[0].mtu_bytes + 1):
        with pytest.raises(ValueError):
            pair.offer_illegal(0, bytes(size))
    sent = payloads_of(pair, 5)
    assert Counter(await pair.carry(0, sent)) == Counter(sent), "the link went on"


async def check_restart_of_either_end(pair: Pair) -> None:
    for end in (0, 1, 1, 0):
        await pair.restart(end)
        sent = payloads_of(pair, random.randrange(2**32))
        assert set(sent) <= set(await pair.carry(end, sent))


async def check_hostile_bytes_do_nothing(pair: Pair) -> None:
    dice = random.Random(11)
    await pair.disturb(dice)
    sent = payloads_of(pair, 6)
    assert Counter(await pair.carry(0, sent)) == Counter(sent)
    await pair.disturb(dice)
    sent = payloads_of(pair, 8)
    assert Counter(await pair.carry(1, sent)) == Counter(sent)


async def check_a_dead_peer_is_noticed(pair: Pair) -> None:
    await pair.carry(0, payloads_of(pair, 9))
    await pair.cut()


CHECKS: Final = (
    check_profile,
    check_every_size_arrives_identical,
    check_many_arrive_once,
    check_nothing_is_carried_as_nothing,
    check_duplicates_do_no_harm,
    check_illegal_sizes_are_refused,
    check_restart_of_either_end,
    check_hostile_bytes_do_nothing,
    check_a_dead_peer_is_noticed,
)


def run_check(factory: Factory, check: Callable[[Pair], object], timeout_s: float = 60) -> None:
    """Runs one check on a fresh pair. The time-out only ends a check that hangs."""

    async def body() -> None:
        async with factory() as pair, asyncio.timeout(timeout_s):
            outcome = check(pair)
            assert asyncio.iscoroutine(outcome)
            await outcome

    asyncio.run(body())
