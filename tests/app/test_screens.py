"""Screens: nothing that a peer wrote can move the cursor, change colours or hide; gaps and receipts in place."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chasqui.app.message_results import Conversation, Gap, Message, Sent
from chasqui.app.results import (
    DaemonState,
    GroupDetails,
    IncomingFile,
    MemberLine,
    PendingLine,
    SlowLink,
    Status,
    WaitingCounts,
)
from chasqui.app.screens import groups, messages, vault
from chasqui.app.screens.text import about, columns, count, safe_line, safe_lines, size, span, table

A, B = "aa" * 32, "bb" * 32
LEFT = SlowLink("a1b2", "kiss", 60, 730)


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


def test_numbers_that_an_older_copy_left_out_are_not_called_messages() -> None:
    found = Conversation((message(1, B, 8_200, "back"),), (Gap(B, "ben", 4, 8_192), Gap(A, "ana", 2, 512)), "convoy")
    screen = " ".join(messages.conversation(found).split())
    assert "8 189 messages" not in screen
    assert "ben goes on 8 189 numbers later. A vault that comes back from an older copy" in screen
    assert "511 messages of ana have not arrived" in screen


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


def test_speech_and_progress_on_the_screen() -> None:
    heard = message(1, B, 1, "", kind="voice", seconds=10.0, quality="700C", more=False)
    long = message(2, B, 2, "", kind="voice", seconds=28.1, quality="700C", more=True, file="/x/voi\x1bce-2.wav")
    file = message(3, A, 3, "map", kind="file", size=50_000, parts=(4, 4), signed=(3, 4), receipts={B: "waiting"},
                   left=LEFT)  # fmt: skip
    screen = messages.conversation(Conversation((heard, long, file), (), "our convoy", "current"))
    assert "ben: [voice] 10.0 s, 700C\n" in screen
    assert f"chasqui save 'our convoy' {heard.id[:8]} FILE.wav" in screen
    assert "[voice] 28.1 s, 700C; the rest has not arrived" in screen
    assert "written to /x/voi\\x1bce-2.wav" in screen
    assert "… 0 of 1; the slowest has signed for 3 of 4 parts, about 12 minutes on the link a1b2 (kiss)" in screen
    coming = message(4, B, 4, "map", kind="file", size=50_000, parts=(1, 4), left=LEFT)
    screen = messages.conversation(Conversation((coming,), (), "our convoy", "current"))
    assert "1 of 4 parts here, the rest is on its way, at least 12 minutes on the link a1b2 (kiss)" in screen
    sent = Sent("ab", left=LEFT)
    assert messages.slow(sent) == "All parts together take about 12 minutes on the link a1b2 (kiss)"
    assert messages.slow(Sent("ab")) == ""


def test_status_shows_what_is_still_coming() -> None:
    shown = Status(
        "/v", "ana", DaemonState(False, None), (), (), 1, WaitingCounts(0, 0, 0),
        (IncomingFile("con\x07voy", "map", 200_000, (9, 14), LEFT),),
    )  # fmt: skip
    screen = vault.status(shown)
    coming = "Coming   map in con\\x07voy, 200 KB: 9 of 14 parts here, at least 12 minutes on the link a1b2 (kiss)"
    assert coming in screen


def test_times_as_people_say_them() -> None:
    said = ("0 seconds", "119 seconds", "2 minutes", "5 hours", "3 days")
    assert tuple(about(seconds) for seconds in (0.4, 119, 130, 5 * 3600 + 600, 3 * 86_400)) == said
