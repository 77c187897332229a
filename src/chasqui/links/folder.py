"""A folder as a link: a USB stick, a shared or synchronised directory (docs/howto/link-folder.md).

Nothing here trusts the folder. Links are not followed, only regular files are opened, foreign files are never
touched, and names found there are never shown unless they are of our own pattern. POSIX only: every access goes
through one open directory, so that a path exchanged meanwhile leads nowhere.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, EFBIG, EINVAL, ELOOP, ENOSPC, ENOTSUP, EPERM, EROFS
from pathlib import Path
from typing import Final, NamedTuple

from chasqui.base.days import day_of, resolve_day
from chasqui.base.errors import DiskFullError, MachineError, PeerError, ReadOnlyError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.limits import (
    BUNDLE_BYTES_MAX,
    COURIER_FILE_BYTES_MAX,
    LIFETIME_EXPONENT_MAX,
    SECONDS_PER_DAY,
)
from chasqui.base.ports import Clock, Entropy
from chasqui.delivery.courier_file import (
    HEADER_BYTES,
    CourierReader,
    CourierReport,
    CourierVersionError,
    Ending,
    PairingFileError,
    courier_chunks,
    record_bytes,
)
from chasqui.links.folder_limits import (
    ENTRIES_MAX,
    EXPIRY_GRACE_S,
    FILE_BYTES_TARGET,
    IDS_REMEMBERED_MAX,
    LEFTOVER_AGE_S,
    NAME_BYTES,
    PROBLEM_LINES_MAX,
    READ_BYTES,
)
from chasqui.node.link_port import Deposit, LinkProfile

COURIER_SUFFIX: Final = ".chq"
PART_SUFFIX: Final = ".chq.part"
_OWN_NAME: Final = re.compile(r"[0-9a-f]{16}\.chq")
_OWN_PART: Final = re.compile(r"[0-9a-f]{16}\.chq\.part")
_FULL: Final = frozenset((ENOSPC, EDQUOT, EFBIG))
_READ_ONLY: Final = frozenset((EROFS, EACCES, EPERM))
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_HOUR_S: Final = 3_600

PROFILE: Final = LinkProfile(
    kind="folder",
    mtu_bytes=BUNDLE_BYTES_MAX,
    bit_rate_bps=None,
    broadcast=True,
    needs_daemon=False,
    loss_expected=0.0,
    airtime_share_max=1.0,
)


class MediumFullError(DiskFullError):
    """The medium is full. What was completed before stays there: `saved` bundles."""

    def __init__(self, saved: int) -> None:
        super().__init__(
            f"The folder is full: {saved} bundles were saved, the rest was not.",
            safety="What was saved is whole; nothing is lost here.",
            todo="Make room or take another stick, then do it again.",
        )
        self.saved = saved


class FolderLink:
    """`MediumLink` over one directory. It is opened anew for each call: the stick may come and go.

    The directory must exist: a folder that we made ourselves would hide that no stick is in.
    """

    def __init__(self, path: Path, *, entropy: Entropy, clock: Clock) -> None:
        self._path = path
        self._entropy = entropy
        self._clock = clock
        self._problems: list[str] = []

    @property
    def profile(self) -> LinkProfile:
        return PROFILE

    @property
    def problems(self) -> tuple[str, ...]:
        """What the last collect passed over. No foreign name is ever part of a line."""
        if len(self._problems) <= PROBLEM_LINES_MAX:
            return tuple(self._problems)
        more = len(self._problems) - PROBLEM_LINES_MAX
        return (*self._problems[:PROBLEM_LINES_MAX], f"And {more} more like these.")

    def collect(self) -> Iterator[bytes]:
        """See `MediumLink.collect`. Raises `MachineError` here, not at the first bundle, if nothing is there."""
        self._problems = []
        with self._opened():
            pass
        return self._collect()

    def deposit(self, bundles: Iterable[bytes]) -> Deposit:
        """See `MediumLink.deposit`. Raises `MediumFullError` (a `DiskFullError`) with the number saved,
        `ReadOnlyError`, `MachineError`; `ValueError` for what is no bundle's size."""
        with self._opened() as folder:
            now_s = self._clock()
            known = self._tidy(folder, now_s)
            written = already_there = size = 0
            batch: list[bytes] = []
            for bundle in bundles:
                name = bundle_id(bundle)
                if name in known:
                    already_there += 1
                    continue
                if len(known) < IDS_REMEMBERED_MAX:
                    known.add(name)
                if batch and size + record_bytes(bundle) > FILE_BYTES_TARGET - HEADER_BYTES:
                    written += self._save(folder, batch, now_s, written)
                    batch, size = [], 0
                batch.append(bundle)
                size += record_bytes(bundle)
            if batch:
                written += self._save(folder, batch, now_s, written)
            return Deposit(written, already_there)

    # -- reading ----------------------------------------------------------------------------------------------

    def _collect(self) -> Iterator[bytes]:
        seen: set[BundleId] = set()
        with self._opened() as folder:
            listing = _list(folder)
            if listing.more:
                self._problems.append(f"The folder holds more than {ENTRIES_MAX} files: the rest stays unread.")
            for name in listing.couriers:
                for bundle in _bundles_of(folder, name, self._note, CourierReader()):
                    known = bundle_id(bundle)
                    if known in seen:
                        continue
                    if len(seen) < IDS_REMEMBERED_MAX:
                        seen.add(known)
                    yield bundle

    def _note(self, name: str, complaint: str) -> None:
        shown = f"The file {name}" if _OWN_NAME.fullmatch(name) else "A .chq file with a name of its own"
        self._problems.append(f"{shown} {complaint}")

    # -- writing ----------------------------------------------------------------------------------------------

    def _tidy(self, folder: int, now_s: int) -> set[BundleId]:
        """Removes our own leftovers and our own files that are wholly expired; the ids of all the rest."""
        known: set[BundleId] = set()
        listing = _list(folder)
        for name in listing.parts:
            with suppress(OSError):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and now_s - found.st_mtime > LEFTOVER_AGE_S:
                    os.unlink(name, dir_fd=folder)
        for name in listing.couriers:
            reader = CourierReader()
            here: set[BundleId] = set()
            alive = False
            for bundle in _bundles_of(folder, name, lambda *_: None, reader):
                alive = alive or not _expired(bundle, reader.day, now_s)
                if len(known) + len(here) < IDS_REMEMBERED_MAX:
                    here.add(bundle_id(bundle))
            report = reader.finish()
            if _OWN_NAME.fullmatch(name) and report.clean and report.read and not alive:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                    continue
            known |= here
        return known

    def _save(self, folder: int, batch: list[bytes], now_s: int, before: int) -> int:
        """Writes a batch; where it does not fit, as much of its front as does, then raises."""
        saved = 0
        size = len(batch)
        full = False
        while size:
            try:
                self._write(folder, batch[saved : saved + size], now_s)
            except OSError as error:
                if error.errno in _READ_ONLY:
                    raise ReadOnlyError(
                        "The folder cannot be written.",
                        safety=f"{_count(before + saved, 'bundle')} had been saved; nothing is lost here.",
                        todo="Check the write protection of the stick, or take another one.",
                    ) from error
                if error.errno not in _FULL:
                    raise _gone(error) from error
                full = True
                size //= 2
            else:
                saved += size
                if not full:
                    return saved
                size = min(size, len(batch) - saved) // 2
        raise MediumFullError(before + saved)

    def _write(self, folder: int, bundles: list[bytes], now_s: int) -> None:
        """One file, whole and durable under its name, or none. Raises OSError."""
        day = day_of(now_s)
        name = self._free_name(folder)
        part = name + PART_SUFFIX.removeprefix(COURIER_SUFFIX)
        chunks = courier_chunks(bundles, day)
        file = os.open(part, _MAKE_FLAGS, 0o666, dir_fd=folder)
        try:
            try:
                _write_all(file, b"".join(chunks))
                os.fsync(file)
                with suppress(OSError):  # not everywhere allowed; the hour of the visit then shows
                    os.utime(file, (day * SECONDS_PER_DAY, day * SECONDS_PER_DAY))
                os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(file)
            finally:
                os.close(file)
            _sync_folder(folder)
        except OSError:
            for leftover in (part, name):
                with suppress(OSError):
                    os.unlink(leftover, dir_fd=folder)
            raise

    def _free_name(self, folder: int) -> str:
        while True:
            name = self._entropy(NAME_BYTES).hex() + COURIER_SUFFIX
            try:
                os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return name

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _gone(error) from error
        try:
            yield folder
        finally:
            os.close(folder)


