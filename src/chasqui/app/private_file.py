"""Files that commands read and write outside of the vault: never over another file, for this user alone."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from chasqui.base.errors import UserError


class NewFile:
    """A file that did not exist before. The place is taken at once; `write` fills it, durably; `discard` gives it
    back. `-` is standard output. Raises `UserError` where there is a file already or none can be made."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fd = -1
        if name == "-":
            return
        try:
            self._fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise UserError(
                "There is a file of that name already.", safety="It was not touched.", todo="Choose another name."
            ) from error
        except OSError as error:
            raise _cannot("written", error) from error

    def write(self, data: bytes) -> None:
        """Writes all of it, and makes it durable. Raises `UserError`; the file is gone then."""
        if self._fd < 0:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            os.fsync(self._fd)
            self._close()
            _sync_folder(Path(self.name).absolute().parent)
        except OSError as error:
            self.discard()
            raise _cannot("written", error) from error

    def discard(self) -> None:
        """Takes the file away again."""
        if self.name != "-":
            self._close()
            with suppress(OSError):
                os.unlink(self.name)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def make_folder(name: str) -> bool:
    """A folder for this user alone, unless it is there; whether it is new. Raises `UserError`, also where the folder is
    missing in which it would lie: then its name is most likely mistyped."""
    try:
        os.mkdir(name, mode=0o700)
    except FileExistsError:
        if os.path.isdir(name):
            return False
        raise UserError("This is a file, not a folder.", todo="Name a folder.") from None
    except FileNotFoundError as error:
        raise UserError(
            "The folder in which this one is to be made does not exist.",
            safety="Nothing was written.",
            todo="Check the name, or make the folder first: `mkdir -p`.",
        ) from error
    except OSError as error:
        raise _cannot("written", error) from error
    return True


def read_file(name: str, bytes_max: int, *, what: str) -> bytes:
    """A whole file, or standard input for `-`. Raises `UserError` where it is missing or too large."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(bytes_max + 1)
        else:
            with open(name, "rb") as file:
                data = file.read(bytes_max + 1)
    except OSError as error:
        raise _cannot("read", error) from error
    if len(data) > bytes_max:
        raise UserError(f"The file is too large for {what}: at most {bytes_max:,} bytes.".replace(",", " "))
    return data


def _cannot(done: str, error: OSError) -> UserError:
    reason = os.strerror(error.errno) if error.errno else "no reason given"
    return UserError(f"The file cannot be {done} ({reason}).", todo="Check its name and folder.")


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems have nothing to sync there
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
