"""A store in memory: the exact semantics of the contract, for tests and for trying things out.

Every call gives way to other tasks once before it acts, as a real store would; the act itself is one step.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import ObjectExists, ObjectInfo, ObjectMissing
from storage.objects.names import belongs, check_key, check_prefix

CHUNK = 1 << 20
"""Bytes of a chunk of a stream."""


@dataclass(frozen=True, slots=True)
class _Held:
    data: bytes
    modified: datetime


class MemoryStore:
    """Objects in a dictionary."""

    def __init__(self) -> None:
        self._objects: dict[str, _Held] = {}
        self._keys: list[str] = []

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        """Write an object of pieces joined."""
        check_key(key)
        whole = b"".join(data)
        await asyncio.sleep(0)
        if create and key in self._objects:
            raise ObjectExists(key, "exists")
        self._hold(key, whole)

    def upload(self, key: str) -> _MemoryUpload:
        """Begin a large object."""
        check_key(key)
        return _MemoryUpload(self, key)

    async def settle(self, keys: Collection[str]) -> None:
        """Look whether the objects are there: memory has nothing more durable to offer."""
        for key in keys:
            check_key(key)
        await asyncio.sleep(0)
        for key in keys:
            self._held(key)

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """The object or a span of it."""
        check_key(key)
        await asyncio.sleep(0)
        data = self._held(key).data
        return data if span is None else data[span.start : span.end]

    async def stream(self, key: str, span: ByteRange | None = None) -> AsyncGenerator[bytes, None]:
        """The object or a span of it in chunks, as it was when the first was read."""
        data = await self.get(key, span)
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]
            await asyncio.sleep(0)

    async def head(self, key: str) -> ObjectInfo:
        """Size and time."""
        check_key(key)
        await asyncio.sleep(0)
        held = self._held(key)
        return ObjectInfo(key, len(held.data), held.modified)

    async def delete(self, key: str) -> None:
        """Remove an object."""
        check_key(key)
        await asyncio.sleep(0)
        if self._objects.pop(key, None) is not None:
            del self._keys[bisect_right(self._keys, key) - 1]

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """Objects by ascending key."""
        check_prefix(prefix)
        # the first key that can follow: the prefix itself may be one
        position = max(bisect_right(self._keys, after), bisect_right(self._keys, prefix) - 1)
        while position < len(self._keys):
            key = self._keys[position]
            if key > prefix and not key.startswith(prefix):
                return
            if belongs(key, prefix=prefix, after=after):
                held = self._objects[key]
                yield ObjectInfo(key, len(held.data), held.modified)
                await asyncio.sleep(0)
            position = bisect_right(self._keys, key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close; the objects stay for whoever still holds the store."""

    def _held(self, key: str) -> _Held:
        held = self._objects.get(key)
        if held is None:
            raise ObjectMissing(key, "there is no such object")
        return held

    def _hold(self, key: str, data: bytes) -> None:
        if key not in self._objects:
            insort(self._keys, key)
        self._objects[key] = _Held(data, datetime.now(UTC))


class _MemoryUpload:
    """A large object gathered in memory."""

    def __init__(self, store: MemoryStore, key: str) -> None:
        self._store = store
        self._key = key
        self._pieces: list[bytes] = []

    async def write(self, chunk: bytes | memoryview) -> None:
        """Add bytes."""
        self._pieces.append(bytes(chunk))
        await asyncio.sleep(0)

    async def complete(self) -> None:
        """Make the object exist."""
        await self._store.put(self._key, self._pieces)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pieces.clear()
