"""The node: one pure step from an input and the time to effects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chasqui.base.days import day_of
from chasqui.base.errors import UsageError, UserError
from chasqui.base.names import own_name
from chasqui.base.ports import Entropy
from chasqui.base.schema import encode
from chasqui.groups.operation import GroupKind
from chasqui.groups.pairing import Offer, read_pairing_file
from chasqui.node import deciding, inputs, pairing, saying
from chasqui.node.broadcasts import Broadcasts, OnAir
from chasqui.node.changes import found_group, leave, require_clean, require_in
from chasqui.node.deciding import remove_member
from chasqui.node.derived import Derived
from chasqui.node.effects import Answer, Effect, Timer
from chasqui.node.epochs import note_day
from chasqui.node.groups import load_group
from chasqui.node.guests import invite_guest
from chasqui.node.inbox import catch_up, take_bundles
from chasqui.node.invitations import invite
from chasqui.node.joining import join_group
from chasqui.node.labels import free_label
from chasqui.node.large import file_of, say_large
from chasqui.node.live_epochs import LiveEpochs
from chasqui.node.messages import keep_message, message_of, next_arrival, text_body
from chasqui.node.neighbours import Neighbours
from chasqui.node.order import settle
from chasqui.node.outbox import say
from chasqui.node.records import LinkRecord, SelfRecord, Space
from chasqui.node.renewal import renew_to_say
from chasqui.node.seats import demand
from chasqui.node.speech import say_bursts
from chasqui.node.spent import bequeath, inherit, keep_by
from chasqui.node.store_port import StoreReader
from chasqui.node.transaction import Transaction
from chasqui.node.upkeep import keep_up, next_due_s
from chasqui.sealed.kinds import BundleClass, Kind


class Node:
    """All that a device does. Holds nothing that it could not read again from its store, except open sessions
    and what was said on broadcast links.

    The runner makes the `Persist` of a step durable before it carries out any other effect; where that fails it
    throws the node away and makes a new one. A step that raises has changed nothing.
    """

    def __init__(self, store: StoreReader, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy
        self._live = LiveEpochs(store)
        self._derived = Derived()
        self._neighbours = Neighbours()
        self._broadcasts = Broadcasts()
        self._timer_s = 0

    @property
    def live_epochs(self) -> int:
        """How many epochs a bundle is compared with."""
        return len(self._live)

    def on_air(self, uptime_ms: int) -> list[OnAir]:
        """How each broadcast link fares that is there."""
        return self._broadcasts.on_air(uptime_ms)

    def step(self, event: inputs.Input, now_s: int) -> list[Effect]:
        """Effects of an input at a time in seconds since 1970. Raises `ChasquiError`; then nothing has changed."""
        tx = Transaction(self._store, now_s, self._entropy, self._derived)
        neighbours = self._neighbours.copy()
        try:
            answer = _HANDLERS[type(event)](self, tx, event)
            catch_up(tx, self._live)
            said = [*self._neighbours.outcome(tx), *self._broadcasts.outcome(tx, self._live)]
            effects = [*tx.outcome(), *said]
            due_s = next_due_s(tx, self._neighbours.due_s)
        except BaseException:
            self._live = LiveEpochs(self._store)
            self._neighbours = neighbours
            self._broadcasts.begin_again()
            raise
        tx.teach(self._derived)
        if due_s != self._timer_s:
            self._timer_s = due_s
            effects.append(Timer(due_s))
        if answer is not None:
            effects.append(Answer(answer))
        return effects

    # -- people ---------------------------------------------------------------------------------------------

    def _set_up(self, tx: Transaction, event: inputs.SetUp) -> None:
        tx.save(Space.META, b"self", SelfRecord(own_name(event.name), tx.now_s))
        note_day(tx, day_of(tx.now_s))

    def _make_offer(self, tx: Transaction, event: inputs.MakeOffer) -> bytes:
        return pairing.make_offer(tx)

    def _accept_pairing(self, tx: Transaction, event: inputs.AcceptPairing) -> pairing.Accepted:
        file = read_pairing_file(event.data, tx.now_s)
        if not isinstance(file, Offer):
            return pairing.accept_reply(tx, file, event.label)
        if event.label is None:
            raise UsageError("An offer brings no name.", todo="Say how you call this person: `--as NAME`.")
        return pairing.accept_offer(tx, file, event.label)

    def _verify_contact(self, tx: Transaction, event: inputs.VerifyContact) -> object:
        return pairing.verify_contact(tx, event.contact)

    # -- groups ---------------------------------------------------------------------------------------------

    def _create_group(self, tx: Transaction, event: inputs.CreateGroup) -> object:
        name = free_label(tx, own_name(event.name))
        own = pairing.load_self(tx).name
        kind = GroupKind.GROUP
        group, _, _ = found_group(tx, name, kind, own, event.retention_s, event.taken, event.quorum)
        return group

    def _add_member(self, tx: Transaction, event: inputs.AddMember) -> object:
        return invite(tx, event.group, event.contact, event.role) or b""

    def _add_guest(self, tx: Transaction, event: inputs.AddGuest) -> object:
        return invite_guest(tx, event.group, event.contact, event.speakers)

    def _join_group(self, tx: Transaction, event: inputs.JoinGroup) -> object:
        record, contact = join_group(tx, event.group)
        say(tx, event.group, record, Kind.RECEIPT, b"")
        pairing.send_spares(tx, contact)
        return event.group

    def _rejoin(self, tx: Transaction, event: inputs.Rejoin) -> object:
        return demand(tx, event.group)

    def _remove_member(self, tx: Transaction, event: inputs.RemoveMember) -> None:
        require_clean(tx, event.group, to_remove=True)
        remove_member(tx, event.group, event.member)

    def _set_role(self, tx: Transaction, event: inputs.SetRole) -> None:
        deciding.set_role(tx, event.group, event.member, event.role)

    def _confirm(self, tx: Transaction, event: inputs.Confirm) -> None:
        deciding.confirm(tx, event.group, event.operation)

    def _accuse(self, tx: Transaction, event: inputs.Accuse) -> None:
        saying.accuse(tx, event.group, event.member)

    def _lift(self, tx: Transaction, event: inputs.Lift) -> None:
        deciding.lift(tx, event.group, event.member)

    def _leave_group(self, tx: Transaction, event: inputs.LeaveGroup) -> None:
        record = require_in(load_group(tx, event.group))
        if record.kind == GroupKind.CONTACT:
            raise UserError(
                "A contact cannot be left.",
                safety="Nothing was changed.",
                todo="Write nothing there any more; what you do not say, nobody reads.",
            )
        leave(tx, event.group)

    # -- content --------------------------------------------------------------------------------------------

    def _send_text(self, tx: Transaction, event: inputs.SendText) -> object:
        body = text_body(event.text)
        require_clean(tx, event.group)
        record = renew_to_say(tx, event.group)
        bundle_class = BundleClass.URGENT if event.urgent else BundleClass.TEXT
        arrival = next_arrival(tx)
        signed, _ = say(tx, event.group, record, Kind.TEXT, body, bundle_class=bundle_class, arrival=arrival)
        keep_message(tx, signed, arrival)
        return signed.id

    def _send_voice(self, tx: Transaction, event: inputs.SendVoice) -> object:
        require_clean(tx, event.group)
        return say_bursts(tx, renew_to_say(tx, event.group), event)

    def _send_file(self, tx: Transaction, event: inputs.SendFile) -> object:
        require_clean(tx, event.group)
        record = renew_to_say(tx, event.group)
        arrival = next_arrival(tx)
        signed, _ = say_large(
            tx,
            event.group,
            record,
            Kind.MANIFEST,
            event.data,
            event.name,
            bundle_class=BundleClass.URGENT if event.urgent else None,
            arrival=arrival,
        )
        keep_message(tx, signed, arrival)
        return signed.id

    def _read_file(self, tx: Transaction, event: inputs.ReadFile) -> object:
        return file_of(tx, event.group, message_of(tx, event.group, event.message))

    def _settle_order(self, tx: Transaction, event: inputs.SettleOrder) -> None:
        settle(tx, event.group)

    # -- delivery -------------------------------------------------------------------------------------------

    def _take_bundles(self, tx: Transaction, event: inputs.TakeBundles) -> object:
        tx.link, tx.link_known = event.link, True
        return take_bundles(tx, self._live, event.bundles)

    def _flush(self, tx: Transaction, event: inputs.Flush) -> None:
        keep_up(tx, everything=True)

    def _tick(self, tx: Transaction, event: inputs.Tick) -> None:
        if event.uptime is not None:
            keep_by(tx, event.uptime)
        keep_up(tx, everything=False)

    def _session_opened(self, tx: Transaction, event: inputs.SessionOpened) -> None:
        self._neighbours.opened(tx, event.session, event.link)

    def _frame_received(self, tx: Transaction, event: inputs.FrameReceived) -> None:
        self._neighbours.received(tx, self._live, event.session, event.frame)

    def _session_closed(self, tx: Transaction, event: inputs.SessionClosed) -> None:
        self._neighbours.closed(event.session)

    def _broadcast_opened(self, tx: Transaction, event: inputs.BroadcastOpened) -> None:
        self._broadcasts.opened(tx, self._live, event)

    def _broadcast_heard(self, tx: Transaction, event: inputs.BroadcastHeard) -> None:
        self._broadcasts.heard(tx, self._live, event.link, event.frame, event.strength_db, event.at_ms)

    def _broadcast_sent(self, tx: Transaction, event: inputs.BroadcastSent) -> None:
        self._broadcasts.sent(tx, event.link, event.airtime_ms, event.at_ms)

    def _broadcast_spent(self, tx: Transaction, event: inputs.BroadcastSpent) -> None:
        self._broadcasts.spent(tx, event.link, event.book, event.airtime_ms, event.at_ms)

    def _broadcast_due(self, tx: Transaction, event: inputs.BroadcastDue) -> None:
        self._broadcasts.due(event.link, event.at_ms)

    def _broadcast_closed(self, tx: Transaction, event: inputs.BroadcastClosed) -> None:
        self._broadcasts.closed(event.link)

    # -- links ----------------------------------------------------------------------------------------------

    def _add_link(self, tx: Transaction, event: inputs.AddLink) -> object:
        record = LinkRecord(event.kind, event.settings)
        if any(data == encode(record) for _, data in tx.scan(Space.LINK)):
            raise UserError("This link is set up already.", todo="See `link list`.")
        link = tx.entropy(4).hex()
        tx.save(Space.LINK, link.encode(), record)
        inherit(tx, link)
        self._broadcasts.added(link)
        return link

    def _remove_link(self, tx: Transaction, event: inputs.RemoveLink) -> None:
        if tx.get(Space.LINK, event.link.encode()) is None:
            raise UserError("There is no such link.", todo="See `link list`.")
        tx.erase(Space.LINK, event.link.encode())
        bequeath(tx, event.link)
        self._broadcasts.removed(event.link)


_HANDLERS: Final[dict[type[Any], Callable[[Node, Transaction, Any], object]]] = {
    inputs.SetUp: Node._set_up,
    inputs.MakeOffer: Node._make_offer,
    inputs.AcceptPairing: Node._accept_pairing,
    inputs.VerifyContact: Node._verify_contact,
    inputs.CreateGroup: Node._create_group,
    inputs.AddMember: Node._add_member,
    inputs.AddGuest: Node._add_guest,
    inputs.JoinGroup: Node._join_group,
    inputs.Rejoin: Node._rejoin,
    inputs.RemoveMember: Node._remove_member,
    inputs.SetRole: Node._set_role,
    inputs.Confirm: Node._confirm,
    inputs.Accuse: Node._accuse,
    inputs.Lift: Node._lift,
    inputs.LeaveGroup: Node._leave_group,
    inputs.SendText: Node._send_text,
    inputs.SendFile: Node._send_file,
    inputs.SendVoice: Node._send_voice,
    inputs.ReadFile: Node._read_file,
    inputs.SettleOrder: Node._settle_order,
    inputs.TakeBundles: Node._take_bundles,
    inputs.Flush: Node._flush,
    inputs.AddLink: Node._add_link,
    inputs.RemoveLink: Node._remove_link,
    inputs.SessionOpened: Node._session_opened,
    inputs.FrameReceived: Node._frame_received,
    inputs.SessionClosed: Node._session_closed,
    inputs.BroadcastOpened: Node._broadcast_opened,
    inputs.BroadcastHeard: Node._broadcast_heard,
    inputs.BroadcastSent: Node._broadcast_sent,
    inputs.BroadcastSpent: Node._broadcast_spent,
    inputs.BroadcastDue: Node._broadcast_due,
    inputs.BroadcastClosed: Node._broadcast_closed,
    inputs.Tick: Node._tick,
}
