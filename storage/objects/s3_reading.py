"""Reading from S3: spans checked to be whole, streams taken up again where they broke off.

A stream that is taken up again asks for the same object by its ETag, so a reader never gets parts of two.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import aiohttp

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import StoreDenied, StoreUnavailable
from storage.objects.retry import pause
from storage.objects.s3_faults import answer_fault
from storage.objects.s3_wire import Wire, unavailable

CHUNK = 1 << 20
"""Most bytes of a chunk of a stream."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


async def read_span(wire: Wire, key: str, path: str, span: ByteRange | None) -> bytes:
    """A span, which is not empty, or all of an object; one attempt. Raises StoreError."""
    headers = {} if span is None else {"Range": f"bytes={span.start}-{span.end - 1}"}
    answer = await wire.send("GET", path, headers=headers)
    if span is not None and answer.status == 416:
        return b""
    found = told_span(key, answer.status, answer.headers, answer.body, span)
    if found.length != len(answer.body):
        raise StoreUnavailable(key, f"{len(answer.body)} bytes came instead of {found.length}")
    return answer.body


def told_span(key: str, status: int, headers: Mapping[str, str], body: bytes, span: ByteRange | None) -> ByteRange:
    """The span an answer says it holds, after checking that it is what was asked for. Raises StoreError.

    `body` is looked at only if it is an error document.
    """
    if status not in (200, 206):
        raise answer_fault(key, status, body)
    if span is None:
        return ByteRange(0, int(headers.get("Content-Length", "-1")))
    told = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if status == 200 or told is None:
        raise StoreDenied(key, "the store does not honour ranges")
    found = ByteRange(int(told[1]), int(told[2]) + 1)
    if found != ByteRange(span.start, min(span.end, int(told[3]))):
        raise StoreUnavailable(
            key, f"bytes {found.start} to {found.end} came instead of {span.start} to {span.end}"
        )
    return found


class Streaming:
    """An object being read from front to back."""

    def __init__(self, wire: Wire, key: str, path: str, span: ByteRange | None, *, attempts: int) -> None:
        """`span` is not empty; `attempts` in a row may fail without a byte."""
        self._wire = wire
        self._key = key
        self._path = path
        self._span = span
        self._position = 0 if span is None else span.start
        self._attempts = attempts
        self._tag = ""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The chunks."""
        failures = 0
        while True:
            began = self._position
            try:
                async for chunk in self._answered():
                    self._position += len(chunk)
                    yield chunk
                return
            except StoreUnavailable:
                failures = 1 if self._position > began else failures + 1
                if failures >= self._attempts:
                    raise
            await asyncio.sleep(pause(failures))

    async def _answered(self) -> AsyncIterator[bytes]:
        """What one request brings, from the position reached."""
        wanted = self._wanted()
        headers = {} if wanted is None else {"Range": f"bytes={wanted.start}-{wanted.end - 1}"}
        if self._tag:
            headers["If-Match"] = self._tag
        async with self._wire.answer("GET", self._path, headers=headers) as response:
            try:
                if wanted is not None and response.status == 416:
                    return
                failed = b"" if response.status in (200, 206) else await response.read()
                found = told_span(self._key, response.status, response.headers, failed, wanted)
                self._tag = response.headers.get("ETag", "")
                self._span = ByteRange(self._position, found.end)
                while chunk := await response.content.readany():
                    for start in range(0, len(chunk), CHUNK):
                        yield chunk[start : start + CHUNK]
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise unavailable(self._key, error) from error
        if self._position != found.end:
            raise StoreUnavailable(self._key, f"the answer ended at {self._position} instead of {found.end}")

    def _wanted(self) -> ByteRange | None:
        return None if self._span is None else ByteRange(self._position, self._span.end)
