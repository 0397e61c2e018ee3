"""Bytes in memory, bounded by bytes: what was used last stays."""

from __future__ import annotations

from collections import OrderedDict

ENTRY_BYTES = 300
"""What an entry takes beside its bytes, about."""
_SHARE = 8
"""A single entry takes at most this part of the memory, so that a large one does not drive out all the others."""


class MemoryCache:
    """Entries by key."""

    def __init__(self, limit: int) -> None:
        """`limit` in bytes; 0 holds nothing."""
        self._limit = limit
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self.held_bytes = 0

    def __len__(self) -> int:
        """Entries held."""
        return len(self._entries)

    def get(self, key: str) -> bytes | None:
        """The bytes if they are held; they count as used."""
        data = self._entries.get(key)
        if data is not None:
            self._entries.move_to_end(key)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Hold the bytes, if they are small enough."""
        old = self._entries.pop(key, None)
        if old is not None:
            self.held_bytes -= len(old) + ENTRY_BYTES
        if (len(data) + ENTRY_BYTES) * _SHARE > self._limit:
            return
        self._entries[key] = data
        self.held_bytes += len(data) + ENTRY_BYTES
        while self.held_bytes > self._limit:
            _, oldest = self._entries.popitem(last=False)
            self.held_bytes -= len(oldest) + ENTRY_BYTES
