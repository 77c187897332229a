"""`group log` on the screen: who changed what."""

from __future__ import annotations

from typing import Final

from chasqui.app.log_results import Change, GroupLog
from chasqui.app.screens.text import count, cut, heading, paragraph, safe_line, short, table, typed

_NAME_COLUMNS: Final = 13
_WORDS: Final = {
    "found": "made the group",
    "add": "added {}",
    "add admin": "added {} as admin",
    "remove": "removed {}",
    "admin": "made {} an admin",
    "member": "made {} a member",
    "accuse": "says {}'s device is taken",
    "lift": "says {}'s device is safe",
    "leave": "left",
    "second seat": "left a seat added twice",
}
_STATES: Final = {
    "counts": "",
    "pending": "? waits for an admin",
    "void": "✗ void",
    "late": "✗ too late",
    "none": "✗ had no right",
    "waiting": "… cannot be judged",
}
_MEANS: Final = {
    "pending": "'Waits for an admin': two have to stand behind it. It has no effect yet.",
    "void": "'Void': its signer was removed, demoted or shut out by somebody who had not seen it. It has no effect, "
    "unless another admin confirms it.",
    "late": "'Too late': when its signer was removed, most members had not seen it. A stolen key signs such things "
    "with an old date. It has no effect.",
    "none": "'Had no right': its signer was no admin, or no member, by what he had seen. It has no effect.",
    "waiting": "'Cannot be judged': something that came before it is not here yet. It is asked for: exchange.",
}


def shown(result: GroupLog) -> str:
    """`group log`"""
    lines = [heading(f"{safe_line(result.name)}: who changed what"), ""]
    if result.state in ("removed", "left", "quarantined"):
        lines += [*paragraph("You are out: this is what had reached you."), ""]
    told = {change.id: change for change in result.changes}
    kept = [change for change in result.changes if change.what != "rejoin"]
    rows = [("day", "by", "what", "", "id")]
    rows += [
        (change.day, cut(change.by, _NAME_COLUMNS), _what(change, told), _STATES[change.state], short(change.id))
        for change in kept
    ]
    lines.append(table(rows))
    lines += paragraph(
        "The day is what its signer wrote. The order is the same on every device that has the same changes.", "  ", "  "
    )
    for state in dict.fromkeys(change.state for change in kept if change.state in _MEANS):
        lines += paragraph(_MEANS[state], "  ", "  ")
    if any(change.state == "void" for change in kept):
        where = f"Those that an admin can still confirm stand in `chasqui group show {typed(result.name)}`."
        lines += paragraph(where, "  ", "  ")
    rejoins = len(result.changes) - len(kept)
    if rejoins:
        lines += paragraph(
            f"Not listed: {count(rejoins, 'time')} that a member gave a key for a new leaf. That changes nobody's "
            "membership.",
            "  ",
            "  ",
        )
    return "\n".join(lines)


def _what(change: Change, told: dict[str, Change]) -> str:
    if change.what == "confirm":
        meant = told.get(change.confirms)
        return f"confirms {short(change.confirms)}" if meant is None else f"confirms: {_plain(meant)}"
    text = _plain(change)
    return f"{text} (taken)" if change.reason == "taken" else text


def _plain(change: Change) -> str:
    return _WORDS.get(change.what, change.what).format(cut(change.member, _NAME_COLUMNS))
