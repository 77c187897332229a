"""What people do with their devices: they say things, add, remove, leave, join, and try again where it did not work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chasqui.base.errors import ChasquiError, PeerError, RefusedForSafetyError, UserError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.groups.operation import Role
from chasqui.lab.device import Device, DownError
from chasqui.lab.ledger import Ledger
from chasqui.lab.world import DAY_S, HOUR_S, World
from chasqui.node import inputs
from chasqui.node.effects import Notice
from chasqui.node.groups import roster_of

PATIENCE: Final = 8  # how often somebody tries again what was refused for safety
_AGAIN_S: Final = 6 * HOUR_S
_UP_AGAIN_S: Final = HOUR_S
_JOIN_S: Final = 600  # until an invitation is seen


class Person:
    """The owner of one device, in one group."""

    def __init__(self, device: Device, ledger: Ledger) -> None:
        self.device = device
        self.ledger = ledger
        self.group = GroupId(b"")
        self.contacts: dict[str, GroupId] = {}
        self.refused: list[str] = []  # why something could not be done
        self.said = 0
        self._complained_s: dict[str, int] = {}

    @property
    def name(self) -> str:
        """As the others call him."""
        return self.device.name

    @property
    def world(self) -> World:
        """Where he lives."""
        return self.device.world

    def say(self, text: str = "") -> None:
        """Sends a text that nobody else sends."""
        self.said += 1
        whole = f"{self.name} {self.said}" + (f": {text}" if text else "")

        def begin() -> inputs.Input | None:
            return None if whole in self.ledger.texts else inputs.SendText(self.group, whole)

        def done(_: Any) -> None:
            if text:
                self.world.tell(f"{self.name} says '{text}'")

        self._try("say something", begin, done)

    def add(self, whom: str, role: Role = Role.MEMBER) -> None:
        """Adds a contact."""

        def done(member: Any) -> None:
            later = "" if member else " as soon as a key of theirs comes"
            self.world.tell(f"{self.name} adds {whom}{later}")

        self._try(f"add {whom}", lambda: inputs.AddMember(self.group, self.contacts[whom], role), done)

    def remove(self, whom: str) -> None:
        """Puts a member out."""
        self._to_member("remove", whom, inputs.RemoveMember)

    def accuse(self, whom: str) -> None:
        """Says that somebody's device was taken."""
        self._to_member("accuse", whom, inputs.Accuse)

    def lift(self, whom: str) -> None:
        """Ends the accusations against somebody."""
        self._to_member("lift", whom, inputs.Lift)

    def rejoin(self) -> None:
        """Asks for a new leaf, as the screen tells those who can follow the group no more."""
        self._try("ask for a new leaf", lambda: inputs.Rejoin(self.group), self._rejoined)

    def _rejoined(self, _: Any) -> None:
        self.world.tell(f"{self.name} asks for a new leaf")

    def _to_member(self, deed: str, whom: str, make: Callable[[GroupId, MemberKey], inputs.Input]) -> None:
        def begin() -> inputs.Input | None:
            roster = roster_of(self.device.look(), self.group)
            mine = self.ledger.keys[self.group, whom]
            seated = next((key for key in reversed(mine) if roster.seat(key) is not None), None)
            return make(self.group, seated) if seated is not None else None

        self._try(f"{deed} {whom}", begin, lambda _: self.world.tell(f"{self.name} {deed}s {whom}"))

    def leave(self) -> None:
        """Leaves the group."""
        self._try("leave", lambda: inputs.LeaveGroup(self.group), lambda _: self.world.tell(f"{self.name} leaves"))

    def noticed(self, notice: Notice) -> None:
        """The device shows something."""
        group = notice.group
        if notice.what == "invited" and group is not None:
            self.world.after(_JOIN_S, lambda: self._join(group))

    def _join(self, group: GroupId) -> None:
        def done(_: Any) -> None:
            if group == self.group:
                self.world.tell(f"{self.name} joins")

        self._try("join", lambda: inputs.JoinGroup(group), done)

    def _try(
        self,
        what: str,
        begin: Callable[[], inputs.Input | None],
        done: Callable[[Any], None],
        tries: int = PATIENCE,
    ) -> None:
        """Does it now, or later; `begin` gives None where there is nothing left to do."""

        def again() -> None:
            self._try(what, begin, done, tries - 1)

        if self.device.lost or tries <= 0:
            return
        if not self.device.on:
            self.world.after(_UP_AGAIN_S, again)
            return
        event = begin()
        if event is None:
            return
        try:
            answer = self.device.do(event)
        except DownError as down:
            self.world.tell(f"{self.name}'s device goes down")
            if down.kept:
                done(None)
            else:
                self.world.after(_UP_AGAIN_S, again)
        except RefusedForSafetyError as error:
            self.refused.append(str(error))
            self._complain(f"cannot {what} yet", error)
            self.world.after(_AGAIN_S, again)
        except (UserError, PeerError) as error:
            self.refused.append(str(error))
            self._complain(f"cannot {what}", error)
        else:
            done(answer)

    def _complain(self, what: str, error: ChasquiError) -> None:
        """Says why, at most once a day."""
        last_s = self._complained_s.get(what)
        if last_s is None or self.world.now_s - last_s >= DAY_S:
            self._complained_s[what] = self.world.now_s
            self.world.tell(f"{self.name} {what}: {error.what}")
