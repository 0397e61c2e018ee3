"""The DICOM JSON of studies and series as their rows hold it, the latest read ones in memory.

A study list is asked for again and again, and little of it changes. What a row tells depends on the last entry
that changed it, so that row number and entry name a document that never changes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from storage.catalog.database import rows_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BYTES = 8 << 20
_BY_INDEX = 8
"""Rows up to which each is looked up in the index; more are cheaper found in one pass."""


def read_docs(cursor: DuckDBPyConnection, table: str, wanted: Collection[int]) -> dict[int, bytes]:
    """The documents of rows of a table, by their numbers."""
    sql = f"SELECT no, doc FROM {table} WHERE no IN"
    if len(wanted) <= _BY_INDEX:
        return dict(rows_of(cursor, f"{sql} ({', '.join('?' * len(wanted))})", list(wanted))) if wanted else {}
    return dict(rows_of(cursor, f"{sql} (SELECT unnest(?::INTEGER[]))", [list(wanted)]))


class DocCache:
    """Documents in memory, bounded by their bytes; used by several threads."""

    def __init__(self) -> None:
        self._docs: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, cursor: DuckDBPyConnection, table: str, wanted: Iterable[tuple[int, int]]) -> dict[int, bytes]:
        """The documents of rows, given by number and last change, by number."""
        every = dict(wanted)
        found: dict[int, bytes] = {}
        with self._lock:
            for no, changed in every.items():
                if (doc := self._docs.get((table, no, changed))) is not None:
                    self._docs.move_to_end((table, no, changed))
                    found[no] = doc
        fresh = read_docs(cursor, table, every.keys() - found.keys())
        with self._lock:
            for no, doc in fresh.items():
                self._put((table, no, every[no]), doc)
        return found | fresh

    def _put(self, key: tuple[str, int, int], doc: bytes) -> None:
        # What was read may be newer than what the key says, if a batch was written in between: told once, not kept
        # for long, since the next search asks for the newer change.
        if key not in self._docs:
            self._docs[key] = doc
            self._size += len(doc)
        while self._size > _BYTES:
            _, dropped = self._docs.popitem(last=False)
            self._size -= len(dropped)
