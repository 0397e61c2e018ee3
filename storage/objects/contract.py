"""The contract of an object store: keys to bytes, in a folder, a bucket, or memory.

A key is slash-separated names of `[A-Za-z0-9._~=-]`, never empty, `.` or `..`. Objects are written whole or
not at all: a reader never sees part of one. Everything is a coroutine; nothing blocks the event loop.

Errors are told apart by class, never by text; `StoreUnavailable` means that the outcome is unknown.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from dicomweb.model.ranges import ByteRange


class StoreError(Exception):
    """Base of everything a store raises about a key."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key


class IllegalKey(StoreError):
    """A key outside the alphabet, or one that would leave the store."""


class ObjectMissing(StoreError):
    """There is no object of that key."""


class ObjectExists(StoreError):
    """A create-only write found the key taken, perhaps by an earlier attempt of the same writer."""


class StoreUnavailable(StoreError):
    """The store did not answer, or answered with a passing fault: a write may or may not have happened."""


class StoreFull(StoreError):
    """No room (ENOSPC, EDQUOT, quota): nothing was written."""


class StoreDenied(StoreError):
    """The store refuses: credentials, permissions, read-only, no such bucket."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing or a look at an object tells."""

    key: str
    size: int
    """Bytes."""
    modified: datetime
    """UTC."""


class Upload(Protocol):
    """A large object being written; invisible until `complete`. Leaving the context otherwise abandons it."""

    async def write(self, chunk: bytes | memoryview) -> None:
        """Add bytes. Waits while too many are under way. Raises StoreFull, StoreUnavailable, StoreDenied."""

    async def complete(self) -> None:
        """Make the object exist."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ObjectStore(Protocol):
    """Keys to bytes."""

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        """Write an object of pieces joined. With `create` only if the key is free.

        A create is tried once: no hidden retries, so that ObjectExists speaks of another writer or of an
        attempt whose answer was lost. Other writes are retried with jitter.
        The pieces must not change until it returns; nor later, if it was cancelled.
        Raises ObjectExists, StoreUnavailable, StoreFull, StoreDenied.
        """

    def upload(self, key: str) -> Upload:
        """Begin a large object."""

    async def settle(self, keys: Collection[str]) -> None:
        """Return when these objects, written before, survive a power cut. One call for many is cheaper.

        `put` and `complete` alone promise only that they survive the end of the process.
        """

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """The object or a span of it; shorter if the object ends within the span. Raises ObjectMissing."""

    def stream(self, key: str, span: ByteRange | None = None) -> AsyncGenerator[bytes, None]:
        """The object or a span of it in chunks of at most 1 MiB. Raises ObjectMissing at the first chunk.

        All chunks are of one object, whatever is written meanwhile. Whoever leaves early closes the generator.
        """

    async def head(self, key: str) -> ObjectInfo:
        """Size and time. Raises ObjectMissing."""

    async def delete(self, key: str) -> None:
        """Remove an object; a missing one is not an error."""

    def list(self, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """Objects whose key begins with `prefix` and comes after `after`, by ascending key (code points)."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
