"""Vaults for tests: cheap to open, made once and copied; and what a finder with tools would do to them."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from chasqui.base.errors import ChasquiError
from chasqui.store import OpenVault, create_vault, open_vault
from chasqui.store.header import decode_header
from chasqui.store.layout import PAGE_BYTES, SLOT_NAMES
from chasqui.store.passphrase import COST_LEAST

ROOT = Path(__file__).parents[2]
PASSPHRASE = b"correct horse"
MIB = 2**20
AT_REST = ["lock", "lock.header", "slot0", "slot1", "slot2", "slot3", "vault"]


@cache
def template() -> Path:
    """An empty vault that tests copy."""
    folder = mkdtemp(prefix="chasqui-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = Path(folder) / "home"
    create_vault(home, PASSPHRASE, os.urandom, cost=COST_LEAST)
    return home


def new_home(folder: Path) -> Path:
    """A fresh copy of the template; same keys, own files."""
    home = folder / "home"
    shutil.copytree(template(), home)
    return home


def unlock(home: Path, passphrase: bytes = PASSPHRASE) -> OpenVault:
    return open_vault(home, passphrase)


def sizes(home: Path) -> list[int]:
    return [(home / name).stat().st_size for name in SLOT_NAMES]


def used_file(home: Path, passphrase: bytes = PASSPHRASE) -> tuple[Path, bytes]:
    """The used database file and its key."""
    grant = decode_header((home / "vault").read_bytes()).unlock(passphrase).grant
    return home / SLOT_NAMES[grant.file_index], bytes(grant.key)


def snapshot(home: Path) -> dict[str, bytes]:
    """Every file and its bytes."""
    return {str(p.relative_to(home)): p.read_bytes() for p in sorted(home.rglob("*")) if p.is_file()}


def decrypt_page(page: bytes, key: bytes, number: int) -> bytes:
    """The plaintext of an SQLCipher 4 page (AES-256-CBC, its IV behind 4016 bytes), numbered from 1."""
    begin = 16 if number == 1 else 0
    decryptor = Cipher(algorithms.AES(key), modes.CBC(page[4016:4032])).decryptor()
    return decryptor.update(page[begin:4016]) + decryptor.finalize()


def decrypt_file(path: Path, key: bytes) -> bytes:
    """All pages of a database file in plaintext, free ones too."""
    data = path.read_bytes()
    return b"".join(
        decrypt_page(data[i : i + PAGE_BYTES], key, i // PAGE_BYTES + 1) for i in range(0, len(data), PAGE_BYTES)
    )


def decrypt_log(path: Path, key: bytes) -> bytes:
    """All frames of a write-ahead log in plaintext, old ones too."""
    data = path.read_bytes()
    pages = []
    for i in range(32, len(data) - PAGE_BYTES - 23, PAGE_BYTES + 24):
        number = int.from_bytes(data[i : i + 4], "big")
        pages.append(decrypt_page(data[i + 24 : i + 24 + PAGE_BYTES], key, number))
    return b"".join(pages)


def child(script: str, *args: object) -> subprocess.Popen[bytes]:
    """A real process that runs `script` with these arguments in `sys.argv[1:]`."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@contextmanager
def small_disk(at: Path, mib: int) -> Iterator[Path]:
    """A disk of that many MiB, mounted at a new folder. Skips the test where that cannot be had."""
    at.mkdir()
    if os.name == "nt" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small disk takes root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(at)], capture_output=True)
    if made.returncode:
        pytest.skip("this system does not let us mount a small disk")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def remount(at: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(at)], check=True, capture_output=True)


def names(home: Path) -> list[str]:
    """What lies in the home."""
    return sorted(os.listdir(home))


def create(home: Path) -> None:
    create_vault(home, PASSPHRASE, os.urandom, cost=COST_LEAST)


def helpful(error: ChasquiError) -> bool:
    """Whether the error says what happened, what it means for safety and what to do."""
    return all(text and text.strip().endswith(".") for text in (error.what, error.safety, error.todo))
