"""Bytes in a folder on the local disk, bounded by bytes; they are there again after a restart.

    FOLDER/<2 hex>/<62 hex>          named by the SHA-256 of the key

    offset  bytes
    0       8      magic
    8       32     SHA-256 of the key
    40      8      length of the content
    48      4      CRC-32 of the content
    52      ..     content

Nothing is synced: what a crash has torn shows by length or checksum and counts as absent, as does a file of
another name or content. Files of other names are left alone. Writing goes on behind the caller's back, a batch at
a time; when the disk is full or slow, things are simply not written. Nothing here raises for what the disk does.

The folder belongs to one process. It is looked through at the start, in the writing thread; until that is done
every file is just tried.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_LOG = logging.getLogger(__name__)
_MAGIC = b"DLDERIV1"
_HEAD = struct.Struct("<8s32sQL")
_BLOCK = 4096
"""What a disk gives a file at least, about."""
_MOST_FILES = 100_000
"""Bound of the index in memory, some 200 bytes a file."""
_MOST_PENDING = 32 << 20
"""Bytes waiting to be written; beyond, what is new is not written."""
_SHARE = 4
"""A single entry takes at most this part of the folder."""
_PAUSE_SECONDS = 60.0
"""How long nothing is written after the disk refused."""
_CLOSING_SECONDS = 3.0
_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}")
_PASSING = ".part"


@dataclass(frozen=True, slots=True)
class _Pending:
    """An entry on its way to the disk."""

    digest: bytes
    data: bytes


class DiskCache:
    """Entries by key. For one event loop."""

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit` in bytes, every file counted by whole blocks."""
        self._folder = folder
        self._limit = limit
        self._sizes: OrderedDict[bytes, int] = OrderedDict()
        """Bytes of the files by SHA-256 of the key, used longest ago first."""
        self._known = False
        """Whether `_sizes` is complete."""
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._pending_bytes = 0
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        """Set while the folder is known and nothing waits to be written."""
        self._paused_until = 0.0
        self._reading = ThreadPoolExecutor(2, "derived-read")
        self._writing = ThreadPoolExecutor(1, "derived-write")
        self._worker: asyncio.Task[None] | None = None
        self.held_bytes = 0

    def __len__(self) -> int:
        """Files known."""
        return len(self._sizes)

    def open(self) -> None:
        """Begin to look through the folder and to write."""
        self._worker = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Write what waits, unless the disk takes too long over it, and end."""
        if self._worker is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), _CLOSING_SECONDS)
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
        for threads in (self._reading, self._writing):
            await asyncio.to_thread(threads.shutdown)

    async def settled(self) -> None:
        """Wait until what was put so far is written or given up."""
        await self._settled.wait()

    async def get(self, key: str) -> bytes | None:
        """The bytes if they are here; they count as used."""
        pending = self._pending.get(key)
        if pending is not None:
            return pending.data
        digest = _digest(key)
        if self._known and digest not in self._sizes:
            return None
        try:
            reading = asyncio.get_running_loop().run_in_executor(self._reading, _read, self._path(digest), digest)
        except RuntimeError:  # the threads have ended
            return None
        data = await reading
        if digest in self._sizes:
            if data is None:
                self._forget(digest)
            else:
                self._sizes.move_to_end(digest)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Write the bytes soon, if there is room for them."""
        size = _on_disk(len(data))
        if size * _SHARE > self._limit or key in self._pending or not self._may_write():
            return
        if self._pending_bytes + len(data) > _MOST_PENDING:
            return
        self._pending[key] = _Pending(_digest(key), data)
        self._pending_bytes += len(data)
        self._settled.clear()
        self._wake.set()

    def _may_write(self) -> bool:
        return asyncio.get_running_loop().time() >= self._paused_until

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._writing, _look_through, self._folder)
        for digest, size in found:
            self._hold(digest, size)
        self._known = True
        await self._evict()
        while True:
            while self._pending:
                await self._write(list(self._pending.items()))
            self._settled.set()
            await self._wake.wait()
            self._wake.clear()

    async def _write(self, batch: Sequence[tuple[str, _Pending]]) -> None:
        loop = asyncio.get_running_loop()
        entries = [(self._path(one.digest), one) for _, one in batch]
        written, error = await loop.run_in_executor(self._writing, partial(_write_all, entries))
        for place, (key, one) in enumerate(batch):
            del self._pending[key]
            self._pending_bytes -= len(one.data)
            if place < written:
                self._hold(one.digest, _on_disk(len(one.data)))
        if error is not None:
            self._paused_until = loop.time() + _PAUSE_SECONDS
            _LOG.warning("derived pictures cannot be kept on disk for now: %s", error.strerror or error)
        await self._evict()

    async def _evict(self) -> None:
        """Delete what was used longest ago, until the rest is within the bounds."""
        gone: list[Path] = []
        while self._sizes and (self.held_bytes > self._limit or len(self._sizes) > _MOST_FILES):
            digest = next(iter(self._sizes))
            self._forget(digest)
            gone.append(self._path(digest))
        if gone:
            await asyncio.get_running_loop().run_in_executor(self._writing, _delete_all, gone)

    def _hold(self, digest: bytes, size: int) -> None:
        self._forget(digest)
        self._sizes[digest] = size
        self.held_bytes += size

    def _forget(self, digest: bytes) -> None:
        self.held_bytes -= self._sizes.pop(digest, 0)

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name[2:]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _on_disk(length: int) -> int:
    size = _HEAD.size + length
    return size + -size % _BLOCK


