"""What the figures promise, so that a change which costs airtime is seen: whole nodes, real cryptography, no loss."""

from __future__ import annotations

from bench._whole import conversation, file, one_text
from bench.rekey import rekey


def test_a_text_to_ten_with_all_receipts_stays_small() -> None:
    cost = one_text(10, 1)
    assert cost.done
    assert cost.bytes <= 1_700


def test_a_conversation_costs_little_more_than_its_texts() -> None:
    cost = conversation(11, 20, 1)
    assert cost.done
    assert cost.bytes <= 20 * 320


def test_a_file_costs_hardly_more_than_itself() -> None:
    there, signed = file(1, 0.0, 1)
    assert there.done
    assert signed.done
    assert signed.bytes <= 11_000


def test_a_removal_is_carried_out_within_the_budget() -> None:
    done = rekey(12, 0.0, 0)
    assert done.removal.done
    assert done.removal.bytes <= 1_500
    assert done.removal.seconds <= 60
