"""The four equal files of a vault: sized alike, filled alike, touched alike."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from chasqui.base.ports import Entropy
from chasqui.store.failures import damaged, from_os
from chasqui.store.layout import (
    FILE_MODE,
    FILL_CHUNK_BYTES,
    LOG_SUFFIX,
    SLOT_BYTES_FIRST,
    SLOT_BYTES_MAX,
    SLOT_NAMES,
)


class SlotFiles:
    """The four files in one directory. Which of them is used is not known here."""

    def __init__(self, directory: Path) -> None:
        self.paths = tuple(directory / name for name in SLOT_NAMES)

    def sizes(self) -> tuple[int, ...]:
        """The four sizes in bytes. Raises `DamagedVaultError` if a file is missing."""
        try:
            return tuple(path.stat().st_size for path in self.paths)
        except FileNotFoundError as error:
            raise damaged("One of the vault's four files is missing.") from error
        except OSError as error:
            raise from_os(error) from error

    def step(self) -> int:
        """The size that all four have, or are growing to: the first step that holds the largest.

        Raises `DamagedVaultError` if a file is missing or its size cannot come from a growth cut off half way.
        """
        sizes = self.sizes()
        step = SLOT_BYTES_FIRST
        while step < max(sizes):
            step *= 2
        least = max(SLOT_BYTES_FIRST, step // 2)
        if step > SLOT_BYTES_MAX or min(sizes) < least:
            raise damaged("One of the vault's four files is cut short or too long.")
        return step

    def extend(self, size: int, entropy: Entropy, given: Mapping[int, bytes] | None = None) -> None:
        """Brings every file that is shorter to `size` with random bytes, in turn, and makes that durable.

        `given` holds, by the number of the file, what to write instead of random bytes. Raises `DiskFullError` or
        another `MachineError`; some files may then be longer than before.
        """
        try:
            handles = [os.open(p, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), FILE_MODE) for p in self.paths]
            try:
                ends = [os.lseek(fd, 0, os.SEEK_END) for fd in handles]
                while min(ends) < size:
                    for i, fd in enumerate(handles):
                        if ends[i] < size:
                            n = min(FILL_CHUNK_BYTES, size - ends[i])
                            piece = given[i][ends[i] : ends[i] + n] if given and i in given else entropy(n)
                            ends[i] += os.write(fd, piece)
                for fd in handles:
                    os.fsync(fd)
            finally:
                for fd in handles:
                    os.close(fd)
        except OSError as error:
            raise from_os(error) from error

    def shrink(self, size: int) -> None:
        """Cuts every file that is longer back to `size`: the undoing of an `extend` that failed."""
        for path in self.paths:
            if path.stat().st_size > size:
                os.truncate(path, size)

    def check_writable(self) -> None:
        """Raises `ReadOnlyError` if one of the files cannot be opened for writing."""
        try:
            for path in self.paths:
                os.close(os.open(path, os.O_RDWR))
        except OSError as error:
            raise from_os(error) from error

    def touch(self) -> None:
        """Gives all four the same times. Raises `MachineError` if the system refuses."""
        now = time.time_ns()
        try:
            for path in self.paths:
                os.utime(path, ns=(now, now))
        except OSError as error:
            raise from_os(error) from error

    def lay_logs(self) -> None:
        """Lays an empty log beside each file that has none, so that an open vault does not show which is used."""
        for path in self.paths:
            try:
                os.close(os.open(_log_of(path), os.O_WRONLY | os.O_CREAT, FILE_MODE))
            except OSError as error:
                raise from_os(error) from error

    def clear_logs(self) -> None:
        """Removes the logs that are empty. One that is not holds another profile's writes and stays."""
        for path in self.paths:
            log = _log_of(path)
            if log.exists() and log.stat().st_size == 0:
                log.unlink()


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + LOG_SUFFIX)
