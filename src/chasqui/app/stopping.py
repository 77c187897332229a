"""How a daemon goes down: it is asked, and its vault's lock tells when it has."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from chasqui.app import requests
from chasqui.app.client import DaemonClient
from chasqui.base.errors import ChasquiError, MachineError, VaultBusyError
from chasqui.store.header_file import read_header
from chasqui.store.layout import LOCK_NAME
from chasqui.store.lock import ProcessLock

END_S_MAX: Final = 30.0
_PAUSE_S: Final = 0.03


def stop(home: Path) -> bool:
    """Ends the daemon of a vault and waits until the vault is closed; whether there was one.

    Raises `NoVaultError`, `MachineError` where it does not end.
    """
    read_header(home)
    client = DaemonClient.connect(home)
    if client is None:
        return False
    with client, suppress(ChasquiError):
        client.call(requests.Stop())
    until = time.monotonic() + END_S_MAX
    while time.monotonic() < until:
        try:
            ProcessLock(home / LOCK_NAME).release()
        except VaultBusyError:
            time.sleep(_PAUSE_S)
        else:
            return True
    raise MachineError(
        "The daemon has not ended yet.",
        safety="It may still hold the keys.",
        todo="`chasqui status` shows its process.",
    )