class _Listing(NamedTuple):
    couriers: list[str]  # sorted
    parts: list[str]  # our own half-written files
    more: bool  # whether there were more entries than we look at


def _list(folder: int) -> _Listing:
    couriers: list[str] = []
    parts: list[str] = []
    more = False
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= ENTRIES_MAX:
                    more = True
                    break
                if entry.name.lower().endswith(COURIER_SUFFIX):
                    couriers.append(entry.name)
                elif _OWN_PART.fullmatch(entry.name):
                    parts.append(entry.name)
    except OSError as error:
        raise _gone(error) from error
    return _Listing(sorted(couriers), parts, more)


def _bundles_of(folder: int, name: str, note: Callable[[str, str], None], reader: CourierReader) -> Iterator[bytes]:
    """The bundles of one file, streamed. What goes wrong with the file is noted and ends that file only."""
    try:
        with _open_regular(folder, name) as file:
            if file is None:
                note(name, "is not a plain file; it was passed over.")
                return
            left = COURIER_FILE_BYTES_MAX
            if os.fstat(file).st_size > left:
                note(name, "is larger than any courier file; it was passed over.")
                return
            while left > 0 and not reader.ended:
                piece = os.read(file, READ_BYTES)
                if not piece:
                    break
                left -= len(piece)
                yield from reader.feed(piece)
    except CourierVersionError:
        note(name, "comes from a newer chasqui; it was passed over.")
    except PairingFileError:
        pass  # not for us, and nothing is wrong with it
    except PeerError:
        note(name, "is not a courier file; it was passed over.")
    except OSError as error:
        note(name, f"cannot be read ({_plain(error)}); {reader.finish().read} bundles came through before.")
    else:
        complaint = _complaint(reader.finish())
        if complaint:
            note(name, complaint)


