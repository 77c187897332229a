"""Objects sealed again in our head, for those who could not open them where they were sealed first.

An object is signed independently of the epoch, so any holder may hand it on; its author does first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chasqui.base.errors import PeerError
from chasqui.base.ids import ID_BYTES, MEMBER_KEY_BYTES, EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.limits import ASKED_MAX, FILE_PART_BYTES
from chasqui.base.ranges import Ranges
from chasqui.base.schema import encode
from chasqui.groups.bodies import AskBody, PartBody, ResealBody, parts_of, read_ask, read_reseal
from chasqui.groups.fork_choice import turns
from chasqui.groups.operation import Add, Genesis
from chasqui.node.allowances import allowance_of, is_sealed_already, note_sealed
from chasqui.node.authors import note_numbers
from chasqui.node.branches import branches_of
from chasqui.node.derived import derived
from chasqui.node.entries import entry_on
from chasqui.node.epochs import NOWHERE, head_of, load_epoch, readers_of
from chasqui.node.groups import history_of, is_clean, load_group, roster_of, tree_keys
from chasqui.node.keys import u24, u32, u64
from chasqui.node.large import say_large
from chasqui.node.outbox import BODY_BYTES_MAX, may_seal, say
from chasqui.node.pauses import ASLEEP, AWAKE, Pause, until
from chasqui.node.records import GroupRecord, ManifestRecord, MessageRecord, Space, StampRecord
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, parse_whole, read_whole

ANSWER_SLOT_S: Final = 3600  # the author answers at once; who holds it otherwise waits, by turns
NUMBERS_PER_QUESTION_MAX: Final = 8_192  # the parts of the largest file
_NOTHING_BYTES: Final = 16  # what it costs to say that there is nothing under a number: a note of it, and its run
_CARRIED: Final = frozenset({Kind.TEXT, Kind.VOICE, Kind.OP, Kind.MANIFEST, Kind.KEY_PACKAGES, Kind.WITNESS})


def take_ask(tx: Transaction, signed: SignedObject) -> None:
    """Notes what a member lacks and we can give: to whom it was sealed, nothing else, and no more than his allowance.
    Raises `PeerError`."""
    body = read_ask(signed.body)
    group, asker = signed.group, signed.author
    record = load_group(tx, group)
    head, epoch = head_of(tx, group, record)
    if asker not in tree_keys(epoch) or record.member not in tree_keys(epoch):
        return
    allowance = allowance_of(tx, group, asker)
    if allowance is None:
        return
    later_s = ANSWER_SLOT_S * (1 + turns(head, tree_keys(epoch)).index(MemberKey(record.member)))
    files, left = _own_files(tx, group, record), NUMBERS_PER_QUESTION_MAX
    for author, seq in _asked(tx, group, record, body):
        own, key = author == record.member, group + author + u24(seq)
        noted = tx.get(Space.ANSWER, key)
        if noted is not None and len(noted[8:]) != MEMBER_KEY_BYTES:
            continue
        known = _find(tx, group, author, seq)
        part = _part_in(files, seq) if own and known is None else None
        said = known if part is None else _find(tx, group, author, seq - part[1] - 1)  # its manifest
        entitled = said is not None and (
            said.kind in (Kind.OP, Kind.WITNESS) or asker in readers_of(tx, group, said.origin.epoch)
        )
        where: bytes = b""
        if (known is not None or part is not None) and not entitled:
            where = asker  # that it was not for him, is for him alone
        elif known is not None and known.kind in (Kind.OP, Kind.WITNESS) and signed.origin.epoch != head:
            where = signed.origin.epoch  # without it he may be unable to follow to where we are
        if not (entitled or own) or (noted is not None and where == asker):
            continue
        takes = _NOTHING_BYTES
        if known is not None and entitled:
            if is_sealed_already(tx, group, known.id, _if_clean(tx, group, where) or head):
                continue
            takes = len(known.to_whole())
        elif part is not None and entitled:
            if is_sealed_already(tx, group, _part_id(*part), head):
                continue
            takes = FILE_PART_BYTES
        if not left or not allowance.covers(takes):
            break
        left -= 1
        allowance = allowance.less(takes)
        tx.put(Space.ANSWER, key, u64(tx.now_s if own else tx.now_s + later_s) + where)
    tx.save(Space.ASKED, group + asker, allowance.record)


def _asked(tx: Transaction, group: GroupId, record: GroupRecord, body: AskBody) -> Iterator[tuple[MemberKey, int]]:
    """What an ask names: operations and witnesses first, then our own numbers, then what is here of others: whatever
    is claimed of somebody, it keeps nothing else from being answered."""
    for cited in body.operations:
        known = _cited(tx, group, cited)
        if known is not None:
            yield known.author, known.seq
    own = MemberKey(record.member)
    for author, spans in sorted(dict(body.numbers).items(), key=lambda asked: asked[0] != own):
        for first, last in spans:
            if author == own:
                yield from ((own, seq) for seq in range(first, min(last, record.seq) + 1))
                continue
            prefix, at = group + author, 0
            for key, _ in list(tx.scan(Space.STAMP, prefix + u24(first), prefix_end(prefix + u24(last)))):
                seq = int.from_bytes(key[len(prefix) : len(prefix) + 3], "big")
                if seq != at:  # two objects can have one number
                    at = seq
                    yield MemberKey(author), seq


def answer(tx: Transaction, group: GroupId) -> None:
    """Seals again what is due. The caller knows that the head is clean."""
    record = load_group(tx, group)
    nothing: dict[bytes, Ranges] = {}  # to whom, empty for all
    for key, value in list(tx.scan_prefix(Space.ANSWER, group)):
        due, where = value[:8], value[8:]
        if int.from_bytes(due, "big") > tx.now_s:
            continue
        tx.erase(Space.ANSWER, key)
        author = MemberKey(key[len(group) : len(group) + MEMBER_KEY_BYTES])
        seq = int.from_bytes(key[-3:], "big")
        known = _find(tx, group, author, seq)
        if len(where) == MEMBER_KEY_BYTES:
            nothing[where] = nothing.get(where, Ranges()).add(seq)
        elif known is not None:
            record = reseal(tx, group, record, known, within=_if_clean(tx, group, where))
        elif author == record.member and (part := _own_part(tx, group, record, seq)) is not None:
            note_sealed(tx, group, _part_id(part.digest, part.index), EpochId(record.head))
            _, record = say(tx, group, record, Kind.PART, encode(part))
        elif author == record.member:
            nothing[b""] = nothing.get(b"", Ranges()).add(seq)
    for where, numbers in nothing.items():
        for at in range(0, len(numbers.spans), ASKED_MAX):
            body = encode(ResealBody(b"", numbers.spans[at : at + ASKED_MAX], where))
            _, record = say(tx, group, record, Kind.RESEAL, body)


@derived(Space.ANSWER)
def until_answer(tx: Transaction, group: GroupId) -> Pause:
    """For how long nothing that somebody lacks is ours to seal again."""
    due = [int.from_bytes(value[:8], "big") for _, value in tx.scan_prefix(Space.ANSWER, group)]
    return until(min(due)) if due else ASLEEP


def _if_clean(tx: Transaction, group: GroupId, where: bytes) -> EpochId | None:
    """The epoch in which somebody asked, where we can still speak there and nobody who is out would read it."""
    epoch = load_epoch(tx, group, EpochId(where)) if where else None
    if epoch is None or not is_clean(tx, group, epoch):
        return None
    return EpochId(where) if may_seal(tx, group, EpochId(where)) else None


def reseal(
    tx: Transaction, group: GroupId, record: GroupRecord, signed: SignedObject, *, within: EpochId | None = None
) -> GroupRecord:
    """Seals an object again in our head (or `within` another epoch), whole, or in parts where it is too large."""
    epoch = EpochId(record.head) if within is None else within
    tx.put(Space.RESEALED, group + signed.id, epoch)
    note_sealed(tx, group, signed.id, epoch)
    body = encode(ResealBody(signed.to_whole(), ()))
    if len(body) > BODY_BYTES_MAX:
        return say_large(tx, group, record, Kind.RESEAL, body, within=within)[1]
    return say(tx, group, record, Kind.RESEAL, body, within=within)[1]


def take_reseal(tx: Transaction, group: GroupId, by: SignedObject, data: bytes) -> SignedObject | None:
    """The verified object that was sealed again, where it is new here.

    Raises `PeerError` for what nobody may hand on, and for what its author did not sign.
    """
    body = read_reseal(data)
    if body.nothing and body.member not in (b"", load_group(tx, group).member):
        return None  # not for us: to us they may have been sealed
    if body.nothing:
        note_numbers(tx, group, by.author, Ranges(body.nothing), up_to=by.seq)
        return None
    signed = read_whole(body.whole, group)
    if signed.kind not in _CARRIED:
        raise PeerError("An object of a kind that is never sealed again was.")
    check_handed_on(tx, group, signed)
    tx.put(Space.RESEALED, group + signed.id, by.origin.epoch)
    tx.erase(Space.ANSWER, group + signed.author + u24(signed.seq))
    here = tx.get(Space.STAMP, group + signed.author + u24(signed.seq) + signed.id) is not None
    return None if here or signed.author == load_group(tx, group).member else signed


def check_handed_on(tx: Transaction, group: GroupId, signed: SignedObject) -> None:
    """What another than its author gives us is by somebody who was let in here. Raises `PeerError`."""
    if tx.get(Space.MEMBER, group + signed.author) is None and not _is_added(tx, group, signed.author):
        raise PeerError("An object of somebody who never was in the group was sealed again.")


def _is_added(tx: Transaction, group: GroupId, member: MemberKey) -> bool:
    """Whether an operation lets somebody in whom we saw in no tree, because that was on a branch we cannot read."""
    history = history_of(tx, group)
    added = (known.change for known in (*history.order, *history.deferred))
    return any(isinstance(change, Add) and change.member == member for change in added)


def publish(tx: Transaction, group: GroupId, cited: tuple[ObjectId, ...] = ()) -> GroupRecord:
    """Seals those operations again that not all can read who hold our head, because they were said on another branch or
    before somebody joined: those that a commit cites and their past, and the witnesses that it cites; or if none are
    named, our own and, if it is our turn, those of members who are not there."""
    record = load_group(tx, group)
    operations = tuple(each for each in cited if each in history_of(tx, group).position)
    for signed in _unread(tx, group, operations) if operations else _ours_unread(tx, group):
        record = reseal(tx, group, record, signed)
    for signed in list(_unread_words(tx, group, cited)):
        record = reseal(tx, group, record, signed)
    return record


@derived(Space.GROUP, Space.EPOCH, Space.COMMIT, Space.ROSTER, Space.OPERATION, Space.WITNESS, Space.RESEALED)
def _ours_unread(tx: Transaction, group: GroupId) -> tuple[SignedObject, ...]:
    return tuple(_unread(tx, group, ()))


@derived(*_ours_unread.spaces)
def until_publish(tx: Transaction, group: GroupId) -> Pause:
    """Ends `publish`'s pause where something is to be sealed again."""
    return AWAKE if load_group(tx, group).head and _ours_unread(tx, group) else ASLEEP


