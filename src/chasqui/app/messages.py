"""`send`, `read`, `save`: carried out on a node."""

from __future__ import annotations

from msgspec import UNSET

from chasqui.app import requests
from chasqui.app.desk import Surroundings, stamp, stamp_or_none
from chasqui.app.names import find_group, find_message
from chasqui.app.results import Conversation, Gap, Message, Saved, Sent
from chasqui.app.runner import Runner
from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId, ObjectId
from chasqui.node import inputs
from chasqui.node.records import Space
from chasqui.node.view_types import MessageView
from chasqui.node.views import group_view, member_name, read_group


def send_text(runner: Runner, request: requests.SendText, around: Surroundings) -> Sent:
    """A text into a group."""
    group = _joined(runner, request.group)
    message: ObjectId = runner.step(inputs.SendText(group, request.text, request.urgent))
    return _sent(runner, message, around)


def send_file(runner: Runner, request: requests.SendFile, data: bytes, around: Surroundings) -> Sent:
    """A file into a group."""
    group = _joined(runner, request.group)
    message: ObjectId = runner.step(inputs.SendFile(group, request.name, data, request.urgent))
    return _sent(runner, message, around)


def _joined(runner: Runner, text: str) -> GroupId:
    tx = runner.look()
    group = find_group(tx, text)
    if tx.get(Space.INVITATION, group) is not None:
        raise UserError("You are invited to this group and have not joined.", todo="`chasqui group join GROUP`")
    return group


def _sent(runner: Runner, message: ObjectId, around: Surroundings) -> Sent:
    return Sent(message.hex(), links=runner.look().count(Space.LINK), daemon=around.pid is not None)


def read(runner: Runner, request: requests.Read) -> Conversation:
    """Messages behind a position, in the order of reading, and what is missing."""
    group = find_group(runner.look(), request.group)
    tx = runner.look()
    if tx.get(Space.REORDER, group) is not None:
        runner.step(inputs.SettleOrder(group))
        tx = runner.look()
    found = read_group(tx, group, max(0, request.since))
    view = group_view(runner.look(), group)
    return Conversation(
        tuple(_message(message) for message in found.messages),
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
    )


def save(runner: Runner, request: requests.Save) -> tuple[Saved, bytes]:
    """A file out of the vault."""
    tx = runner.look()
    group = find_group(tx, request.group)
    name, data = runner.step(inputs.ReadFile(group, find_message(tx, group, request.id)))
    return Saved("", name, len(data)), data


def _message(view: MessageView) -> Message:
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
    )
