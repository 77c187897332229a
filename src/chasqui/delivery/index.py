"""What is held, by day, as reconciliation sees it: counts, sums, and short ids under a salt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Final

from chasqui.base import labels
from chasqui.base.ids import BundleId

URGENT_RANK: Final = 0
_SUM_MASK: Final = 2**64 - 1


@dataclass(frozen=True)
class Item:
    """What the engine knows of a bundle that is held. `rank`: its class, the most urgent lowest."""

    id: BundleId
    size: int
    rank: int
    day: int
    flow: str = ""  # whose it is, as far as this node can tell: of one of its groups, or the link that brought it

    @property
    def urgent(self) -> bool:
        """Whether it goes before everything else and is not delayed."""
        return self.rank == URGENT_RANK


@dataclass
class _Day:
    """The bundles of one day; `total` is the sum of the first 8 bytes of their ids."""

    items: dict[BundleId, Item] = field(default_factory=dict)
    total: int = 0


def short_id(salt: bytes, bundle: BundleId) -> int:
    """Four bytes that stand for a bundle in one sketch, never zero. Who does not know the salt beforehand cannot make
    two bundles meet in it."""
    return int.from_bytes(blake2s(bundle, salt=salt, person=labels.SHORT_ID, digest_size=4).digest(), "big") or 1


def fingerprint(salt: bytes, count: int, total: int) -> bytes:
    """Two bytes over a set: its count, and the sum of what stands for its elements, mod 2^64."""
    body = count.to_bytes(4, "big") + (total & _SUM_MASK).to_bytes(8, "big")
    return blake2s(body, salt=salt, person=labels.DAY_PRINT, digest_size=2).digest()


class Index:
    """All bundles that are held, by day. Shared by the engines of a node."""

    def __init__(self, today: int) -> None:
        self.today = today
        self._days: dict[int, _Day] = {}
        self._day_of: dict[BundleId, int] = {}

    def __len__(self) -> int:
        return len(self._day_of)

    def __contains__(self, bundle: object) -> bool:
        return bundle in self._day_of

    def add(self, item: Item) -> None:
        """It is held."""
        if item.id in self._day_of:
            return
        day = self._days.setdefault(item.day, _Day())
        day.items[item.id] = item
        day.total += _value(item.id)
        self._day_of[item.id] = item.day

    def remove(self, bundle: BundleId) -> None:
        """It is held no more."""
        number = self._day_of.pop(bundle, None)
        if number is None:
            return
        day = self._days[number]
        del day.items[bundle]
        day.total -= _value(bundle)
        if not day.items:
            del self._days[number]

    def item(self, bundle: BundleId) -> Item | None:
        """What is known of it."""
        number = self._day_of.get(bundle)
        return None if number is None else self._days[number].items[bundle]

    @property
    def days(self) -> list[int]:
        """The days of which something is held, ascending."""
        return sorted(self._days)

    def of_day(self, day: int) -> Mapping[BundleId, Item]:
        """What is held of a day."""
        found = self._days.get(day)
        return found.items if found is not None else {}

    def entry(self, salt: bytes, days: Iterable[int], without: Sequence[BundleId] = ()) -> tuple[int, bytes]:
        """Count mod 256 and fingerprint of what is held of some days; `without` some that are held of them."""
        count, total = -len(without), -sum(map(_value, without))
        for day in days:
            found = self._days.get(day)
            if found is not None:
                count += len(found.items)
                total += found.total
        return count % 256, fingerprint(salt, count, total)

    def short_ids(self, salt: bytes, day: int, split: int = 0) -> dict[int, Item]:
        """The bundles of a day by their short ids, as far as those end in `split` zero bits."""
        mask = (1 << split) - 1
        found = {short_id(salt, item.id): item for item in self.of_day(day).values()}
        return found if not split else {short: item for short, item in found.items() if not short & mask}

    def newest(self, count: int) -> list[Item]:
        """Some of the newest days."""
        found: list[Item] = []
        for day in reversed(self.days):
            found += self._days[day].items.values()
            if len(found) >= count:
                break
        return found


def _value(bundle: BundleId) -> int:
    return int.from_bytes(bundle[:8], "big")
