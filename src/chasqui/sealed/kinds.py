"""The kinds of object, and the class in which each travels."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """What an object is. Five bits on the wire."""

    TEXT = 1
    RECEIPT = 2
    OP = 3
    KEY_PACKAGES = 4
    COMMIT = 5
    WELCOME = 6
    MANIFEST = 7
    PART = 8
    WITNESS = 9
    ASK = 10
    RESEAL = 11
    DEMAND = 12
    VOICE = 13
    LATE = 14
    REMOVED = 15


class BundleClass(IntEnum):
    """What a carrier sees of the urgency. Two bits on the wire."""

    URGENT = 0
    TEXT = 1
    BULK = 2  # in use by no kind yet
    FILE = 3


# 2^L hours, fixed per class so that the exponent tells a carrier nothing that the class does not.
# Commits travel as URGENT or TEXT and must outlive the 90 days for which missing commits are carried.
LIFETIME_EXPONENT: Final[dict[BundleClass, int]] = {
    BundleClass.URGENT: 12,
    BundleClass.TEXT: 12,
    BundleClass.BULK: 12,
    BundleClass.FILE: 10,
}

CLASS_OF_KIND: Final[dict[Kind, BundleClass]] = {
    Kind.TEXT: BundleClass.TEXT,
    Kind.RECEIPT: BundleClass.TEXT,
    Kind.OP: BundleClass.URGENT,
    Kind.COMMIT: BundleClass.URGENT,
    Kind.WELCOME: BundleClass.URGENT,
    Kind.KEY_PACKAGES: BundleClass.TEXT,  # a class of its own would say that two people have just met
    Kind.MANIFEST: BundleClass.TEXT,  # lives longer and travels before its parts, which would be strays without it
    Kind.PART: BundleClass.FILE,
    Kind.WITNESS: BundleClass.TEXT,
    Kind.ASK: BundleClass.TEXT,
    Kind.RESEAL: BundleClass.TEXT,
    Kind.DEMAND: BundleClass.TEXT,
    Kind.VOICE: BundleClass.TEXT,  # as the only kind of a class it would tell every carrier that somebody spoke
    Kind.LATE: BundleClass.TEXT,
    Kind.REMOVED: BundleClass.TEXT,
}
