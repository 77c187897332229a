"""SQLCipher's driver under the types of the standard library's, whose interface it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite3 import Connection, Error, connect
else:
    from sqlcipher3.dbapi2 import Connection, Error, connect

__all__ = ["Connection", "Error", "connect"]
