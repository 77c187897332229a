"""Every record of the vault: its space, its key and its schema. Spec: `docs/spec/records.md`."""

from __future__ import annotations

from enum import Enum, IntEnum, unique

from chasqui.base.schema import Body


@unique
class Space(IntEnum):
    """One ordered set of keys each. Numbers are never reused."""

    META = 1  # b"self", b"arrival"
    GROUP = 2  # group
    EPOCH = 3  # group, epoch
    CHAIN = 4  # epoch, leaf 2
    SKIPPED = 5  # epoch, leaf 2, counter 2: message keys that may still be needed
    OPERATION = 6  # group, operation: whole object
    COMMIT = 7  # group, commit
    MESSAGE = 8  # group, arrival 8
    MESSAGE_ID = 9  # group, object id: arrival 8
    ORDER = 10  # group, instant 4, depth 4, minute 4, author 32, seq 3, object id 16: arrival 8
    AUTHOR = 11  # group, author 32
    HAVE = 12  # group, member 32, author 32: what that member has signed for
    STAMP = 13  # group, author 32, seq 3, object id 16: place in the order of every object
    BUNDLE = 14  # bundle
    EXPIRY = 15  # expires 8, bundle
    FOREIGN = 16  # bundle: what recognition needs
    KEY_PACKAGE = 17  # key package ref: our own, with its private keys
    SPARE = 18  # contact group, key package ref: theirs
    CONTACT = 19  # contact group
    INVITATION = 20  # group: welcome
    SECOND = 51  # group, member 32: a welcome to a second seat of ours there, which we cannot leave yet
    MANIFEST = 21  # group, author 32, digest 32
    PART = 22  # group, author 32, digest 32, index 4
    ALIAS = 23  # member key: contact group
    LINK = 24  # link id
    DUE = 25  # group: receipts wait to be sent
    OWED = 49  # group, author 32: an object of his that deserves a receipt, by its number
    HELD = 26  # group, bundle: a commit that waits: its author, 1 byte why (`Held`)
    PENDING_ADD = 27  # group, contact group: an addition that waits for a key package
    ANSWERED = 28  # key package ref of an offer that was answered
    MEMBER = 29  # group, member 32
    ROSTER = 33  # group, epoch: member keys 32 each; outlives the keys, for receipts
    REMOVED = 31  # group, member 32: last_seq 3 of the removal or accusation that counts
    VOTE = 35  # group, parent epoch 16, member 32: ids of the children for which it voted, 16 each
    PROOF = 36  # group, member 32, parent epoch 16: ids of two commits that it made on one parent, 16 each
    SLOW = 53  # group: when a slow link last brought something of it
    TURN = 37  # group: when it is our turn to commit what others have not
    MISSING = 38  # group, operation: something cites it and it is not here: since when 8, asked when 8, by whom 32 each
    LACKED = 39  # group, author 32: numbers that did not come
    ANSWER = 40  # group, author 32, seq 3: a number that somebody lacks, and when it is our turn to answer
    RESEALED = 41  # group, object id: the newest epoch in which it was sealed again
    SEAT = 42  # group, member 32: the key package of which its next leaf can be made
    GUEST = 45  # group, side group: the contact who is a guest there
    WITNESSED = 44  # group, object id: a whole object that says what a member had
    PROPOSED = 43  # group, operation: an addition of ours that waits for another admin
    LATE = 46  # contact, commit: one of ours that the other may not have
    REPEATED = 47  # group, object id: what we have sealed again ourselves: in which epoch, and when
    ASKED = 48  # group, member 32: what it has made us seal again of late
    PACE = 50  # group, member 32: how many operations it has signed of late
    REORDER = 30  # group: an object came late, the order has to be worked out again
    WITNESS = 34  # group, removal 16, member 32: what that member had; group: words of ours may be due
    ORPHAN = 32  # group, author 32, digest 32, index 4: a part whose manifest has not come: since when


@unique
class Held(Enum):
    """Why a commit waits, as far as it is for people to know."""

    ELSE = b"\x00"
    REMOVES = b"\x01"  # on the head, for an operation of an admin: it removes somebody
    SEALED_OFF = b"\x02"  # we alone cannot open it


