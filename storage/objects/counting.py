"""A store around a store that counts: for metrics, and for tests that hold us to our budgets.

Operations are counted by kind and by the first name of the key, so that "no DICOM object was read" can be told
from "nothing was read". A stream is one operation however many chunks it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import ObjectInfo, ObjectStore, StoreError, Upload

READS = ("get", "stream")
WRITES = ("put", "create", "upload")


@dataclass(slots=True)
class Counts:
    """What has been asked of a store so far."""

    operations: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind (put, create, upload, settle, get, stream, head, delete, list) and first name of the key."""
    failures: Counter[str] = field(default_factory=Counter)
    """By class of the error. Also those a caller expects, such as ObjectMissing."""
    bytes_written: int = 0
    """Handed over for writing, whether or not it succeeded."""
    bytes_read: int = 0
    """Handed out."""

    def of(self, *kinds: str, under: str | None = None) -> int:
        """How many operations of these kinds, of all kinds if none is given, on keys with first name `under`."""
        return sum(
            number
            for (kind, name), number in self.operations.items()
            if (not kinds or kind in kinds) and under in (None, name)
        )

    def reads(self, under: str | None = None) -> int:
        """How many reads of objects."""
        return self.of(*READS, under=under)

    def writes(self, under: str | None = None) -> int:
        """How many writes of objects."""
        return self.of(*WRITES, under=under)

    def clear(self) -> None:
        """Begin again at nothing."""
        self.operations.clear()
        self.failures.clear()
        self.bytes_written = 0
        self.bytes_read = 0


class CountingStore:
    """Counts in `counts` and passes everything on."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.counts = Counts()
        """What has been asked so far."""

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        """Write an object of pieces joined."""
        self._count("create" if create else "put", key)
        self.counts.bytes_written += sum(map(len, data))
        try:
            await self._store.put(key, data, create=create)
        except StoreError as error:
            self._failed(error)
            raise

    def upload(self, key: str) -> Upload:
        """Begin a large object."""
        self._count("upload", key)
        return _CountingUpload(self._store.upload(key), self.counts)

    async def settle(self, keys: Collection[str]) -> None:
        """Make objects survive a power cut: one operation however many they are."""
        self._count("settle", next(iter(keys), ""))
        try:
            await self._store.settle(keys)
        except StoreError as error:
            self._failed(error)
            raise

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """The object or a span of it."""
        self._count("get", key)
        try:
            data = await self._store.get(key, span)
        except StoreError as error:
            self._failed(error)
            raise
        self.counts.bytes_read += len(data)
        return data

    async def stream(self, key: str, span: ByteRange | None = None) -> AsyncGenerator[bytes, None]:
        """The object or a span of it in chunks."""
        self._count("stream", key)
        try:
            async with aclosing(self._store.stream(key, span)) as chunks:
                async for chunk in chunks:
                    self.counts.bytes_read += len(chunk)
                    yield chunk
        except StoreError as error:
            self._failed(error)
            raise

    async def head(self, key: str) -> ObjectInfo:
        """Size and time."""
        self._count("head", key)
        try:
            return await self._store.head(key)
        except StoreError as error:
            self._failed(error)
            raise

    async def delete(self, key: str) -> None:
        """Remove an object."""
        self._count("delete", key)
        try:
            await self._store.delete(key)
        except StoreError as error:
            self._failed(error)
            raise

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """Objects by ascending key: one operation however many there are."""
        self._count("list", prefix)
        try:
            async with aclosing(self._store.list(prefix, after=after)) as found:
                async for info in found:
                    yield info
        except StoreError as error:
            self._failed(error)
            raise

    async def __aenter__(self) -> Self:
        await self._store.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._store.__aexit__(kind, error, trace)

    def _count(self, kind: str, key: str) -> None:
        self.counts.operations[kind, key.partition("/")[0]] += 1

    def _failed(self, error: StoreError) -> None:
        self.counts.failures[type(error).__name__] += 1


class _CountingUpload:
    """Counts the bytes of a large object."""

    def __init__(self, upload: Upload, counts: Counts) -> None:
        self._upload = upload
        self._counts = counts

    async def write(self, chunk: bytes | memoryview) -> None:
        """Add bytes."""
        self._counts.bytes_written += len(chunk)
        await self._upload.write(chunk)

    async def complete(self) -> None:
        """Make the object exist."""
        await self._upload.complete()

    async def __aenter__(self) -> Self:
        await self._upload.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._upload.__aexit__(kind, error, trace)
