"""`group ...` on the screen."""

from __future__ import annotations

from chasqui.app.results import (
    Added,
    Asked,
    GroupChecked,
    GroupDetails,
    GroupLine,
    GroupMade,
    Groups,
    Left,
    MemberChanged,
    MemberLine,
    ProofLine,
    Removed,
)
from chasqui.app.screens import guests, newcomer, seats, taken
from chasqui.app.screens.text import count, cut, day, heading, paragraph, safe_line, short, span, table, typed, when
from chasqui.app.screens.waiting import addition_waits, change_waits, not_yet, removal_waits, waiting
from chasqui.app.screens.words import group_state, member_state
from chasqui.base.limits import OPERATIONS_TO_INVITE_MAX

_NAME_COLUMNS = 13
_MAKERS_COLUMNS = 50


def created(result: GroupMade, retention_s: int, quorum: int, taken: int) -> str:
    """`group create`"""
    name, group = safe_line(result.name), typed(result.name)
    keep = f"Messages disappear after {span(retention_s)} on every device." if retention_s else ""
    keep = keep or "Messages stay for as long as the vault; with `--retention 7d` they would disappear after a week."
    lines = [f"The group {name} is made ({short(result.id)}). You are alone in it, and its admin.", *paragraph(keep)]
    words = "One member who says so shuts" if taken == 1 else f"{taken} members who say so shut"
    two = "" if taken == 1 else ", and one while you are only two"
    lines += paragraph(f"{words} out a device that was taken (`chasqui group taken`){two}.")
    if quorum == 1:
        return "\n".join((*lines, "", f"Next: `chasqui group add {group} CONTACT`."))
    lines += paragraph(
        "Two admins stand behind every change. While you are the only admin, your word is enough: make somebody the "
        "second one who is not taken together with you."
    )
    return "\n".join((*lines, "", f"Next: `chasqui group add {group} CONTACT --role admin`."))


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
            _state_of(g),
        )
        for g in result.groups
    )


def _state_of(line: GroupLine) -> str:
    """The state in a list. What waits for people is named in `status`, and told of in `group show`."""
    if line.state == "invited":
        return f"? you are invited: `chasqui group join {typed(line.name)}`"
    state = group_state(line.state, line.confirmed, line.heard)
    if line.alarms or line.accused:
        return f"{state} · !! alarm: see `group show`"
    return f"{state} · ? asks: see `group show`" if line.waiting else state


def shown(result: GroupDetails) -> str:
    """`group show`"""
    kind = "contact" if result.contact else "group"
    fork = result.forks[0] if result.forks else None
    confirmed = (fork.confirmed, fork.of) if fork else None
    lines = [heading(f"{safe_line(result.name)}  ({kind} {short(result.id)})"), ""]
    state = group_state(result.state, confirmed, (result.new.heard, result.new.of) if result.new else None)
    lines.append(f"State      {state if result.state != 'invited' else '? you are invited'}")
    lines += paragraph(_meaning(result), " " * 11, " " * 11)
    if result.asked:
        lines.append(f"Asked      for new keys on {day(result.asked)}, not answered yet")
    if result.retention_s:
        lines.append(f"Messages   disappear after {span(result.retention_s)} on every device")
    if result.quorum > 1:
        lines.append("Changes    need the word of two admins")
    if result.head and not result.contact and len(result.members) > 1:
        lines += paragraph(_shuts_out(result), "Taken      ", " " * 11)
    for alarm in result.alarms:
        lines += ["", *_alarm(alarm, result.name)]
    lines += taken.accused(result)
    lines += _filled(result)
    if result.members:
        lines += ["", "Members", _members(result), *seats.twice(result)]
    known = [p for p in result.pending if not p.id]
    if known:
        lines += ["", "Not carried out yet"]
        lines.append(table((p.op, cut(p.member, _NAME_COLUMNS), f"since {when(p.since)}") for p in known))
    lines += not_yet(result)
    lines += waiting(result)
    lines += guests.listed(result.guests)
    if result.forks:
        lines += ["", "Not settled yet"]
        rows = [("keys changed by", "confirmed", "needed")]
        for fork in result.forks:
            makers = " and ".join(sorted(set(fork.committers)))
            rows.append((cut(makers, _MAKERS_COLUMNS), f"{fork.confirmed} of {fork.of}", str(fork.needed)))
        lines.append(table(rows))
    return "\n".join(lines)


def _filled(result: GroupDetails) -> list[str]:
    """Long before a group is full: by whom it is, and what can be done in time."""
    if result.filled is None:
        return []
    name, named = safe_line(result.filled.member), f"{typed(result.name)} {short(result.filled.key)}"
    first = f"!! This group has seen {result.filled.changes} of {OPERATIONS_TO_INVITE_MAX} changes of its members."
    rest = (
        f"With {OPERATIONS_TO_INVITE_MAX}, nobody can be let in any more; removing goes on. {name} has signed "
        f"{result.filled.of}. If nobody knows why, {name} may want to use the group up: an admin can remove it "
        f"(`chasqui group remove {named}`). If all is well, make a new group with the same members in time."
    )
    return ["", first, *paragraph(rest, "   ", "   ")]


