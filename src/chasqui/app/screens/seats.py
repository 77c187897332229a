"""Members who go by one name, on the screen: two people, or one who was added twice."""

from __future__ import annotations

from collections.abc import Sequence

from chasqui.app.results import GroupDetails
from chasqui.app.screens.text import paragraph, safe_line, short, typed


def twice(result: GroupDetails) -> list[str]:
    """What `group show` says of them."""
    seats: dict[str, list[str]] = {}
    for member in result.members:
        if member.state in ("current", "invited"):
            seats.setdefault(member.name, []).append(short(member.key))
    lines = []
    for name, keys in seats.items():
        if len(keys) > 1:
            lines += paragraph(
                f"!  {safe_line(name)} sits here under {len(keys)} keys: {', '.join(keys)}. Two people may have one "
                "name. Or two admins have added one person: then her device leaves the seat that it does not use, by "
                f"itself, when it hears of that. Ask {safe_line(name)} by voice, and compare the key. Who is to be out "
                "has to be removed under every key.",
                "  ",
                "     ",
            )
    return lines


def also(group: str, name: str, keys: Sequence[str]) -> list[str]:
    """What `group remove` says of other seats under the name of whom it has removed."""
    if not keys:
        return []
    who = f"Somebody who is called {safe_line(name)}"
    return [
        *paragraph(f"!! {who} still sits in the group. The same person? Remove, too:"),
        *(f"   `chasqui group remove {typed(group)} {short(key)}`" for key in keys),
    ]
