"""A new vault: made, and given its owner's name."""

from __future__ import annotations

import secrets
from pathlib import Path

from chasqui.app.hardening import harden
from chasqui.app.local import now_s
from chasqui.app.results import VaultMade
from chasqui.app.runner import Runner
from chasqui.base.errors import ChasquiError, UsageError, VaultExistsError
from chasqui.base.names import own_name
from chasqui.node import inputs
from chasqui.node.records import SelfRecord, Space
from chasqui.store import KdfCost, create_vault, open_vault, vault_exists


def require_free(home: Path) -> None:
    """Raises `VaultExistsError` where a vault is, whole or not, `UsageError` where a file is."""
    _require_no_file(home)
    if vault_exists(home):
        raise VaultExistsError(
            "There is a vault here already.",
            safety="It was not touched.",
            todo="Choose another place with --home, or open this one.",
        )


def make_vault(home: Path, name: str, passphrase: bytes, *, cost: KdfCost | None = None) -> VaultMade:
    """Makes a vault, or finishes one whose making was cut off before it had an owner: nothing was in it yet.

    `cost` is what one guess at the passphrase costs; by default what the machine can bear. Raises
    `VaultExistsError`, `UsageError` for the name, and as `create_vault` does.
    """
    harden()
    _require_no_file(home)
    name = own_name(name)
    try:
        create_vault(home, passphrase, secrets.token_bytes, cost=cost)
    except VaultExistsError as error:
        if not _is_unfinished(home, passphrase):
            raise error from None
    with open_vault(home, passphrase) as vault:
        Runner(vault.store, secrets.token_bytes, now_s).do(lambda runner: runner.step(inputs.SetUp(name)))
    return VaultMade(str(home), name)


def _require_no_file(home: Path) -> None:
    if home.exists() and not home.is_dir():
        raise UsageError(
            "This is a file, not a folder.",
            safety="It was not touched.",
            todo="Name a folder that is empty or not there yet: --home DIR.",
        )


def _is_unfinished(home: Path, passphrase: bytes) -> bool:
    try:
        with open_vault(home, passphrase) as vault:
            look = Runner(vault.store, secrets.token_bytes, now_s).look()
            return look.load(Space.META, b"self", SelfRecord) is None
    except ChasquiError:
        return False
