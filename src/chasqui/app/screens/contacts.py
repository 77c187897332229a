"""`contact ...` on the screen."""

from __future__ import annotations

from chasqui.app.results import Contacts, Offered, Paired, Verified
from chasqui.app.screens.text import safe_line, short, typed, when

_COMPARE = """\
Compare these words with the other person, by voice or face to face. Only if all twelve are equal
has nobody put himself between you."""


def offered(result: Offered) -> str:
    """`contact offer`"""
    return f"""\
Your offer is in {safe_line(result.file)}. Bring it to one person: by hand, on a stick, by any way.
It holds no name. Whoever gets hold of it can answer in that person's place, so both of you compare
the words afterwards.

Next: that person runs `chasqui contact accept FILE --as NAME --reply FILE2` and brings you FILE2."""


def paired(result: Paired, reply: str | None) -> str:
    """`contact accept`"""
    name = safe_line(result.name)
    lines = [f"{name} is now a contact (key {short(result.key)}).", "", words(result.words), "", _COMPARE, ""]
    if reply:
        lines.append(f"Next: bring {safe_line(reply)} to {name}, who runs `chasqui contact accept FILE2`.")
    lines.append(
        f"Equal on both sides? `chasqui contact verify {typed(result.name)}`. If not: do not use this contact."
    )
    return "\n".join(lines)


def verified(result: Verified) -> str:
    """`contact verify`"""
    return f"""\
{safe_line(result.name)} is verified: you compared the words on {when(result.verified)}.
This holds for the key {short(result.key)}, not for the name."""


def listed(result: Contacts) -> str:
    """`contact list`"""
    if not result.contacts:
        return "No contacts yet. `chasqui contact offer FILE` makes the first."
    blocks = []
    for contact in result.contacts:
        state = f"✓ words compared {when(contact.verified)}" if contact.verified else "! words not compared yet"
        blocks.append(f"{safe_line(contact.name)}  ({short(contact.id)})  {state}\n{words(contact.words)}")
    return "\n\n".join(blocks)


def words(check: tuple[str, ...]) -> str:
    """The check words, numbered, four to a line."""
    cells = [f"{number:>4} {word:<9}" for number, word in enumerate(check, 1)]
    return "\n".join("".join(cells[i : i + 4]).rstrip() for i in range(0, len(cells), 4))
