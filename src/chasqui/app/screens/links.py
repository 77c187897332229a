"""`link ...`, `sync`, `bundle inspect` on the screen."""

from __future__ import annotations

import os

from chasqui.app.results import Inspected, LinkGone, LinkLine, LinkMade, LinkProblem, Links, Synced
from chasqui.app.screens.text import about, count, safe_line, short, size, table

_CLASSES = {"urgent": "urgent", "text": "text", "bulk": "bulk", "file": "file", "unknown": "of another version"}
_BUNDLES_SHOWN_MAX = 200


def folder_added(result: LinkMade, path: str) -> str:
    """`link add folder`"""
    there = "" if os.path.isdir(path) else "\nIt is not there now; that is fine for a stick that comes later."
    return f"""\
The folder {safe_line(path)} is link {result.id}.{there}
Whoever finds the stick sees files of random bytes with their day and size, not who wrote to whom.

Next: `chasqui sync`, then carry it on."""


def lan_added(result: LinkMade) -> str:
    """`link add lan`"""
    return f"""\
The local network is link {result.id}. It works while the daemon runs: `chasqui up --detach`.
Who watches the network sees that somebody here uses chasqui and how much, not what or with whom in a group."""


def rnode_added(result: LinkMade, frequency: str, frame_ms: float) -> str:
    """`link add rnode`"""
    return f"""\
The board is link {result.id}. It works while the daemon runs (`chasqui up --detach`),
and then sends by itself, also what you carry for others. `chasqui down` silences it.
A full frame takes {frame_ms / 1000:.1f} s on the air at {frequency}.
Whoever hears the frequency learns that somebody sends, when, how much; a direction finder: where.
Whether you may send there, with this power and for so long, is for you to find out before you send.
All who are to hear one another take the same frequency, --bandwidth, --spreading and --coding.
Next: `chasqui link test {result.id}`"""


def meshtastic_added(result: LinkMade, preset: str, frame_ms: float) -> str:
    """`link add meshtastic`"""
    return f"""\
The board is link {result.id}. It works while the daemon runs (`chasqui up --detach`),
and then sends by itself, also what you carry for others. `chasqui down` silences it.
A full frame takes {frame_ms / 1000:.1f} s on the air with the preset {preset}.
All who are to hear one another take the same preset, region and channel.
Every frame carries the number of the board in the clear, always the same: two that somebody hears tell him
that one board sent both. What else the board tells strangers: `chasqui link list` after a moment, and
docs/howto/link-meshtastic.md says how to stop that.
A direction finder tells where it is. Whether you may send there is for you to find out before you send.
Next: `chasqui link test {result.id}`"""


def kiss_added(result: LinkMade, callsign: str) -> str:
    """`link add kiss`"""
    named = f"Every frame carries the callsign {callsign} in the clear: it names you."
    return _radio_added(result, "TNC", named if callsign else "The callsign is blank.")


def sound_added(result: LinkMade) -> str:
    """`link add sound`"""
    return _radio_added(result, "sound device", "No callsign is sent.")


def _radio_added(result: LinkMade, what: str, named: str) -> str:
    return f"""\
The {what} is link {result.id}. It works while the daemon runs (`chasqui up --detach`),
and then sends by itself, also what you carry for others. `chasqui down` silences it.
Whoever hears the frequency learns that somebody sends, when, how much; a direction finder: where.
{named}
Amateur bands forbid sealed messages nearly everywhere, and most places want a licence for a transmitter:
find out what holds for your frequency before you send.
Next: `chasqui link test {result.id}`"""


def measuring(lasts_s: float) -> str:
    """`link test` of a radio, before it is over"""
    return (
        f"Measuring; this takes about {about(lasts_s)}, longer while messages go out. "
        "Somebody else in range has to do the same now."
    )


def removed(result: LinkGone, *, radio: bool) -> str:
    """`link remove`"""
    if radio:
        return f"""\
The link {result.id} is forgotten: nothing more is sent or heard over it from here.
A frame that the radio has begun may still go out. What has not arrived waits in the vault for other links."""
    return f"The link {result.id} is forgotten. What lies in a folder stays there."


def listed(result: Links) -> str:
    """`link list`"""
    if not result.links:
        return "No links yet: `chasqui link add folder PATH`, `chasqui link add lan`, or a radio: `chasqui link add`."
    return table((link.id, link.kind, _settings(link.settings), state(link)) for link in result.links)


def state(link: LinkLine) -> str:
    """How a link is, with what is on its way over it."""
    text = link.state
    for sent, here, of in link.passing:
        text += f"; {here} of {of} frames of something large have {'left' if sent else 'come'}"
    if link.silent_s:
        text += f"; this hour's airtime is spent, but for urgent texts: goes on in {about(link.silent_s)}"
    return text


def problem(found: LinkProblem) -> str:
    """What went wrong with a link, for stderr."""
    return f"{'✗' if found.failed else '!'} link {found.link}: {safe_line(found.message)}"


def synced(result: Synced) -> str:
    """`sync`"""
    text = f"{count(result.taken, 'new bundle')} taken in, {count(result.written, 'bundle')} written."
    if result.refused:
        text += f"\n{count(result.refused, 'bundle')} there could not be used: expired, damaged or forged."
    return text


def inspected(result: Inspected) -> str:
    """`bundle inspect`"""
    lines = [f"A courier file written on {result.day or '?'}, with {count(result.expected, 'bundle')}."]
    if result.ending != "whole" or result.damaged:
        lines.append(f"! It is not whole ({result.ending}, {result.damaged} damaged); {result.read} can be read.")
    lines += [
        "This is all that a carrier can see: size, day, how urgent, and until when it is carried.",
        "Not who wrote it, for whom, in which group, or what.",
        "",
        table(
            [
                ("bundle", "size", "kind", "day", "carried until"),
                *(
                    (short(b.id), size(b.size), _CLASSES.get(b.bundle_class, "?"), b.day, b.expires[:10])
                    for b in result.bundles[:_BUNDLES_SHOWN_MAX]
                ),
            ]
        ),
    ]
    if len(result.bundles) > _BUNDLES_SHOWN_MAX:
        lines.append(f"  … and {len(result.bundles) - _BUNDLES_SHOWN_MAX} more; `--json` lists all.")
    return "\n".join(lines)


def _settings(settings: dict[str, str]) -> str:
    return settings.get("path") or " ".join(f"{key} {value}" for key, value in settings.items())