def _read(path: Path, digest: bytes) -> bytes | None:
    """The content of a file, None if it is absent or not what it should be."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        head = os.read(descriptor, _HEAD.size)
        if len(head) < _HEAD.size:
            return None
        magic, named, length, checksum = _HEAD.unpack(head)
        if (magic, named) != (_MAGIC, digest) or os.fstat(descriptor).st_size != _HEAD.size + length:
            return None
        data = os.read(descriptor, length) if length else b""
        if len(data) != length or zlib.crc32(data) != checksum:
            return None
        # the order of use outlives a restart
        os.utime(descriptor)
        return data
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _write_all(entries: Iterable[tuple[Path, _Pending]]) -> tuple[int, OSError | None]:
    """How many of the entries were written, and what the disk said to the next."""
    written = 0
    for path, one in entries:
        try:
            _write(path, one)
        except OSError as error:
            return written, error
        written += 1
    return written, None


def _write(path: Path, one: _Pending) -> None:
    passing = path.with_name(path.name + _PASSING)
    head = _HEAD.pack(_MAGIC, one.digest, len(one.data), zlib.crc32(one.data))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with passing.open("wb", buffering=0) as file:
            file.write(head)
            # one call writes at most 2 GiB, or what there is room for
            view = memoryview(one.data)
            while view:
                view = view[file.write(view) :]
        passing.replace(path)
    except OSError:
        with suppress(OSError):
            passing.unlink(missing_ok=True)
        raise


def _delete_all(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _look_through(folder: Path) -> list[tuple[bytes, int]]:
    """The files of ours, used longest ago first; what an interrupted write left behind is deleted."""
    found: list[tuple[float, bytes, int]] = []
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for part in os.scandir(folder):
            if len(part.name) == 2 and part.is_dir(follow_symlinks=False):
                found.extend(_look_through_part(part))
    return [(digest, size) for _, digest, size in sorted(found)]


def _look_through_part(part: os.DirEntry[str]) -> Iterable[tuple[float, bytes, int]]:
    with suppress(OSError):
        for file in os.scandir(part.path):
            name = f"{part.name}/{file.name}"
            if _NAME.fullmatch(name) and file.is_file(follow_symlinks=False):
                about = file.stat(follow_symlinks=False)
                yield about.st_mtime, bytes.fromhex(part.name + file.name), _on_disk(about.st_size - _HEAD.size)
            elif file.name.endswith(_PASSING) and _NAME.fullmatch(name.removesuffix(_PASSING)):
                Path(file.path).unlink(missing_ok=True)
