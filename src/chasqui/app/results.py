"""What commands answer: the JSON documents of `docs/reference/cli.md`, as types.

Ids and keys are hex, times RFC 3339 in UTC or null. A field in `_PEOPLE_ONLY` is for the screen and stays out of
the document.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType, field


class Result(msgspec.Struct, frozen=True):
    """Base of every answer."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ()

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {key: value for key, value in plain.items() if key not in self._PEOPLE_ONLY}


class SlowLink(Result, frozen=True):
    """What something costs a link: how long the transmitter works, and until when it is through, in seconds."""

    id: str
    kind: str
    on_air_s: int
    lasts_s: int


class Candidate(Result, frozen=True):
    """One of several things that a name could mean."""

    name: str
    id: str


class ErrorDocument(Result, frozen=True):
    """Why a command was not done, whose safety it touches, what to do."""

    code: str
    message: str
    safety: str
    todo: str
    candidates: tuple[Candidate, ...] | UnsetType = UNSET
    slow: tuple[SlowLink, ...] | UnsetType = UNSET


class VaultMade(Result, frozen=True):
    """`init`"""

    vault: str
    name: str


class Done(Result, frozen=True):
    """Nothing to tell but that it is done."""


class DaemonState(Result, frozen=True):
    """Whether a daemon runs on the vault, and as which process."""

    running: bool
    pid: int | None


class Locked(Result, frozen=True):
    """`lock`"""

    locked: bool


class LinkLine(Result, frozen=True):
    """A link that is set up. `state` is one line for people. Of a radio: in how many seconds this hour's airtime lets
    out what is not urgent; of what is large and on its way: whether it is sent or comes, frames, of how many."""

    id: str
    kind: str
    settings: dict[str, str]
    state: str
    silent_s: int = 0
    passing: tuple[tuple[bool, int, int], ...] = ()


class GroupLine(Result, frozen=True):
    """A line of `group list`."""

    id: str
    name: str
    state: str
    members: int
    messages: int
    confirmed: tuple[int, int] | None = None  # of a fork that is not settled: how many members, of how many
    alarms: int = 0  # members who signed two changes of keys for one state
    waiting: int = 0  # changes that wait for the word of an admin
    accused: int = 0  # members of whom others say that their device was taken
    heard: tuple[int, int] | None = None  # of state 'new': how many of the others were heard since, of how many


class WaitingCounts(Result, frozen=True):
    """What is held for links: bundles in all, those of them that are carried for others, and invitations."""

    bundles: int
    carried: int
    invitations: int


class IncomingFile(Result, frozen=True):
    """A file of which parts are missing: parts here, and of how many; what the rest costs the slowest link."""

    group: str
    name: str
    size: int
    parts: tuple[int, int]
    left: SlowLink | UnsetType = UNSET


class Status(Result, frozen=True):
    """`status`"""

    vault: str
    name: str
    daemon: DaemonState
    links: tuple[LinkLine, ...]
    groups: tuple[GroupLine, ...]
    contacts: int
    waiting: WaitingCounts
    incoming: tuple[IncomingFile, ...] = ()


class Offered(Result, frozen=True):
    """`contact offer`"""

    file: str


