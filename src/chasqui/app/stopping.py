"""How a daemon goes down: it is asked, and its vault's lock tells when it has."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from chasqui.app import requests
from chasqui.app.client import DaemonClient
from chasqui.app.home import patiently
from chasqui.base.errors import ChasquiError, MachineError, VaultBusyError
from chasqui.store.header_file import read_header
from chasqui.store.layout import LOCK_NAME
from chasqui.store.lock import ProcessLock

END_S_MAX: Final = 30.0
_PAUSE_S: Final = 0.03


def stop(home: Path) -> bool:
    """Ends the daemon of a vault and waits until the vault is closed; whether there was one.

    Raises `NoVaultError`, `VaultBusyError` where no daemon answers and another process keeps the vault, `MachineError`
    where the daemon does not end.
    """
    read_header(home)
    client = DaemonClient.connect(home) or _found_or_free(home)
    if client is None:
        return False
    with client, suppress(ChasquiError):
        client.call(requests.Stop())
    until = time.monotonic() + END_S_MAX
    while time.monotonic() < until:
        try:
            _require_free(home)
        except VaultBusyError:
            time.sleep(_PAUSE_S)
        else:
            return True
    raise MachineError(
        "The daemon has not ended yet.",
        safety="It may still hold the keys.",
        todo="`chasqui status` shows its process.",
    )


def _found_or_free(home: Path) -> DaemonClient | None:
    """A daemon that was on its way up; None once no process has the vault."""
    try:
        return patiently(lambda: _require_free(home), meanwhile=lambda: DaemonClient.connect(home))
    except VaultBusyError as error:
        raise VaultBusyError(
            "No daemon answers, but another process has the vault open.",
            safety="The vault is not locked: that process holds its keys.",
            todo="Wait until the other command has ended, or end its process; then do this again.",
        ) from error


def _require_free(home: Path) -> None:
    ProcessLock(home / LOCK_NAME).release()
