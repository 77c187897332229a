"""`chasqui`: the command line. Turns what happened into an exit code and an answer (`docs/reference/cli.md`)."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from chasqui import __version__
from chasqui.app.cli import base, checkout, contacts, groups, lab, links, messages, talk, vault
from chasqui.app.cli.base import Family, Invocation, print_json
from chasqui.app.errors import document_of
from chasqui.app.results import ErrorDocument
from chasqui.base.errors import MachineError, UsageError

_LATER = ("exposure", "panic", "backup", "tui")
_INTERRUPTED = 130


@click.group(cls=Family, root=True, later=_LATER, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="chasqui %(version)s")
def cli() -> None:
    """Sealed messages for groups, over any path there is.

    GROUP, CONTACT and MEMBER are a name or the first 8 or more digits of an id; a contact's name is also a GROUP.
    Exit codes: 0 done, 1 could not be done, 2 wrong usage, 3 wrong passphrase or damaged vault, 4 refused for safety.
    """


for command in (*vault.COMMANDS, contacts.contact, groups.group, *messages.COMMANDS, *talk.COMMANDS):
    cli.add_command(command)
for command in (*links.COMMANDS, lab.lab):
    cli.add_command(command)
for command in checkout.COMMANDS:
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    call = Invocation(as_json="--json" in given)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        code = cli.main(given, prog_name="chasqui", standalone_mode=False, obj=call)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return _answer(
            ErrorDocument(UsageError.code, "A command is missing.", "", _how(error)), UsageError.exit_code, call
        )
    except click.ClickException as error:
        return _wrong_usage(error, call)
    except (KeyboardInterrupt, click.Abort, EOFError):
        again = "Look (`chasqui read`, `chasqui status`) before you repeat it."
        return _failed(ErrorDocument("interrupted", "Interrupted.", "", again), _INTERRUPTED, call)
    except BrokenPipeError:
        _give_stdout_up()  # whoever read this has gone; nothing more to say
        return 1
    except Exception as error:
        if os.environ.get("CHASQUI_DEBUG"):
            raise
        if isinstance(error, OSError) and _was_answering(error):
            error = MachineError(
                f"The answer could not be written ({os.strerror(error.errno or 0)}).",
                safety="Whether the command was carried out cannot be seen from this.",
                todo="Look (`chasqui read`, `chasqui status`) before you repeat it.",
            )
        document, code = document_of(error)
        return _failed(document, code, call)


def _wrong_usage(error: click.ClickException, call: Invocation) -> int:
    said = error.format_message()
    if isinstance(error, click.BadParameter) and isinstance(error.param, click.Option) and _is_number(error.param):
        said = f"'{error.param.opts[0]}' wants a whole number{_bounds(error.param)}."
    elif "unexpected extra argument" in said:
        said += ". A name or text with blanks has to stand in quotation marks."
    document = ErrorDocument(UsageError.code, said, "", _how(error))
    return _failed(document, UsageError.exit_code, call)


def _is_number(option: click.Option) -> bool:
    return isinstance(option.type, click.types.IntParamType)


def _bounds(option: click.Option) -> str:
    low, high = getattr(option.type, "min", None), getattr(option.type, "max", None)
    if low is None or high is None:
        return "" if low is None else f", {low} or more"
    return f" from {low} to {high}"


def _how(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"`{context.command_path if context is not None else 'chasqui'} --help` shows how."


def _failed(document: ErrorDocument, code: int, call: Invocation) -> int:
    from chasqui.app.screens.text import safe_line

    _can_answer()
    for line in (document.message, document.safety, document.todo):
        if line:
            print(safe_line(line), file=sys.stderr)
    for candidate in document.candidates or ():
        print(f"  {candidate.id}  {safe_line(candidate.name)}", file=sys.stderr)
    return _answer(document, code, call)


def _answer(document: ErrorDocument, code: int, call: Invocation) -> int:
    """The error as the one document on stdout, where one is wanted and stdout can be written."""
    if call.as_json:
        try:
            print_json({"error": document.document()})
        except OSError:
            _give_stdout_up()
    return code


def _was_answering(error: OSError) -> bool:
    """Whether stdout failed: what is left for it fails again, or, without a buffer, the error came from writing."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    return not _can_answer() or where in (base.__file__, click.utils.__file__)


def _can_answer() -> bool:
    """Whether stdout takes what is written; where it does not, it is given up, so that nothing fails on it again."""
    try:
        sys.stdout.flush()
    except OSError:
        _give_stdout_up()
        return False
    return True


def _give_stdout_up() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
