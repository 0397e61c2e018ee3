"""Content codings of text on its way out (RFC 9110 8.4): zstd or gzip, never for pixel data.

What is large is compressed in a thread, so that others do not wait; an answer that already carries a coding goes
as it is.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from dataclasses import replace

from dicomweb.ports import Compute
from dicomweb.wire.content_coding import encode, encoder_of
from dicomweb.wire.exchange import Answer, HeaderFields

SMALLEST = 1024
"""Bytes below which a coding costs more than it saves."""

_IN_THREAD = 64 << 10


async def compressed(answer: Answer, coding: str, compute: Compute) -> Answer:
    """The answer in that coding; itself if it is too short or has one already."""
    if _named(answer, "content-encoding"):
        return answer
    body = answer.body
    if isinstance(body, AsyncIterator):
        streamed = _streamed(body, coding, compute)
        return replace(answer, headers=_headers(answer, coding), body=streamed, length=None)
    return await _whole(answer, body if isinstance(body, bytes) else b"".join(body), coding, compute)


async def _whole(answer: Answer, body: bytes, coding: str, compute: Compute) -> Answer:
    if len(body) < SMALLEST:
        return answer
    if len(body) < _IN_THREAD:
        packed = encode(body, coding)
    else:
        packed = await compute.run(lambda: encode(body, coding))
    return replace(answer, headers=_headers(answer, coding), body=packed, length=None)


async def _streamed(body: AsyncIterator[bytes], coding: str, compute: Compute) -> AsyncIterator[bytes]:
    encoder = encoder_of(coding)
    try:
        async for chunk in body:
            if len(chunk) < _IN_THREAD:
                packed = encoder.compress(chunk)
            else:
                packed = await compute.run(functools.partial(encoder.compress, chunk))
            if packed:
                yield packed
    finally:
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
    yield encoder.flush()


def _named(answer: Answer, name: str) -> bool:
    return any(field.lower() == name for field, _ in answer.headers)


def _headers(answer: Answer, coding: str) -> HeaderFields:
    """A strong ETag names bytes, and these are others now: it becomes weak (RFC 9110 8.8.3.3)."""
    kept = []
    for name, value in answer.headers:
        if name.lower() == "etag" and not value.startswith("W/"):
            value = "W/" + value
        if name.lower() != "content-length":
            kept.append((name, value))
    return (*kept, ("Content-Encoding", coding))
