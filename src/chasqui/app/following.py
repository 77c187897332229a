"""`read --follow`: asks again and again, through the daemon, or by opening the vault whenever another command has
changed it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chasqui.app import requests
from chasqui.app.client import DaemonClient
from chasqui.app.home import reach
from chasqui.app.message_results import Conversation
from chasqui.app.passphrase import Passphrase
from chasqui.base.errors import MachineError, VaultBusyError
from chasqui.store.layout import SLOT_NAMES

if TYPE_CHECKING:
    from chasqui.app.local import LocalDesk

POLL_S: Final = 0.5


def follow(
    home: Path, passphrase: Passphrase, group: str, since: int, *, speech: bool = False
) -> Iterator[Conversation]:
    """The conversation behind `since`, then what came since the last look, often nothing; with what was spoken."""
    secret: list[bytes] = []

    def remembered() -> bytes:
        if not secret:
            secret.append(passphrase())
        return secret[0]

    first = True
    while True:
        try:
            with reach(home, remembered) as desk:
                stays = isinstance(desk, DaemonClient)
                found = _read(desk, group, since, speech)
                while stays:
                    since = _last(found, since)
                    yield found
                    first = False
                    time.sleep(POLL_S)
                    found = _read(desk, group, since, speech)
        except VaultBusyError:
            time.sleep(POLL_S)
            continue
        except MachineError:
            if first or _daemon_runs(home):
                raise
            continue  # the daemon ended: go on without it
        since = _last(found, since)
        yield found  # the vault is closed again: others can write while this is read
        first = False
        seen = _trace(home)
        while _trace(home) == seen and not _daemon_runs(home):
            time.sleep(POLL_S)


def _read(desk: DaemonClient | LocalDesk, group: str, since: int, speech: bool) -> Conversation:
    found, _ = desk.call(requests.Read(group, since, speech, whole=True))
    if not isinstance(found, Conversation):
        raise TypeError("an answer of another kind")
    return found


def _last(found: Conversation, since: int) -> int:
    return max([since, *(message.pos for message in found.messages)])


def _trace(home: Path) -> int:
    """Changes whenever a process closes the vault: that touches its files."""
    try:
        return os.stat(home / SLOT_NAMES[0]).st_mtime_ns
    except OSError:
        return 0


def _daemon_runs(home: Path) -> bool:
    client = DaemonClient.connect(home)
    if client is not None:
        client.close()
    return client is not None
