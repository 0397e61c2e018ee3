"""Inflated copies of deflated objects, so that spans of them can be read (PS3.5 A.5).

Deflated data have no ranges. The first time one is asked for, the object is inflated into a local file: what
stands before the data set as stored, then the inflated bytes, as `dicomweb.encoding.head` counts. Copies are
derived: the folder is emptied when the cache opens and may be deleted at any time. Their bytes are bounded, the
copy used longest ago goes first; however many wait for a copy, it is made once.

    store.get(key, span)  ◀─ nobody
    copies.view(offset).get(key, span) ─▶ [made once: stream ─▶ inflate ─▶ file] ─▶ span of the file
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from dicomweb.encoding.head import Unreadable
from dicomweb.encoding.inflate import Inflater
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Damaged
from storage.objects.contract import ObjectStore

CHUNK = 1 << 20
"""Bytes of a chunk of a stream."""
_TRIES = 3
"""How often a copy that was evicted before it could be read is made again."""


class CopyTooLarge(Damaged):
    """A deflated object that inflates beyond what copies may take."""


class InflatedCopies:
    """A bounded folder of inflated copies."""

    def __init__(self, store: ObjectStore, folder: Path, *, capacity_bytes: int, ratio: int = 200) -> None:
        """`folder` belongs to the cache alone; `capacity_bytes` bounds all copies together and any single one;
        `ratio` bounds inflated bytes to deflated ones beyond the first 16 MiB, as in HeadLimits."""
        self._store = store
        self._folder = folder
        self._capacity = capacity_bytes
        self._ratio = ratio
        self._sizes: OrderedDict[str, int] = OrderedDict()
        """Bytes of the finished copies by file name, used longest ago first."""
        self._making: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._empty)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        await asyncio.to_thread(self._empty)

    def view(self, data_set_offset: int) -> InflatedView:
        """What spans of deflated objects are read from, given where their data sets begin."""
        return InflatedView(self, data_set_offset)

    async def get(self, key: str, data_set_offset: int, span: ByteRange | None) -> bytes:
        """A span of the inflated object, all of it without one. Raises ObjectMissing, Damaged."""
        name = hashlib.sha256(key.encode()).hexdigest()
        for _ in range(_TRIES):
            await self._ready(name, key, data_set_offset)
            try:
                return await asyncio.to_thread(_read, self._folder / name, span)
            except FileNotFoundError:
                self._sizes.pop(name, None)
        raise Damaged(f"{key}: its inflated copy vanishes again and again")

    async def _ready(self, name: str, key: str, data_set_offset: int) -> None:
        """Return when the copy exists."""
        if name in self._sizes:
            self._sizes.move_to_end(name)
            return
        task = self._making.get(name)
        if task is None:
            task = asyncio.create_task(self._make(name, key, data_set_offset))
            self._making[name] = task
            task.add_done_callback(lambda _: self._making.pop(name, None))
        # whoever asked first may go away while others wait
        await asyncio.shield(task)

    async def _make(self, name: str, key: str, data_set_offset: int) -> None:
        passing = self._folder / f"{name}.part"
        try:
            size = await self._write(passing, key, data_set_offset)
            await asyncio.to_thread(passing.replace, self._folder / name)
        finally:
            await asyncio.to_thread(passing.unlink, missing_ok=True)
        self._sizes[name] = size
        await self._evict()

    async def _write(self, passing: Path, key: str, data_set_offset: int) -> int:
        inflater = Inflater(self._ratio)
        before = data_set_offset
        file = await asyncio.to_thread(_create, passing)
        try:
            async for chunk in self._store.stream(key):
                await asyncio.to_thread(self._add, file, chunk[:before], chunk[before:], inflater)
                before -= min(before, len(chunk))
            await asyncio.to_thread(self._finish, file, inflater)
            return file.tell()
        except Unreadable as error:
            raise Damaged(f"{key}: {error}") from error
        finally:
            await asyncio.to_thread(file.close)

    def _add(self, file: BinaryIO, plain: bytes, deflated: bytes, inflater: Inflater) -> None:
        file.write(plain)
        for piece in inflater.feed(deflated):
            self._put(file, piece)

    def _finish(self, file: BinaryIO, inflater: Inflater) -> None:
        for piece in inflater.finish():
            self._put(file, piece)

    def _put(self, file: BinaryIO, piece: bytes) -> None:
        if file.tell() + len(piece) > self._capacity:
            raise CopyTooLarge(f"a deflated object inflates to more than {self._capacity} bytes")
        file.write(piece)

    async def _evict(self) -> None:
        while sum(self._sizes.values()) > self._capacity and len(self._sizes) > 1:
            name, _ = self._sizes.popitem(last=False)
            await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    def _empty(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sizes.clear()
        for file in self._folder.iterdir():
            file.unlink(missing_ok=True)


class InflatedView:
    """`storage.frames.reads.Spans` over the inflated copies of objects whose data sets begin at one offset."""

    __slots__ = ("_copies", "_data_set_offset")

    def __init__(self, copies: InflatedCopies, data_set_offset: int) -> None:
        self._copies = copies
        self._data_set_offset = data_set_offset

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """A span of the inflated object; shorter if it ends within the span. Raises ObjectMissing, Damaged."""
        return await self._copies.get(key, self._data_set_offset, span)

    async def stream(self, key: str, span: ByteRange) -> AsyncIterator[bytes]:
        """A span of the inflated object in chunks of at most 1 MiB. Raises ObjectMissing, Damaged."""
        for start in range(span.start, span.end, CHUNK):
            chunk = await self.get(key, ByteRange(start, min(start + CHUNK, span.end)))
            if not chunk:
                return
            yield chunk


def _create(passing: Path) -> BinaryIO:
    return passing.open("wb")


def _read(file: Path, span: ByteRange | None) -> bytes:
    if span is None:
        return file.read_bytes()
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        os.lseek(descriptor, span.start, os.SEEK_SET)
        pieces: list[bytes] = []
        left = span.length
        # one read call brings at most 2 GiB
        while left and (piece := os.read(descriptor, left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)
