"""Guests, on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from chasqui.app.results import Guest
from chasqui.app.screens.text import paragraph, safe_line, table, typed


def added(result: Guest, speakers: Sequence[str]) -> str:
    """`group add --role guest`"""
    name = safe_line(result.name)
    others = ", ".join(safe_line(speaker) for speaker in speakers)
    keys = f"keys of {name} and of all others who are to speak there are" if speakers else f"a key of {name} is"
    when = f"as soon as {keys} here" if result.state == "pending" else "with the next exchange"
    also = f" {others} are invited, too: tell them by voice who it is with." if len(speakers) > 1 else ""
    also = also or (f" {others} is invited, too: tell {others} by voice who it is with." if speakers else "")
    return "\n".join(
        (
            *paragraph(
                f"{name} is a guest: not in the group, but in a side group with you, {safe_line(result.group)}. The "
                f"invitation goes out {when}.{also}"
            ),
            *paragraph(
                f"{name} sees who is in the side group and what is said there. Of the group itself {name} learns "
                "nothing: not its name, its members or its messages, unless somebody writes of it."
            ),
            "",
            f"Write to {name}: `chasqui send {typed(result.group)} TEXT`",
        )
    )


def listed(guests: Sequence[Guest]) -> list[str]:
    """What `group show` says of guests."""
    if not guests:
        return []
    waits = {"pending": "waits for a key"}
    rows = ((guest.name, f"in {guest.group}", waits.get(guest.state, "")) for guest in guests)
    return ["", "Guests (not in this group; nobody else's device knows of them)", table(rows)]


def beside(name: str, groups: Sequence[str]) -> list[str]:
    """What `group remove` says of somebody who still speaks with guests."""
    lines = [f"!! {safe_line(name)} still is in side groups with guests. Remove there, too:"] if groups else []
    return lines + [f"   `chasqui group remove {typed(group)} {typed(name)}`" for group in groups]
