"""Numbers in record keys: big-endian, so that the order of bytes is the order of numbers."""

from __future__ import annotations


def u16(value: int) -> bytes:
    """Two bytes."""
    return value.to_bytes(2, "big")


def u24(value: int) -> bytes:
    """Three bytes."""
    return value.to_bytes(3, "big")


def u32(value: int) -> bytes:
    """Four bytes."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Eight bytes."""
    return value.to_bytes(8, "big")
