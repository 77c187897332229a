"""`init`, `status`, `passphrase`, `up`, `down`, `lock`."""

from __future__ import annotations

import click

from chasqui.app import requests, results
from chasqui.app.cli.base import NOT_YET, Invocation, Leaf, print_json
from chasqui.base.errors import UsageError


class PassphraseChanged(results.Result, frozen=True):
    """`passphrase`"""

    changed: bool


@click.command(cls=Leaf)
@click.option("--name", metavar="NAME", required=True, help="What the people you meet will see as your name.")
@click.pass_obj
def init(call: Invocation, name: str) -> None:
    """Make a vault. One that exists is never touched."""
    from chasqui.app.making import make_vault, require_free
    from chasqui.app.screens import vault as screen

    home = call.home
    finish = call.named_passphrase_file is not None
    if not finish:
        require_free(home)
    passphrase = call.new_passphrase(call.named_passphrase_file, "A passphrase for the new vault: ")
    result = make_vault(home, name, passphrase)
    call.show(result, screen.made(result))


@click.command(cls=Leaf)
@click.pass_obj
def status(call: Invocation) -> None:
    """The vault, the daemon, links, groups, and what waits."""
    from chasqui.app.screens import vault as screen

    result, _ = call.call(requests.ShowStatus(), results.Status)
    call.show(result, screen.status(result))


@click.command(cls=Leaf)
@click.option("--new-passphrase-file", metavar="FILE", help="Read the new passphrase from a file instead of asking.")
@click.pass_obj
def passphrase(call: Invocation, new_passphrase_file: str | None) -> None:
    """Change the passphrase."""
    import secrets

    from chasqui.app.hardening import harden
    from chasqui.store import change_passphrase
    from chasqui.store.header_file import read_header

    read_header(call.home)
    harden()
    old = call.passphrase()
    new = call.new_passphrase(new_passphrase_file, "The new passphrase: ")
    change_passphrase(call.home, old, new, secrets.token_bytes)
    call.show(
        PassphraseChanged(True),
        "The passphrase is changed.\nA copy of the vault that was made before still opens with the old one.",
    )


@click.command(cls=Leaf)
@click.option("--detach", is_flag=True, help="Run in the background; return once it answers.")
@click.option("--web", metavar="HOST:PORT", hidden=True)
@click.pass_obj
def up(call: Invocation, detach: bool, web: str | None) -> None:
    """Run the daemon: the vault stays open, its links work."""
    if web is not None:
        raise UsageError(f"'--web' {NOT_YET}.", todo="`chasqui up` runs without it.")
    from chasqui.app import starting

    starting.require_none(call.home)
    secret = call.passphrase()
    if detach:
        state = starting.detached(call.home, secret)
        call.show(state, f"chasqui runs in the background (process {state.pid}). `chasqui down` ends it.")
        return

    def ready(state: results.DaemonState) -> None:
        if call.as_json:
            print_json(state.document())
        else:
            call.tell("chasqui runs; its links are at work. Ctrl-C ends it, or `chasqui down` from elsewhere.")

    starting.foreground(call.home, secret, ready)
    if not call.as_json:
        call.tell("chasqui has ended; the vault is locked.")


@click.command(cls=Leaf)
@click.pass_obj
def down(call: Invocation) -> None:
    """End the daemon. Returns once the vault is closed."""
    from chasqui.app.stopping import stop

    ran = stop(call.home)
    text = "The daemon has ended; the vault is locked." if ran else "No daemon was running; the vault is locked."
    call.show(results.DaemonState(False, None), text)


@click.command(cls=Leaf)
@click.pass_obj
def lock(call: Invocation) -> None:
    """Lock the vault: end the process that holds its keys."""
    from chasqui.app.stopping import stop

    stop(call.home)
    call.show(results.Locked(True), "The vault is locked: no process holds its keys.")


COMMANDS = (init, status, up, down, lock, passphrase)
