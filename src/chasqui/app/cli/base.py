"""What all commands share: where the vault is, how its passphrase comes, how answers and errors are shown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from chasqui.app.home import home_of, reach
from chasqui.app.passphrase import FILE_VARIABLE, ask, from_file
from chasqui.app.requests import Request
from chasqui.app.results import Result
from chasqui.base.errors import UsageError

if TYPE_CHECKING:
    from chasqui.app.client import DaemonClient
    from chasqui.app.local import LocalDesk

R = TypeVar("R", bound=Result)
SHORT_PASSPHRASE: Final = 8  # characters; below that a warning
NOT_YET: Final = "is not in this version of chasqui"


@dataclass
class Invocation:
    """What the common options of one call said."""

    home_name: str | None = None
    passphrase_file: str | None = None
    as_json: bool = False

    @property
    def home(self) -> Path:
        """The vault's folder."""
        return home_of(self.home_name)

    @property
    def named_passphrase_file(self) -> str | None:
        """The file that holds the passphrase, if one was named."""
        return self.passphrase_file or os.environ.get(FILE_VARIABLE) or None

    def passphrase(self) -> bytes:
        """The passphrase, from its file or the terminal."""
        return from_file(self.named_passphrase_file) if self.named_passphrase_file else ask()

    def new_passphrase(self, file: str | None, question: str) -> bytes:
        """A passphrase to be set: from a file, or asked for twice."""
        chosen = from_file(file) if file else ask(question, twice=True)
        if 0 < len(chosen.decode()) < SHORT_PASSPHRASE:
            self.tell(
                "This passphrase is short. Whoever takes the vault can try all that are as short, and open it. "
                "Four or more words that nobody would guess are far better: `chasqui passphrase` changes it."
            )
        return chosen

    def reach(self) -> DaemonClient | LocalDesk:
        """The vault, through its daemon or opened."""
        return reach(self.home, self.passphrase)

    def call(self, request: Request, kind: type[R], beside: bytes = b"") -> tuple[R, bytes]:
        """One request to the vault; the result and the bytes beside it."""
        with self.reach() as desk:
            result, data = desk.call(request, beside)
        if not isinstance(result, kind):
            raise TypeError("an answer of another kind")
        return result, data

    def show(self, result: Result, text: str) -> None:
        """The answer: a document for scripts, or a text for people."""
        if self.as_json:
            print_json(result.document())
        elif text:
            sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()

    def tell(self, text: str) -> None:
        """A word to the person, beside the answer."""
        sys.stdout.flush()
        sys.stderr.write(text.rstrip("\n") + "\n")
        sys.stderr.flush()


def print_json(document: object) -> None:
    """One JSON document on one line, at once."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def refuse_two_answers(call: Invocation, file: str | None) -> None:
    """Raises `UsageError` where a file's bytes and a document would both go to stdout."""
    if file == "-" and call.as_json:
        raise UsageError("With `--json`, stdout holds the answer.", todo="Name a file.")


def _keep(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(context.ensure_object(Invocation), field, value)

    return keep


def _common_options(hidden: bool) -> list[click.Parameter]:
    return [
        click.Option(
            ["--home"],
            metavar="DIR",
            help="The vault's folder (or CHASQUI_HOME).",
            expose_value=False,
            hidden=hidden,
            callback=_keep("home_name"),
        ),
        click.Option(
            ["--passphrase-file"],
            metavar="FILE",
            help="Read the passphrase from a file (or CHASQUI_PASSPHRASE_FILE) instead of asking.",
            expose_value=False,
            hidden=hidden,
            callback=_keep("passphrase_file"),
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            help="One JSON document on stdout; messages for people go to stderr.",
            expose_value=False,
            hidden=hidden,
            callback=_keep("as_json"),
        ),
    ]


class Leaf(click.Command):
    """A command. The common options may stand before it or after it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params = [*self.params, *_common_options(hidden=True)]


class Family(click.Group):
    """Commands that belong together. Knows those that a later version has, and says so."""

    command_class = Leaf
    later: tuple[str, ...] = ()

    def __init__(self, *arguments: Any, later: Sequence[str] = (), root: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.later = tuple(later)
        self.params = [*self.params, *_common_options(hidden=not root)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in self.later:
            raise UsageError(f"'{ctx.command_path} {args[0]}' {NOT_YET}.", todo="`chasqui --help` shows what is.")
        if args and ctx.parent is not None and args[0] not in self.commands and not args[0].startswith("-"):
            raise UsageError(
                f"'{ctx.command_path}' has no command of that name.",
                todo=f"It has: {', '.join(self.commands)}. `{ctx.command_path} --help` tells more.",
            )
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which a person needs them


Family.group_class = Family
