"""`talk`, `listen`."""

from __future__ import annotations

import click

from chasqui.app.cli.base import Invocation, Leaf
from chasqui.media.burst import QUALITY_OF_LABEL, QualityLabel


@click.command(cls=Leaf, short_help="Speak into a microphone: press space, speak, press space.")
@click.argument("group")
@click.option("--from", "source", metavar="FILE.wav", help="Speech from a recording or a pipe, - for stdin.")
@click.option("--device", default="", metavar="NAME", help="The microphone; else the usual one.")
@click.option("--out", default="", metavar="NAME", help="The loudspeaker; else the usual one.")
@click.option("--mute", is_flag=True, help="Play nothing of what others say.")
@click.option("--quality", type=click.Choice(tuple(QUALITY_OF_LABEL)), help="Else the slowest link decides.")
@click.option("--burst", type=click.FloatRange(1, 28), metavar="SECONDS", help="Send so much at a time, at most.")
@click.option("--urgent", is_flag=True, help="Carriers pass it on first; they see that it is urgent.")
@click.option("--yes", is_flag=True, help="Speak even if a slow link needs long for it.")
@click.pass_obj
def talk(
    call: Invocation,
    group: str,
    source: str | None,
    device: str,
    out: str,
    mute: bool,
    quality: QualityLabel | None,
    burst: float | None,
    urgent: bool,
    yes: bool,
) -> int:
    """Speak to a group as over a radio. What you say goes out in bursts while you still speak; what others say is
    played while you do not. Needs the daemon, which holds the keys; your voice is never written to a disk.
    """
    from chasqui.app.talk import sessions  # loads what other commands and the daemon do without

    options = sessions.Options(group, source, device, out, mute, quality, burst, urgent, yes)
    return sessions.talk(call, options)


@click.command(cls=Leaf, short_help="Play what is spoken in a group, as it comes.")
@click.argument("group")
@click.option("--since", type=click.IntRange(min=0), metavar="POS", help="Also what came here after POS.")
@click.option("--out", default="", metavar="NAME", help="The loudspeaker; else the usual one.")
@click.pass_obj
def listen(call: Invocation, group: str, since: int | None, out: str) -> int:
    """Play what is spoken in a group as it comes, with who speaks. Ctrl-C ends it. Needs the daemon."""
    from chasqui.app.talk import sessions

    return sessions.listen(call, group, since, out)


COMMANDS = (talk, listen)