def _shuts_out(result: GroupDetails) -> str:
    """How many words shut a device out, said before anybody says one."""
    if result.taken > 1:
        return f"{result.taken} members who say that a device was taken shut it out"
    return (
        "! one member who says that another's device was taken shuts it out at once, until an admin ends it: ask by "
        "voice before you say so"
    )


def _members(result: GroupDetails) -> str:
    """A member a line, in 80 columns."""
    rows = [("name", "role", "last heard", "new keys", "yours up to", "key")]
    for m in result.members:
        heard = "this is you" if m.own else when(m.last_heard)
        state = member_state(m.state, m.role)
        out = m.state in ("removed", "quarantined") or not result.head
        renewed = day(m.renewed) if m.renewed or not out else ""
        rows.append((cut(m.name, _NAME_COLUMNS), state, heard, renewed, _reached(m), short(m.key)))
    return table(rows)


def _reached(member: MemberLine) -> str:
    """Up to which of our messages a member has signed for all."""
    if member.own or member.state == "removed":
        return ""
    if not member.undelivered:
        return "all" if member.delivered_time else ""
    return day(member.delivered_time) if member.delivered_time else "none yet"


def _sealed_off(result: GroupDetails) -> str:
    if not result.sealed_off:
        return ""
    names = " and ".join(result.sealed_off)
    return f"Your device cannot open keys by {names}: tell an admin by voice, who can remove whoever does it again. "



def _meaning(result: GroupDetails) -> str:
    """What a state means for the people in the group, and what to do now."""
    if result.state == "removal-pending":
        return (
            "Somebody was removed, but the new keys are not here yet. What others send who do not know of it, that "
            "member can still read. Nothing is sent from here until it is done. Exchange with the others."
        )
    if result.state == "passed-over":
        return (
            "You are a member, but somebody has made new keys without you: by a removal that does not count (it was "
            "signed as if in the days when one admin was enough, or when its signer was still one), or so that your "
            "device alone cannot open them, which a member can do to another on purpose. Whoever does not know better "
            f"follows. You do not read what they write. {_sealed_off(result)}"
            f"`chasqui group rejoin {typed(result.name)}` asks your contacts in the group for new keys; exchange with "
            f"them. Who signed it: `chasqui group log {typed(result.name)}`."
        )
    if result.new is not None and result.state == "new":
        return newcomer.meaning(result.new, result.name)
    if result.state == "fork-pending" and result.forks:
        fork = result.forks[0]
        return (
            "The group was cut: both sides changed its keys without hearing of each other. It becomes one again by "
            "itself. Nobody who was removed comes back, nothing that was said is lost, and you can go on writing. "
            f"It is settled when {fork.needed} of {fork.of} devices have confirmed one side: exchange with the others."
        )
    if result.state == "stale" and result.contact:
        return (
            "This vault was restored from an older copy, or copied: nothing is sent to this contact any more, so "
            "that no key is used twice. Meet again: `chasqui contact offer`."
        )
    if result.state == "stale":
        return (
            "This vault was restored from an older copy, or copied. Nothing is sent from here, so that no key is used "
            "twice. It asks your contacts in the group for new keys by itself, and "
            f"`chasqui group rejoin {typed(result.name)}` asks now. Exchange with them. You stay the same member, and "
            "what you missed is asked for."
        )
    if result.state == "quarantined":
        return (
            "Members say that your device was taken. It gets no new keys, and you cannot send. If it is safely in your "
            "hands, tell an admin by voice, who ends it with `chasqui group lift`. Then type "
            f"`chasqui group rejoin {typed(result.name)}` here and exchange: your device does not hear of it by itself."
        )
    if result.state in ("removed", "left"):
        return "What you had read stays readable. Nothing new comes, and you cannot send."
    if result.state == "invited":
        return (
            "You read nothing of it until you join; what is sent meanwhile appears then. "
            f"To accept: `chasqui group join {typed(result.name)}`. Otherwise do nothing."
        )
    return ""


def _alarm(alarm: ProofLine, group: str) -> list[str]:
    name, first, rest = safe_line(alarm.member), "   ", "     "
    commits = " and ".join(short(commit) for commit in alarm.commits)
    return [
        f"!! ALARM: the device of {cut(name, _NAME_COLUMNS)} ({short(alarm.key)}) signed two changes for one state.",
        *paragraph(
            "A vault that was restored from a backup does so. So does somebody else who has a copy of it. "
            f"Ask {name} by voice or face to face, not over this group.",
            first,
            first,
        ),
        *paragraph("- Restored a backup? Then no harm is done, and this stays as a record.", first, rest),
        "   - Nothing restored? Then others hold those keys. Any member can say so:",
        f"     `chasqui group taken {typed(group)} {short(alarm.key)}`",
        f"   Proof: commits {commits} on state {short(alarm.parent)}.",
    ]


