"""`sync`: one exchange with every folder. Folder by folder everything is taken in, then everything due is done, then
everything held is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from chasqui.app import requests
from chasqui.app.desk import Ask
from chasqui.app.links import folder_link
from chasqui.app.results import LinkProblem, Synced
from chasqui.app.runner import Runner
from chasqui.base.errors import ChasquiError, UserError
from chasqui.base.ids import BundleId
from chasqui.node import inputs
from chasqui.node.inbox import Received
from chasqui.node.link_port import MediumLink
from chasqui.node.neighbours import held_ids
from chasqui.node.records import BundleRecord, Space
from chasqui.node.views import list_links

BATCH_BUNDLES: Final = 256  # one step and one commit: a fraction of a second
BATCH_BYTES: Final = 2 * 2**20


@dataclass
class Exchange:
    """One exchange and what it came to. The disk's work is done outside of the node's jobs."""

    ask: Ask
    taken: int = 0
    written: int = 0
    refused: int = 0
    problems: list[LinkProblem] = field(default_factory=list)

    def collect(self, link: str, medium: MediumLink) -> bool:
        """Takes in everything that a medium holds; whether it could be read."""
        try:
            for batch in _batches(medium.collect()):
                received = self.ask(partial(_take, batch, link))
                self.taken += received.new
                self.refused += received.refused
        except ChasquiError as error:
            return self._failed(link, error)
        self.problems += [LinkProblem(link, line, False) for line in medium.problems]
        return True

    def flush(self) -> None:
        """Does everything that is due."""
        self.ask(lambda runner: runner.step(inputs.Flush()))

    def deposit(self, link: str, medium: MediumLink) -> bool:
        """Writes everything that is held and not there; whether all of it could be written."""
        try:
            self.written += medium.deposit(self._held()).written
        except ChasquiError as error:
            self.written += getattr(error, "saved", 0)
            return self._failed(link, error)
        return True

    def _held(self) -> Iterator[bytes]:
        """Every bundle, urgent ones first, read from the vault a batch at a time."""
        order: list[BundleId] = self.ask(_urgent_first)
        for start in range(0, len(order), BATCH_BUNDLES):
            some = order[start : start + BATCH_BUNDLES]
            yield from self.ask(partial(_load, some))

    def _failed(self, link: str, error: ChasquiError) -> bool:
        self.problems.append(LinkProblem(link, str(error), True))
        return False


def sync(ask: Ask, request: requests.Sync) -> Synced:
    """One exchange on every link that needs no daemon. Raises `UserError` where there is none."""
    found = ask(lambda runner: list_links(runner.look()))
    media = {link: folder_link(dict(record.settings)) for link, record in found if record.kind == "folder"}
    if not media:
        raise UserError(
            "There is no folder to exchange with.",
            safety="What you sent waits in the vault.",
            todo="Add one, for example a stick: `chasqui link add folder PATH`.",
        )
    exchange = Exchange(ask)
    there = [link for link, medium in media.items() if exchange.collect(link, medium)]
    exchange.flush()
    for link in there:
        exchange.deposit(link, media[link])
    return Synced(exchange.taken, exchange.written, tuple(exchange.problems), exchange.refused, len(media))


def _batches(bundles: Iterable[bytes]) -> Iterator[tuple[bytes, ...]]:
    batch: list[bytes] = []
    size = 0
    for bundle in bundles:
        batch.append(bundle)
        size += len(bundle)
        if len(batch) >= BATCH_BUNDLES or size >= BATCH_BYTES:
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


def _urgent_first(runner: Runner) -> list[BundleId]:
    """Ids of everything held, by class; the node's order within one."""
    tx = runner.look()
    by_class: dict[int, list[BundleId]] = {}
    for bundle in held_ids(tx):
        record = tx.load(Space.BUNDLE, bundle, BundleRecord)
        if record is not None:
            by_class.setdefault(record.data[0] >> 4 & 3, []).append(bundle)
    return [bundle for urgency in sorted(by_class) for bundle in by_class[urgency]]


def _take(bundles: tuple[bytes, ...], link: str, runner: Runner) -> Received:
    received: Received = runner.step(inputs.TakeBundles(bundles, link))
    return received


def _load(ids: list[BundleId], runner: Runner) -> list[bytes]:
    tx = runner.look()
    found = (tx.load(Space.BUNDLE, bundle, BundleRecord) for bundle in ids)
    return [record.data for record in found if record is not None]