def _unread(tx: Transaction, group: GroupId, operations: tuple[ObjectId, ...]) -> Iterator[SignedObject]:
    record = load_group(tx, group)
    history = history_of(tx, group)
    head, epoch = head_of(tx, group, record)
    roster, ours = roster_of(tx, group), MemberKey(record.member)
    present = tree_keys(epoch) & roster.current
    first = turns(head, present | {ours})[0] == ours
    wanted = 0
    for operation in operations:
        wanted |= history.past[operation] | 1 << history.position[operation]
    readers = _Readers(tx, group, present)
    for index, known in enumerate(history.order):
        cited, named = known.id in operations, bool(wanted >> index & 1)
        mine = known.issuer == ours or (first and known.issuer not in present)
        if isinstance(known.change, Genesis) or not (named or (mine and not operations)):
            continue
        origin = known.signed.origin.epoch
        if origin != NOWHERE and not cited and load_epoch(tx, group, origin) is None:
            continue
        if readers.without(index, origin, tx.get(Space.RESEALED, group + known.id)):
            yield known.signed


def _unread_words(tx: Transaction, group: GroupId, cited: tuple[ObjectId, ...]) -> Iterator[SignedObject]:
    """The witnesses among what a commit cites that were not sealed to everybody who holds our head."""
    words = [whole for each in cited if (whole := tx.get(Space.WITNESSED, group + each)) is not None]
    if not words:
        return
    _, epoch = head_of(tx, group, load_group(tx, group))
    readers = _Readers(tx, group, tree_keys(epoch) & roster_of(tx, group).current)
    for signed in (parse_whole(whole, group) for whole in words):
        if readers.besides(signed.origin.epoch, tx.get(Space.RESEALED, group + signed.id)):
            yield signed