@contextmanager
def _open_regular(folder: int, name: str) -> Iterator[int | None]:
    """A regular file of the folder, or None for anything else. A FIFO or device does not hold us up."""
    try:
        file = os.open(name, _READ_FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno == ELOOP:
            yield None
            return
        raise
    try:
        yield file if stat.S_ISREG(os.fstat(file).st_mode) else None
    finally:
        os.close(file)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (EINVAL, ENOTSUP):  # some network file systems have nothing to sync there
            raise


def _expired(bundle: bytes, written_day: int | None, now_s: int) -> bool:
    """Whether a bundle has expired by what it shows, read on the day on which the file says it was written.

    False wherever that is not clear: then it stays.
    """
    version, exponent = bundle[0] >> 6, bundle[0] & 0x0F
    if version != 0 or exponent > LIFETIME_EXPONENT_MAX or written_day is None:
        return False
    try:
        day = resolve_day(bundle[1], written_day)
    except PeerError:
        return False
    return now_s > (day + 1) * SECONDS_PER_DAY + (_HOUR_S << exponent) + EXPIRY_GRACE_S


def _complaint(report: CourierReport) -> str:
    """What a person is told of a file that was not clean; empty if it was."""
    if report.clean:
        return ""
    got = f"{report.read} of {_count(report.expected, 'bundle')} could be read"
    if report.ending is Ending.TORN:
        return f"ends too early, as if the stick was pulled out; {got}."
    if report.ending is Ending.TRAILING and not report.damaged:
        return f"holds something behind its end that was not read; {got}."
    return f"is damaged; {got}."


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _plain(error: OSError) -> str:
    """The operating system's words for an error, without the name of the file."""
    return os.strerror(error.errno) if error.errno else "no reason given"


def _gone(error: OSError) -> MachineError:
    return MachineError(
        f"The folder cannot be used ({_plain(error)}).",
        safety="Nothing is lost here.",
        todo="Check that the stick is in and mounted, and that the path is the right one.",
    )