class WitnessRecord(Body, frozen=True):
    """A member's word on a removal: the heads of what it had, and in which object it said so."""

    seq: int
    id: bytes
    heads: tuple[bytes, ...]


class SelfRecord(Body, frozen=True):
    """Whose vault this is. The name leaves it only inside sealed key packages."""

    name: str
    created_s: int


class GroupRecord(Body, frozen=True):
    """A group as this device has it. `signing_key` is libsodium's 64 bytes. `head` is the epoch it sends in."""

    name: str
    kind: int
    member: bytes
    signing_key: bytes
    head: bytes
    seq: int  # of the last object of our own
    retention_s: int
    joined_s: int
    out: int = 0  # 0: in; else the Reason for which we are out
    stale_s: int = 0  # when it showed that this vault is an older copy of itself; 0: it is not
    former: tuple[bytes, ...] = ()  # our own keys of earlier times in the group
    root: bytes = b""  # the newest epoch that is settled: nothing before it can change any more
    seated: bool = False  # the commit that let us in is settled, or there was none
    demanded_s: int = 0  # when we asked for a new leaf; 0: we did not, or have it
    quorum: int = 1  # so many admins stand behind every change
    entry: bytes = b""  # our first epoch here, since we got a leaf last, while it may turn out to have lost
    elsewhere: tuple[bytes, ...] = ()  # other entries that we were given since: the others may be there
    passed: bytes = b""  # the newest epoch that others have left without us, by what does not count


class EpochRecord(Body, frozen=True):
    """One epoch. `mls_state` is whole at the tip of a branch, a retained parent's where a sibling may still come, and
    empty once it is settled; `roster` gives (leaf, member key)."""

    number: int
    parent: bytes
    commit: bytes
    own_leaf: int
    roster: tuple[tuple[int, bytes], ...]
    day: int  # of the two keys below
    mark_key: bytes
    head_key: bytes
    created_s: int
    superseded_s: int  # 0: it is the head
    mls_state: bytes
    renewed: tuple[tuple[int, int], ...] = ()  # (leaf, when it last got fresh keys, on the way to this epoch)
    settled_s: int = 0  # since when nothing on it can win any more; 0: it may, or has
    own_first: int = 0  # the number of our own object that would have counter 0 here; 0: we have said nothing in it
    gone: tuple[bytes, ...] = ()  # members who sat in a tree on the way here and do not sit in this one
    rejoined: tuple[bytes, ...] = ()  # the REJOINs that were carried out on the way here
    lifted: tuple[bytes, ...] = ()  # LIFTs that commits on the way here cited, and CONFIRMs


class ChainRecord(Body, frozen=True):
    """A sender's ratchet."""

    counter: int
    key: bytes


class CommitRecord(Body, frozen=True):
    """A commit that was applied; of its bytes only the id of the sealed bundle is kept."""

    parent: bytes
    child: bytes
    committer: bytes
    seq: int  # of the committer's object
    bundle: bytes  # empty for our own
    operations: tuple[bytes, ...]
    removes: tuple[bytes, ...]  # the members who were in the parent's tree and are not in the child's
    seen_s: int


class MessageRecord(Body, frozen=True):
    """A text or file of a conversation. `whole` is the object in its whole form, epoch included."""

    whole: bytes
    first_seen_s: int
    order: bytes  # key in ORDER


class AuthorRecord(Body, frozen=True):
    """What is known of the objects of one author. `floor` is its first number in our first epoch; 0: unknown."""

    floor: int
    spans: tuple[tuple[int, int], ...]
    claimed: int  # the highest number that came or that somebody has signed for, true or not
    last_heard_s: int
    clash: bool = False  # two objects with one number were seen
    sealed_before: int = 0  # numbers up to this one were sealed before our first epoch
    ours_from: int = 1  # the first number of our own that this member can read
    index: int = 0  # stands for this author in stamps; from 1, the same as long as the group is here
    at: bytes = b""  # the epoch of its newest object


class LackRecord(Body, frozen=True):
    """Numbers of an author that are missing. `since_s`: when it was first found that they are; `asked_s`: when they
    were last asked for, 0 for never."""

    spans: tuple[tuple[int, int], ...]
    since_s: int
    asked_s: int


