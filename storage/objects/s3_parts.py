"""A large object being written in parts, a few under way at a time.

An object no larger than the first part is a single PUT. All parts but the last are of the size that belongs to
their number (some stores insist on equal parts): 8 MiB for the first thousand, twice as much for each further
thousand, so that 10 000 parts hold 8 TB and an object of 10 GB needs no part over 16 MiB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Protocol, Self
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from storage.objects.contract import ObjectMissing, StoreError, StoreUnavailable
from storage.objects.s3_faults import answer_fault
from storage.objects.s3_wire import Answer

FIRST_PART = 8 << 20
"""Bytes of each of the first thousand parts."""
UNDER_WAY = 32 << 20
"""Bytes of parts being sent at a time, or one part."""
ABORT_SECONDS = 10.0
"""How long an abandoned upload waits for the store to forget it."""


def part_size(number: int) -> int:
    """Bytes of a part, by its number counted from 1."""
    return int(FIRST_PART << ((number - 1) // 1000))


class Sender(Protocol):
    """Sends a request that may be repeated, and raises for whatever is not 2xx."""

    def __call__(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Sequence[bytes | memoryview] | None = None,
    ) -> Awaitable[Answer]: ...


class S3Upload:
    """Chunks gather into parts."""

    def __init__(self, key: str, send: Sender, size_of: Callable[[str], Awaitable[int]]) -> None:
        """`size_of` tells the size of the object of a key, raising ObjectMissing."""
        self._key = key
        self._send = send
        self._size_of = size_of
        self._gathered: list[memoryview] = []
        self._gathered_size = 0
        self._size = 0
        self._upload_id = ""
        self._parts = 0
        self._tags: dict[int, str] = {}
        self._sending: dict[asyncio.Task[None], int] = {}
        self._completed = False
        self._broken = False

    async def write(self, chunk: bytes | memoryview) -> None:
        """Add bytes."""
        rest = memoryview(chunk if isinstance(chunk, bytes) else bytes(chunk))
        self._size += len(rest)
        with self._breaking():
            while rest:
                room = part_size(self._parts + 1) - self._gathered_size
                piece, rest = rest[:room], rest[room:]
                self._gathered.append(piece)
                self._gathered_size += len(piece)
                if len(piece) == room:
                    await self._send_part()

    async def complete(self) -> None:
        """Make the object exist."""
        with self._breaking():
            if self._upload_id:
                if self._gathered:
                    await self._send_part()
                await self._wait(0)
                await self._join()
            else:
                await self._send("PUT", self._key, body=self._gathered)
        self._completed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon what was not completed."""
        self._gathered = []
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending)
        if self._upload_id and not self._completed:
            # shielded: this task may be on its way out, cancelled
            await asyncio.shield(asyncio.ensure_future(self._abort()))

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Whatever goes wrong in here has lost bytes, so that the object must never be completed."""
        if self._broken:
            raise StoreUnavailable(self._key, "an earlier write of this upload failed or was cancelled")
        try:
            yield
        except BaseException:
            self._broken = True
            raise

    async def _send_part(self) -> None:
        pieces, size = self._gathered, self._gathered_size
        self._gathered, self._gathered_size = [], 0
        if not self._upload_id:
            answer = await self._send("POST", self._key, query={"uploads": ""})
            self._upload_id = _text(answer.body, "UploadId")
            if not self._upload_id:
                raise StoreUnavailable(self._key, "the answer names no upload")
        await self._wait(UNDER_WAY - size)
        self._parts += 1
        self._sending[asyncio.create_task(self._put_part(self._parts, pieces))] = size

    async def _put_part(self, number: int, pieces: Sequence[memoryview]) -> None:
        query = {"partNumber": str(number), "uploadId": self._upload_id}
        answer = await self._send("PUT", self._key, query=query, body=pieces)
        self._tags[number] = answer.headers.get("ETag", "")

    async def _wait(self, most: int) -> None:
        """Wait until at most so many bytes are being sent. Raises what went wrong with a part."""
        while sum(self._sending.values()) > max(0, most):
            done, _ = await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del self._sending[task]
                task.result()

    async def _join(self) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
            for number, tag in sorted(self._tags.items())
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        try:
            answer = await self._send("POST", self._key, query={"uploadId": self._upload_id}, body=[body])
        except ObjectMissing:
            # no such upload: an attempt whose answer was lost has joined the parts, or somebody aborted it
            if await self._size_of(self._key) != self._size:
                raise
            return
        if not _text(answer.body, "ETag"):
            # S3 begins its answer with 200 before it knows (CompleteMultipartUpload)
            raise answer_fault(self._key, 500, answer.body)

    async def _abort(self) -> None:
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(ABORT_SECONDS):
                await self._send("DELETE", self._key, query={"uploadId": self._upload_id})


def _text(body: bytes, name: str) -> str:
    """The text of an element right below the root, whatever its namespace; empty if there is none."""
    with suppress(ElementTree.ParseError):
        for element in ElementTree.fromstring(body):
            if element.tag.rpartition("}")[2] == name:
                return element.text or ""
    return ""
