"""`group ...`"""

from __future__ import annotations

import re

import click

from chasqui.app import requests, results
from chasqui.app.cli.base import Family, Invocation
from chasqui.base.errors import UsageError
from chasqui.base.limits import QUORUM_MAX, TAKEN_MAX

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RETENTION_S_MIN = 3600  # the vault is swept once an hour
_RETENTION_S_MAX = 10 * 366 * 86_400


@click.group(cls=Family)
def group() -> None:
    """Groups: make, join, change and leave them."""


@group.command()
@click.argument("name")
@click.option("--retention", metavar="TIME", help="Messages disappear after this on every device: 12h, 7d, 4w.")
@click.option("--taken", default=2, show_default=True, metavar="K", help="So many members quarantine a taken device.")
@click.option("--quorum", default=1, show_default=True, metavar="1|2", help="So many admins stand behind every change.")
@click.pass_obj
def create(call: Invocation, name: str, retention: str | None, taken: int, quorum: int) -> None:
    """Make a group with yourself in it."""
    from chasqui.app.screens import groups as screen

    if not 1 <= taken <= TAKEN_MAX:
        raise UsageError("That is no number of members.", todo=f"Give --taken a number from 1 to {TAKEN_MAX}.")
    if not 1 <= quorum <= QUORUM_MAX:
        raise UsageError("That is no number of admins.", todo=f"Give --quorum a number from 1 to {QUORUM_MAX}.")
    retention_s = seconds_of(retention) if retention is not None else 0
    result, _ = call.call(requests.CreateGroup(name, retention_s, taken, quorum), results.GroupMade)
    call.show(result, screen.created(result, retention_s, quorum, taken))


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
@click.pass_obj
def log(call: Invocation, group: str) -> None:
    """Who added, removed or accused whom, in order, and what became of it."""
    from chasqui.app.log_results import GroupLog
    from chasqui.app.screens import log as screen

    result, _ = call.call(requests.ShowLog(group), GroupLog)
    call.show(result, screen.shown(result))


@group.command()
@click.argument("group")
@click.argument("contact")
@click.option("--role", default="member", show_default=True, metavar="guest|member|admin", help="What he may do.")
@click.option("--with", "speakers", multiple=True, metavar="CONTACT", help="A member who speaks with the guest, too.")
@click.pass_obj
def add(call: Invocation, group: str, contact: str, role: str, speakers: tuple[str, ...]) -> None:
    """Invite a contact into a group. A guest is not let into it: you get a side group with him."""
    from chasqui.app.screens import groups as screen
    from chasqui.app.screens import guests

    if role == "guest":
        guest, _ = call.call(requests.AddGuest(group, contact, speakers), results.Guest)
        call.show(guest, guests.added(guest, speakers))
        return
    if speakers:
        raise UsageError("'--with' is for guests.", safety="Nobody was added.", todo="Take `--role guest`.")
    if role == "member":
        request = requests.AddMember(group, contact, "member")
    elif role == "admin":
        request = requests.AddMember(group, contact, "admin")
    else:
        raise UsageError("There is no such role.", todo="Take `--role guest`, `member` or `admin`.")
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
@click.argument("member")
@click.argument("role", metavar="member|admin")
@click.pass_obj
def role(call: Invocation, group: str, member: str, role: str) -> None:
    """Give a member another role."""
    from chasqui.app.screens import groups as screen

    if role == "member":
        request = requests.SetRole(group, member, "member")
    elif role == "admin":
        request = requests.SetRole(group, member, "admin")
    else:
        raise UsageError("There is no such role.", todo="Take `member` or `admin`.")
    result, _ = call.call(request, results.MemberChanged)
    call.show(result, screen.role_given(result))


@group.command()
@click.argument("group")
@click.argument("member")
@click.pass_obj
def taken(call: Invocation, group: str, member: str) -> None:
    """Say that a member's device was taken. When enough say so, no keys are made for it: `group show` says how many
    that are. While a group has two members, one word is enough."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.Accuse(group, member), results.MemberChanged)
    call.show(result, screen.accused(result))


@group.command()
@click.argument("group")
@click.argument("member")
@click.pass_obj
def lift(call: Invocation, group: str, member: str) -> None:
    """End what was said against a member: the device is safe."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.Lift(group, member), results.MemberChanged)
    call.show(result, screen.lifted(result))


@group.command()
@click.argument("group")
@click.argument("op")
@click.pass_obj
def confirm(call: Invocation, group: str, op: str) -> None:
    """Stand behind a change of another admin that `group show` lists as 'confirm?'."""
    from chasqui.app.screens import waiting as screen

    result, _ = call.call(requests.Confirm(group, op), results.Confirmed)
    call.show(result, screen.confirmed(result))


@group.command()
@click.argument("group")
@click.pass_obj
def leave(call: Invocation, group: str) -> None:
    """Leave a group. What you have read stays in your vault."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.LeaveGroup(group), results.Left)
    call.show(result, screen.left(result))


@group.command()
@click.argument("group")
@click.pass_obj
def rejoin(call: Invocation, group: str) -> None:
    """Ask your contacts in a group for new keys, where this vault can follow it no more (restored, long away)."""
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.RejoinGroup(group), results.Asked)
    call.show(result, screen.asked(result))


@group.command(short_help="Check aloud that all see the same group.")
@click.argument("group")
@click.option("--words", nargs=2, metavar="WORD WORD", help="The two words that the caller said.")
@click.pass_obj
def check(call: Invocation, group: str, words: tuple[str, str] | None) -> None:
    """Check aloud that all see the same group, over any channel where you know each other's voices.

    One person calls: without --words, for two fresh words and the four that everybody must answer. All others give
    the two words that they heard. Nothing is sent, nothing is kept.
    """
    from chasqui.app.screens import groups as screen

    result, _ = call.call(requests.CheckGroup(group, words or ()), results.GroupChecked)
    call.show(result, screen.checked(result))


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
