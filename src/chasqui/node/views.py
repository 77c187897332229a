"""What people and scripts see: read from the store, never changing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from chasqui.base.ids import ID_BYTES, GroupId, MemberKey
from chasqui.base.ranges import Ranges
from chasqui.base.schema import decode_own
from chasqui.groups.bodies import parts_of, read_manifest
from chasqui.groups.fork_choice import Fork
from chasqui.groups.membership import SeatState, members
from chasqui.groups.operation import Genesis, GroupKind, Reason, Remove, Role
from chasqui.node.authors import gaps_of, load_author
from chasqui.node.branches import is_passed_over, open_forks
from chasqui.node.changes import removal_waits
from chasqui.node.delivered import last_number
from chasqui.node.epochs import head_of, leaf_of, readers_of
from chasqui.node.groups import (
    history_of,
    is_clean,
    load_group,
    not_joined,
    removed_members,
    roster_of,
    tree_keys,
    witnesses_of,
)
from chasqui.node.keys import u64
from chasqui.node.large import parts_here
from chasqui.node.newcomer import newcomer_view
from chasqui.node.pairing import load_self
from chasqui.node.receipting import have, told
from chasqui.node.records import (
    AuthorRecord,
    ContactRecord,
    GroupRecord,
    Held,
    InvitationRecord,
    LackRecord,
    LinkRecord,
    MemberRecord,
    MessageRecord,
    PendingAddRecord,
    Space,
)
from chasqui.node.speech import burst_in
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction
from chasqui.node.undecided import accused_views, accusers_needed, expired_additions, waiting_views
from chasqui.node.view_types import (
    ContactView,
    Conversation,
    ForkView,
    GapView,
    GroupLine,
    GroupView,
    MemberView,
    MessageView,
    NewcomerView,
    PendingView,
    ProofView,
)
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, parse_whole


def list_groups(tx: Transaction) -> list[GroupLine]:
    """All groups, contacts and invitations, by name."""
    lines = []
    for key, data in tx.scan(Space.GROUP):
        group, record = GroupId(key), decode_own(data, GroupRecord)
        if tx.get(Space.INVITATION, group) is not None:
            continue  # we were in it and are invited again
        name = group_name(tx, group, record)
        size = len(head_of(tx, group, record)[1].roster) if record.head else 0
        messages = tx.count(Space.MESSAGE, group, prefix_end(group))
        forks = fork_views(tx, group)
        confirmed = (forks[0].confirmed, forks[0].of) if forks else None
        alarms = len({key[len(group) : -ID_BYTES] for key, _ in tx.scan_prefix(Space.PROOF, group)})
        newcomer = newcomer_view(tx, group)
        state = _state(tx, group, record, forks, newcomer)
        line = GroupLine(
            group, name, GroupKind(record.kind), state, size, messages, confirmed, alarms, newcomer=newcomer
        )
        lines.append(line if record.out else _with_undecided(tx, line))
    for key, data in tx.scan(Space.INVITATION):
        name = decode_own(data, InvitationRecord).name
        lines.append(GroupLine(GroupId(key), name, GroupKind.GROUP, "invited", 0, 0))
    return sorted(lines, key=lambda line: (line.name, line.id))


def _with_undecided(tx: Transaction, line: GroupLine) -> GroupLine:
    roster = roster_of(tx, line.id)
    waiting, accused = len(waiting_views(tx, line.id, roster)), len(accused_views(roster))
    return replace(line, waiting=waiting, accused=accused)


def list_contacts(tx: Transaction) -> list[ContactView]:
    """All contacts, by name."""
    contacts = [
        ContactView(GroupId(key), record.name, MemberKey(record.member), record.verified_s, record.words)
        for key, data in tx.scan(Space.CONTACT)
        for record in (decode_own(data, ContactRecord),)
    ]
    return sorted(contacts, key=lambda contact: (contact.name, contact.id))


def list_links(tx: Transaction) -> list[tuple[str, LinkRecord]]:
    """All links with their ids."""
    return [(key.decode(), decode_own(data, LinkRecord)) for key, data in tx.scan(Space.LINK)]


def group_view(tx: Transaction, group: GroupId) -> GroupView:
    """Everything about a group. Raises `UserError` where it is not known; an invitation shows who is in it."""
    invitation = tx.load(Space.INVITATION, group, InvitationRecord)
    if invitation is not None:
        name = invitation.name
        return GroupView(group, name, GroupKind.GROUP, "invited", b"", MemberKey(b""), (), (), (), (), 0)
    record = load_group(tx, group)
    history = history_of(tx, group)
    roster = members(history, witnesses_of(tx, group))
    epoch = head_of(tx, group, record)[1] if record.head else None
    present = tree_keys(epoch) if epoch else frozenset()
    by_id = {operation.id: operation for operation in history.order}
    views = [
        _member_view(tx, group, record, seat.member, seat.role, present, state=_SEAT_STATES[seat.state])
        for seat in roster.seats
    ]
    views += [
        _member_view(tx, group, record, member, Role.MEMBER, present, state="removed")
        for member in sorted(roster.removals)
    ]
    pending = [
        PendingView("remove", member_name(tx, group, member), operation.minute * 60)
        for member, operation in sorted(roster.removals.items())
        if member in present
    ]
    pending += [
        PendingView("quarantine", member_name(tx, group, member), roster.accusations[member][0].minute * 60)
        for member in sorted(roster.quarantined & present)
    ]
    expired = expired_additions(tx, group)
    pending += [
        PendingView(
            "add", member_name(tx, group, seat.member), by_id[seat.since].minute * 60, expired=seat.since in expired
        )
        for seat in roster.seats
        if epoch is not None and seat.member not in present | roster.quarantined
    ]
    pending += [
        PendingView("add", _contact_name(tx, contact), waiting.since_s)
        for contact, waiting in tx.load_prefix(Space.PENDING_ADD, group, PendingAddRecord)
    ]
    forks, newcomer = fork_views(tx, group), newcomer_view(tx, group)
    void = tuple(
        replace(waits, member=member_name(tx, group, MemberKey(waits.key)))
        for waits in waiting_views(tx, group, roster)
    )
    return GroupView(
        group,
        group_name(tx, group, record),
        GroupKind(record.kind),
        _state(tx, group, record, forks, newcomer),
        record.head,
        MemberKey(record.member),
        tuple(views),
        tuple(pending),
        forks,
        void,
        record.retention_s,
        tuple(_proofs(tx, group)),
        0 if record.out else record.demanded_s,
        record.quorum,
        accusers_needed(history, roster),
        () if record.out else accused_views(roster),
        newcomer,
        _sealed_off(tx, group),
    )


def _sealed_off(tx: Transaction, group: GroupId) -> tuple[MemberKey, ...]:
    """Who made keys that our device alone cannot open, as long as we are passed over by that."""
    held = (value for _, value in tx.scan_prefix(Space.HELD, group) if value.endswith(Held.SEALED_OFF.value))
    return tuple(sorted({MemberKey(value[:-1]) for value in held})) if is_passed_over(tx, group) else ()


def fork_views(tx: Transaction, group: GroupId) -> tuple[ForkView, ...]:
    """The forks that are not settled, the oldest first, and how many stand behind the branch that is followed."""
    forks, out = open_forks(tx, group), removed_members(tx, group)
    return tuple(_fork_view(fork, out) for fork in forks)


def _fork_view(fork: Fork, out: AbstractSet[MemberKey]) -> ForkView:
    committers = tuple(child.committer for child in fork.children)
    voters = len(fork.electorate)
    return ForkView(
        fork.parent,
        committers,
        len(frozenset(committers)) < len(committers),
        fork.support(fork.winner(out)),
        voters,
        2 * voters // 3 + 1,
    )


def _proofs(tx: Transaction, group: GroupId) -> Iterator[ProofView]:
    for key, commits in tx.scan_prefix(Space.PROOF, group):
        member, parent = MemberKey(key[len(group) : -ID_BYTES]), key[-ID_BYTES:]
        yield ProofView(member, member_name(tx, group, member), parent, (commits[:ID_BYTES], commits[ID_BYTES:]))


def read_group(tx: Transaction, group: GroupId, since: int = 0) -> Conversation:
    """Messages with `pos` > since in the order of reading, and the gaps. `SettleOrder` comes first."""
    if tx.get(Space.INVITATION, group) is not None:
        raise not_joined()
    record = load_group(tx, group)
    reader = _Reader(tx, group, record)
    found = [
        (message.order, int.from_bytes(key[len(group) :], "big"), message)
        for key, data in tx.scan(Space.MESSAGE, group + u64(since + 1), prefix_end(group))
        for message in (decode_own(data, MessageRecord),)
    ]
    found.sort(key=lambda entry: entry[:2])
    authors = [(MemberKey(key), author) for key, author in tx.load_prefix(Space.AUTHOR, group, AuthorRecord)]
    said = told(tx, group)
    gaps = tuple(
        GapView(author, member_name(tx, group, author), first, last, _asked_s(tx, group, author, first, last))
        for author, known in authors
        if author not in (record.member, *record.former) and not record.out
        for first, last in gaps_of(known, said.get(author, 0))
    )
    clashes = tuple(author for author, known in authors if known.clash)
    return Conversation(tuple(reader.view(pos, message) for _, pos, message in found), gaps, clashes)


def _asked_s(tx: Transaction, group: GroupId, author: MemberKey, first: int, last: int) -> int:
    """When somebody was last asked for numbers of this gap; 0 for never."""
    lacked = tx.load(Space.LACKED, group + author, LackRecord)
    if lacked is None or not any(start <= last and first <= end for start, end in lacked.spans):
        return 0
    return lacked.asked_s


def member_name(tx: Transaction, group: GroupId, member: MemberKey) -> str:
    """Our own name for ourselves, our label for a contact, else what the member calls itself."""
    record = tx.load(Space.GROUP, group, GroupRecord)
    if record is not None and member in (record.member, *record.former):
        return load_self(tx).name
    contact = _contact_of(tx, record, group, member)
    if contact is not None:
        return _contact_name(tx, contact)
    known = tx.load(Space.MEMBER, group + member, MemberRecord)
    return (known.name if known else "") or member.hex()[:8]


def is_verified(tx: Transaction, group: GroupId, member: MemberKey) -> bool:
    """Whether a member is ourselves, or a contact whose words were compared."""
    record = tx.load(Space.GROUP, group, GroupRecord)
    if record is not None and member in (record.member, *record.former):
        return True
    contact = _contact_of(tx, record, group, member)
    known = None if contact is None else tx.load(Space.CONTACT, contact, ContactRecord)
    return known is not None and known.verified_s > 0


def _contact_of(tx: Transaction, record: GroupRecord | None, group: GroupId, member: MemberKey) -> bytes | None:
    contact = tx.get(Space.ALIAS, member)
    return group if contact is None and record is not None and record.kind == GroupKind.CONTACT else contact


def group_name(tx: Transaction, group: GroupId, record: GroupRecord) -> str:
    """A contact's group is called as the contact."""
    if record.kind == GroupKind.CONTACT:
        return _contact_name(tx, group)
    return record.name