def checked(result: GroupChecked) -> str:
    """`group check`"""
    group = typed(result.name)
    words = "   ".join(result.words)
    asked = " ".join(result.challenge)
    lines = [heading(f"{safe_line(result.name)}: group check"), ""]
    who = ", ".join(safe_line(name) for name in result.names)
    if result.caller:
        lines += [
            "1. Call the others, where you know their voices. Say these two words aloud:",
            "",
            f"      {asked}",
            "",
            f"2. Each one types: chasqui group check {group} --words {asked}",
            "   and says four words to you. Do not say them first.",
            "",
            "3. All must be equal to these:",
        ]
    else:
        lines.append(f"The caller said: {asked}. Say these four words aloud:")
    lines += ["", f"      {words}", "", *paragraph(f"Everybody who has to answer so: {who}."), ""]
    for text in (
        "All equal: you all see the same group. You and these are in it, and nobody else. Is there a name that "
        "nobody on the call knows? Have an admin remove it.",
        "One differs: that device sees another group. Most often it only lacks a change: exchange with that person "
        "and check again, with new words. Still different? Then write nothing there that could hurt somebody. Compare "
        f"who is in it on both screens (`chasqui group show {group}`), and start a new group with those whose words "
        "agree.",
        "Somebody does not answer: of that device you know nothing.",
    ):
        lines += paragraph(text, rest="  ")
    if result.state == "fork-pending":
        lines += ["", "The group was cut and is healing: words differ until you have exchanged."]
    return "\n".join(lines)


def added(result: Added) -> str:
    """`group add`"""
    name, group = safe_line(result.contact), safe_line(result.group)
    if result.state == "pending":
        return (
            f"{name} will be added to {group} as soon as a key of {name} arrives here: exchange with {name}\n"
            f"(`chasqui sync`, or stay connected). Until then {name} reads nothing of the group."
        )
    if result.state == "unconfirmed":
        return addition_waits(result)
    return (
        f"{name} is invited to {group}. The invitation travels with the next exchange; {name} runs\n"
        f"`chasqui group join {typed(result.group)}`. What is sent from now on, {name} can read; nothing from before."
    )


def joined(result: GroupMade) -> str:
    """`group join`"""
    return f"You are in {safe_line(result.name)}. See who else is: `chasqui group show {typed(result.name)}`."


def removed(result: Removed) -> str:
    """`group remove`"""
    others = (*seats.also(result.group, result.name, result.also), *guests.beside(result.name, result.beside))
    return "\n".join((_removed(result), *others))


def _removed(result: Removed) -> str:
    name = safe_line(result.name)
    if result.state == "unconfirmed":
        return removal_waits(result)
    if result.state == "removed":
        text = (
            f"{name} is removed and the keys are new. Whoever has heard of it sends {name} nothing any more. "
            f"What {name} had received stays with {name}. Exchange soon, so that the others hear of it."
        )
    else:
        text = (
            f"!! REMOVAL PENDING: NOT YET PRIVATE. The removal of {name} is signed, the new keys are not there yet. "
            "Nothing is sent from here until they are. Exchange with the others."
        )
    return "\n".join(paragraph(text))


def role_given(result: MemberChanged) -> str:
    """`group role`"""
    name = safe_line(result.name)
    if result.operation:
        return change_waits(result, f"{name} becomes {result.wanted}", f"{name} is {result.role} until then.")
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
    if result.operation:
        until = f"{name} stays shut out until then." if result.state == "quarantined" else ""
        return change_waits(result, f"what was said against {name} is ended", until)
    return (
        f"What was said against {name} is ended, and {name} holds its rights again. If the keys were renewed without\n"
        "that device, it does not hear of this and reads nothing yet: let its owner ask a contact in the group for\n"
        "new ones (`chasqui group rejoin`). What was said meanwhile stays closed to it."
    )


def asked(result: Asked) -> str:
    """`group rejoin`"""
    who = "One contact" if result.contacts == 1 else f"{result.contacts} contacts"
    return (
        f"{who} in {safe_line(result.name)} will be asked for new keys with the next exchange.\n"
        "You stay the same member. What was said meanwhile is asked for by itself.\n"
        f"Until an answer comes, `chasqui group show {typed(result.name)}` says when you asked."
    )


def left(result: Left) -> str:
    """`group leave`"""
    return (
        f"You left {safe_line(result.name)}. Its keys are erased here; what you had read stays.\n"
        "The others hear of it with the next exchange, and renew their keys."
    )
