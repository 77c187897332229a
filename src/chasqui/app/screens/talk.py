"""`talk` and `listen` on the screen."""

from __future__ import annotations

from chasqui.app.message_results import Message, QualityChosen, Talked
from chasqui.app.results import SlowLink
from chasqui.app.screens.text import about, count, local, safe_line, short, size, typed
from chasqui.base.errors import ChasquiError
from chasqui.node.cost import Cost

_METER = 10


def beginning(chosen: QualityChosen, seconds: float, cost: Cost | None) -> str:
    """What one burst costs, before anything is said."""
    lines = [f"Speaking to {safe_line(chosen.group)}. Whoever hears it can know your voice again."]
    if chosen.slowest is not None and cost is not None:
        lines.append(
            f"{seconds:.0f} s of speech, {chosen.quality}: {about(cost.on_air_s)} on the air of the link "
            f"{chosen.slowest.id} ({chosen.slowest.kind}), which lets it through in {about(cost.lasts_s)}."
        )
    return "\n".join(lines)


def slow(link: SlowLink) -> str:
    """A minute of speech, on a link that it holds up for long."""
    return (
        f"The link {link.id} ({link.kind}) would need {about(link.lasts_s)} for each minute that you speak, and be "
        f"on the air for {about(link.on_air_s)} of it."
    )


def keys() -> str:
    """What can be pressed."""
    return "Space: speak, and end. q: end, what was said goes out. Ctrl-C: end, what is not sent is discarded."


def idle(waiting: int, *, ending: bool) -> str:
    """Nobody speaks here."""
    left = f"{count(waiting, 'burst')} to be sealed" if waiting else ""
    if ending:
        return left
    return "○ space: speak" + (f"  ·  {left}" if left else "")


def speaking(seconds: float, level: int, sent: int, length: int, on_air_s: float, link: str) -> str:
    """Somebody speaks here: for how long, how loud, and what it costs."""
    meter = "█" * level + "·" * (_METER - level)
    text = f"● {int(seconds) // 60}:{int(seconds) % 60:02d} ▕{meter}▏ {count(sent, 'burst')} sent · {size(length)}"
    return f"{text}, {about(on_air_s)} on the air ({link})" if link else text


def turn(message: Message, group: str, missing_s: float, *, late: bool, plays: bool) -> str:
    """Somebody else speaks."""
    who = f"{safe_line(message.author_name)} ({'verified' if message.verified else 'NOT verified'})"
    clock = local(message.time).strftime("%H:%M")
    text = f"{'♪' if plays and not late else ' '} {clock}  {who}: {message.seconds:.1f} s, {message.quality}"
    if missing_s:
        text += f"; {missing_s:.1f} s before it have not arrived"
    if late:
        text += "; came late, not played"
    if late or not plays:
        text += f"\n         to hear it: chasqui save {typed(group)} {short(message.id)} FILE.wav"
    return text


def deaf(error: ChasquiError, group: str) -> str:
    """Nothing can be played here."""
    return f"{error.what} What others say is shown, and kept: `chasqui read {typed(group)} --export DIR` writes it out."


def refused(error: ChasquiError) -> str:
    """Something could not be sent."""
    return " ".join(filter(None, (error.what, error.safety, error.todo)))


def closed_by_itself() -> str:
    """Nobody pressed the key that ends it."""
    return "Five minutes are over: the microphone is closed, what was said goes out. Space: speak on."


def too_fast(heard_s: float, passed_s: float) -> str:
    """The microphone gives more than time has passed."""
    return (
        f"! The microphone gave {heard_s:.0f} s of sound within {passed_s:.0f} s: it is no microphone, or broken, and\n"
        "  what goes out is not what you say. Space ends it; name another: `--device`. For a recording: `--from`."
    )


def not_known() -> str:
    """The daemon took something and has not answered."""
    return "The daemon has not said yet whether it sealed the last burst: look (`chasqui read`)."


def ended(result: Talked, *, interrupted: bool) -> str:
    """What became of it."""
    bursts = count(len(result.bursts), "burst")
    sent = f"Sealed: {bursts}, {result.seconds:.1f} s. They go out over the links that work."
    nothing = "Nothing was sent."
    text = sent if result.bursts else nothing
    if result.discarded_s:
        text += f" Discarded: {result.discarded_s:.1f} s that were not sealed yet. Nothing of that was kept anywhere."
    elif interrupted and not result.bursts:
        text += " Nothing was being said."
    return text
