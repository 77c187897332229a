"""`group ...`"""

from __future__ import annotations

import re

import click

from chasqui.app import requests, results
from chasqui.app.cli.base import NOT_YET, Family, Invocation
from chasqui.base.errors import UsageError

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RETENTION_S_MIN = 3600  # the vault is swept once an hour
_RETENTION_S_MAX = 10 * 366 * 86_400


@click.group(cls=Family, later=("check", "role", "taken", "confirm", "rejoin"))
def group() -> None:
    """Groups: make, join, change and leave them."""


@group.command()
@click.argument("name")
@click.option("--retention", metavar="TIME", help="Messages disappear after this on every device: 12h, 7d, 4w.")
@click.pass_obj
def create(call: Invocation, name: str, retention: str | None) -> None:
    """Make a group with yourself in it."""
    from chasqui.app.screens import groups as screen

    retention_s = seconds_of(retention) if retention is not None else 0
    result, _ = call.call(requests.CreateGroup(name, retention_s), results.GroupMade)
    call.show(result, screen.created(result, retention_s))


@group.command("list")
@click.pass_obj
def list_(call: Invocation) -> None:
    """Your groups, and those you are invited to."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.ListGroups(), results.Groups)
    call.show(result, screen.listed(result))


@group.command()
@click.argument("group")
@click.pass_obj
def show(call: Invocation, group: str) -> None:
    """Who is in a group, and what is not carried out yet."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.ShowGroup(group), results.GroupDetails)
    call.show(result, screen.shown(result))


@group.command()
@click.argument("group")
@click.argument("contact")
@click.option("--role", default="member", show_default=True, metavar="member|admin", help="What the person may do.")
@click.pass_obj
def add(call: Invocation, group: str, contact: str, role: str) -> None:
    """Invite a contact into a group."""
    from chasqui.app.screens import groups as screen

    if role == "guest":
        raise UsageError(f"The role 'guest' {NOT_YET}.", safety="Nobody was added.", todo="Take `--role member`.")
    if role == "member":
        request = requests.AddMember(group, contact, "member")
    elif role == "admin":
        request = requests.AddMember(group, contact, "admin")
    else:
        raise UsageError("There is no such role.", todo="Take `--role member` or `--role admin`.")
    result, _ = call.call(request, results.Added)
    call.show(result, screen.added(result))


@group.command()
@click.argument("group")
@click.pass_obj
def join(call: Invocation, group: str) -> None:
    """Accept an invitation."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.JoinGroup(group), results.GroupMade)
    call.show(result, screen.joined(result))


@group.command()
@click.argument("group")
@click.argument("member")
@click.pass_obj
def remove(call: Invocation, group: str, member: str) -> None:
    """Put a member out. What is sent from now on, that member cannot read."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.RemoveMember(group, member), results.Removed)
    call.show(result, screen.removed(result))


@group.command()
@click.argument("group")
@click.pass_obj
def leave(call: Invocation, group: str) -> None:
    """Leave a group. What you have read stays in your vault."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.LeaveGroup(group), results.Left)
    call.show(result, screen.left(result))


def seconds_of(text: str) -> int:
    """A time such as 12h or 7d in seconds. Raises `UsageError`."""
    match = re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip().lower())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else -1
    if not _RETENTION_S_MIN <= seconds <= _RETENTION_S_MAX:
        raise UsageError(
            "That is no time for which messages can be kept.",
            todo="Give a number and a unit, from 1h on: 12h, 7d, 4w. Without --retention they stay.",
        )
    return seconds
