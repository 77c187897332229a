"""A vault opened in the command's own process, while no daemon runs on it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from chasqui.app import service
from chasqui.app.desk import Surroundings
from chasqui.app.requests import Request
from chasqui.app.results import Result
from chasqui.app.runner import Runner
from chasqui.base.errors import MachineError
from chasqui.store import OpenVault, open_vault


def now_s() -> int:
    """The clock of this machine."""
    return int(time.time())


class LocalDesk:
    """Carries out requests on a vault that this process holds. Use it in a `with` block."""

    def __init__(self, vault: OpenVault) -> None:
        self._vault = vault
        self._runner = Runner(vault.store, secrets.token_bytes, now_s)
        self._around = Surroundings(vault.home, None, _no_states, lambda _: None)
        service.require_owner(self._runner)
        with suppress(MachineError):  # a full disk does not keep anybody from reading
            self._runner.do(service.wake)

    @classmethod
    def open(cls, home: Path, passphrase: bytes) -> LocalDesk:
        """Opens the vault. Raises as `open_vault` does."""
        vault = open_vault(home, passphrase)
        try:
            return cls(vault)
        except BaseException:
            vault.close()
            raise

    def call(self, request: Request, beside: bytes = b"") -> tuple[Result, bytes]:
        """The result, durable, and the bytes beside it. Raises `ChasquiError`."""
        return service.carry_out(self._runner.do, request, beside, self._around)

    def close(self) -> None:
        """Closes the vault."""
        self._vault.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _no_states() -> Mapping[str, str]:
    return {}
