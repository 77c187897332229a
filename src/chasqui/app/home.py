"""Which vault a command means, and how it reaches it: through the daemon, or by opening it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from chasqui.app.client import DaemonClient
from chasqui.app.passphrase import Passphrase
from chasqui.base.errors import VaultBusyError

if TYPE_CHECKING:
    from chasqui.app.local import LocalDesk

T = TypeVar("T")
U = TypeVar("U")

HOME_VARIABLE: Final = "CHASQUI_HOME"
BUSY_WAIT_S: Final = 5.0  # another command is at work; it needs less
_BUSY_PAUSE_S: Final = 0.05


def home_of(named: str | None) -> Path:
    """The vault's folder: as named, else of the environment, else the platform's place for data."""
    chosen = named or os.environ.get(HOME_VARIABLE)
    if not chosen:
        from platformdirs import user_data_dir

        chosen = user_data_dir("chasqui", appauthor=False)
    return Path(chosen).expanduser().absolute()


def reach(home: Path, passphrase: Passphrase) -> DaemonClient | LocalDesk:
    """The daemon of this vault, or the vault itself, opened; waits a little while another command has it.

    Raises `NoVaultError`, `VaultBusyError`, and as `open_vault` does. The passphrase is asked for only where it is
    needed.
    """
    client = DaemonClient.connect(home)
    if client is not None:
        return client
    from chasqui.app.hardening import harden
    from chasqui.store.header_file import read_header

    read_header(home)  # no vault, no question
    harden()
    secret = passphrase()
    from chasqui.app.local import LocalDesk

    # whoever has it may be a daemon on its way up
    return patiently(lambda: LocalDesk.open(home, secret), meanwhile=lambda: DaemonClient.connect(home))


def patiently(open_it: Callable[[], T], meanwhile: Callable[[], U | None] = lambda: None) -> T | U:
    """What `open_it` gives, tried again for a little while as long as another command has the vault; or what
    `meanwhile` finds between two tries. Raises `VaultBusyError` in the end."""
    until = time.monotonic() + BUSY_WAIT_S
    while True:
        try:
            return open_it()
        except VaultBusyError:
            if time.monotonic() > until:
                raise
        time.sleep(_BUSY_PAUSE_S)
        found = meanwhile()
        if found is not None:
            return found
