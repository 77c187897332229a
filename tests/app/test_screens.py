"""Screens: nothing that a peer wrote can move the cursor, change colours or hide; gaps and receipts in place."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chasqui.app.results import Conversation, Gap, GroupDetails, MemberLine, Message, PendingLine
from chasqui.app.screens import groups, messages
from chasqui.app.screens.text import columns, count, safe_line, safe_lines, size, span, table

A, B = "aa" * 32, "bb" * 32


def message(pos: int, author: str, seq: int, text: str = "x", **more: object) -> Message:
    own = author == A
    base = Message(pos, f"{pos:032x}", author, "ana" if own else "ben", own, seq, "2026-11-22T10:00:00Z", "text", text,
                   "received", {B if own else A: "delivered"})  # fmt: skip
    return msgspec.structs.replace(base, **more)


@given(st.text())
def test_no_control_character_gets_through(text: str) -> None:
    for line in safe_lines(text):
        assert "\x1b" not in line
        assert all(c.isprintable() or c in "\u200c\u200d\u200e\u200f" for c in line)
    assert "\n" not in safe_line(text)


def test_escapes_show() -> None:
    assert safe_line("a\x1b[2Jb\u202ec\r\x07") == "a\\x1b[2Jb\\u{202e}c\\x0d\\x07"
    assert safe_lines("a\r\nb\n\tc") == ["a", "b", "    c"]
    assert columns("日本") == 4


def test_a_hostile_message_on_the_screen() -> None:
    found = Conversation(
        (message(1, B, 1, "one\n\x1b]0;title\x07\ntwo", author_name="b\x1b[31men"),), (), "convoy", "current"
    )
    screen = messages.conversation(found)
    assert "\x1b" not in screen
    assert "\x07" not in screen
    lines = screen.splitlines()
    assert lines[2].startswith("10:00  b\\x1b[31men: one") or "b\\x1b[31men: one" in lines[2]
    assert lines[4] == "       two"


def test_gaps_stand_in_their_place_and_receipts_are_counted() -> None:
    found = Conversation(
        (
            message(1, B, 1, "first"),
            message(2, A, 1, "mine", receipts={B: "delivered", "cc" * 32: "waiting"}),
            message(3, B, 4, "fourth"),
        ),
        (Gap(B, "ben", 2, 3), Gap(B, "ben", 6, 6)),
        "convoy",
        "removal-pending",
        pending=("eve",),
    )
    screen = messages.conversation(found)
    assert screen.index("first") < screen.index("2 messages of ben have not arrived") < screen.index("fourth")
    assert screen.index("fourth") < screen.index("1 message of ben has not arrived")
    assert "✓ 1 of 2" in screen
    assert "REMOVAL PENDING: NOT YET PRIVATE. eve" in screen
    scroll = messages.Scroll()
    assert scroll.more(found) == screen
    calm = msgspec.structs.replace(found, state="current", gaps=(), messages=(message(4, B, 5, "fifth"),))
    assert scroll.more(calm).splitlines()[1:] == ["10:00  ben: fifth"]
    assert scroll.more(msgspec.structs.replace(calm, messages=())) == ""


def test_a_group_whose_removal_waits_is_loud() -> None:
    member = MemberLine("eve", B, "member", "removed", None, None, False, 0)
    details = GroupDetails(
        "ab" * 16, "convoy", "removal-pending", "", (member,), (PendingLine("remove", "eve", "2026-11-22T10:00:00Z"),),
        (), 0, False,
    )  # fmt: skip
    screen = groups.shown(details)
    assert "REMOVAL PENDING: NOT YET PRIVATE" in screen
    assert "never" in screen


def test_numbers() -> None:
    assert (count(1, "member"), count(2, "member"), count(1200, "byte")) == ("1 member", "2 members", "1 200 bytes")
    assert (size(999), size(1500), size(204_800), size(64_000_000)) == ("999 bytes", "1.5 KB", "205 KB", "64 MB")
    assert (span(604_800), span(86_400), span(7_200), span(61)) == ("1 week", "1 day", "2 hours", "61 seconds")
    assert table([]) == ""
