"""Typed errors: each says what happened, whose fault it is, what it means for safety, and what to do.

The exit codes are those of the command line (`docs/reference/cli.md`): 1 could not be done, 2 wrong usage,
3 wrong passphrase or damaged vault, 4 refused for safety.
"""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """Who has to act for the error to go away."""

    PEER = "peer"
    USER = "user"
    MACHINE = "machine"
    OURS = "ours"


class ChasquiError(Exception):
    """Base of every error chasqui raises on purpose.

    `what` is one sentence on what happened, `safety` one on what it means for the people who use the vault,
    `todo` one on what to do now. Neither may hold a secret, a name or a text.
    """

    fault: Fault = Fault.OURS
    exit_code: int = 1
    code: str = "error"

    def __init__(self, what: str, *, safety: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.safety = safety
        self.todo = todo

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.safety, self.todo) if part)


class PeerError(ChasquiError):
    """Bytes from outside are malformed, forged or against the rules. State is unchanged, no key was spent."""

    fault = Fault.PEER
    code = "peer"


class UserError(ChasquiError):
    """The request cannot be done as it stands; the person can change it."""

    fault = Fault.USER
    code = "cannot"


class UsageError(UserError):
    """The request is not well formed or is ambiguous."""

    exit_code = 2
    code = "usage"


class RefusedForSafetyError(UserError):
    """Doing it now would endanger somebody; nothing was sent."""

    exit_code = 4
    code = "refused"


class MachineError(ChasquiError):
    """The disk, the operating system or a device refused."""

    fault = Fault.MACHINE
    code = "machine"


class NotInstalledError(MachineError):
    """Something that this needs is not installed on this machine: trying again changes nothing."""

    code = "not-installed"


class DiskFullError(MachineError):
    """No room was left for a write; nothing of that write is kept."""

    code = "disk-full"


class ReadOnlyError(MachineError):
    """The medium cannot be written."""

    code = "read-only"


class VaultBusyError(MachineError):
    """Another process has the vault open."""

    code = "busy"


class VaultError(ChasquiError):
    """The vault could not be opened."""

    fault = Fault.USER
    exit_code = 3
    code = "vault"


class WrongPassphraseError(VaultError):
    """No profile of the vault opens with this passphrase."""

    code = "passphrase"


class DamagedVaultError(VaultError):
    """The vault's files are torn, foreign or altered."""

    fault = Fault.MACHINE
    code = "damaged"


class NoVaultError(VaultError):
    """There is no vault at this place."""

    exit_code = 1
    code = "no-vault"


class VaultExistsError(UserError):
    """There is a vault already; it is never touched by `init`."""

    code = "exists"