class Paired(Result, frozen=True):
    """`contact accept`. `words` are the twelve check words."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("replied",)
    name: str
    key: str
    words: tuple[str, ...]
    replied: bool = False


class ContactLine(Result, frozen=True):
    """A line of `contact list`. `verified`: when the words were compared, or null."""

    name: str
    id: str
    key: str
    verified: str | None
    words: tuple[str, ...]


class Contacts(Result, frozen=True):
    """`contact list`"""

    contacts: tuple[ContactLine, ...]


class Verified(Result, frozen=True):
    """`contact verify`"""

    name: str
    key: str
    verified: str


class GroupMade(Result, frozen=True):
    """`group create`, `group join`"""

    id: str
    name: str


class Groups(Result, frozen=True):
    """`group list`"""

    groups: tuple[GroupLine, ...]


class MemberLine(Result, frozen=True):
    """A member in `group show`."""

    name: str
    key: str
    role: str
    state: str
    last_heard: str | None
    renewed: str | None
    own: bool
    delivered_up_to: int
    delivered_time: str | None = None  # when the last message of ours was written up to which it has all
    undelivered: int = 0  # messages of ours after that


class PendingLine(Result, frozen=True):
    """A change of membership that is known and not carried out. `confirm?` waits for an admin: `change` is what it
    would do to the member with that `key`, `by` who signed it, `own` whether that is you, `expired` whether the keys
    for it are too old."""

    op: str
    member: str
    since: str
    id: str = ""
    change: str = ""
    key: str = ""
    by: str = ""
    expired: bool = False
    own: bool = False


class AccusedLine(Result, frozen=True):
    """A member whose device was taken, as those say who are named in `by`; `shut_out` where they are enough."""

    member: str
    key: str
    by: tuple[str, ...]
    shut_out: bool


class ForkLine(Result, frozen=True):
    """Commits on one parent; `one_member`: two of them by one member, which only a copied or stolen device does."""

    parent: str
    committers: tuple[str, ...]
    one_member: bool
    confirmed: int = 0
    of: int = 0
    needed: int = 0


class ProofLine(Result, frozen=True):
    """Two commits that one member signed for one parent: each carries its signature, so it cannot be denied."""

    member: str
    key: str
    parent: str
    commits: tuple[str, str]


class Guest(Result, frozen=True):
    """`group add --role guest`, and in `group show`: id and name of the side group; `invited` or `pending`."""

    name: str
    id: str
    group: str
    state: str


class Newcomer(Result, frozen=True):
    """You have come in here at `since`, and of `of` others `heard` were heard here: the rest may be elsewhere."""

    heard: int
    of: int
    since: str


class FilledLine(Result, frozen=True):
    """A group that nears the number of changes after which nobody is let in, and who signed the most of them (`of`)."""

    changes: int
    member: str
    key: str
    of: int


class GroupDetails(Result, frozen=True):
    """`group show`. `head` is empty where we are not in the group."""

    id: str
    name: str
    state: str
    head: str
    members: tuple[MemberLine, ...]
    pending: tuple[PendingLine, ...]
    forks: tuple[ForkLine, ...]
    retention_s: int
    contact: bool
    alarms: tuple[ProofLine, ...] = ()
    asked: str | None = None  # when new keys were asked for, and not given yet
    quorum: int = 1  # so many admins stand behind every change
    taken: int = 2  # so many members who say so shut a taken device out, as many as there are now
    guests: tuple[Guest, ...] = ()
    accused: tuple[AccusedLine, ...] = ()
    new: Newcomer | None = None
    filled: FilledLine | None = None
    sealed_off: tuple[str, ...] = ()  # who made keys that this device alone cannot open


class GroupChecked(Result, frozen=True):
    """`group check`: the two words that were asked, the four that all answer, and whose answers count."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("caller", "names", "state")
    id: str
    name: str
    challenge: tuple[str, ...]
    words: tuple[str, ...]
    members: tuple[str, ...]
    caller: bool = False
    names: tuple[str, ...] = ()
    state: str = ""


class Added(Result, frozen=True):
    """`group add`: `invited` with the new member's key, or `pending` without, or `unconfirmed` where the `operation`
    waits for another admin."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("group", "contact")
    member: str | None
    state: str
    operation: str = ""
    group: str = ""
    contact: str = ""


class Removed(Result, frozen=True):
    """`group remove`: `removed`, `removal-pending` where others renew keys, `unconfirmed`: the `operation` waits."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("group",)
    member: str
    name: str
    state: str
    operation: str = ""
    group: str = ""
    beside: tuple[str, ...] = ()  # side groups of guests in which that person still is
    also: tuple[str, ...] = ()  # keys of other seats that go by the same name


class MemberChanged(Result, frozen=True):
    """`group role`, `group taken`, `group lift`: the member as it is now; the `operation` that waits for an admin."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("group", "wanted")
    member: str
    name: str
    role: str
    state: str
    operation: str = ""
    group: str = ""
    wanted: str = ""  # the role that was asked for


class Confirmed(Result, frozen=True):
    """`group confirm`: what it did, and to whom; whether it is carried out here by now."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("by", "group_state")
    operation: str
    change: str
    member: str
    name: str
    by: str = ""
    group_state: str = ""


class Asked(Result, frozen=True):
    """`group rejoin`: how many contacts were asked"""

    id: str
    name: str
    contacts: int


class Left(Result, frozen=True):
    """`group leave`"""

    id: str
    name: str
    state: str


class LinkMade(Result, frozen=True):
    """`link add`"""

    id: str


class Links(Result, frozen=True):
    """`link list`"""

    links: tuple[LinkLine, ...]


class StationTested(Result, frozen=True):
    """Another station of a link test: which share of its frames came here, and of ours there."""

    arrived: float
    reached: float | None
    strength_db: float | None


class LinkTested(Result, frozen=True):
    """`link test`: it works, and how. `stations`: of a radio, the best first."""

    id: str
    works: bool
    message: str
    stations: tuple[StationTested, ...] = ()


class LinkGone(Result, frozen=True):
    """`link remove`"""

    id: str


class LinkProblem(Result, frozen=True):
    """What a link's last exchange passed over (`failed` false), or why there was none."""

    link: str
    message: str
    failed: bool


class Synced(Result, frozen=True):
    """`sync`: bundles that were new here, and bundles that were written."""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("problems", "refused", "folders")
    taken: int = field(name="in")
    written: int = field(name="out")
    problems: tuple[LinkProblem, ...] = ()
    refused: int = 0
    folders: int = 0


class CarriedBundle(Result, frozen=True):
    """What anybody sees of one bundle."""

    id: str
    size: int
    bundle_class: str = field(name="class")
    day: str
    expires: str


class Inspected(Result, frozen=True):
    """`bundle inspect`. `ending`: whole, torn, trailing or lost."""

    day: str | None
    expected: int
    read: int
    damaged: int
    ending: str
    bundles: tuple[CarriedBundle, ...]
