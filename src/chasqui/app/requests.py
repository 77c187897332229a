"""What a command asks of a vault: one typed request each, the same in this process and over the daemon's socket.

GROUP, CONTACT and MEMBER are what the person typed; names are resolved where the vault is. Bytes of files travel
beside a request (`wire`), never in it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from chasqui.media.burst import QualityLabel


class Request(msgspec.Struct, frozen=True, tag_field="do", tag=True, forbid_unknown_fields=True):
    """Base of every request."""


class ShowStatus(Request, frozen=True):
    """`status`"""


class Stop(Request, frozen=True):
    """`down`, `lock`: ends the daemon."""


class MakeOffer(Request, frozen=True):
    """`contact offer`: the answer's bytes are the file."""


class Accept(Request, frozen=True):
    """`contact accept`: the bytes beside it are the file; those of the answer are the reply, if there is one."""

    label: str | None
    wants_reply: bool


class Verify(Request, frozen=True):
    """`contact verify`"""

    contact: str


class ListContacts(Request, frozen=True):
    """`contact list`"""


class CreateGroup(Request, frozen=True):
    """`group create`; retention in seconds, 0 for ever."""

    name: str
    retention_s: int
    taken: int = 2
    quorum: int = 1


class ListGroups(Request, frozen=True):
    """`group list`"""


class ShowGroup(Request, frozen=True):
    """`group show`"""

    group: str


class ShowLog(Request, frozen=True):
    """`group log`"""

    group: str


class AddMember(Request, frozen=True):
    """`group add`"""

    group: str
    contact: str
    role: Literal["member", "admin"]


class AddGuest(Request, frozen=True):
    """`group add --role guest --with MEMBER ...`"""

    group: str
    contact: str
    speakers: tuple[str, ...] = ()


class JoinGroup(Request, frozen=True):
    """`group join`"""

    group: str


class RemoveMember(Request, frozen=True):
    """`group remove`"""

    group: str
    member: str


class SetRole(Request, frozen=True):
    """`group role`"""

    group: str
    member: str
    role: Literal["member", "admin"]


class Confirm(Request, frozen=True):
    """`group confirm`: the id of a change in hex, or its first digits."""

    group: str
    operation: str


class Accuse(Request, frozen=True):
    """`group taken`"""

    group: str
    member: str


class Lift(Request, frozen=True):
    """`group lift`"""

    group: str
    member: str


class RejoinGroup(Request, frozen=True):
    """`group rejoin`"""

    group: str


class CheckGroup(Request, frozen=True):
    """`group check`: the two words that the caller said, none for who calls."""

    group: str
    words: tuple[str, ...] = ()


class LeaveGroup(Request, frozen=True):
    """`group leave`"""

    group: str


class SendText(Request, frozen=True):
    """`send GROUP TEXT`"""

    group: str
    text: str
    urgent: bool


class SendFile(Request, frozen=True):
    """`send GROUP --file`: the bytes beside it are the file's."""

    group: str
    name: str
    urgent: bool
    confirmed: bool = False  # the person knows how long a slow link takes


class ChooseQuality(Request, frozen=True):
    """`send GROUP --voice`, `talk`: how speech is to be coded for the links of this vault. Of a group: whether one can
    speak there now."""

    group: str = ""


class SendVoice(Request, frozen=True):
    """`send GROUP --voice`, `talk`: the bytes beside it are speech of this quality. `more`: it goes on; what follows
    names the first burst, and its place in units of 40 ms."""

    group: str
    quality: QualityLabel
    urgent: bool
    confirmed: bool = False
    more: bool = False
    follows: str = ""
    at: int = 0


class Read(Request, frozen=True):
    """`read`; with `speech`, what was spoken comes with it; with `whole`, also what came before of the same
    recordings."""

    group: str
    since: int
    speech: bool = False
    whole: bool = False


class Save(Request, frozen=True):
    """`save`: the bytes of the answer are the file's, or the body of a burst."""

    group: str
    id: str


class AddLink(Request, frozen=True):
    """`link add`"""

    kind: Literal["folder", "lan", "kiss", "rnode", "meshtastic", "sound"]
    settings: tuple[tuple[str, str], ...]


class ListLinks(Request, frozen=True):
    """`link list`"""


class TestLink(Request, frozen=True):
    """`link test`"""

    __test__ = False  # for pytest: this is no test
    id: str


class RemoveLink(Request, frozen=True):
    """`link remove`"""

    id: str


class Sync(Request, frozen=True):
    """`sync`"""


AnyRequest = (
    ShowStatus
    | Stop
    | MakeOffer
    | Accept
    | Verify
    | ListContacts
    | CreateGroup
    | ListGroups
    | ShowGroup
    | ShowLog
    | AddMember
    | AddGuest
    | JoinGroup
    | RemoveMember
    | SetRole
    | Confirm
    | Accuse
    | Lift
    | RejoinGroup
    | CheckGroup
    | LeaveGroup
    | SendText
    | SendFile
    | ChooseQuality
    | SendVoice
    | Read
    | Save
    | AddLink
    | ListLinks
    | TestLink
    | RemoveLink
    | Sync
)
