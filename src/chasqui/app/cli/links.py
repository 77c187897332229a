"""`link ...`, `sync`, `bundle ...`."""

from __future__ import annotations

import ipaddress
import os

import click

from chasqui.app import requests, results
from chasqui.app.cli.base import Family, Invocation, Leaf, print_json
from chasqui.app.errors import LinkFailedError, document_of
from chasqui.base.errors import UsageError

_LATER_KINDS = ("tcp", "tor", "kiss", "rnode", "meshtastic", "sound", "qr", "relay")


@click.group(cls=Family)
def link() -> None:
    """Ways to others: a stick, the local network."""


@link.group(cls=Family, later=_LATER_KINDS)
def add() -> None:
    """Set a link up."""


@add.command()
@click.argument("path")
@click.pass_obj
def folder(call: Invocation, path: str) -> None:
    """A folder: a USB stick, or one that is shared or synchronised."""
    from chasqui.app.screens import links as screen

    place = os.path.abspath(os.path.expanduser(path))
    if os.path.exists(place) and not os.path.isdir(place):
        raise UsageError("This is a file, not a folder.", todo="Name the folder on the stick.")
    result, _ = call.call(requests.AddLink("folder", (("path", place),)), results.LinkMade)
    call.show(result, screen.folder_added(result, place))


@add.command()
@click.option("--address", metavar="IP", multiple=True, help="Only on this address of this machine; may be repeated.")
@click.option("--port", type=click.IntRange(1, 65_535), help="UDP port to meet on; the same for all.")
@click.pass_obj
def lan(call: Invocation, address: tuple[str, ...], port: int | None) -> None:
    """The local network: neighbours who run chasqui find each other."""
    from chasqui.app.screens import links as screen

    settings: list[tuple[str, str]] = []
    if address:
        try:
            settings.append(("addresses", " ".join(str(ipaddress.ip_address(one)) for one in address)))
        except ValueError as error:
            raise UsageError("This is no IP address.", todo="For example 192.168.1.7") from error
    if port is not None:
        settings.append(("port", str(port)))
    result, _ = call.call(requests.AddLink("lan", tuple(settings)), results.LinkMade)
    call.show(result, screen.lan_added(result))


@link.command("list")
@click.pass_obj
def list_(call: Invocation) -> None:
    """All links and how they are."""
    from chasqui.app.screens import links as screen

    result, _ = call.call(requests.ListLinks(), results.Links)
    call.show(result, screen.listed(result))


@link.command()
@click.argument("id")
@click.pass_obj
def test(call: Invocation, id: str) -> None:
    """Try whether a link works."""
    result, _ = call.call(requests.TestLink(id), results.LinkTested)
    call.show(result, f"It works: {result.message}")


@link.command()
@click.argument("id")
@click.pass_obj
def remove(call: Invocation, id: str) -> None:
    """Forget a link. What lies in a folder stays there."""
    result, _ = call.call(requests.RemoveLink(id), results.LinkGone)
    call.show(result, f"The link {result.id} is forgotten. What lies in a folder stays there.")


@click.command(cls=Leaf)
@click.pass_context
def sync(context: click.Context) -> None:
    """Exchange with every folder, there and back."""
    from chasqui.app.screens import links as screen

    call = context.ensure_object(Invocation)
    result, _ = call.call(requests.Sync(), results.Synced)
    for problem in result.problems:
        call.tell(screen.problem(problem))
    failed = [problem.link for problem in result.problems if problem.failed]
    if not failed:
        call.show(result, screen.synced(result))
        return
    error = LinkFailedError(
        f"{len(failed)} of {result.folders} folders could not be used: {', '.join(failed)}.",
        safety="Nothing is lost: what could not be written waits in the vault.",
        todo="See above, then `chasqui sync` again.",
    )
    document, code = document_of(error)
    if call.as_json:
        print_json({**result.document(), "error": document.document()})
    else:
        call.show(result, screen.synced(result))
        call.tell(str(error))
    context.exit(code)


@click.group(cls=Family)
def bundle() -> None:
    """Look at what carriers carry."""


@bundle.command()
@click.argument("file")
@click.pass_obj
def inspect(call: Invocation, file: str) -> None:
    """What a carrier can see of a courier file, and nothing more. Needs no vault."""
    from chasqui.app.inspecting import inspect_file
    from chasqui.app.screens import links as screen

    result = inspect_file(file)
    call.show(result, screen.inspected(result))


COMMANDS = (link, sync, bundle)