class _Readers:
    """Who there is in our head that may lack an operation. Who got his leaf on our branch has what came before the
    operation that let him in, and what was sealed from his first epoch on; anybody else, what was sealed to him."""

    def __init__(self, tx: Transaction, group: GroupId, present: frozenset[MemberKey]) -> None:
        self._tx, self._group, self._present = tx, group, present
        branches, history = branches_of(tx, group), history_of(tx, group)
        head = EpochId(load_group(tx, group).head)
        self._history = history
        self._had = {seat.member: self._up_to(seat.since) for seat in roster_of(tx, group).seats}
        self._since: dict[MemberKey, frozenset[EpochId]] = {}
        self._reads: dict[bytes, frozenset[MemberKey]] = {}
        for member in present:
            entry = entry_on(branches, history, member, head)
            if entry is not None:
                self._had[member] = self._up_to(entry.operation.id)
                self._since[member] = frozenset(branches.below(entry.epoch))

    def _up_to(self, operation: ObjectId) -> int:
        return self._history.past[operation] | 1 << self._history.position[operation]

    def without(self, index: int, *epochs: bytes | None) -> frozenset[MemberKey]:
        """Who may lack the operation with this index, which was sealed in these epochs."""
        had = {member for member in self._present if self._had.get(member, 0) >> index & 1}
        return self.besides(*epochs) - had

    def besides(self, *epochs: bytes | None) -> frozenset[MemberKey]:
        """To whom nothing was sealed in these epochs."""
        return self._present.difference(*(self._readers(epoch) for epoch in epochs if epoch))

    def _readers(self, epoch: bytes) -> frozenset[MemberKey]:
        if epoch not in self._reads:
            sealed_to = readers_of(self._tx, self._group, EpochId(epoch))
            self._reads[epoch] = frozenset(
                member for member in sealed_to if member not in self._since or epoch in self._since[member]
            )
        return self._reads[epoch]


