"""`group ...` on the screen."""

from __future__ import annotations

from chasqui.app.results import (
    Added,
    Asked,
    Confirmed,
    GroupDetails,
    GroupMade,
    Groups,
    Left,
    MemberChanged,
    Removed,
)
from chasqui.app.screens.text import count, heading, safe_line, short, span, table, typed, when
from chasqui.app.screens.words import GROUP_STATES, MEMBER_STATES


def created(result: GroupMade, retention_s: int) -> str:
    """`group create`"""
    name = safe_line(result.name)
    keep = f"Messages disappear after {span(retention_s)} on every device." if retention_s else ""
    keep = keep or "Messages stay for as long as the vault; with `--retention 7d` they would disappear after a week."
    return f"The group {name} is made ({short(result.id)}). You are alone in it, and its admin.\n{keep}\n\n" + (
        f"Next: `chasqui group add {typed(result.name)} CONTACT`."
    )


def listed(result: Groups) -> str:
    """`group list`"""
    if not result.groups:
        return "No groups yet. `chasqui group create NAME` makes one; an invitation appears here by itself."
    return table(
        (
            g.name,
            short(g.id),
            count(g.members, "member") if g.members else "",
            count(g.messages, "message") if g.messages else "",
            GROUP_STATES.get(g.state, g.state),
        )
        for g in result.groups
    )


def shown(result: GroupDetails) -> str:
    """`group show`"""
    kind = "contact" if result.contact else "group"
    lines = [heading(f"{safe_line(result.name)}  ({kind} {short(result.id)})"), ""]
    lines.append(f"State      {GROUP_STATES.get(result.state, result.state)}")
    if result.state == "removal-pending":
        lines += [
            "           Somebody was removed, but the new keys are not here yet. What anybody sends who does not",
            "           know of it can still be read by that member. Nothing is sent from here until it is done.",
        ]
    if result.state in ("removed", "left"):
        lines.append("           What you had read stays readable. Nothing new comes, and you cannot send.")
    if result.state == "invited":
        lines.append("           Nobody sees you as a member who reads until you join.")
    if result.retention_s:
        lines.append(f"Messages   disappear after {span(result.retention_s)} on every device")
    if result.members:
        lines += ["", "Members"]
        rows = [("name", "role", "state", "last heard", "last new keys", "key")]
        for m in result.members:
            heard = "this device" if m.own else when(m.last_heard)
            name = f"{m.name} (you)" if m.own else m.name
            rows.append((name, m.role, MEMBER_STATES.get(m.state, m.state), heard, when(m.renewed), short(m.key)))
        lines.append(table(rows))
    if result.pending:
        lines += ["", "Not carried out yet"]
        lines.append(table((p.op, p.member, f"since {when(p.since)}", p.id) for p in result.pending))
        if any(p.id for p in result.pending):
            lines.append("An admin who stands behind a 'confirm?' says so: `chasqui group confirm GROUP ID`.")
    for fork in result.forks:
        makers = " and ".join(sorted(safe_line(name) for name in fork.committers))
        lines += ["", f"! Two changes of keys on one state, by {makers}."]
        if fork.one_member:
            lines.append("  One member made both: that happens when a device was copied or restored from a copy.")
            lines.append("  Ask that person, not over this group.")
        else:
            lines.append("  Devices follow one of them as they meet: there is nothing to do.")
    return "\n".join(lines)


def added(result: Added) -> str:
    """`group add`"""
    name, group = safe_line(result.contact), safe_line(result.group)
    if result.state == "pending":
        return (
            f"{name} will be added to {group} as soon as a key of {name} arrives here: exchange with {name}\n"
            f"(`chasqui sync`, or stay connected). Until then {name} reads nothing of the group."
        )
    return (
        f"{name} is invited to {group}. The invitation travels with the next exchange; {name} runs\n"
        f"`chasqui group join {typed(result.group)}`. What is sent from now on, {name} can read; nothing from before."
    )


def joined(result: GroupMade) -> str:
    """`group join`"""
    return f"You are in {safe_line(result.name)}. See who else is: `chasqui group show {typed(result.name)}`."


def removed(result: Removed) -> str:
    """`group remove`"""
    name = safe_line(result.name)
    if result.state == "removed":
        return (
            f"{name} is removed and the keys are new. Whoever has heard of it sends {name} nothing any more.\n"
            f"What {name} had received stays with {name}. Exchange soon, so that the others hear of it."
        )
    return (
        f"!! REMOVAL PENDING: NOT YET PRIVATE. The removal of {name} is signed, the new keys are not there yet.\n"
        "Nothing is sent from here until they are. Exchange with the others."
    )


def role_given(result: MemberChanged) -> str:
    """`group role`"""
    name = safe_line(result.name)
    may = "may add, remove and decide about others" if result.role == "admin" else "may not change who is in any more"
    return f"{name} is {result.role} now and {may}. The others hear of it with the next exchange."


def accused(result: MemberChanged) -> str:
    """`group taken`"""
    name = safe_line(result.name)
    if result.state == "quarantined":
        return (
            f"{name} is quarantined: no keys are made for that device. What it had received stays\n"
            "readable to whoever has it. "
            "An admin makes it final (`chasqui group remove`) or ends it (`chasqui group lift`)."
        )
    return (
        f"You have said that the device of {name} was taken. Too few have said so yet: it still reads\n"
        "everything that is sent. Tell the others, so that they say it too, or ask an admin to remove it."
    )


def lifted(result: MemberChanged) -> str:
    """`group lift`"""
    name = safe_line(result.name)
    return (
        f"What was said against {name} is ended, and {name} holds its rights again. If the keys were renewed without\n"
        "that device, it does not hear of this and reads nothing yet: let its owner ask a contact in the group for new\n"
        "ones (`chasqui group rejoin`). What was said meanwhile stays closed to it."
    )


def confirmed(result: Confirmed) -> str:
    """`group confirm`"""
    return f"You stand behind the change {short(result.operation)}. The others hear of it with the next exchange."


def asked(result: Asked) -> str:
    """`group rejoin`"""
    who = "One contact" if result.contacts == 1 else f"{result.contacts} contacts"
    return (
        f"{who} in {safe_line(result.name)} will be asked for new keys with the next exchange.\n"
        "You stay the same member. What was said meanwhile is asked for by itself."
    )


def left(result: Left) -> str:
    """`group leave`"""
    return (
        f"You left {safe_line(result.name)}. Its keys are erased here; what you had read stays.\n"
        "The others hear of it with the next exchange, and renew their keys."
    )
