"""`chasqui`: the command line. Turns what happened into an exit code and an answer (`docs/reference/cli.md`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from chasqui.app.cli import checkout, contacts, groups, links, messages, vault
from chasqui.app.cli.base import Family, Invocation, print_json
from chasqui.app.errors import document_of
from chasqui.app.results import ErrorDocument
from chasqui.base.errors import UsageError

_LATER = ("exposure", "panic", "backup", "tui", "lab")
_INTERRUPTED = 130


@click.group(cls=Family, root=True, later=_LATER, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chasqui", message="chasqui %(version)s")
def cli() -> None:
    """Sealed messages for groups, over any path there is.

    GROUP, CONTACT and MEMBER are a name or the first 8 or more digits of an id; a contact's name is also a GROUP.
    Exit codes: 0 done, 1 could not be done, 2 wrong usage, 3 wrong passphrase or damaged vault, 4 refused for safety.
    """


for command in (*vault.COMMANDS, contacts.contact, groups.group, *messages.COMMANDS, *links.COMMANDS):
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
        return UsageError.exit_code
    except click.ClickException as error:
        return _wrong_usage(error, call)
    except (KeyboardInterrupt, click.Abort, EOFError):
        print("Interrupted.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read this has gone; nothing more to say
        return 1
    except Exception as error:
        if os.environ.get("CHASQUI_DEBUG"):
            raise
        document, code = document_of(error)
        return _failed(document, code, call)


def _wrong_usage(error: click.ClickException, call: Invocation) -> int:
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "chasqui"
    message = error.format_message()
    return _failed(
        ErrorDocument(UsageError.code, message, "", f"`{where} --help` shows how."), UsageError.exit_code, call
    )


def _failed(document: ErrorDocument, code: int, call: Invocation) -> int:
    from chasqui.app.screens.text import safe_line

    sys.stdout.flush()
    for line in (document.message, document.safety, document.todo):
        if line:
            print(safe_line(line), file=sys.stderr)
    for candidate in document.candidates or ():
        print(f"  {candidate.id}  {safe_line(candidate.name)}", file=sys.stderr)
    if call.as_json:
        print_json({"error": document.document()})
    return code


if __name__ == "__main__":
    sys.exit(main())
