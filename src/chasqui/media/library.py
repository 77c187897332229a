"""Finds and loads libcodec2: the one in the `pycodec2` wheel, else the system's. Nothing of that wheel's Python is run:
it would pull in numpy (0.1 s, 70 MB) for what a pointer does."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from chasqui.base.errors import NotInstalledError

_BESIDE: Final = (  # where the tools that repair wheels put libraries: Linux and Windows, macOS
    "../pycodec2.libs/libcodec2*.so*",
    "../pycodec2.libs/libcodec2*.dll",
    ".dylibs/libcodec2*.dylib",
)
_OF_SYSTEM: Final = ("libcodec2.so.1.2", "libcodec2.so.1.1", "libcodec2.so.1.0", "libcodec2.dylib")


class CodecMissingError(NotInstalledError):
    """There is no libcodec2 on this machine."""

    code = "codec"


@cache
def codec2_library() -> ctypes.CDLL:
    """The library. Raises `CodecMissingError`."""
    for name in _candidates():
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise CodecMissingError(
        "The speech codec is not installed on this device.",
        safety="Bursts are received and kept as any message.",
        todo="`pip install 'chasqui[voice]'`, or install libcodec2 from your system's packages.",
    )


def _candidates() -> Iterator[str]:
    spec = find_spec("pycodec2")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent
        for pattern in _BESIDE:
            base = folder.parent if pattern.startswith("../") else folder
            yield from sorted(str(path) for path in base.glob(pattern.removeprefix("../")))
    yield from _OF_SYSTEM