class AskedRecord(Body, frozen=True):
    """What a member has asked us for since `since_s`: how often, and how much we have noted to seal again for it."""

    since_s: int
    asks: int
    bytes: int


class PaceRecord(Body, frozen=True):
    """Until when a member has used up what it may sign: of changes of others, and of what concerns itself."""

    changes_s: int
    own_affairs_s: int


class HaveRecord(Body, frozen=True):
    """Numbers of an author that a member has signed for. `at` is the member's first object that names the last."""

    spans: tuple[tuple[int, int], ...]
    at: int


class StampRecord(Body, frozen=True):
    """Where an object stands in the order (`groups.md`, "Order"), and what that follows from."""

    instant: int  # minutes: the latest of its own time and those of what its author had
    depth: int  # objects of the same instant that come before it in a row
    minute: int  # the author's claim
    had: tuple[tuple[int, int], ...]  # by index of author: the last number that its author had signed for in it
    arrival: int  # of the message, 0 for what is no message


class BundleRecord(Body, frozen=True):
    """A bundle that is held. `own` tells whether it belongs to a group of ours."""

    data: bytes
    own: bool
    arrived_s: int


class ForeignRecord(Body, frozen=True):
    """A bundle that nobody here recognises yet. `link` brought it; `known`: on whose other end are people whom the
    owner chose."""

    mark: bytes
    mark_body: bytes
    day: int
    size: int
    bundle_class: int
    arrived_s: int
    link: str = ""
    known: bool = False


class ContactRecord(Body, frozen=True):
    """A person met through pairing; bound to the member key of the group of two."""

    name: str
    member: bytes  # empty until the reply has come
    verified_s: int  # 0: the words were not compared
    words: tuple[int, ...]  # numbers in the word list


class InvitationRecord(Body, frozen=True):
    """A welcome that waits for `group join`."""

    contact: bytes
    body: bytes
    key_package: bytes
    received_s: int
    name: str


class ManifestRecord(Body, frozen=True):
    """What a manifest announced. One that was erased has neither size nor name, and keeps its parts out."""

    kind: int
    size: int
    name: str
    seq: int
    since_s: int  # when it came, or was erased
    erased: bool = False


class LinkRecord(Body, frozen=True):
    """A link that a person set up. `settings` are (key, value) pairs of its kind."""

    kind: str
    settings: tuple[tuple[str, str], ...]


class SpareRecord(Body, frozen=True):
    """A key package of a contact, not used yet."""

    key_package: bytes
    received_s: int


class SeatRecord(Body, frozen=True):
    """A key package that a member gave for its own next leaf, and where it can be answered: an epoch that it reads, or
    a contact."""

    key_package: bytes
    ref: bytes  # the KeyPackageRef by which a REJOIN names it
    epoch: bytes  # in which it was given, of the group or of the contact
    contact: bytes  # empty: it was given in the group itself
    due_s: int = 0  # since when it is needed; 0: it is not
    seq: int = 0  # the number with which its member gave it


class LateRecord(Body, frozen=True):
    """A commit of ours in a contact, as it was sealed: we cannot open it ourselves any more."""

    bundle: bytes
    day: int
    counter: int
    parent: bytes
    said_s: int  # when we last sealed it, itself or in another object


class PendingAddRecord(Body, frozen=True):
    """An addition that waits for a key package of the contact."""

    role: int
    since_s: int
    last: bool = False  # it waits for all others who wait to be let into that group, too


class ProposedRecord(Body, frozen=True):
    """A key package that an addition of ours names, until another admin has confirmed it and its owner got a leaf."""

    key_package: bytes
    contact: bytes  # of its owner


class OwnKeyPackageRecord(Body, frozen=True):
    """A key package of ours with its private keys, and the contact who has it; empty for a pairing offer. For our next
    leaf in a group: that group."""

    keys: bytes
    created_s: int
    contact: bytes
    entry: bytes = b""  # of ours in the group, when it was given
    spent: bool = False  # a welcome used it that did not move us; without private keys where that was taken


class MemberRecord(Body, frozen=True):
    """A member as we met it. `name` is what it calls itself; trust binds to the key, never to this."""

    name: str
    since_s: int
