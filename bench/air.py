"""Whole nodes with real cryptography in one radio neighbourhood, beside the nearest peer on the same kind of channel:
what texts, files and meetings cost on the air, receipts included. Bytes are those of the frames."""

from __future__ import annotations

from typing import Any, Final

from bench import _peer, _whole

LOSS: Final = 0.2
TEXT_FRAME_BYTES: Final = 211  # a text of 100 bytes: its bundle of 207 and the header of the frame
LEAST_BYTES: Final = 207 + 10 * 128  # the bundles of a text and of ten receipts
RECEIVERS: Final = 10
LOSSY_TEXTS: Final = 12  # what is lost differs so much that fewer tell nothing: 20 % from one to the next
LOSSY_FILES: Final = 24

Row = dict[str, Any]


def figures() -> list[Row]:
    """All of it; the peer works meanwhile, in real time, and mostly waits."""
    run = _peer.Run()
    ours = [*_texts(), *_meetings(), *_files()]
    peer = run.found()
    for row in ours:
        row["peer"] = peer.get(row["peer"])
    if not peer:
        ours[0]["note"] += f"; {_peer.HOW}"
    elif "direct texts" in peer:
        share = 100 * peer["direct arrived"]
        ours[2]["note"] += f"; its way over links: {peer['direct texts']:.0f} bytes a text, {share:.0f} % arrived"
    return ours


def _row(name: str, value: float, unit: str, bound: str, note: str, peer: str | None = None) -> Row:
    """`peer` names what the peer did of it."""
    return {"name": name, "value": round(value, 4), "unit": unit, "bound": bound, "peer": peer, "note": note}


def _texts() -> list[Row]:
    """The peer has no groups: it sends one message to each."""
    alone, talk = _whole.one_text(RECEIVERS, 1), _whole.conversation(RECEIVERS + 1, 20, 1)
    nine = _whole.one_text(RECEIVERS - 1, 1)
    lossy = _whole.average([_whole.one_text(RECEIVERS, seed, LOSS) for seed in range(LOSSY_TEXTS)])
    lossy_talk = _whole.average([_whole.conversation(RECEIVERS + 1, 20, seed, LOSS) for seed in range(2)])
    pair = _whole.average([_whole.conversation(2, 80, seed, LOSS, one_way=True) for seed in range(3)])
    return [
        _row(
            "100-byte text to ten, with all ten receipts",
            alone.bytes,
            "bytes",
            "<= 1,500",
            f"bundles alone: {LEAST_BYTES}; {alone.airtime_s:.1f} s of airtime at LoRa SF9, {alone.seconds:.0f} s to "
            f"the last receipt; with nine receivers {nine.bytes}; loss 0.2: {lossy.bytes} bytes, "
            f"mean of {LOSSY_TEXTS}",
            "group text",
        ),
        _row(
            "the same in a conversation of 20, each text",
            talk.bytes / 20,
            "bytes",
            "<= 320",
            f"11 people by turns, a text each 30 s; {talk.airtime_s / 20:.1f} s of airtime; loss 0.2: "
            f"{lossy_talk.bytes / 20:.0f} bytes",
            "group text",
        ),
        _row(
            "100-byte texts to one person with receipts, loss 0.2",
            pair.bytes / 80,
            "bytes",
            "<= 320",
            "80 of 80, one each 30 s; the peer: 12 of its short messages, one after the other",
            "opportunistic texts",
        ),
        _row("text per byte on the air, signed", 100 / TEXT_FRAME_BYTES, "", ">= 0.45", "100 bytes, one hop, no loss"),
    ]


def _meetings() -> list[Row]:
    carried = _whole.carried(1)
    meetings = sorted((_whole.meeting(10, seed) for seed in range(1, 6)), key=lambda cost: cost.bytes)
    meeting = _whole.average([meetings[2]])
    quiet = _whole.idle(10, 1)
    return [
        _row(
            "100-byte text through a carrier to somebody who was away",
            carried.bytes,
            "bytes",
            "<= 500",
            f"the text twice, {2 * TEXT_FRAME_BYTES}; the rest are summaries, ten minutes of them before he came",
            "carried",
        ),
        _row(
            "ten meet, each with a text for all",
            meeting.bytes,
            "bytes",
            "<= 3,000",
            f"until all have all, {meeting.seconds:.0f} s; median of 5, largest {meetings[-1].bytes}; the texts alone: "
            f"{10 * TEXT_FRAME_BYTES}; the peer: its announcements alone, 22,400 where all relay (measured apart)",
            "meeting",
        ),
        _row(
            "idle, 10 nodes, no cover traffic, an hour",
            quiet.bytes,
            "bytes",
            "0",
            f"{quiet.airtime_s / 36:.2g} % of airtime: summaries of 10 bytes, by which whoever comes into reach is "
            "noticed; each says one now and then, so that no liar can keep all of them silent",
        ),
    ]


def _files() -> list[Row]:
    rows = []
    for receivers, goal in ((1, 1.10), (RECEIVERS, 1.25)):
        for loss in (0.0, 0.05, LOSS):
            one = receivers == 1
            seeds = 1 if not loss else LOSSY_FILES if one else 3
            found = [_whole.file(receivers, loss, seed) for seed in range(seeds)]
            there = _whole.average([first for first, _ in found])
            signed = _whole.average([last for _, last in found]).bytes / _whole.FILE_BYTES
            rows.append(
                _row(
                    f"file of 10,000 bytes to {receivers}, loss {loss:g}",
                    signed if one else there.bytes / _whole.FILE_BYTES,
                    "bytes/byte",
                    f"<= {goal / (1 - loss):.3g}",
                    f"physical bound {1 / (1 - loss):.3g}; {there.seconds:.0f} s at LoRa SF9; "
                    + ("with its receipt" if one else f"with all ten receipts {signed:.3g}"),
                    f"file {loss:g}" if one else None,
                )
            )
    padded = _whole.file(1, 0.0, 1, 10_240)[1].bytes / 10_240
    note = "falls into the next size of a bundle, 12,800: that carriers do not learn how long it is costs this"
    return [*rows, _row("file of 10,240 bytes to 1, loss 0", padded, "bytes/byte", "-", note)]
