"""`talk`, `listen`: a session of each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from chasqui.app import message_results, requests
from chasqui.app.cli.base import print_json
from chasqui.app.client import DaemonClient
from chasqui.app.errors import SlowLinkError
from chasqui.app.hardening import harden
from chasqui.app.results import SlowLink
from chasqui.app.screens import talk as screen
from chasqui.app.talk.loudspeaker import Loudspeaker
from chasqui.app.talk.sources import UNITS_PER_S, source_of
from chasqui.app.talk.speaking import units_at_once
from chasqui.app.talk.talking import Talk, interruptions, price, silence
from chasqui.app.talk.terminal import Terminal
from chasqui.app.talk.threads import Events, Gone, Interrupted, Listener, Paused, Player, Plays, Sealer
from chasqui.base.errors import ChasquiError, MachineError, UsageError
from chasqui.media.burst import QUALITY_OF_LABEL, Quality, QualityLabel
from chasqui.media.library import codec2_library
from chasqui.node.cost import LASTS_S_MAX

if TYPE_CHECKING:
    from chasqui.app.cli.base import Invocation

BURST_S: Final = 10.0
QUICK_BURST_S: Final = 4.0  # where no link is slow, what is said is heard sooner
MINUTE_UNITS: Final = 60 * UNITS_PER_S


@dataclass(frozen=True)
class Options:
    """What the person said to `talk`."""

    group: str
    source: str | None
    device: str
    out: str
    mute: bool
    quality: QualityLabel | None
    burst_s: float | None
    urgent: bool
    yes: bool


def talk(call: Invocation, options: Options) -> int:
    """Speaks and listens until it is ended; the exit code. Raises what stands against it before a word is said."""
    harden()
    codec2_library()
    desk = _daemon(call)
    chosen, _ = desk.call(requests.ChooseQuality(options.group))
    if not isinstance(chosen, message_results.QualityChosen):
        raise TypeError("an answer of another kind")
    coded = QUALITY_OF_LABEL[options.quality or chosen.quality]
    units = units_at_once(coded, options.burst_s or (BURST_S if chosen.slowest else QUICK_BURST_S))
    origin = source_of(options.source, options.device)
    events = Events()
    terminal = Terminal(keys=True)
    if origin.waits_for_key and terminal.fd < 0:
        raise UsageError("There is no terminal here to press the space bar on.", todo="`--from FILE.wav` needs none.")
    call.tell(screen.beginning(chosen, units / UNITS_PER_S, price(coded, chosen.slowest, [silence(coded, units)])[1]))
    _ask(call, chosen, coded, units, options.yes)
    with interruptions(events), terminal:
        listener = Listener(origin, events.post)
        sealer = Sealer(desk, options.group, coded, options.urgent, origin.rate, events.post)
        loudspeaker = None if options.mute else _loudspeaker(call, options.out, chosen.group)
        session = Talk(
            terminal, events, listener, sealer, coded, chosen.slowest, origin.rate // UNITS_PER_S, units,
            _teller(chosen.group, lambda: loudspeaker is not None),
        )  # fmt: skip
        listener.start()
        sealer.start()
        if not options.mute:
            player = Player(
                _daemon(call), options.group, chosen.last_pos, loudspeaker, lambda: session.silent, events.post
            )
            player.start()
        if terminal.fd >= 0:
            terminal.line(screen.keys())
        result, failure = session.run(at_once=not origin.waits_for_key)
    call.show(result, "\n".join(result.bursts))
    call.tell(screen.ended(result, interrupted=session.interrupted))
    if failure is not None:
        raise failure
    return 130 if session.interrupted and result.discarded_s else 0


def listen(call: Invocation, group: str, since: int | None, out: str) -> int:
    """Listens until Ctrl-C; the exit code."""
    harden()
    desk = _daemon(call)
    found, _ = desk.call(requests.Read(group, since or 0))
    if not isinstance(found, message_results.Conversation):
        raise TypeError("an answer of another kind")
    last = since if since is not None else max([0, *(message.pos for message in found.messages)])
    events = Events()
    loudspeaker = _loudspeaker(call, out, found.name)
    teller = _teller(found.name, lambda: loudspeaker is not None)
    with interruptions(events), Terminal(keys=False) as terminal:
        Player(desk, group, last, loudspeaker, lambda: True, events.post).start()
        terminal.status("○ listening")
        while True:
            events.wait(-1, 60)
            while event := events.take():
                if isinstance(event, Interrupted):
                    return 0
                if isinstance(event, Gone):
                    raise event.error
                if isinstance(event, Paused):
                    terminal.pause()
                if isinstance(event, Plays) and call.as_json:
                    print_json(_document(event))
                elif isinstance(event, Plays):
                    terminal.line(teller(event))


def _daemon(call: Invocation) -> DaemonClient:
    desk = DaemonClient.connect(call.home)
    if desk is None:
        from chasqui.store.header_file import read_header

        read_header(call.home)  # no vault, no daemon
        raise MachineError(
            "This needs the daemon, which does not run.",
            safety="Nothing was recorded or sent.",
            todo="Start it: `chasqui up --detach`.",
        )
    return desk


def _loudspeaker(call: Invocation, name: str, group: str) -> Loudspeaker | None:
    """None where nothing can be played; says so."""
    try:
        codec2_library()
        return Loudspeaker(name)
    except ChasquiError as error:
        call.tell(screen.deaf(error, group))
        return None


def _teller(group: str, plays: Callable[[], bool]) -> Callable[[Plays], str]:
    def tell(event: Plays) -> str:
        turn = event.turn
        text = screen.turn(turn.message, group, turn.missing_s, late=turn.late, plays=plays() and event.error is None)
        return text if event.error is None else f"{screen.deaf(event.error, group)}\n{text}"

    return tell


def _document(event: Plays) -> dict[str, object]:
    message = event.turn.message
    document = {name: value for name, value in message.document().items() if name != "speech"}
    return document | {"missing_s": round(event.turn.missing_s, 2), "late": event.turn.late}


def _ask(call: Invocation, chosen: message_results.QualityChosen, coded: Quality, units: int, yes: bool) -> None:
    """Where a minute of speech holds the slowest link up for long, a person has to know."""
    bursts = [silence(coded, units)] * -(-MINUTE_UNITS // units)
    cost = price(coded, chosen.slowest, bursts)[1]
    if yes or chosen.slowest is None or cost is None or cost.lasts_s <= LASTS_S_MAX:
        return
    slow = SlowLink(chosen.slowest.id, chosen.slowest.kind, round(cost.on_air_s), round(cost.lasts_s))
    text = screen.slow(slow)
    if call.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SlowLinkError(text, (slow,))
    call.tell(text)
    if not click.confirm("Speak all the same?", err=True):
        raise SlowLinkError(text, (slow,))
