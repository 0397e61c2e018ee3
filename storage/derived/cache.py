"""What was derived from stored pixels, in memory and then on disk (fulfils `dicomweb.ports.DerivedCache`).

    get_or_make ─▶ memory ─▶ one flight a key: disk ─▶ make

A hit in memory costs a few microseconds and no turn of the event loop. What is made goes into memory, if it is
small, and behind the caller's back to disk, where it outlives the process. Everything here can be made again, so
nothing that goes wrong with memory or disk is ever told to a client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.derived.disk import DiskCache
from storage.derived.memory import MemoryCache
from storage.derived.single_flight import SingleFlight


@dataclass(slots=True)
class DerivedCounts:
    """What the cache was good for since it was opened."""

    memory_hits: int = 0
    disk_hits: int = 0
    joined: int = 0
    """Asked for while it was being made or read."""
    made: int = 0
    failed: int = 0
    """Not made: `make` raised."""


class TieredCache:
    """Bytes by key in two tiers; an async context manager. Use within one event loop."""

    def __init__(self, folder: Path, *, memory_bytes: int, disk_bytes: int) -> None:
        """`folder` is this process's own; with `disk_bytes` 0 nothing is kept on disk."""
        self._memory = MemoryCache(memory_bytes)
        self._disk = DiskCache(folder, disk_bytes) if disk_bytes else None
        self._flights = SingleFlight()
        self.counts = DerivedCounts()

    @property
    def memory_bytes(self) -> int:
        """Bytes held in memory."""
        return self._memory.held_bytes

    @property
    def disk_bytes(self) -> int:
        """Bytes held on disk."""
        return self._disk.held_bytes if self._disk is not None else 0

    async def __aenter__(self) -> Self:
        if self._disk is not None:
            self._disk.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._flights.close()
        if self._disk is not None:
            await self._disk.close()

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """See the port."""
        data = self._memory.get(key)
        if data is not None:
            self.counts.memory_hits += 1
            return data
        if self._flights.under_way(key):
            self.counts.joined += 1
        return await self._flights.join(key, lambda: self._find_or_make(key, make))

    async def _find_or_make(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        data = await self._disk.get(key) if self._disk is not None else None
        if data is not None:
            self.counts.disk_hits += 1
            self._memory.put(key, data)
            return data
        try:
            data = await make()
        except Exception:
            self.counts.failed += 1
            raise
        self.counts.made += 1
        self._memory.put(key, data)
        if self._disk is not None:
            self._disk.put(key, data)
        return data

    async def settled(self) -> None:
        """Wait until what was made so far is on disk, or given up."""
        if self._disk is not None:
            await self._disk.settled()
