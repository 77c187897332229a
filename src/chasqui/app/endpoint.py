"""The daemon's socket in the vault's home: only processes of the same user get through it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from chasqui.base.errors import MachineError

SOCKET_NAME: Final = "daemon.sock"
BACKLOG: Final = 64
_PATH_BYTES_MAX: Final = 100  # sockaddr_un holds 108 on Linux, 104 on macOS, its zero byte included
_LINUX_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid
_BSD_CREDENTIALS: Final = struct.Struct("2I")  # the beginning of struct xucred: version, uid
_BSD_LOCAL_PEERCRED: Final = 1


def listen(home: Path) -> socket.socket:
    """A listening socket. The caller holds the vault's lock, so one that is there already belongs to a dead daemon.

    Raises `MachineError`.
    """
    path = home / SOCKET_NAME
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with _short(home) as address:
            listener.bind(address)
        os.chmod(path, 0o600)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise MachineError(
            f"The daemon's socket cannot be made in the vault's folder ({os.strerror(error.errno or 0)}).",
            safety="Nothing was changed.",
            todo="Keep the vault on a disk of this machine; commands also work without a daemon.",
        ) from error
    return listener


def remove(home: Path) -> None:
    """Takes the socket's name away."""
    with suppress(OSError):
        (home / SOCKET_NAME).unlink(missing_ok=True)


def connect(home: Path) -> socket.socket | None:
    """A connection to the daemon of this vault; None where none answers, or where it is not this user's."""
    if not os.path.exists(home / SOCKET_NAME):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(home) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        return None
    if peer_uid(connection) != os.getuid():
        connection.close()
        return None
    return connection


def peer_uid(connection: socket.socket) -> int | None:
    """The user at the other end; None where the system does not tell."""
    with suppress(OSError, struct.error):
        if sys.platform == "linux":
            size = _LINUX_CREDENTIALS.size
            return int(_LINUX_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1])
        data = connection.getsockopt(0, _BSD_LOCAL_PEERCRED, 76)
        return int(_BSD_CREDENTIALS.unpack_from(data)[1])
    return None


@contextmanager
def _short(home: Path) -> Iterator[str]:
    """An address that fits, however deep the home lies."""
    path = str(home / SOCKET_NAME)
    if len(os.fsencode(path)) <= _PATH_BYTES_MAX:
        yield path
        return
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if os.path.isdir(f"/proc/self/fd/{folder}"):
            yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
            return
        before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchdir(folder)
            yield SOCKET_NAME
        finally:
            os.fchdir(before)
            os.close(before)
    finally:
        os.close(folder)
