"""`send`, `read`, `save`: carried out on a node."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET, structs

from chasqui.app import requests
from chasqui.app.desk import Surroundings, stamp, stamp_or_none
from chasqui.app.errors import SlowLinkError
from chasqui.app.groups import newcomer_line
from chasqui.app.links import frames_of, left_on_slowest, profiles_of, ready_of
from chasqui.app.message_results import Conversation, Earlier, Gap, Message, QualityChosen, Saved, Sent, Slowest
from chasqui.app.names import find_group, find_message
from chasqui.app.results import SlowLink
from chasqui.app.runner import Runner
from chasqui.app.screens.text import about
from chasqui.base.ids import GroupId, ObjectId
from chasqui.media.burst import QUALITY_OF_LABEL, SAMPLES_PER_S, Quality, cut
from chasqui.node import inputs
from chasqui.node.broadcasts import flow_of_group
from chasqui.node.changes import require_clean
from chasqui.node.cost import LASTS_S_MAX, bundles_of_file, bundles_of_speech, cost_on, quality_for, slowest
from chasqui.node.groups import not_joined
from chasqui.node.messages import last_arrival
from chasqui.node.newcomer import newcomer_view
from chasqui.node.records import Space
from chasqui.node.renewal import renew_to_say
from chasqui.node.speech import bursts_of, recorded, say_bursts
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import Conversation as ReadConversation
from chasqui.node.view_types import MessageView
from chasqui.node.views import group_view, member_name, read_group


def send_text(runner: Runner, request: requests.SendText, around: Surroundings) -> Sent:
    """A text into a group."""
    group = _joined(runner, request.group)
    message: ObjectId = runner.step(inputs.SendText(group, request.text, request.urgent))
    return _sent(runner, group, message, around)


def send_file(runner: Runner, request: requests.SendFile, data: bytes, around: Surroundings) -> Sent:
    """A file into a group."""
    group = _joined(runner, request.group)
    slow = _slow(runner, around, bundles_of_file(len(data)), request.confirmed)
    message: ObjectId = runner.step(inputs.SendFile(group, request.name, data, request.urgent))
    left = left_on_slowest(runner, around, len(data), 0, flow_of_group(group))
    return structs.replace(_sent(runner, group, message, around), slow=slow or UNSET, left=left or UNSET)


def choose_quality(runner: Runner, request: requests.ChooseQuality, around: Surroundings) -> QualityChosen:
    """How speech is to be coded for the links of this vault. Raises what sending to the group would."""
    name, last_pos = "", 0
    if request.group:
        group = _joined(runner, request.group)
        _require_can_speak(runner.look(), group)
        name = group_view(runner.look(), group).name
        last_pos = last_arrival(runner.look())
    ready = ready_of(runner.look(), around)
    profiles = ready if any(p.bit_rate_bps for _, p in ready) else profiles_of(runner.look())
    decides = slowest(profile for _, profile in profiles)
    quality = quality_for(profile for _, profile in profiles).label
    if decides is None or decides.bit_rate_bps is None:
        return QualityChosen(quality, "", None, name, last_pos)
    link = next(link for link, profile in profiles if profile is decides)
    said = Slowest(
        link, decides.kind, decides.mtu_bytes, decides.bit_rate_bps, decides.broadcast, decides.needs_daemon,
        decides.loss_expected, decides.airtime_share_max, decides.frame_overhead_ms,
    )  # fmt: skip
    return QualityChosen(quality, decides.kind, said, name, last_pos)


def _require_can_speak(tx: Transaction, group: GroupId) -> None:
    """Says one frame into a look at the vault that is thrown away: raises whatever stands against it."""
    require_clean(tx, group)
    say_bursts(tx, renew_to_say(tx, group), inputs.SendVoice(group, Quality.Q700C, bytes(4)))


def send_voice(runner: Runner, request: requests.SendVoice, speech: bytes, around: Surroundings) -> Sent:
    """Speech into a group."""
    group = _joined(runner, request.group)
    quality = QUALITY_OF_LABEL[request.quality]
    bursts = cut(quality, speech, request.at, more=request.more)
    slow = _slow(runner, around, bundles_of_speech(bursts), request.confirmed)
    follows = find_message(runner.look(), group, request.follows) if request.follows else None
    sent: tuple[ObjectId, ...] = runner.step(
        inputs.SendVoice(group, quality, speech, request.urgent, request.more, follows, request.at)
    )
    return structs.replace(
        _sent(runner, group, sent[0], around),
        bursts=tuple(burst.hex() for burst in sent),
        seconds=round(sum(burst.seconds for burst in bursts), 1),
        quality=request.quality,
        slow=slow or UNSET,
    )


def _slow(runner: Runner, around: Surroundings, bundles: list[int], confirmed: bool) -> tuple[SlowLink, ...]:
    """The links that this holds up for long, also one that is not there now: it may come back. Raises `SlowLinkError`
    where there are any and nobody confirmed it."""
    found, states = [], around.link_states()
    for link, profile in profiles_of(runner.look()):
        cost = cost_on(profile, bundles)
        if states.get(link, "").startswith("refused"):
            continue  # by its own board, until somebody sets it up anew
        if cost is not None and cost.lasts_s > LASTS_S_MAX:
            found.append(SlowLink(link, profile.kind, round(cost.on_air_s), round(cost.lasts_s)))
    slow = tuple(found)
    if slow and not confirmed:
        raise SlowLinkError(_too_slow(slow), slow)
    return slow


def _too_slow(slow: tuple[SlowLink, ...]) -> str:
    worst = max(slow, key=lambda link: link.lasts_s)
    return (
        f"The link {worst.id} ({worst.kind}) would need {about(worst.lasts_s)} for this, and be on the air for "
        f"{about(worst.on_air_s)} of it."
    )


def _joined(runner: Runner, text: str) -> GroupId:
    tx = runner.look()
    group = find_group(tx, text)
    if tx.get(Space.INVITATION, group) is not None:
        raise not_joined()
    return group


def _sent(runner: Runner, group: GroupId, message: ObjectId, around: Surroundings) -> Sent:
    tx = runner.look()
    new = newcomer_line(newcomer_view(tx, group))
    return Sent(message.hex(), links=tx.count(Space.LINK), daemon=around.pid is not None, new=new)


def read(runner: Runner, request: requests.Read, around: Surroundings) -> Conversation:
    """Messages behind a position, in the order of reading, and what is missing."""
    group = find_group(runner.look(), request.group)
    tx = runner.look()
    if tx.get(Space.REORDER, group) is not None:
        runner.step(inputs.SettleOrder(group))
        tx = runner.look()
    found = read_group(tx, group, max(0, request.since))
    view = group_view(runner.look(), group)
    return Conversation(
        tuple(_message(runner, around, group, message, speech=request.speech) for message in found.messages),
        tuple(
            Gap(gap.author.hex(), gap.author_name, gap.first, gap.last, stamp_or_none(gap.asked_s))
            for gap in found.gaps
        ),
        view.name,
        view.state,
        tuple(member_name(tx, group, member) for member in found.clashes),
        tuple(p.member for p in view.pending if p.op in ("remove", "quarantine")),
        (view.forks[0].confirmed, view.forks[0].of) if view.forks else None,
        tuple(sorted({proof.name for proof in view.proofs})),
        stamp_or_none(view.asked_s),
        tuple(member_name(tx, group, a.member) for a in view.accused if not a.shut_out and a.member != view.own),
        newcomer_line(view.newcomer),
        tuple(_earlier(tx, group, found, request.since)) if request.whole and request.since else (),
    )


def _earlier(tx: Transaction, group: GroupId, found: ReadConversation, since: int) -> Iterator[Earlier]:
    """The bursts up to a position of recordings that go on behind it."""
    for author, first in sorted({(m.author, m.burst.first) for m in found.messages if m.burst and m.burst.first}):
        for pos, burst in recorded(tx, group, author, first):
            if pos <= since:
                yield Earlier(author.hex(), first, pos, burst.to_body())


def save(runner: Runner, request: requests.Save) -> tuple[Saved, bytes]:
    """A file out of the vault, or a burst as it came."""
    tx = runner.look()
    group = find_group(tx, request.group)
    message = find_message(tx, group, request.id)
    bursts = bursts_of(tx, group, message)
    if bursts is not None:
        ends = bursts[-1].ends
        missing_s = (ends - sum(burst.samples for burst in bursts)) / SAMPLES_PER_S
        saved = Saved("", f"{ends / SAMPLES_PER_S:.1f} s of speech", 0, voice=True, missing_s=missing_s)
        return saved, b"".join(len(body).to_bytes(2, "big") + body for body in (burst.to_body() for burst in bursts))
    name, data = runner.step(inputs.ReadFile(group, message))
    return Saved("", name, len(data)), data


def _message(
    runner: Runner, around: Surroundings, group: GroupId, view: MessageView, *, speech: bool
) -> Message:
    burst = view.burst
    missing = view.signed or view.parts
    left = frames = None
    if view.size and missing and missing[0] < missing[1]:
        own = flow_of_group(group) if view.own else ""
        left = left_on_slowest(runner, around, view.size, missing[0], own)
        frames = max(filter(None, (frames_of(air, own) for air in runner.on_air().values())), default=None)
    return Message(
        view.pos,
        view.id.hex(),
        view.author.hex(),
        view.author_name,
        view.own,
        view.seq,
        stamp(view.time_s),
        view.kind,
        view.text,
        view.state,
        {member.hex(): "delivered" if delivered else "waiting" for member, delivered in view.receipts},
        UNSET if view.size is None else view.size,
        UNSET if view.parts is None else view.parts,
        UNSET if view.signed is None else view.signed,
        left or UNSET,
        frames or UNSET,
        UNSET if burst is None else round(burst.seconds, 2),
        UNSET if burst is None else burst.quality.label,
        UNSET if burst is None else burst.more,
        UNSET if burst is None else burst.first or view.seq,
        UNSET if burst is None else round(burst.begins / SAMPLES_PER_S, 2),
        view.verified,
        burst.to_body() if burst is not None and speech else UNSET,
    )
