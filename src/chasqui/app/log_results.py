"""What `group log` answers; see `results`."""

from __future__ import annotations

from typing import ClassVar

from chasqui.app.results import Result


class Change(Result, frozen=True):
    """An operation: what `by` signed, of which member, and what became of it (`counts`, `void`, `pending`, `late`,
    `none`, `waiting`). `confirms` is the id of the one that it stands behind."""

    id: str
    day: str
    what: str
    by: str
    by_key: str
    member: str
    key: str
    confirms: str
    reason: str
    state: str


class GroupLog(Result, frozen=True):
    """`group log`"""

    _PEOPLE_ONLY: ClassVar[tuple[str, ...]] = ("state",)
    id: str
    name: str
    changes: tuple[Change, ...]
    state: str = ""
