"""A store around a store that bounds what is under way at a time: operations, and bytes held for them.

A place is held for one step only (a whole small operation, or one chunk of a stream, an upload, a listing), never
while the caller works with a chunk, so callers that hold several streams cannot block each other for good.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import ObjectInfo, ObjectStore, Upload

Item = TypeVar("Item")

UNKNOWN = 1 << 20
"""Bytes taken for a step whose size is not known: that of a chunk."""


class _Budget:
    """Places and bytes, given out in the order they are asked for."""

    def __init__(self, operations: int, size: int) -> None:
        self._operations = operations
        self._bytes = size
        self._all_bytes = size
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """One place and `size` bytes; what is larger than the whole budget takes all of it."""
        size = min(size, self._all_bytes)
        if self._waiting or not self._fits(size):
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((place, size))
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._give_back(size)  # it was given in the same moment
                else:
                    self._hand_out()  # whoever waits behind may be smaller
                raise
        else:
            self._take(size)
        try:
            yield
        finally:
            self._give_back(size)

    def _fits(self, size: int) -> bool:
        return self._operations > 0 and self._bytes >= size

    def _take(self, size: int) -> None:
        self._operations -= 1
        self._bytes -= size

    def _give_back(self, size: int) -> None:
        self._operations += 1
        self._bytes += size
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting:
            place, size = self._waiting[0]
            if not place.done():
                if not self._fits(size):
                    return
                self._take(size)
                place.set_result(None)
            self._waiting.popleft()


class LimitedStore:
    """Passes everything on, so much at a time."""

    def __init__(self, store: ObjectStore, *, operations: int, bytes_under_way: int) -> None:
        """At most `operations` steps at a time, with at most `bytes_under_way` bytes, or one step."""
        self._store = store
        self._budget = _Budget(operations, bytes_under_way)

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        """Write an object of pieces joined."""
        async with self._budget.taken(sum(map(len, data))):
            await self._store.put(key, data, create=create)

    def upload(self, key: str) -> Upload:
        """Begin a large object."""
        return _LimitedUpload(self._store.upload(key), self._budget)

    async def settle(self, keys: Collection[str]) -> None:
        """Make objects survive a power cut."""
        async with self._budget.taken(0):
            await self._store.settle(keys)

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """The object or a span of it."""
        async with self._budget.taken(UNKNOWN if span is None else max(0, span.length)):
            return await self._store.get(key, span)

    async def stream(self, key: str, span: ByteRange | None = None) -> AsyncGenerator[bytes, None]:
        """The object or a span of it in chunks."""
        async with aclosing(self._store.stream(key, span)) as chunks:
            async for chunk in self._stepped(chunks, UNKNOWN):
                yield chunk

    async def head(self, key: str) -> ObjectInfo:
        """Size and time."""
        async with self._budget.taken(0):
            return await self._store.head(key)

    async def delete(self, key: str) -> None:
        """Remove an object."""
        async with self._budget.taken(0):
            await self._store.delete(key)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """Objects by ascending key."""
        async with aclosing(self._store.list(prefix, after=after)) as found:
            async for info in self._stepped(found, 0):
                yield info

    async def __aenter__(self) -> Self:
        await self._store.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._store.__aexit__(kind, error, trace)

    async def _stepped(self, items: AsyncIterator[Item], size: int) -> AsyncIterator[Item]:
        while True:
            async with self._budget.taken(size):
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            yield item


class _LimitedUpload:
    """A large object, one step a write."""

    def __init__(self, upload: Upload, budget: _Budget) -> None:
        self._upload = upload
        self._budget = budget

    async def write(self, chunk: bytes | memoryview) -> None:
        """Add bytes."""
        async with self._budget.taken(len(chunk)):
            await self._upload.write(chunk)

    async def complete(self) -> None:
        """Make the object exist."""
        async with self._budget.taken(0):
            await self._upload.complete()

    async def __aenter__(self) -> Self:
        await self._upload.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._upload.__aexit__(kind, error, trace)
