"""The rekey budget: a member is removed, and all others have the new keys; real nodes in one LoRa neighbourhood, 1 % of
airtime, frames of at most 200 bytes, a warm tree. What others sign for it is counted apart."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import Any, Final

from bench._whole import HOUR_MS, Cost, Members
from chasqui.base.ids import bundle_id
from chasqui.delivery.erasure import PARITY_FIRST
from chasqui.delivery.radio_frames import CodedFrame, NeedFrame, PackFrame, read_radio_frame
from chasqui.node import inputs
from chasqui.node.groups import load_group
from chasqui.node.link_port import LinkProfile

SF9: Final = LinkProfile("lora", 200, 1760, True, True, 0.1, 0.01, 83)
SEEDS: Final = {2: 1, 8: 6, 12: 24, 32: 3}  # at loss; the mean of 5 lies within a tenth
GOALS: Final = {(12, 0.0): "<= 1,500", (12, 0.2): "<= 2,200"}


@dataclass(frozen=True)
class Rekey:
    """What a removal took: until all have the keys, by the removal itself and by what others signed for meanwhile; and
    all that was signed within an hour."""

    removal: Cost
    signed_bytes: int
    hour_bytes: int


def rekey(size: int, loss: float, seed: int) -> Rekey:
    """The founder removes the last of a group of so many."""
    members = Members(size, seed, loss, profile=SF9, warm=True)
    hood, gone = members.hood, members.names[-1]
    hood.do("m0", inputs.RemoveMember(members.group, members.key(gone)))

    def head(name: str) -> bytes:
        return load_group(hood.devices[name].look(hood.now_s), members.group).head

    new = head("m0")
    done = hood.run(hood.now_ms + 12 * HOUR_MS, lambda: all(head(name) == new for name in members.names[:-1]))
    cost = members.cost(done)
    own = _own_bytes(members)
    hood.run(hood.now_ms + HOUR_MS)
    return Rekey(
        Cost(own, cost.airtime_s, cost.seconds, cost.done), cost.bytes - own, members.cost(done).bytes - cost.bytes
    )


def _own_bytes(members: Members) -> int:
    """Of all that was said, without the generations that bring what others made, and what was asked of these."""
    made = {bundle: step for device in members.hood.devices.values() for bundle, step in device.made.items()}
    total, apart = 0, set[tuple[int, int]]()
    for data in members.frames():
        frame = read_radio_frame(data)
        match frame:
            case CodedFrame(source, generation, _, number, symbol, parts) if symbol and not parts:
                if number < PARITY_FIRST and made.get(bundle_id(symbol)) != inputs.RemoveMember.__name__:
                    apart.add((source, generation))
            case PackFrame(bundles):
                if all(made.get(bundle_id(bundle)) != inputs.RemoveMember.__name__ for bundle in bundles):
                    continue
        if isinstance(frame, CodedFrame | NeedFrame) and (frame.source, frame.generation) in apart:
            continue
        total += len(data)
    return total


def figures() -> list[dict[str, Any]]:
    """Each size, without loss and with."""
    rows = []
    for size, seeds in SEEDS.items():
        for loss in (0.0, 0.2):
            found = [rekey(size, loss, seed) for seed in range(seeds if loss else 1)]
            if not all(one.removal.done for one in found):
                raise RuntimeError("a removal was not carried out at all others")
            where = f"removal, n = {size}, loss {loss:g}"
            note = (
                f"{mean(one.removal.seconds for one in found):.0f} s until all have the keys; meanwhile "
                f"{mean(one.signed_bytes for one in found):.0f} B signed by others, in the hour after that "
                f"{mean(one.hour_bytes for one in found):.0f} B of receipts, witnesses and votes; "
                f"{len(found)} runs, largest {max(one.removal.bytes for one in found)}"
            )
            rows.append(
                {
                    "name": f"{where}: on the air",
                    "value": round(mean(one.removal.bytes for one in found)),
                    "unit": "bytes",
                    "bound": GOALS.get((size, loss)),
                    "peer": None,
                    "note": note,
                }
            )
    return rows
