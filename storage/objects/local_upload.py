"""A large object being written to a file of the local store, one stretch behind the writer."""

from __future__ import annotations

import asyncio
import os
import threading
from types import TracebackType
from typing import Self

from storage.objects.contract import StoreUnavailable
from storage.objects.faults import write_fault
from storage.objects.hands import Hands
from storage.objects.placing import Passing, Placer, write_pieces
from storage.objects.syncing import start_writing

STRETCH = 1 << 20
"""Bytes gathered before they are written in one hop."""


class LocalUpload:
    """Chunks gather into stretches; while one is written the next gathers."""

    def __init__(self, key: str, passing: Passing, placer: Placer, hands: Hands) -> None:
        self._key = key
        self._file = _PassingFile(key, passing, placer)
        self._hands = hands
        self._gathered: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Future[None] | None = None
        self._completed = False
        self._broken = False

    async def write(self, chunk: bytes | memoryview) -> None:
        """Add bytes."""
        self._gathered.append(chunk if isinstance(chunk, bytes) else bytes(chunk))
        self._size += len(chunk)
        if self._size >= STRETCH:
            await self._write_gathered()

    async def complete(self) -> None:
        """Make the object exist."""
        await self._write_gathered()
        await self._written()
        await self._hands.run(self._file.place)
        self._completed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon what was not completed."""
        self._gathered.clear()
        if not self._completed:
            # shielded: this task may be on its way out, cancelled
            await asyncio.shield(self._hands.run(self._file.drop))

    async def _write_gathered(self) -> None:
        await self._written()
        if self._broken:
            raise StoreUnavailable(self._key, "an earlier write of this upload failed or was cancelled")
        if self._gathered:
            pieces, self._gathered, self._size = self._gathered, [], 0
            self._writing = self._hands.run(self._file.write, pieces)

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            try:
                await writing
            except BaseException:
                self._broken = True  # bytes are missing, so it must never be completed
                raise


class _PassingFile:
    """The file, written by one thread at a time."""

    def __init__(self, key: str, passing: Passing, placer: Placer) -> None:
        self._key = key
        self._passing = passing
        self._placer = placer
        self._lock = threading.Lock()
        self._path = ""
        self._descriptor = -1
        self._dropped = False

    def write(self, pieces: list[bytes]) -> None:
        with self._lock:
            try:
                self._open()
                write_pieces(self._descriptor, pieces)
                # a slow trickle to the disk, instead of gigabytes when the object is settled
                start_writing(self._descriptor)
            except OSError as error:
                raise write_fault(self._key, error) from error

    def place(self) -> None:
        with self._lock:
            try:
                self._open()
                self._close()
                self._placer.place(self._path, self._key, create=False)
            except OSError as error:
                raise write_fault(self._key, error) from error

    def drop(self) -> None:
        with self._lock:
            self._dropped = True
            self._close()
            if self._path:
                self._passing.drop(self._path)

    def _open(self) -> None:
        if self._dropped:
            raise InterruptedError(0, "the upload was abandoned")
        if self._descriptor < 0 and not self._path:
            self._descriptor, self._path = self._passing.open()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