class _Reader:
    """Views of messages, with what many of them share read once."""

    def __init__(self, tx: Transaction, group: GroupId, record: GroupRecord) -> None:
        self._tx = tx
        self._group = group
        self._own = frozenset(MemberKey(key) for key in (record.member, *record.former))
        self._readers: dict[bytes, tuple[MemberKey, ...]] = {}
        self._have: dict[tuple[MemberKey, MemberKey], Ranges] = {}
        self._names: dict[MemberKey, str] = {}
        self._verified: dict[MemberKey, bool] = {}
        self._last_seq = {  # of the removed: the last object that counts
            MemberKey(key[len(group) :]): int.from_bytes(last, "big")
            for key, last in tx.scan_prefix(Space.REMOVED, group)
        }

    def view(self, pos: int, message: MessageRecord) -> MessageView:
        signed = parse_whole(message.whole, self._group)
        receipts = tuple(self._receipts(signed))
        waiting = [member for member, delivered in receipts if not delivered]
        text, size, parts = self._content(signed)
        own = signed.author in self._own
        if signed.author not in self._names:
            self._names[signed.author] = member_name(self._tx, self._group, signed.author)
            self._verified[signed.author] = is_verified(self._tx, self._group, signed.author)
        return MessageView(
            pos,
            signed.id,
            signed.author,
            self._names[signed.author],
            own,
            signed.seq,
            signed.minute * 60,
            _KINDS.get(signed.kind, "text"),
            text,
            self._state(signed, receipts, parts),
            receipts,
            size,
            parts,
            burst_in(signed) if signed.kind is Kind.VOICE else None,
            self._signed(signed, parts[1], waiting) if own and parts and waiting else None,
            self._verified[signed.author],
        )

    def _state(
        self, signed: SignedObject, receipts: tuple[tuple[MemberKey, bool], ...], parts: tuple[int, int] | None
    ) -> str:
        if signed.seq > self._last_seq.get(signed.author, signed.seq):
            return "after removal"
        if signed.author in self._own:
            return "delivered" if receipts and all(delivered for _, delivered in receipts) else "waiting"
        return "incomplete" if parts and parts[0] < parts[1] else "received"

    def _content(self, signed: SignedObject) -> tuple[str, int | None, tuple[int, int] | None]:
        if signed.kind is not Kind.MANIFEST:
            return signed.body.decode() if signed.kind is Kind.TEXT else "", None, None
        body = read_manifest(signed.body)
        here = parts_here(self._tx, self._group, signed.author, body.digest)
        return body.name, body.size, (here, parts_of(body.size))

    def _receipts(self, signed: SignedObject) -> Iterator[tuple[MemberKey, bool]]:
        """Who could read it when it was sealed, without its author and those who are out and never signed."""
        origin = signed.origin.epoch
        if origin not in self._readers:
            self._readers[origin] = readers_of(self._tx, self._group, origin)
        last = last_number(signed)
        for member in self._readers[origin]:
            if member == signed.author:
                continue
            spans = self._spans(member, signed.author)
            delivered = member in self._own or not spans.missing(signed.seq, last)
            if delivered or member not in self._last_seq:
                yield member, delivered

    def _signed(self, signed: SignedObject, parts: int, waiting: Sequence[MemberKey]) -> tuple[int, int]:
        """Of a file of ours, how many parts that member has signed for who has signed for the fewest."""
        first, last = signed.seq + 1, last_number(signed)
        holes = (self._spans(member, signed.author).missing(first, last) for member in waiting)
        return parts - max(sum(end - start + 1 for start, end in spans) for spans in holes), parts

    def _spans(self, member: MemberKey, author: MemberKey) -> Ranges:
        found = self._have.get((member, author))
        if found is None:
            found = self._have[member, author] = have(self._tx, self._group, member, author)
        return found