def _find(tx: Transaction, group: GroupId, author: MemberKey, seq: int) -> SignedObject | None:
    """An object that people can read, an operation or a witness, as it was signed; None where it is not kept."""
    for key, stamp in tx.load_prefix(Space.STAMP, group + author + u24(seq), StampRecord):
        message = tx.load(Space.MESSAGE, group + u64(stamp.arrival), MessageRecord) if stamp.arrival else None
        if message is not None:
            return parse_whole(message.whole, group)
        if tx.get(Space.OPERATION, group + key) is not None:
            return _signed_operation(tx, group, key)
        word = tx.get(Space.WITNESSED, group + key)
        if word is not None:
            return parse_whole(word, group)
    return None


def _cited(tx: Transaction, group: GroupId, cited: bytes) -> SignedObject | None:
    """What a commit or an operation cites: an operation or a witness."""
    if ObjectId(cited) in history_of(tx, group).position:
        return _signed_operation(tx, group, cited)
    word = tx.get(Space.WITNESSED, group + cited)
    return None if word is None else parse_whole(word, group)


def _signed_operation(tx: Transaction, group: GroupId, operation: bytes) -> SignedObject:
    history = history_of(tx, group)  # one whose past is not here can be asked for, too
    return next(known.signed for known in (*history.order, *history.deferred) if known.id == operation)


def _own_files(tx: Transaction, group: GroupId, record: GroupRecord) -> tuple[tuple[bytes, int, int], ...]:
    """Of each file of ours that we still have, its digest and the numbers of its first part and its last."""
    return tuple(
        (digest, manifest.seq + 1, manifest.seq + parts_of(manifest.size))
        for digest, manifest in tx.load_prefix(Space.MANIFEST, group + record.member, ManifestRecord)
        if manifest.kind == Kind.MANIFEST and not manifest.erased
    )


def _part_in(files: tuple[tuple[bytes, int, int], ...], seq: int) -> tuple[bytes, int] | None:
    """The digest of the file whose part had this number, and which part that was."""
    return next(((digest, seq - first) for digest, first, last in files if first <= seq <= last), None)


def _own_part(tx: Transaction, group: GroupId, record: GroupRecord, seq: int) -> PartBody | None:
    """A part of a file of ours that had this number."""
    found = _part_in(_own_files(tx, group, record), seq)
    if found is None:
        return None
    digest, index = found
    data = tx.get(Space.PART, group + record.member + digest + u32(index))
    return None if data is None else PartBody(digest, index, data)


def _part_id(digest: bytes, index: int) -> ObjectId:
    """Stands for a part whatever numbers it has: it is said again with a new one."""
    return ObjectId(digest[: ID_BYTES - 4] + u32(index))
