"""`init` and `status` on the screen."""

from __future__ import annotations

from chasqui.app.results import GroupLine, Status, VaultMade
from chasqui.app.screens.links import state as link_state
from chasqui.app.screens.text import count, on_link, safe_line, short, size, table, typed
from chasqui.app.screens.words import group_state


def made(result: VaultMade) -> str:
    """`init`"""
    return f"""\
Your vault is made: {safe_line(result.vault)}
Everything that chasqui keeps is in there, locked with your passphrase. Nobody can reset it: if you
forget it, everything in the vault is gone.

Next: `chasqui contact offer FILE`, and bring that file to somebody you want to meet."""


def status(result: Status) -> str:
    """`status`"""
    lines = [f"Vault    {safe_line(result.vault)}", f"Name     {safe_line(result.name)}"]
    if result.daemon.running:
        lines.append(f"Daemon   runs (process {result.daemon.pid}); the vault is open until `chasqui down`")
    else:
        lines.append("Daemon   does not run; the vault is locked between commands")
    lines.append("")
    if result.links:
        lines += [
            "Links",
            table((link.id, link.kind, link.settings.get("path", ""), link_state(link)) for link in result.links),
        ]
    else:
        lines.append("Links    none yet: `chasqui link add folder PATH` or `chasqui link add lan`")
    lines.append("")
    if result.groups:
        rows = [
            (g.name, _people(g.members), group_state(g.state, g.confirmed, g.heard), short(g.id))
            for g in result.groups
        ]
        lines += ["Groups", table(rows)]
        needs = [line for group in result.groups for line in _needs(group)]
        if needs:
            lines += ["", "Look at this", *(f"  {line}" for line in needs)]
    else:
        lines.append("Groups   none yet")
    waiting = result.waiting
    own = waiting.bundles - waiting.carried
    lines += ["", f"Contacts {result.contacts or 'none yet: `chasqui contact offer FILE`'}"]
    if waiting.bundles:
        lines.append(f"Held     {count(own, 'sealed bundle')} of your groups, {waiting.carried} carried for others;")
        lines.append("         every link passes on what the other side lacks")
    for file in result.incoming:
        here, of = file.parts
        what = f"{safe_line(file.name)} in {safe_line(file.group)}, {size(file.size)}"
        lines.append(f"Coming   {what}: {here} of {count(of, 'part')} here{on_link(file.left, ', at least ')}")
    if waiting.invitations:
        lines.append(f"Waiting  {count(waiting.invitations, 'invitation')} for your answer: `chasqui group list`")
    return "\n".join(lines)


_NEEDS = {
    "removal-pending": "!! {}: not yet private, nothing is sent. Exchange with the others.",
    "stale": "!  {}: this vault is an older copy; it asks your contacts for new keys.",
    "quarantined": "!! {}: members say that your device was taken. Ask an admin.",
    "passed-over": "!! {}: others have made keys without you. Type `chasqui group rejoin`.",
    "new": "?  {}: you are new here, and others may be elsewhere. See `group show`.",
    "fork-pending": "!  {}: was cut and is healing. Go on writing; nothing to do but exchange.",
}


def _needs(group: GroupLine) -> list[str]:
    lines = [_NEEDS[group.state].format(safe_line(group.name))] if group.state in _NEEDS else []
    show = f"`chasqui group show {typed(group.name)}`"
    if group.accused:
        lines += [f"!! {safe_line(group.name)}: it is said that a device was taken:", f"   {show}"]
    if group.waiting:
        what = f"{count(group.waiting, 'change')} {'waits' if group.waiting == 1 else 'wait'}"
        lines += [f"?  {safe_line(group.name)}: {what} for the word of an admin:", f"   {show}"]
    if group.alarms:
        lines += [f"!! {safe_line(group.name)}: one device signed as if it were two:", f"   {show}"]
    return lines


def _people(number: int) -> str:
    return count(number, "member") if number else ""
