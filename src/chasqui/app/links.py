"""`link ...`: carried out on a node, and what the kinds of link of this version are."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from msgspec import structs

from chasqui.app import requests
from chasqui.app.desk import Ask, Surroundings
from chasqui.app.errors import LinkFailedError
from chasqui.app.measuring import judge
from chasqui.app.radios import RADIO_KINDS, radio_link, shown, transmitter_of
from chasqui.app.results import LinkGone, LinkLine, LinkMade, Links, LinkTested, SlowLink
from chasqui.app.runner import Runner
from chasqui.base.errors import UserError
from chasqui.delivery.engine import ANSWERS_SHARE
from chasqui.delivery.passage import Passage
from chasqui.links.folder import PROFILE as FOLDER_PROFILE
from chasqui.links.folder import FolderLink
from chasqui.links.lan_limits import PROFILE as LAN_PROFILE
from chasqui.node import inputs
from chasqui.node.broadcasts import OnAir
from chasqui.node.cost import bundles_of_file, cost_on, slowest
from chasqui.node.link_port import LinkProfile
from chasqui.node.records import LinkRecord
from chasqui.node.transaction import Transaction
from chasqui.node.views import list_links

WORTH_SAYING_S: Final = 30  # what is over sooner needs no progress
LARGE_FRAMES: Final = 8  # nor does what takes fewer
_PROFILES: Final = {"folder": FOLDER_PROFILE, "lan": LAN_PROFILE}


def now_s() -> int:
    """The clock of this machine."""
    return int(time.time())


def folder_link(settings: Mapping[str, str]) -> FolderLink:
    """The folder link of a record."""
    return FolderLink(Path(settings["path"]), entropy=secrets.token_bytes, clock=now_s)


def profile_of(record: LinkRecord) -> LinkProfile:
    """What a link of this kind and these settings says of itself."""
    if record.kind in RADIO_KINDS:
        return radio_link(record.kind, dict(record.settings)).profile
    return _PROFILES[record.kind]


def profiles_of(tx: Transaction) -> list[tuple[str, LinkProfile]]:
    """All links of the vault with what they say of themselves."""
    return [(link, profile_of(record)) for link, record in list_links(tx)]


def ready_of(tx: Transaction, around: Surroundings) -> list[tuple[str, LinkProfile]]:
    """The links by which something can leave now. Without a daemon nobody knows: all of them."""
    states = around.link_states()
    return [
        (link, profile)
        for link, profile in profiles_of(tx)
        if around.pid is None or not profile.broadcast or states.get(link, "").startswith("ready")
    ]


def left_on_slowest(runner: Runner, around: Surroundings, size: int, parts_here: int, own: str) -> SlowLink | None:
    """What the missing parts of a file still cost the slowest link that is there; None where that is no time to speak
    of. Over a faster link they may come sooner. `own`: how the engine names the group, of a file of ours."""
    profiles = ready_of(runner.look(), around)
    decides = slowest(profile for _, profile in profiles)
    if decides is None:
        return None
    link = next(link for link, profile in profiles if profile is decides)
    parts = bundles_of_file(size)[1 + parts_here :]
    cost, next_part = cost_on(decides, parts), cost_on(decides, parts[:1])
    if cost is None or next_part is None:
        return None
    on_air_s, lasts_s = cost.on_air_s, cost.lasts_s
    air = runner.on_air().get(link)
    if air is not None:
        gone = frames_of(air, own)
        if gone is not None:
            on_air_s -= next_part.on_air_s * gone[0] / gone[1]
            lasts_s -= next_part.lasts_s * gone[0] / gone[1]
        if own and own not in air.flows_of_news:
            lasts_s *= 1 / ANSWERS_SHARE  # the engine began anew, and sends what somebody asks for
        lasts_s += air.silent_ms / 1000
    if lasts_s < WORTH_SAYING_S:
        return None
    return SlowLink(link, decides.kind, round(on_air_s), round(lasts_s))


def frames_of(air: OnAir, own: str) -> tuple[int, int] | None:
    """Of what is on its way in parts, what was on the air last: of this group, or what comes, whosever it is."""
    return _last(p for p in air.passages if (p.flow == own and p.sent if own else not p.sent))


def _last(passages: Iterable[Passage]) -> tuple[int, int] | None:
    found = [(p.here, p.of) for p in passages if p.of >= LARGE_FRAMES]
    return found[-1] if found else None


def add(runner: Runner, request: requests.AddLink) -> LinkMade:
    """Sets a link up. What it leads to need not be there yet. Raises `UserError`."""
    if request.kind in RADIO_KINDS:
        _need_free_radio(runner.look(), request)
    link: str = runner.step(inputs.AddLink(request.kind, request.settings))
    return LinkMade(link)


def _need_free_radio(tx: Transaction, request: requests.AddLink) -> None:
    """One radio is one link: two would send everything twice, and each up to the whole share of airtime."""
    wanted = transmitter_of(request.kind, dict(request.settings))
    for link, record in list_links(tx):
        if record.kind in RADIO_KINDS and transmitter_of(record.kind, dict(record.settings)) == wanted:
            raise UserError(
                f"This radio is link {link} already ({record.kind}).",
                safety="Nothing was changed. Two would send everything twice, and more of each hour than you said.",
                todo=f"Use {link}. For other settings: `chasqui link remove {link}`, then add it again.",
            )


def list_all(runner: Runner, request: requests.ListLinks, around: Surroundings) -> Links:
    """All links."""
    return Links(lines_of(runner, around))


def lines_of(runner: Runner, around: Surroundings) -> tuple[LinkLine, ...]:
    """Links as lines. A link whose state nobody has yet is said to be starting."""
    states, airs = around.link_states(), runner.on_air()
    lines = []
    for link, record in list_links(runner.look()):
        line = LinkLine(link, record.kind, shown(dict(record.settings)), states.get(link) or _at_rest(record, around))
        if air := airs.get(link):
            ways = ((sent, _last(p for p in air.passages if p.sent == sent)) for sent in (True, False))
            passing = tuple((sent, *found) for sent, found in ways if found is not None)
            line = structs.replace(line, silent_s=-(-air.silent_ms // 1000), passing=passing)
        lines.append(line)
    return tuple(lines)


def remove(runner: Runner, request: requests.RemoveLink) -> LinkGone:
    """Forgets a link; what lies on the medium stays there."""
    link = find_link(runner.look(), request.id)[0]
    runner.step(inputs.RemoveLink(link))
    return LinkGone(link)


def test(ask: Ask, request: requests.TestLink, around: Surroundings) -> LinkTested:
    """Tries a link. Raises `LinkFailedError` where it does not work."""
    link, record = ask(lambda runner: find_link(runner.look(), request.id))
    settings = dict(record.settings)
    if record.kind != "folder":
        if around.pid is None:
            raise LinkFailedError(
                "This link works only while the daemon runs.", todo="Start it: `chasqui up --detach`."
            )
        if record.kind in RADIO_KINDS:
            measured = around.measure(link)
            state = around.link_states().get(link, "starting")
            if measured is None and state.startswith("ready"):
                raise LinkFailedError(
                    "This link is being tested already.",
                    safety="That test goes on; nothing was sent by this one.",
                    todo="Wait until it has ended: two minutes, longer on a slow link. Then test again.",
                )
            if measured is None and state.startswith("cannot be used here"):
                raise LinkFailedError(
                    f"The link {link} {state}",
                    safety="What you write waits in the vault.",
                    todo="Then test again.",
                )
            if measured is None:
                raise LinkFailedError(
                    f"The radio cannot be used now: {state}.",
                    safety="What you write waits in the vault.",
                    todo="Switch it on, check the cable and what `chasqui link list` says of it, then test again.",
                )
            message, stations = judge(measured)
            return LinkTested(link, True, message, stations)
        return LinkTested(link, True, around.link_states().get(link, "starting"))
    folder_link(settings).collect().close()  # type: ignore[attr-defined]  # a generator; raises where nothing is there
    if not os.access(settings["path"], os.W_OK | os.X_OK):
        raise LinkFailedError(
            "The folder is there, but it cannot be written.",
            safety="What lies there can still be taken in.",
            todo="Check the write protection of the stick, and whose folder it is.",
        )
    return LinkTested(link, True, "The folder is there and can be written.")


def find_link(tx: Transaction, text: str) -> tuple[str, LinkRecord]:
    """A link by its id. Raises `UserError`."""
    for link, record in list_links(tx):
        if link == text.lower():
            return link, record
    raise UserError("There is no such link.", todo="See `chasqui link list`.")


def _at_rest(record: LinkRecord, around: Surroundings) -> str:
    if record.kind == "folder":
        return folder_state(dict(record.settings)["path"])
    return "starting" if around.pid is not None else "waits for the daemon (`chasqui up`)"


def folder_state(path: str) -> str:
    """`ready` only where it can be written, too."""
    if not os.path.isdir(path):
        return "not there now: is the stick plugged in?"
    return "ready" if os.access(path, os.W_OK | os.X_OK) else "cannot be written: check its write protection"
