"""A cache of bytes, bounded by bytes; a key is made once however many wait for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

_ENTRY_BYTES = 300
"""What an entry takes beside its bytes, about."""


class ByteCache:
    """Keeps what was used last. For one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, bytes] = OrderedDict()
        self._making: dict[Hashable, asyncio.Event] = {}
        self.held_bytes = 0

    def get(self, key: Hashable) -> bytes | None:
        """The bytes, if they are held."""
        data = self._entries.get(key)
        if data is not None:
            self._entries.move_to_end(key)
        return data

    async def get_or_make(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The bytes, made by `make` unless they are held.

        What `make` raises goes to who began it; the others who wait try for themselves, so that one client going
        away spoils nothing for the next.
        """
        while (data := self.get(key)) is None and key in self._making:
            await self._making[key].wait()
        if data is not None:
            return data
        done = self._making[key] = asyncio.Event()
        try:
            data = await make()
            self.put(key, data)
        finally:
            del self._making[key]
            done.set()
        return data

    def put(self, key: Hashable, data: bytes) -> None:
        """Hold the bytes, unless they alone are more than a quarter of what may be held."""
        self.drop(key)
        if len(data) * 4 > self._max_bytes:
            return
        self._entries[key] = data
        self.held_bytes += len(data) + _ENTRY_BYTES
        while self.held_bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self.held_bytes -= len(oldest) + _ENTRY_BYTES

    def drop(self, key: Hashable) -> None:
        """Forget the bytes."""
        data = self._entries.pop(key, None)
        if data is not None:
            self.held_bytes -= len(data) + _ENTRY_BYTES
