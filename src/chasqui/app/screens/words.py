"""States in plain words, with a sign that does not depend on colour."""

from __future__ import annotations

from typing import Final

GROUP_STATES: Final = {
    "invited": "? you are invited: `chasqui group join`",
    "current": "✓ in order",
    "fork-pending": "! two changes of keys met; which one holds is not settled yet",
    "removal-pending": "!! REMOVAL PENDING: NOT YET PRIVATE",
    "stale": "! too old: this device has to join anew",
    "quarantined": "!! you are quarantined: members say that your device was taken; an admin can lift it",
    "removed": "✗ you were removed",
    "left": "✗ you left",
}
MEMBER_STATES: Final = {
    "invited": "? invited, not heard yet",
    "current": "✓ member",
    "quarantined": "! shut out for now",
    "removed": "✗ removed",
}
