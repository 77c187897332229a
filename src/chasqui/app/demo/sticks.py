"""Sticks and the courier who carries them past the watcher. The watcher may copy every file on the way."""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chasqui.app.demo.people import Person
from chasqui.base.ids import bundle_id
from chasqui.delivery.courier_file import CourierReader


@dataclass(frozen=True)
class SeenBundle:
    """A bundle as `bundle inspect` tells of it, and its bytes."""

    id: str
    bundle_class: str
    day: str
    data: bytes


@dataclass(frozen=True)
class SeenFile:
    """A courier file that the watcher copied."""

    name: str
    data: bytes
    bundles: tuple[SeenBundle, ...]


def carry(source: Path, target: Path) -> list[Path]:
    """Copies what is on one stick and not on the other, as anybody would; gives the copies."""
    missing = sorted(path for path in source.iterdir() if not (target / path.name).exists())
    return [Path(shutil.copy2(path, target / path.name)) for path in missing]


def inspect(path: Path, eyes: Person) -> Future[dict[str, Any]]:
    """Runs `chasqui bundle inspect`, which needs no vault."""
    return eyes.begin("bundle", "inspect", str(path), vault=False)


def seen_file(path: Path, inspected: dict[str, Any]) -> SeenFile:
    """A file with what `inspect` told of it."""
    data = path.read_bytes()
    bundles = CourierReader().feed(data)
    told = [SeenBundle(b["id"], b["class"], b["day"], d) for b, d in zip(inspected["bundles"], bundles, strict=True)]
    return SeenFile(path.name, data, tuple(told))


def bundle_ids(folder: Path) -> set[str]:
    """The ids of all bundles in the courier files of a folder."""
    return {bundle_id(b).hex() for path in folder.glob("*.chq") for b in CourierReader().feed(path.read_bytes())}
