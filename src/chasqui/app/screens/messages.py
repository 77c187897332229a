"""`send`, `read`, `save` on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import UnsetType, structs

from chasqui.app.message_results import Conversation, Gap, Message, Saved, Sent
from chasqui.app.recordings import Recording, broken_off, recordings_in
from chasqui.app.screens import newcomer
from chasqui.app.screens.text import (
    about,
    count,
    day,
    heading,
    local,
    on_link,
    paragraph,
    safe_line,
    safe_lines,
    short,
    size,
    typed,
)
from chasqui.base.errors import ChasquiError
from chasqui.base.limits import FILE_PART_BYTES

_LARGE_BYTES = 1_000_000
_LEFT_OUT_MIN: Final = 512  # an older copy leaves out 1,024 numbers in a contact, 8,192 in a group; some may have come
_SHOW = "See `chasqui group show`."


def about_to_send(name: str, length: int) -> str:
    """Before a file is sent."""
    parts = max(1, -(-length // FILE_PART_BYTES))
    text = f"To be sent: {safe_line(name)}, {size(length)} in {count(parts, 'part')}."
    if length > _LARGE_BYTES:
        text += " That is long for sticks and slow links, and stays in every vault of the group."
    return text + "\nWhat the file says of its origin (place, camera, author) goes with it."


def about_to_speak(seconds: float, quality: str, link: str) -> str:
    """Before speech is sent; `link` is the kind that decided its quality, empty for none."""
    why = f", because of the link {link}" if link else ""
    return f"To be sent: {seconds:.0f} s of speech, {quality}{why}.\nWhoever hears it can know your voice again."


def slow(result: Sent) -> str:
    """After something was sent over a link that it holds up for long."""
    links = () if isinstance(result.slow, UnsetType) else result.slow
    if not links:
        return on_link(result.left, "All parts together take about ").rstrip()
    return "\n".join(
        f"The link {link.id} ({link.kind}) needs {about(link.lasts_s)} for this, {about(link.on_air_s)} on the air."
        for link in links
    )


def codec_missing(error: ChasquiError) -> str:
    """Beside a conversation in which somebody speaks."""
    return f"{error.what} {error.safety} To hear them: {error.todo}"


def sent(result: Sent) -> str:
    """After a message was sent, for a person."""
    return "\n".join((_how_it_leaves(result), *(newcomer.beside(result.new) if result.new else ())))


def _how_it_leaves(result: Sent) -> str:
    if result.daemon:
        return "Sealed and kept. It goes out over the links that work."
    if result.links:
        return "Sealed and kept. It leaves with the next `chasqui sync`, or while `chasqui up` runs."
    return "Sealed and kept, but there is no link yet: `chasqui link add folder PATH` or `chasqui link add lan`."


def saved(result: Saved) -> str:
    """`save`"""
    missing = f" {result.missing_s:.1f} s of it have not arrived: they are silent." if result.missing_s else ""
    return (
        f"{safe_line(result.name)} ({size(result.size)}) is now in {safe_line(result.file)}.{missing}\n"
        "That copy is outside of the vault: whoever opens this device can read it."
    )


def conversation(found: Conversation) -> str:
    """`read`: day by day, with what is missing in its place."""
    lines = _head(found)
    lines += _body(found, "", found.gaps)
    if not found.messages and not found.gaps:
        lines.append("No messages.")
    return "\n".join(lines)


class Scroll:
    """`read --follow`: as `read` at first, then what is new."""

    def __init__(self) -> None:
        self._day = ""
        self._head: list[str] | None = None

    def more(self, found: Conversation) -> str:
        """What to add to the screen; empty for nothing."""
        lines: list[str] = []
        head = _head(found)
        first = self._head is None
        if head != self._head:
            self._head = head
            lines += head
        lines += _body(found, self._day, found.gaps if first else ())
        if found.messages:
            self._day = _day(found.messages[-1])
        return "\n".join(lines)


def _body(found: Conversation, today: str, gaps: Sequence[Gap]) -> list[str]:
    lines: list[str] = []
    left = list(gaps)
    spoken = {part.id: recording for recording in recordings_in(found) for part in recording.messages}
    shown: set[tuple[str, int, int]] = set()
    for message in found.messages:
        for gap in [g for g in left if g.author == message.author and g.last < message.seq]:
            left.remove(gap)
            lines += _gap(gap)
        if _day(message) != today:
            today = _day(message)
            lines.append(local(message.time).strftime("%a %Y-%m-%d"))
        clock, recording = local(message.time).strftime("%H:%M"), spoken.get(message.id)
        if recording is None:
            lines += _message(message, clock, found.name)
        elif recording.key not in shown:
            shown.add(recording.key)
            lines += _recording(recording, clock, found)
    return lines + [line for gap in left for line in _gap(gap)]


def _day(message: Message) -> str:
    return local(message.time).strftime("%Y-%m-%d")


def _head(found: Conversation) -> list[str]:
    lines = [heading(safe_line(found.name))]
    if found.state == "removal-pending":
        who = ", ".join(safe_line(name) for name in found.pending)
        lines += [
            f"!! REMOVAL PENDING: NOT YET PRIVATE. {who} was removed, the new keys are not here yet.",
            "!! Nothing is sent from here until they are. Exchange with the others.",
        ]
    elif found.state == "fork-pending":
        k, n = found.confirmed or (0, 0)
        lines.append(f"!  The group was cut and is healing: {k} of {n} confirmed. Go on writing; exchange.")
    elif found.state == "passed-over":
        asked = f"!  You asked for new keys on {day(found.asked)}, not answered yet." if found.asked else ""
        lines += ["!! Others go on with keys that you do not have: you do not read what they write.", asked or
                  f"!! Type `chasqui group rejoin {typed(found.name)}`, and exchange."]
    elif found.state == "new" and found.new is not None:
        lines += newcomer.beside(found.new)
    elif found.state == "stale":
        asked = f"It asked for new keys on {day(found.asked)}, not answered yet." if found.asked else ""
        lines += ["!  This vault is an older copy of itself: nothing is sent from here.", f"!  {asked or _SHOW}"]
    elif found.state == "quarantined":
        lines.append("!! Members say that your device was taken: you get nothing new. An admin can lift it.")
    elif found.state == "removed":
        lines.append("✗  You were removed from this group. This is what you had received.")
    elif found.state == "left":
        lines.append("✗  You left this group. This is what you had received.")
    for name in found.accused:
        lines += paragraph(
            f"!! It is said that the device of {safe_line(name)} was taken, and that one still reads everything. See "
            "`chasqui group show`.",
            "",
            "   ",
        )
    for name in found.alarms:
        lines.append(f"!! The device of {safe_line(name)} signed as if it were two. See `chasqui group show`.")
    for name in found.clashes:
        lines.append(f"!  {safe_line(name)} sent two different things under one number, as a copied device does. Ask.")
    return lines


def _message(message: Message, clock: str, group: str) -> list[str]:
    body = _file(message, group) if message.kind == "file" else safe_lines(message.text)
    return _entry(message, clock, body)


def _recording(recording: Recording, clock: str, found: Conversation) -> list[str]:
    """All bursts of it as one entry: it is delivered to whoever has them all."""
    parts = recording.messages
    receipts = {
        member: "delivered" if all(part.receipts.get(member) == "delivered" for part in parts) else "waiting"
        for member in parts[0].receipts
    }
    after = any(part.state == "after removal" for part in parts)
    state = "after removal" if after else parts[0].state
    whole = structs.replace(parts[0], receipts=receipts, state=state)
    return _entry(whole, clock, _voice(recording, found))


def _entry(message: Message, clock: str, body: list[str]) -> list[str]:
    who = "you" if message.own else safe_line(message.author_name)
    lead = f"{clock}  {who}: "
    rest = " " * 7
    lines = [lead + body[0], *(rest + line for line in body[1:])]
    if message.state == "after removal":
        lines += paragraph(f"! whoever removed {who} had not seen this: it may be from after that", rest, rest + "  ")
    if message.own and message.receipts:
        done = sum(state == "delivered" for state in message.receipts.values())
        mark = "✓" if done else "…"
        lines.append(f"{rest}{mark} {done} of {len(message.receipts)}{_parts_signed(message)}")
    return lines


def _parts_signed(message: Message) -> str:
    if isinstance(message.signed, UnsetType):
        return ""
    here, of = message.signed
    gone = _frames(message, "; of the next part {} of {} frames have left")
    return f"; the slowest has signed for {here} of {count(of, 'part')}{on_link(message.left, ', about ')}{gone}"


def _frames(message: Message, words: str) -> str:
    return "" if isinstance(message.frames, UnsetType) else words.format(*message.frames)


def _voice(recording: Recording, found: Conversation) -> list[str]:
    message = recording.messages[0]
    first = f"[voice] {recording.seconds:.1f} s, {message.quality}"
    if recording.earlier:
        first = f"[voice] goes on, now {recording.seconds:.1f} s"
    if recording.missing_s:
        first += f"; {recording.missing_s:.1f} s of it have not arrived"
    if broken_off(recording, found):
        first += "; it breaks off there"
    elif recording.more:
        first += "; the rest has not arrived"
    if isinstance(message.file, str):
        return [first, f"written to {safe_line(message.file)}"]
    return [first, f"to hear it: chasqui save {typed(found.name)} {short(message.id)} FILE.wav"]


def _file(message: Message, group: str) -> list[str]:
    here, of = (1, 1) if isinstance(message.parts, UnsetType) else message.parts
    length = 0 if isinstance(message.size, UnsetType) else message.size
    first = f"[file] {safe_line(message.text)}, {size(length)}"
    if here < of:
        come = _frames(message, "; {} of {} frames of something large, most likely this, have come")
        rest = f"the rest is on its way{on_link(message.left, ', at least ')}{come}"
        return [f"{first}: {here} of {count(of, 'part')} here, {rest}"]
    return [first, f"to keep it: chasqui save {typed(group)} {short(message.id)} FILE"]


def _gap(gap: Gap) -> list[str]:
    missing = gap.last - gap.first + 1
    asked = f"; asked for again on {day(gap.asked)}" if gap.asked else ""
    if missing >= _LEFT_OUT_MIN:
        return paragraph(
            f"{safe_line(gap.author_name)} goes on {count(missing, 'number')} later. A vault that comes back from an "
            "older copy leaves so many out, so that none is used twice: few of them or none were messages, which ones "
            f"only that device can say{asked}",
            "· · ·  ",
            "       ",
        )
    have = "has" if missing == 1 else "have"
    what = count(missing, "message")
    return [f"· · ·  {what} of {safe_line(gap.author_name)} {have} not arrived{asked}"]
