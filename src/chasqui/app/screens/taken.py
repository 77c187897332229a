"""Members whose device is said to be taken, on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from chasqui.app.results import AccusedLine, GroupDetails
from chasqui.app.screens.text import paragraph, safe_line, short, typed

_INDENT = "   "


def accused(result: GroupDetails) -> list[str]:
    """What `group show` says of them: who says it, what it means, and who can decide it."""
    own = {member.key for member in result.members if member.own}
    lines: list[str] = []
    for line in result.accused:
        lines += ["", *(_of_us(line) if line.key in own else _of_another(line, result.name))]
    return lines


def _of_us(line: AccusedLine) -> list[str]:
    lines = [f"!! {_names(line.by)} {_say(line.by)} that YOUR device was taken."]
    return lines + paragraph(
        "Is it safely in your hands? Then tell them, and an admin, by voice. When enough say so you are shut out until "
        "an admin ends it.",
        _INDENT,
        _INDENT,
    )


def _of_another(line: AccusedLine, group: str) -> list[str]:
    name, named = safe_line(line.member), f"{typed(group)} {short(line.key)}"
    lines = paragraph(f"!! {_names(line.by)} {_say(line.by)} that the device of {name} was taken.", "", _INDENT)
    if line.shut_out:
        means = f"It is shut out: it gets no new keys, and who knows of this sends {name} nothing any more."
        ask = "An admin decides, once somebody has spoken with its owner by voice:"
    else:
        means = f"Too few say so yet: it still reads everything that is sent. Take care what you write, ask {name} "
        means += "face to face or by voice, and tell the others."
        ask = "You think so, too? Say it. An admin can decide it at once:"
    known = [] if line.shut_out else [f"{_INDENT}- you say so, too: `chasqui group taken {named}`"]
    return [
        *lines,
        *paragraph(means, _INDENT, _INDENT),
        *paragraph(ask, _INDENT, _INDENT),
        *known,
        f"{_INDENT}- it was taken:   `chasqui group remove {named}` (an admin)",
        f"{_INDENT}- it is safe:     `chasqui group lift {named}` (an admin)",
    ]


def _names(names: Sequence[str]) -> str:
    shown = [safe_line(name) for name in names]
    return " and ".join(shown) if len(shown) < 3 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _say(names: Sequence[str]) -> str:
    return "says" if len(names) == 1 else "say"
