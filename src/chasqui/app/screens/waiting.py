"""Changes that wait for the word of another admin, on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chasqui.app.results import Added, Confirmed, GroupDetails, MemberChanged, PendingLine, Removed
from chasqui.app.screens.text import cut, paragraph, safe_line, short, table, typed, when

_NAME_COLUMNS: Final = 13
_WORDS: Final = {"add": "add", "remove": "remove", "admin": "make admin", "member": "make member", "lift": "lift"}


_NOT_YET: Final = {
    "add": "Who is to be added reads nothing that is sent from here until then. It is done by itself: exchange with "
    "the others, and with who is to be added. After a cut it can take some hours; on the device of that person "
    "`chasqui group rejoin` makes it faster.",
    "remove": "Who was removed still holds the keys of now. They are changed before anything is sent: exchange.",
    "quarantine": "Whose device is said to be taken still holds the keys of now. They are changed before anything is "
    "sent: exchange.",
}


def not_yet(result: GroupDetails) -> list[str]:
    """What it means that changes which count are not in the keys."""
    kinds = dict.fromkeys(p.op for p in result.pending if p.op in _NOT_YET)
    return [line for kind in kinds for line in paragraph(_NOT_YET[kind], "  ", "  ")]


def waiting(result: GroupDetails) -> list[str]:
    """What `group show` says of them: that they have no effect yet, and what to do."""
    lines = []
    if any(p.expired and not p.id for p in result.pending):
        lines += paragraph(
            "An addition was confirmed when its keys had expired, so nobody can sit there. Add the person again "
            "(`chasqui group add`). The empty seat goes by itself when that person has joined; else remove it by "
            "its key (`chasqui group remove`).",
            "  ",
            "  ",
        )
    waits = [p for p in result.pending if p.id]
    if not waits:
        return lines
    rows = [("change", "what", "key", "signed by", "since")]
    for p in waits:
        what = f"{_WORDS[p.change]} {cut(p.member, _NAME_COLUMNS)}"
        rows.append((short(p.id), what, short(p.key), cut(p.by, _NAME_COLUMNS), when(p.since)))
    lines += ["", "Waiting for another admin: confirm?", table(rows)]
    lines += paragraph(
        "Nothing of this counts yet: who is to be added reads nothing, who is to be removed still reads everything.",
        "  ",
        "  ",
    )
    lines += _what_to_do(result, waits)
    if any(p.expired for p in waits):
        lines += paragraph(
            "An addition of half a year ago comes too late: whoever signed it adds the person again.", "  ", "  "
        )
    return lines


def _what_to_do(result: GroupDetails, waits: Sequence[PendingLine]) -> list[str]:
    """Who can confirm them, and how: never their signer, and no member who is not an admin."""
    confirm = f"chasqui group confirm {typed(result.name)}"
    if not any(member.own and member.role == "admin" for member in result.members):
        return paragraph("An admin has to decide it: tell one by voice what you think.", "  ", "  ")
    lines = []
    if any(not p.own for p in waits):
        lines += paragraph(
            "Ask whoever signed it, by voice, who that is, and compare the key. Do you want it, too? "
            f"`{confirm} CHANGE`. Otherwise do nothing.",
            "  ",
            "  ",
        )
    for p in waits:
        if p.own:
            lines.append(f"  You signed {short(p.id)}: another admin has to type")
            lines.append(f"  `{confirm} {short(p.id)}`")
    return lines


def addition_waits(result: Added) -> str:
    """`group add`, where it does."""
    name, group = safe_line(result.contact), safe_line(result.group)
    return "\n".join(
        (
            *paragraph(
                f"You have signed that {name} is added to {group}. It waits for one more admin; until then {name} "
                f"reads nothing of the group. Exchange, and tell another admin by voice who {name} is, and this key: "
                f"{short(result.member or '')}. That admin types:"
            ),
            f"`{_command(result.group, result.operation)}`",
            *paragraph(
                "The invitation goes out when your device hears of it. After half a year it is too late: then add "
                f"{name} again."
            ),
        )
    )


def removal_waits(result: Removed) -> str:
    """`group remove`, where it does."""
    name = safe_line(result.name)
    return "\n".join(
        (
            "!! NOT REMOVED YET: it waits for one more admin.",
            *paragraph(
                f"You have signed that {name} is removed. Until another admin wants it, too, {name} reads everything "
                f"that is sent. Tell one now, by voice, to remove {name} as you did, or to type:"
            ),
            f"`{_command(result.group, result.operation)}`",
            f"Was the device of {name} taken? Say that as well, it needs no admin:",
            f"`chasqui group taken {typed(result.group)} {short(result.member)}`",
        )
    )


def change_waits(result: MemberChanged, what: str, until: str) -> str:
    """`group role` and `group lift`, where they do."""
    return "\n".join(
        (
            *paragraph(f"You have signed that {what}. It waits for one more admin. {until}".rstrip()),
            "Exchange, and tell another admin to type:",
            f"`{_command(result.group, result.operation)}`",
        )
    )


def confirmed(result: Confirmed) -> str:
    """`group confirm`"""
    name, by = safe_line(result.name), safe_line(result.by)
    done = f"You stand behind the change {short(result.operation)}"
    if result.change == "add":
        text = (
            f"{done}. {name} gets the keys, and an invitation from {by}, as soon as the device of {by} hears of this: "
            f"exchange. Until then {name} reads nothing."
        )
    elif result.change == "remove" and result.group_state == "removal-pending":
        text = (
            f"!! {done}, but the new keys are not there yet: NOT YET PRIVATE. Nothing is sent from here until they "
            "are. Exchange with the others."
        )
    elif result.change == "remove":
        text = (
            f"{done}: {name} is removed and the keys are new. Whoever has heard of it sends {name} nothing any more. "
            f"What {name} had received stays with {name}. Exchange soon, so that the others hear of it."
        )
    else:
        text = f"{done}. The others hear of it with the next exchange."
    return "\n".join(paragraph(text))


def _command(group: str, operation: str) -> str:
    return f"chasqui group confirm {typed(group)} {short(operation)}"
