"""Whole object stores that misbehave, around one that does not.

Which operations they touch is chosen by a function of kind (put, create, upload, settle, get, stream, head,
delete, list) and key, and how often by `times`.

    store = DropsAnswers(MemoryStore(), when=creates_in("log/"), times=1)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import ObjectInfo, ObjectStore, StoreError, StoreFull, StoreUnavailable, Upload

Choice = Callable[[str, str], bool]
"""Whether an operation, by kind and key, is touched."""


def always(kind: str, key: str) -> bool:
    """Every operation."""
    return True


def of_kind(*kinds: str, under: str = "") -> Choice:
    """Operations of these kinds on keys that begin with `under`."""
    return lambda kind, key: kind in kinds and key.startswith(under)


def creates_in(under: str) -> Choice:
    """Create-only writes of keys that begin with `under`."""
    return of_kind("create", under=under)


def writes_in(under: str) -> Choice:
    """All writes of keys that begin with `under`."""
    return of_kind("put", "create", "upload", under=under)


class Around:
    """Passes everything on; what it is about is done in `before` and `after`."""

    def __init__(self, store: ObjectStore, *, when: Choice = always, times: int | None = None) -> None:
        """At most `times` operations are touched, all if it is None."""
        self.store = store
        self.when = when
        self.left = times
        self.touched: list[tuple[str, str]] = []
        """Kind and key of the operations touched so far."""

    async def before(self, kind: str, key: str, size: int) -> None:
        """Called with the bytes to be written, if any, before an operation that is touched."""

    async def after(self, kind: str, key: str) -> None:
        """Called when an operation that is touched has been done."""

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        kind = "create" if create else "put"
        touched = await self._before(kind, key, sum(map(len, data)))
        await self.store.put(key, data, create=create)
        await self._after(touched, kind, key)

    def upload(self, key: str) -> Upload:
        return _AroundUpload(self, key)

    async def settle(self, keys: Collection[str]) -> None:
        key = next(iter(keys), "")
        touched = await self._before("settle", key)
        await self.store.settle(keys)
        await self._after(touched, "settle", key)

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        touched = await self._before("get", key)
        data = await self.store.get(key, span)
        await self._after(touched, "get", key)
        return data

    async def stream(self, key: str, span: ByteRange | None = None) -> AsyncGenerator[bytes, None]:
        touched = await self._before("stream", key)
        async with aclosing(self.store.stream(key, span)) as chunks:
            async for chunk in chunks:
                yield chunk
        await self._after(touched, "stream", key)

    async def head(self, key: str) -> ObjectInfo:
        touched = await self._before("head", key)
        info = await self.store.head(key)
        await self._after(touched, "head", key)
        return info

    async def delete(self, key: str) -> None:
        touched = await self._before("delete", key)
        await self.store.delete(key)
        await self._after(touched, "delete", key)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        touched = await self._before("list", prefix)
        async with aclosing(self.store.list(prefix, after=after)) as found:
            async for info in found:
                yield info
        await self._after(touched, "list", prefix)

    async def __aenter__(self) -> Self:
        await self.store.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.store.__aexit__(kind, error, trace)

    async def _before(self, kind: str, key: str, size: int = 0) -> bool:
        if self.left == 0 or not self.when(kind, key):
            return False
        if self.left is not None:
            self.left -= 1
        self.touched.append((kind, key))
        await self.before(kind, key, size)
        return True

    async def _after(self, touched: bool, kind: str, key: str) -> None:
        if touched:
            await self.after(kind, key)


class _AroundUpload:
    """An upload is one operation: touched before its first byte, and after it is complete."""

    def __init__(self, around: Around, key: str) -> None:
        self._around = around
        self._key = key
        self._upload = around.store.upload(key)
        self._touched: bool | None = None

    async def write(self, chunk: bytes | memoryview) -> None:
        await self._begin(len(chunk))
        await self._upload.write(chunk)

    async def complete(self) -> None:
        await self._begin(0)
        await self._upload.complete()
        await self._around._after(bool(self._touched), "upload", self._key)

    async def _begin(self, size: int) -> None:
        if self._touched is None:
            self._touched = await self._around._before("upload", self._key, size)
        elif self._touched:
            await self._around.before("upload", self._key, size)

    async def __aenter__(self) -> Self:
        await self._upload.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._upload.__aexit__(kind, error, trace)


class DropsAnswers(Around):
    """Does what it is asked and then says that it does not know."""

    async def after(self, kind: str, key: str) -> None:
        raise StoreUnavailable(key, "the answer was dropped")


class Fails(Around):
    """Does not do what it is asked, and raises."""

    def __init__(
        self,
        store: ObjectStore,
        error: type[StoreError] = StoreUnavailable,
        *,
        when: Choice = always,
        times: int | None = None,
    ) -> None:
        super().__init__(store, when=when, times=times)
        self.error = error

    async def before(self, kind: str, key: str, size: int) -> None:
        raise self.error(key, "fails as told")


class Delays(Around):
    """Waits before it does what it is asked; with `gate`, until that is set."""

    def __init__(
        self,
        store: ObjectStore,
        seconds: float = 0.0,
        *,
        gate: asyncio.Event | None = None,
        when: Choice = always,
        times: int | None = None,
    ) -> None:
        super().__init__(store, when=when, times=times)
        self.seconds = seconds
        self.gate = gate

    async def before(self, kind: str, key: str, size: int) -> None:
        await asyncio.sleep(self.seconds)
        if self.gate is not None:
            await self.gate.wait()


class Fills(Around):
    """Has room for so many bytes, and is full then. Deleting makes no room."""

    def __init__(self, store: ObjectStore, room: int, *, when: Choice = always) -> None:
        super().__init__(store, when=when)
        self.room = room

    async def before(self, kind: str, key: str, size: int) -> None:
        if kind not in ("put", "create", "upload"):
            return
        if size > self.room:
            raise StoreFull(key, "no space left")
        self.room -= size
