"""Accept-Encoding (RFC 9110 12.5.3), and the content codings text is sent in: here alone it is said which and how.

Answers that are kept are encoded once and kept so (`services/metadata.py`); all others on their way out.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import zstandard

IDENTITY = "identity"
CODINGS = ("zstd", "gzip")
"""What can be sent, the cheaper to make first; zstd: RFC 8878."""

_GZIP_LEVEL = 1
"""Metadata shrink to about a twentieth at any level; the higher ones cost three times as much for a tenth less."""
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_ZSTD_LEVEL = 3


class Encoder(Protocol):
    """Encodes one body, piece by piece."""

    def compress(self, data: bytes, /) -> bytes:
        """What can be sent by now; often nothing yet."""

    def flush(self) -> bytes:
        """The rest. Nothing can be added after it."""


def choose_coding(accept_encoding: str) -> str:
    """The coding to send text in: `identity` where no other is asked for."""
    if not accept_encoding:
        return IDENTITY
    qualities: dict[str, float] = {}
    for item in accept_encoding.split(","):
        name, _, parameter = item.strip().lower().partition(";")
        _, _, weight = parameter.partition("q=")
        try:
            qualities[name.strip()] = float(weight) if weight else 1.0
        except ValueError:
            qualities[name.strip()] = 0.0
    best, best_quality = IDENTITY, 0.0
    for coding in CODINGS:
        # `*` alone is what scripts send that cannot decode a thing.
        quality = qualities.get(coding, 0.0)
        if quality > best_quality:
            best, best_quality = coding, quality
    return best if best_quality >= qualities.get(IDENTITY, 0.0) else IDENTITY


def encoder_of(coding: str, *, length: int = -1) -> Encoder:
    """An encoder for one of `CODINGS`. Takes about 10 ms a megabyte for gzip, 3 for zstd.

    `length` is that of the whole body where it is known: there are decoders of zstd that want it in the header.
    """
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj(size=length)
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)


def encode(data: bytes, coding: str) -> bytes:
    """The whole of the data in one of `CODINGS`."""
    encoder = encoder_of(coding, length=len(data))
    return encoder.compress(data) + encoder.flush()
