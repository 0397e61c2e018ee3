"""How much is stored, by what became of it: what an archive is paid for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.catalog.database import rows_of
from storage.catalog.projection import Standing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Stored:
    """Objects and their bytes."""

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What lies in the store of DICOM objects."""

    visible: Stored
    retained: Stored
    """Removed and replaced versions, kept until retention ends."""


def read_usage(cursor: DuckDBPyConnection) -> Usage:
    """Counts and bytes of the objects that are there."""
    sql = f"""SELECT standing >= {Standing.KEPT:d}, count(*), coalesce(sum(size), 0) FROM instances
              WHERE standing >= {Standing.HIDDEN:d} GROUP BY ALL"""
    found = {visible: Stored(count, int(size)) for visible, count, size in rows_of(cursor, sql)}
    nothing = Stored(0, 0)
    return Usage(found.get(True, nothing), found.get(False, nothing))