_KINDS = {Kind.MANIFEST: "file", Kind.VOICE: "voice"}
_SEAT_STATES = {SeatState.CURRENT: "", SeatState.QUARANTINED: "quarantined"}


def _member_view(
    tx: Transaction,
    group: GroupId,
    record: GroupRecord,
    member: MemberKey,
    role: Role,
    present: frozenset[MemberKey],
    *,
    state: str,
) -> MemberView:
    author = load_author(tx, group, member)
    heard = author.last_heard_s
    own = member == record.member
    joined = own or heard or author.sealed_before > 1 or member in _founders(tx, group)
    state = state or ("current" if joined else "invited")
    upto = have(tx, group, member, MemberKey(record.member)).end_of_run(author.ours_from)
    return MemberView(
        member_name(tx, group, member),
        member,
        role.name.lower(),
        state,
        tx.now_s if own else heard,
        _renewed_s(tx, group, record, member),
        upto if upto >= author.ours_from else 0,
    )


def _renewed_s(tx: Transaction, group: GroupId, record: GroupRecord, member: MemberKey) -> int:
    """When a member last put fresh keys into the tree of our head; 0 for one who is not in it."""
    if not record.head:
        return 0
    _, epoch = head_of(tx, group, record)
    leaf = leaf_of(epoch, member)
    return 0 if leaf is None else dict(epoch.renewed).get(leaf, 0)


def _founders(tx: Transaction, group: GroupId) -> frozenset[MemberKey]:
    history = history_of(tx, group)
    return frozenset(o.issuer for o in history.order if isinstance(o.change, Genesis | Remove))


def _contact_name(tx: Transaction, contact: bytes) -> str:
    record = tx.load(Space.CONTACT, contact, ContactRecord)
    return record.name if record else contact.hex()[:8]


def _state(
    tx: Transaction,
    group: GroupId,
    record: GroupRecord,
    forks: Sequence[ForkView],
    newcomer: NewcomerView | None,
) -> str:
    if record.out:
        return {Reason.LEFT: "left", Reason.TAKEN: "quarantined"}.get(Reason(record.out), "removed")
    if record.stale_s:
        return "stale"
    if removal_waits(tx, group):
        return "removal-pending"
    _, epoch = head_of(tx, group, record)
    if not is_clean(tx, group, epoch):
        return "removal-pending"
    if is_passed_over(tx, group):
        return "passed-over"
    if newcomer is not None:
        return "new"  # a fork on which his entry stands he cannot see
    return "fork-pending" if forks else "current"
