"""Rows of whole numbers as few bytes: what the indexes of frames and bulk values are stored as.

The numbers are written plane by plane (all lowest bytes, then all second bytes, ...), as many planes as the
largest number needs, and compressed where that helps: lengths of compressed frames differ in their low bytes and
agree in the high ones. Unpacking is a few passes in C, whatever the count.

    width (1 byte) | count (4) | bytes of the planes as stored (4) | planes, zstd if fewer bytes than raw
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence

import numpy as np
import zstandard
from numpy.typing import NDArray

_HEAD = struct.Struct("<BII")
_WORTH_COMPRESSING = 64
_LEVEL = 3

Numbers = NDArray[np.uint64]


class DamagedIndex(ValueError):
    """Bytes that are not an index as this software writes it."""


def as_numbers(row: array[int] | Sequence[int]) -> Numbers:
    """The row for vector arithmetic; an array of type code Q is not copied."""
    if isinstance(row, array) and row.typecode == "Q":
        return np.frombuffer(row, dtype=np.uint64)
    return np.array(row, dtype=np.uint64)


def as_row(numbers: Numbers) -> array[int]:
    """The numbers as an array of type code Q, from which single ones are read fastest."""
    row = array("Q")
    row.frombytes(np.ascontiguousarray(numbers, dtype=np.uint64).tobytes())
    return row


def pack_numbers(numbers: Numbers) -> bytes:
    """The numbers as bytes; `unpack_numbers` brings them back."""
    width = (int(numbers.max()).bit_length() + 7) // 8 if len(numbers) else 0
    octets = numbers.astype("<u8").view(np.uint8).reshape(-1, 8)
    body = octets[:, :width].T.tobytes()
    if len(body) >= _WORTH_COMPRESSING:
        packed = zstandard.ZstdCompressor(level=_LEVEL).compress(body)
        body = min(packed, body, key=len)
    return _HEAD.pack(width, len(numbers), len(body)) + body


def unpack_numbers(data: bytes, offset: int) -> tuple[Numbers, int]:
    """The numbers packed at `offset`, and the offset behind them. Raises DamagedIndex."""
    try:
        width, count, stored = _HEAD.unpack_from(data, offset)
        begin = offset + _HEAD.size
        body = data[begin : begin + stored]
        if stored != width * count:
            body = zstandard.ZstdDecompressor().decompress(body, max_output_size=width * count)
        octets = np.zeros((count, 8), dtype=np.uint8)
        octets[:, :width] = np.frombuffer(body, dtype=np.uint8).reshape(width, count).T
    except (struct.error, zstandard.ZstdError, ValueError) as error:
        raise DamagedIndex(f"an index cannot be unpacked: {error}") from error
    return octets.view("<u8").reshape(count), begin + stored
