"""The folder link: the suite of all links, and what a stick can do to us."""

from __future__ import annotations

import errno
import os
import random
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chasqui.base.errors import DiskFullError, MachineError, ReadOnlyError
from chasqui.base.labels import MAGIC_OFFER, MAGIC_REPLY
from chasqui.base.limits import BUNDLE_STEPS, COURIER_FILE_BYTES_MAX
from chasqui.delivery.courier_file import courier_chunks
from chasqui.links.folder import FolderLink, MediumFullError
from chasqui.links.folder_limits import EXPIRY_GRACE_S, FILE_BYTES_TARGET
from chasqui.node.link_port import Deposit, LinkProfile, MediumLink
from tests.links.conformance import CHECKS, Pair, run_check

NOW_S = 20_000 * 86_400 + 5 * 3_600 + 123
DAY_S = 86_400


def link(path: Path, seed: int = 0, now_s: int = NOW_S) -> FolderLink:
    return FolderLink(path, entropy=random.Random(seed).randbytes, clock=lambda: now_s)


def bundle(seed: int, size: int = 207, *, day: int = 20_000, exponent: int = 8) -> bytes:
    return bytes((exponent, day % 256)) + random.Random(seed).randbytes(size - 2)


class FolderPair:
    """Two people and one stick."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends: list[MediumLink] = [link(path, 1), link(path, 2)]
        self.seen: list[set[bytes]] = [set(), set()]

    profiles = property(lambda self: [end.profile for end in self.ends])
    sizes = BUNDLE_STEPS

    async def carry(self, start: int, payloads: Sequence[bytes]) -> list[bytes]:
        self.ends[start].deposit(iter(payloads))
        got = [item for item in self.ends[1 - start].collect() if item not in self.seen[start]]
        self.seen[start] |= set(got)
        self.seen[1 - start] |= set(got)
        return got

    def offer_illegal(self, start: int, payload: bytes) -> None:
        self.ends[start].deposit([payload])

    async def restart(self, end: int) -> None:
        self.ends[end] = link(self.path, random.randrange(2**32))

    async def disturb(self, dice: random.Random) -> None:
        litter(self.path, dice)

    async def cut(self) -> None:
        self.path.rename(self.path.with_name("pulled out"))
        with pytest.raises(MachineError):
            self.ends[0].collect()
        with pytest.raises(MachineError):
            self.ends[0].deposit([bundle(1)])


def litter(path: Path, dice: random.Random) -> list[Path]:
    """Foreign things of every kind, some with names that try to be ours."""
    here: list[Path] = []

    def new(name: str) -> Path:
        here.append(path / name)
        return here[-1]

    def hexes() -> str:
        return dice.randbytes(8).hex()

    new(hexes() + ".chq").write_bytes(b"")
    new(hexes() + ".chq").write_bytes(dice.randbytes(5000))
    new(hexes() + ".chq").write_bytes(b"CHQB\x01" + dice.randbytes(3000))
    new(hexes() + ".chq").write_bytes(b"CHQB\x09" + dice.randbytes(100))
    new(f"secret \x1b[31m name {hexes()}.CHQ").write_bytes(b"CHQO" + dice.randbytes(100))
    new(hexes() + ".chq.part").write_bytes(dice.randbytes(100))
    new(f"holiday {hexes()}.jpg").write_bytes(dice.randbytes(100))
    new(hexes() + ".chq").mkdir()
    os.mkfifo(new(hexes() + ".chq"))
    new(hexes() + ".chq").symlink_to("/dev/zero")
    new(hexes() + ".chq").symlink_to(path / "nowhere")
    with new(hexes() + ".chq").open("wb") as huge:
        huge.truncate(COURIER_FILE_BYTES_MAX + 1)
    return here


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[Pair], object], tmp_path: Path) -> None:
    @asynccontextmanager
    async def factory() -> AsyncIterator[Pair]:
        stick = tmp_path / "stick"
        stick.mkdir()
        yield FolderPair(stick)

    run_check(factory, check)


def test_profile_is_one_for_all() -> None:
    assert isinstance(link(Path("/")).profile, LinkProfile)
    assert not link(Path("/")).profile.needs_daemon


def test_only_new_bundles_are_written(tmp_path: Path) -> None:
    first = [bundle(n) for n in range(5)]
    assert link(tmp_path, 1).deposit(first) == Deposit(5, 0)
    assert len(list(tmp_path.iterdir())) == 1
    assert link(tmp_path, 2).deposit(first) == Deposit(0, 5)
    assert len(list(tmp_path.iterdir())) == 1
    assert link(tmp_path, 3).deposit([*first, bundle(9), bundle(9)]) == Deposit(1, 6)
    assert set(link(tmp_path).collect()) == {*first, bundle(9)}


def test_nothing_to_write_leaves_no_trace(tmp_path: Path) -> None:
    assert link(tmp_path).deposit([]) == Deposit(0, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.must("M-CHQ-7")
@pytest.mark.must("M-CHQ-12")
def test_large_deposits_are_split_and_names_are_plain(tmp_path: Path) -> None:
    bundles = [bundle(n, 15360) for n in range(200)]
    assert link(tmp_path).deposit(bundles).written == 200
    files = list(tmp_path.iterdir())
    assert len(files) == 3
    for file in files:
        assert file.stat().st_size <= FILE_BYTES_TARGET
        assert file.name.endswith(".chq")
        assert len(bytes.fromhex(file.stem)) == 8
        assert file.stat().st_mtime == NOW_S // DAY_S * DAY_S, "the hour of the visit does not show"
    assert set(link(tmp_path).collect()) == set(bundles)


@pytest.mark.must("M-CHQ-8")
@pytest.mark.must("M-CHQ-9")
@pytest.mark.must("M-CHQ-10")
def test_foreign_things_are_untouched_and_their_names_never_shown(tmp_path: Path) -> None:
    outside = tmp_path / "outside.chq"
    outside.write_bytes(b"".join(courier_chunks([bundle(77)], 20_000)))
    stick = tmp_path / "stick"
    stick.mkdir()
    things = litter(stick, random.Random(5))
    (stick / f"{bytes(8).hex()}.chq").symlink_to(outside)
    before = {thing: thing.lstat() for thing in things}
    ours = link(stick)
    ours.deposit([bundle(1)])
    assert list(ours.collect()) == [bundle(1)]
    for thing, stat in before.items():
        after = thing.lstat()
        assert (after.st_size, after.st_mtime_ns, after.st_ino) == (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    text = "\n".join(ours.problems)
    assert len(ours.problems) == 10  # the pairing file is none
    assert "secret" not in text
    assert "\x1b" not in text
    assert all(
        word in text for word in ("newer chasqui", "not a courier file", "plain file", "larger", "ends too early")
    )


@pytest.mark.parametrize("magic", [MAGIC_OFFER, MAGIC_REPLY])
def test_a_pairing_file_on_the_same_stick_is_no_problem(magic: bytes, tmp_path: Path) -> None:
    pairing = tmp_path / "offer.chq"
    pairing.write_bytes(magic + bytes(300))
    ours = link(tmp_path)
    ours.deposit([bundle(1)])
    assert list(ours.collect()) == [bundle(1)]
    assert ours.problems == ()
    assert pairing.read_bytes() == magic + bytes(300)


def test_many_problems_are_cut_to_what_a_person_reads(tmp_path: Path) -> None:
    for n in range(50):
        (tmp_path / f"{n}.chq").write_bytes(b"x")
    ours = link(tmp_path)
    assert list(ours.collect()) == []
    assert len(ours.problems) == 21
    assert ours.problems[-1] == "And 30 more like these."


def test_a_torn_file_gives_what_it_has(tmp_path: Path) -> None:
    bundles = [bundle(n) for n in range(10)]
    link(tmp_path).deposit(bundles)
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    ours = link(tmp_path, 3)
    assert list(ours.collect()) == bundles[:4]
    assert "4 of 10 bundles" in ours.problems[0]
    assert file.name in ours.problems[0]
    assert ours.deposit(bundles) == Deposit(6, 4)
    assert set(ours.collect()) == set(bundles)


def test_the_folder_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(MachineError):
        link(tmp_path / "not mounted").deposit([bundle(1)])
    with pytest.raises(MachineError):
        link(tmp_path / "not mounted").collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.must("M-CHQ-8")
def test_old_leftovers_go_and_young_ones_stay(tmp_path: Path) -> None:
    young, old, foreign = (
        tmp_path / name for name in ("0123456789abcdef.chq.part", "f" * 16 + ".chq.part", "x.chq.part")
    )
    for file in (young, old, foreign):
        file.write_bytes(b"half")
        os.utime(file, (NOW_S - 7200, NOW_S - 7200))
    os.utime(young, (NOW_S - 60, NOW_S - 60))
    link(tmp_path).deposit([])
    assert young.exists()
    assert foreign.exists()
    assert not old.exists()


@pytest.mark.must("M-CHQ-8")
def test_only_our_own_wholly_expired_files_are_removed(tmp_path: Path) -> None:
    short, long = bundle(1, exponent=4), bundle(2, exponent=12)
    link(tmp_path, 1).deposit([short])
    link(tmp_path, 2).deposit([bundle(3, exponent=4), long])
    renamed = tmp_path / "mine.chq"
    renamed.write_bytes(b"".join(courier_chunks([bundle(4, exponent=4)], 20_000)))
    odd = tmp_path / f"{bytes(8).hex()}.chq"
    odd.write_bytes(b"".join(courier_chunks([bytes((0x44, 20_000 % 256)) + bytes(126)], 20_000)))
    torn = tmp_path / f"{bytes(7).hex()}01.chq"
    torn.write_bytes(b"".join(courier_chunks([bundle(5, exponent=4)] * 2, 20_000))[:-1])
    ends_s = 20_001 * DAY_S + 16 * 3600 + EXPIRY_GRACE_S
    link(tmp_path, 3, ends_s).deposit([])
    assert short in set(link(tmp_path).collect())
    link(tmp_path, 4, ends_s + 1).deposit([])
    left = set(link(tmp_path).collect())
    assert short not in left
    assert {bundle(3, exponent=4), long, bundle(4, exponent=4), bundle(5, exponent=4)} <= left
    link(tmp_path, 5, ends_s + 400 * DAY_S).deposit([])
    assert set(link(tmp_path).collect()) == left - {bundle(3, exponent=4), long}


def test_a_clock_that_is_behind_removes_nothing(tmp_path: Path) -> None:
    link(tmp_path).deposit([bundle(1, exponent=0)])
    link(tmp_path, 1, 5).deposit([])
    assert list(link(tmp_path).collect()) == [bundle(1, exponent=0)]


def failing(monkeypatch: pytest.MonkeyPatch, call: str, number: int, after: Callable[..., bool]) -> None:
    real = getattr(os, call)

    def fake(*args: Any, **kwargs: Any) -> Any:
        if after(*args):
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    monkeypatch.setattr(os, call, fake)


@pytest.mark.must("M-CHQ-11")
def test_a_full_stick_keeps_the_most_urgent_and_says_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> bool:
        used = sum(item.stat().st_size for item in tmp_path.iterdir())
        return used + len(data) > 1_500_000

    failing(monkeypatch, "write", errno.ENOSPC, full)
    bundles = [bundle(n, 15360) for n in range(200)]
    with pytest.raises(DiskFullError) as caught:
        link(tmp_path).deposit(bundles)
    assert isinstance(caught.value, MediumFullError)
    assert 90 <= caught.value.saved <= 97
    assert str(caught.value.saved) in str(caught.value)
    assert set(link(tmp_path).collect()) == set(bundles[: caught.value.saved])
    assert all(item.suffix == ".chq" for item in tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_write_protected_stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    failing(monkeypatch, "rename", number, lambda *_: True)
    with pytest.raises(ReadOnlyError):
        link(tmp_path).deposit([bundle(1)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.must("M-CHQ-7")
@pytest.mark.parametrize("call", ["write", "fsync", "rename", "utime"])
def test_an_error_at_any_step_leaves_whole_files_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    link(tmp_path).deposit([bundle(1)])
    failing(monkeypatch, call, errno.EIO, lambda *_: True)
    if call == "utime":
        assert link(tmp_path, 1).deposit([bundle(2)]).written == 1
    else:
        with pytest.raises(MachineError):
            link(tmp_path, 1).deposit([bundle(2)])
        assert list(link(tmp_path).collect()) == [bundle(1)]
    assert all(item.suffix == ".chq" for item in tmp_path.iterdir())


@pytest.mark.must("M-CHQ-7")
@pytest.mark.parametrize("call", ["write", "fsync", "utime", "rename", "close"])
@pytest.mark.parametrize("turn", [1, 2, 3])
def test_the_plug_pulled_at_any_step_leaves_whole_files_and_one_leftover(tmp_path: Path, call: str, turn: int) -> None:
    bundles = [bundle(n, 15360) for n in range(150)]  # three files
    child = os.fork()
    if child == 0:  # the process that dies: it never comes back into pytest
        try:
            real, left = getattr(os, call), [turn]

            def last_act(*args: Any, **kwargs: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    if call == "write":
                        real(args[0], bytes(args[1])[: len(args[1]) // 2])
                    os._exit(7)
                return real(*args, **kwargs)

            setattr(os, call, last_act)
            link(tmp_path).deposit(bundles)
        finally:
            os._exit(8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    names = [item.name for item in tmp_path.iterdir()]
    assert sum(name.endswith(".chq.part") for name in names) <= 1
    ours = link(tmp_path, 1, NOW_S + 2 * DAY_S)
    found = list(ours.collect())
    assert set(found) <= set(bundles)
    assert ours.problems == ()
    for name in names:
        os.utime(tmp_path / name, (NOW_S, NOW_S))
    assert ours.deposit(bundles) == Deposit(150 - len(found), len(found))
    assert set(ours.collect()) == set(bundles)
    assert all(item.suffix == ".chq" for item in tmp_path.iterdir())


def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link(tmp_path).deposit([bundle(1)])
    failing(monkeypatch, "read", errno.EIO, lambda *_: True)
    ours = link(tmp_path)
    assert list(ours.collect()) == []
    assert "cannot be read" in ours.problems[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True).returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.must("M-CHQ-11")
def test_a_really_full_and_a_really_read_only_disk(small_disk: Path) -> None:
    bundles = [bundle(n, 15360) for n in range(100)]
    with pytest.raises(MediumFullError) as caught:
        link(small_disk).deposit(bundles)
    saved = caught.value.saved
    assert saved > 40
    assert set(link(small_disk).collect()) == set(bundles[:saved])
    with pytest.raises(MediumFullError):
        link(small_disk, 2).deposit(bundles)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(ReadOnlyError):
        link(small_disk, 3).deposit([bundle(1)])
    assert set(bundles[:saved]) <= set(link(small_disk).collect())
