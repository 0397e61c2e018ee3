"""Content encodings of text (RFC 9110 8.4): zstd or gzip, never for pixel data.

What is large is compressed in a thread, so that others do not wait; an answer that already carries an encoding
goes as it is.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

import zstandard

from dicomweb.ports import Compute
from dicomweb.wire.exchange import Answer

SMALLEST = 1024
"""Bytes below which an encoding costs more than it saves."""

_IN_THREAD = 64 << 10
_GZIP_LEVEL = 4
_ZSTD_LEVEL = 3


class _Encoder(Protocol):
    def compress(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


@functools.lru_cache(maxsize=256)
def choose_encoding(accept_encoding: str) -> str:
    """`zstd`, `gzip`, or an empty string for none (RFC 9110 12.5.3). At equal weight zstd, which costs us less."""
    weights: dict[str, float] = {}
    for entry in accept_encoding.split(","):
        name, _, parameter = entry.partition(";")
        weights[name.strip().lower()] = _weight(parameter)
    anything = weights.get("*", 0.0)
    offers = {name: weights.get(name, anything) for name in ("zstd", "gzip")}
    best = max(offers, key=lambda name: offers[name])
    return best if offers[best] > 0 else ""


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


async def compressed(answer: Answer, encoding: str, compute: Compute) -> Answer:
    """The answer in that encoding; itself if it is too short or has one already."""
    if _named(answer, "content-encoding"):
        return answer
    body = answer.body
    if isinstance(body, AsyncIterator):
        streamed = _streamed(body, encoding, compute)
        return replace(answer, headers=_headers(answer, encoding), body=streamed, length=None)
    return await _whole(answer, body if isinstance(body, bytes) else b"".join(body), encoding, compute)


async def _whole(answer: Answer, body: bytes, encoding: str, compute: Compute) -> Answer:
    if len(body) < SMALLEST:
        return answer
    if len(body) < _IN_THREAD:
        packed = pack(body, encoding)
    else:
        packed = await compute.run(lambda: pack(body, encoding))
    return replace(answer, headers=_headers(answer, encoding), body=packed, length=None)


def pack(body: bytes, encoding: str) -> bytes:
    """The body in that encoding."""
    encoder = _encoder(encoding)
    return encoder.compress(body) + encoder.flush()


async def _streamed(body: AsyncIterator[bytes], encoding: str, compute: Compute) -> AsyncIterator[bytes]:
    encoder = _encoder(encoding)
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


def _encoder(encoding: str) -> _Encoder:
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)


def _named(answer: Answer, name: str) -> bool:
    return any(field.lower() == name for field, _ in answer.headers)


def _headers(answer: Answer, encoding: str) -> tuple[tuple[str, str], ...]:
    """A strong ETag names bytes, and these are others now: it becomes weak (RFC 9110 8.8.3.3)."""
    kept = []
    for name, value in answer.headers:
        if name.lower() == "etag" and not value.startswith("W/"):
            value = "W/" + value
        if name.lower() != "content-length":
            kept.append((name, value))
    return (*kept, ("Content-Encoding", encoding))
