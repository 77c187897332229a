"""What `views` gives to people and scripts: frozen, times in seconds since 1970, 0 for never."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.operation import GroupKind
from chasqui.media.burst import Burst


@dataclass(frozen=True)
class MemberView:
    """A line of `group show`. Times in seconds since 1970, 0 for never."""

    name: str
    key: MemberKey
    role: str
    state: str
    last_heard_s: int
    renewed_s: int
    delivered_up_to: int  # of our own objects, what this member has signed for without a gap


@dataclass(frozen=True)
class PendingView:
    """A change that is known and not carried out. `confirm?` has what an admin can confirm: its id, what it would do
    (`add`, `remove`, `admin`, `member`, `lift`), to which key, and who signed it."""

    op: str
    member: str
    since_s: int
    id: bytes = b""
    change: str = ""
    key: bytes = b""
    by: bytes = b""
    expired: bool = False  # an addition whose key package is too old for it


@dataclass(frozen=True)
class AccusedView:
    """A member of whom others say that the device was taken, by whom, and whether enough say so."""

    member: MemberKey
    by: tuple[MemberKey, ...]
    shut_out: bool


@dataclass(frozen=True)
class ForkView:
    """Commits that share a parent, by their makers."""

    parent: bytes
    committers: tuple[MemberKey, ...]
    by_one_member: bool
    confirmed: int  # members who voted for the one that is followed
    of: int  # members who can vote
    needed: int  # votes that settle it


@dataclass(frozen=True)
class ProofView:
    """Two commits that one member signed for one parent; stays when the fork is settled."""

    member: MemberKey
    name: str
    parent: bytes
    commits: tuple[bytes, bytes]


@dataclass(frozen=True)
class NewcomerView:
    """Somebody has come in here, and does not know yet whether the others are here, too: of how many others how many
    were heard since."""

    heard: int
    of: int
    since_s: int


@dataclass(frozen=True)
class GroupView:
    """`group show`."""

    id: GroupId
    name: str
    kind: GroupKind
    state: str
    head: bytes
    own: MemberKey
    members: tuple[MemberView, ...]
    pending: tuple[PendingView, ...]
    forks: tuple[ForkView, ...]
    void: tuple[PendingView, ...]
    retention_s: int
    proofs: tuple[ProofView, ...] = ()
    asked_s: int = 0  # when we asked for a new leaf and did not get it yet
    quorum: int = 1  # so many admins stand behind every change
    taken: int = 1  # so many accusers shut somebody out, of as many members as there are
    accused: tuple[AccusedView, ...] = ()
    newcomer: NewcomerView | None = None
    sealed_off: tuple[MemberKey, ...] = ()  # who made keys that this device alone cannot open, where others go on


@dataclass(frozen=True)
class OperationView:
    """A line of `group log`: what `by` signed of `member`, and what became of it. `change`: the id of the operation
    that this one confirms; `reason` of a removal."""

    id: ObjectId
    time_s: int
    by: MemberKey
    what: str
    member: MemberKey
    change: bytes
    reason: int
    state: str


@dataclass(frozen=True)
class GroupLine:
    """A line of `group list`."""

    id: GroupId
    name: str
    kind: GroupKind
    state: str
    members: int
    messages: int
    confirmed: tuple[int, int] | None = None  # of the oldest fork that is not settled: how many, of how many
    alarms: int = 0  # members who signed two commits for one parent
    waiting: int = 0  # changes that wait for an admin
    accused: int = 0  # members of whom others say that their device was taken
    newcomer: NewcomerView | None = None


@dataclass(frozen=True)
class ContactView:
    """A line of `contact list`."""

    id: GroupId
    name: str
    key: MemberKey
    verified_s: int
    words: tuple[int, ...]


@dataclass(frozen=True)
class MessageView:
    """A line of `read`."""

    pos: int
    id: ObjectId
    author: MemberKey
    author_name: str
    own: bool
    seq: int
    time_s: int
    kind: str
    text: str
    state: str
    receipts: tuple[tuple[MemberKey, bool], ...]
    size: int | None  # bytes of a file
    parts: tuple[int, int] | None  # (here, of) for a file
    burst: Burst | None = None  # of kind 'voice'
    signed: tuple[int, int] | None = None  # of a file of ours: parts that the slowest member has signed for, and all
    verified: bool = False  # its author is a contact whose words were compared


@dataclass(frozen=True)
class GapView:
    """Objects of an author that exist and have not come."""

    author: MemberKey
    author_name: str
    first: int
    last: int
    asked_s: int = 0  # when they were last asked for


@dataclass(frozen=True)
class Conversation:
    """`read`."""

    messages: tuple[MessageView, ...]
    gaps: tuple[GapView, ...]
    clashes: tuple[MemberKey, ...]


@dataclass(frozen=True)
class IncomingView:
    """A file of which parts are missing. `here` and `of` count parts."""

    group_name: str
    name: str
    size: int
    here: int
    of: int


@dataclass(frozen=True)
class Waiting:
    """What `status` says of the store."""

    bundles: int
    carried: int
