"""Everything that can happen to a node. Each is one step, done whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.ports import Uptime
from chasqui.base.secret import NO_SECRET, Secret
from chasqui.groups.operation import Role
from chasqui.media.burst import Quality
from chasqui.node.link_port import BroadcastId, LinkProfile, SessionId
from chasqui.node.spent import Book


@dataclass(frozen=True)
class SetUp:
    """A new vault gets its owner's name."""

    name: str


@dataclass(frozen=True)
class MakeOffer:
    """Answers with the bytes of an offer file."""


@dataclass(frozen=True)
class AcceptPairing:
    """A pairing file came. Answers with `pairing.Accepted`."""

    data: bytes
    label: str | None


@dataclass(frozen=True)
class VerifyContact:
    """The words were compared and are equal."""

    contact: GroupId


@dataclass(frozen=True)
class CreateGroup:
    """Answers with the group's id. `retention_s` 0 keeps messages; `taken` accusers quarantine a member; `quorum`
    admins stand behind every change."""

    name: str
    retention_s: int = 0
    taken: int = 2
    quorum: int = 1


@dataclass(frozen=True)
class AddMember:
    """Answers with the new member's key, or nothing where the addition waits for a key package. Where the group asks
    for two admins, the member is in when another one has confirmed that."""

    group: GroupId
    contact: GroupId
    role: Role


@dataclass(frozen=True)
class AddGuest:
    """Answers with the id of a new side group with a contact, in which the speakers are, too."""

    group: GroupId
    contact: GroupId
    speakers: tuple[GroupId, ...] = ()


@dataclass(frozen=True)
class JoinGroup:
    """Accepts an invitation."""

    group: GroupId


@dataclass(frozen=True)
class Rejoin:
    """We can follow the group no more: contacts in it are asked for a new leaf. Answers with how many."""

    group: GroupId


@dataclass(frozen=True)
class RemoveMember:
    """Puts a member out."""

    group: GroupId
    member: MemberKey


@dataclass(frozen=True)
class SetRole:
    """Gives a member another role."""

    group: GroupId
    member: MemberKey
    role: Role


@dataclass(frozen=True)
class Confirm:
    """Stands behind a change of another admin."""

    group: GroupId
    operation: ObjectId


@dataclass(frozen=True)
class Accuse:
    """Says that a member's device was taken."""

    group: GroupId
    member: MemberKey


@dataclass(frozen=True)
class Lift:
    """Ends the accusations against a member."""

    group: GroupId
    member: MemberKey


@dataclass(frozen=True)
class LeaveGroup:
    """We leave."""

    group: GroupId


@dataclass(frozen=True)
class SendText:
    """Answers with the id of the object."""

    group: GroupId
    text: str
    urgent: bool = False


@dataclass(frozen=True)
class SendFile:
    """Answers with the id of the file's manifest."""

    group: GroupId
    name: str
    data: bytes
    urgent: bool = False


@dataclass(frozen=True)
class SendVoice:
    """Speech of one recording (`media.codec2`). Answers with the ids of its bursts, in order.

    While somebody still speaks it comes in pieces: `more` goes on, and what follows names the first burst (`follows`)
    and the place where it begins (`at`, in units of 40 ms)."""

    group: GroupId
    quality: Quality
    speech: bytes
    urgent: bool = False
    more: bool = False
    follows: ObjectId | None = None
    at: int = 0


@dataclass(frozen=True)
class ReadFile:
    """Answers with name and bytes of a file."""

    group: GroupId
    message: ObjectId


@dataclass(frozen=True)
class SettleOrder:
    """Before reading: works the order out again where something came late."""

    group: GroupId


@dataclass(frozen=True)
class TakeBundles:
    """Bundles from a medium that somebody has carried here. Answers with `inbox.Received`."""

    bundles: tuple[bytes, ...]
    link: str = ""


@dataclass(frozen=True)
class Flush:
    """Everything that is due is due now: commits of ours, receipts, additions that waited."""


@dataclass(frozen=True)
class AddLink:
    """Answers with the link's id."""

    kind: str
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RemoveLink:
    """Forgets a link."""

    link: str


@dataclass(frozen=True)
class SessionOpened:
    """A neighbour is there, whoever it is. `link` is the lasting name of the link."""

    session: SessionId
    mtu_bytes: int
    link: str = ""


@dataclass(frozen=True)
class FrameReceived:
    """A neighbour sent a frame."""

    session: SessionId
    frame: bytes


@dataclass(frozen=True)
class SessionClosed:
    """A neighbour is gone."""

    session: SessionId


@dataclass(frozen=True)
class BroadcastOpened:
    """A broadcast link is there. `name` is its lasting one, under which its airtime is kept; `key` that of the
    neighbourhood, or empty; `dummy_share` the part of the airtime budget for frames that say nothing. `at_ms` below is
    of the same clock as `now`."""

    link: BroadcastId
    profile: LinkProfile
    now: Uptime
    name: str = ""
    key: Secret = NO_SECRET
    dummy_share: float = 0.0


@dataclass(frozen=True)
class BroadcastHeard:
    """Somebody sent a frame; how far above the noise, where that is known."""

    link: BroadcastId
    frame: bytes
    strength_db: float | None
    at_ms: int


@dataclass(frozen=True)
class BroadcastSent:
    """The frame of the last `Transmit` has left, and took so long; None: as long as the profile says."""

    link: BroadcastId
    airtime_ms: int | None
    at_ms: int


@dataclass(frozen=True)
class BroadcastSpent:
    """So much airtime is about to be taken, or was just now, by what the node did not say or says no more: a test of
    the link, or a frame of a node before this one."""

    link: BroadcastId
    book: Book
    airtime_ms: int
    at_ms: int


@dataclass(frozen=True)
class BroadcastDue:
    """It is the time that the last `Wake` asked for, or later."""

    link: BroadcastId
    at_ms: int


@dataclass(frozen=True)
class BroadcastClosed:
    """A broadcast link is gone."""

    link: BroadcastId


@dataclass(frozen=True)
class Tick:
    """Time has passed. None: nobody can read the machine's own clock; the books of airtime stay as they are."""

    uptime: Uptime | None = None


Input = (
    SetUp
    | MakeOffer
    | AcceptPairing
    | VerifyContact
    | CreateGroup
    | AddMember
    | AddGuest
    | JoinGroup
    | Rejoin
    | RemoveMember
    | SetRole
    | Confirm
    | Accuse
    | Lift
    | LeaveGroup
    | SendText
    | SendFile
    | SendVoice
    | ReadFile
    | SettleOrder
    | TakeBundles
    | Flush
    | AddLink
    | RemoveLink
    | SessionOpened
    | FrameReceived
    | SessionClosed
    | BroadcastOpened
    | BroadcastHeard
    | BroadcastSent
    | BroadcastSpent
    | BroadcastDue
    | BroadcastClosed
    | Tick
)
