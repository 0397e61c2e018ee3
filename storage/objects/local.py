"""Objects as files in a folder.

An object is written under a passing name in `.tmp/` and put in place whole, so a reader sees all of it or
nothing, and a kill leaves nothing but a leftover that a later start sweeps. `put` does not sync; `settle` does,
for many objects at once and side by side, since one sync waits 4 ms on a common disk whatever its size.

All file work is done in threads, one hop a call: two sets of them, so that readers do not queue behind syncs.

Symbolic links that stand where an object should are not objects, so no key leads out of the folder through one.
A folder that the administrator replaced by a link is followed by reads and writes, but not listed: link the root.
On a folder shared by machines a look at one key may tell yesterday's news; follow others by `list`.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import ObjectInfo, ObjectMissing, StoreDenied, Upload
from storage.objects.faults import read_fault, write_fault
from storage.objects.hands import Hands
from storage.objects.local_reading import Reading, read_span
from storage.objects.local_upload import LocalUpload
from storage.objects.names import check_key, check_prefix
from storage.objects.placing import Passing, Placer, write_pieces
from storage.objects.syncing import DurableFolders, SyncQueue, start_writing
from storage.objects.walking import walk

LISTED_AT_ONCE = 500
"""Objects of a listing that are looked at in one hop."""


class LocalStore:
    """A folder as an object store. Use as a context manager."""

    def __init__(self, root: Path, *, file_threads: int = 16, sync_threads: int = 32) -> None:
        """`root` is made if it is missing."""
        self._root = str(root.absolute())
        self._files = Hands("store-file", file_threads, patience=0.002)
        self._syncs = Hands("store-sync", sync_threads, patience=0.0)
        self._durable = DurableFolders()
        self._placer = Placer(self._root, made=self._durable.made)
        self._passing = Passing(self._root)

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        """Write an object of pieces joined."""
        check_key(key)
        await self._files.run(self._put, key, data, create)

    def upload(self, key: str) -> Upload:
        """Begin a large object."""
        check_key(key)
        return LocalUpload(key, self._passing, self._placer, self._files)

    async def settle(self, keys: Collection[str]) -> None:
        """Sync the objects and the folders that lead to them. Raises ObjectMissing."""
        for key in keys:
            check_key(key)
        if not keys:
            return
        plan = self._durable.plan(keys)
        queue = SyncQueue(self._root, plan)
        try:
            await asyncio.gather(*(self._syncs.run(queue.work) for _ in range(queue.threads)))
        except BaseException:
            self._durable.failed(plan)
            raise
        self._durable.done(plan)

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """The object or a span of it."""
        check_key(key)
        return await self._files.run(read_span, self._root, key, span)

    async def stream(self, key: str, span: ByteRange | None = None) -> AsyncGenerator[bytes, None]:
        """The object or a span of it in chunks; the next is read while one is used."""
        check_key(key)
        reading = await self._files.run(Reading, self._root, key, span)
        ahead: asyncio.Future[bytes] | None = None
        try:
            chunk = reading.first
            while chunk:
                ahead = None if reading.ended else self._files.run(reading.next)
                yield chunk
                chunk = await ahead if ahead is not None else b""
        finally:
            if ahead is None or ahead.done():
                reading.close()
            else:
                self._files.run(reading.close)

    async def head(self, key: str) -> ObjectInfo:
        """Size and time."""
        check_key(key)
        return await self._files.run(self._head, key)

    async def delete(self, key: str) -> None:
        """Remove an object, and folders that are empty then."""
        check_key(key)
        await self._files.run(self._delete, key)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """Objects by ascending key, as found while walking the folders."""
        check_prefix(prefix)
        found = walk(self._root, prefix=prefix, after=after)
        while batch := await self._files.run(lambda: [*islice(found, LISTED_AT_ONCE)]):
            for info in batch:
                yield info

    async def __aenter__(self) -> Self:
        self._files.open()
        self._syncs.open()
        try:
            await self._files.run(self._open)
        except OSError as error:
            await self._close()
            raise StoreDenied(self._root, error.strerror or str(error)) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the file work under way and end the threads."""
        await self._close()

    async def _close(self) -> None:
        await self._files.close()
        await self._syncs.close()

    def _open(self) -> None:
        Path(self._passing.folder).mkdir(parents=True, exist_ok=True)
        self._passing.sweep()

    def _put(self, key: str, data: Sequence[bytes | memoryview], create: bool) -> None:
        try:
            descriptor, passing = self._passing.open()
            try:
                try:
                    write_pieces(descriptor, data)
                    start_writing(descriptor)
                finally:
                    os.close(descriptor)
                self._placer.place(passing, key, create=create)
            except BaseException:
                self._passing.drop(passing)
                raise
        except OSError as error:
            raise write_fault(key, error) from error

    def _head(self, key: str) -> ObjectInfo:
        try:
            found = os.lstat(f"{self._root}/{key}")
        except OSError as error:
            raise read_fault(key, error) from error
        if not stat.S_ISREG(found.st_mode):
            raise ObjectMissing(key, "there is no such object")
        return ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _delete(self, key: str) -> None:
        try:
            Path(self._root, key).unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            raise write_fault(key, error) from error
        folder = key.rpartition("/")[0]
        while folder:
            try:
                Path(self._root, folder).rmdir()
            except OSError:
                return  # not empty, or somebody else was faster
            folder = folder.rpartition("/")[0]
