"""What somebody who has just come into a group cannot know yet, on the screen."""

from __future__ import annotations

from chasqui.app.results import Newcomer
from chasqui.app.screens.text import day, paragraph, typed


def meaning(new: Newcomer, group: str) -> str:
    """What `group show` says of it."""
    return (
        f"You have been here since {day(new.since)}, and {_heard(new)}. The others may be cut off: they may have "
        "removed somebody whom you do not know to be out, and who still reads what you write; and they may go on with "
        "other keys, and never read it. Nobody here can see that. It clears up by itself once you have exchanged with "
        "them, within days. Until then write nothing that would hurt if it were so. To know now, call somebody who has "
        f"been here for long: `chasqui group check {typed(group)}`."
    )


def beside(new: Newcomer) -> list[str]:
    """What `read` and `send` say of it."""
    return paragraph(
        f"?  You are new here, and {_heard(new)}: the rest may have removed somebody who still reads what you write. "
        "See `chasqui group show`.",
        "",
        "   ",
    )


def _heard(new: Newcomer) -> str:
    others = "the one other member" if new.of == 1 else f"{new.of} other members"
    return f"of {others} {new.heard or 'none'} {'was' if new.heard < 2 else 'were'} heard since"
