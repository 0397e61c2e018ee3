"""The order of bytes and bits in pixel data: big endian ones as little endian (PS3.5 7.3), frames out of bits."""

from __future__ import annotations

from functools import partial

import numpy as np

from dicomweb.encoding.words import byte_swap
from dicomweb.ports import Compute

_INLINE_BYTES = 512 << 10
"""Up to here bytes are turned round on the loop: handing them to a thread would cost as much."""


async def turned(compute: Compute, data: bytes, word: int) -> bytes:
    """The bytes with the order within each word turned round."""
    if len(data) <= _INLINE_BYTES:
        return byte_swap(data, word)
    return await compute.run(partial(byte_swap, data, word))


def cut_bits(data: bytes, start: int, bits: int) -> bytes:
    """`bits` bits from bit `start` on, least significant first (PS3.5 8.1.1), padded to whole bytes."""
    if start % 8 == 0 and bits % 8 == 0:
        return data[start // 8 : (start + bits) // 8]
    unpacked = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return np.packbits(unpacked[start : start + bits], bitorder="little").tobytes()
