"""Big endian values as little endian ones (PS3.5 7.3).

OW pixel data of more than 16 bits a sample are swapped sample by sample, as all known writers lay them out and
pydicom reads them; the letter of PS3.5 8.1.1 would have the 16-bit words of a sample in little endian order.
"""

from __future__ import annotations

import numpy as np

_WIDTHS = {"OW": 2, "US": 2, "SS": 2, "OF": 4, "OL": 4, "UL": 4, "SL": 4, "FL": 4, "OD": 8, "OV": 8, "FD": 8,
           "SV": 8, "UV": 8}  # fmt: skip


def value_width(vr: str, bits_allocated: int = 0) -> int:
    """Bytes that are turned round together in a value of the VR; 1 where nothing is.

    `bits_allocated` is that of pixel data, 0 for any other value.
    """
    return bits_allocated // 8 if vr == "OW" and bits_allocated in (32, 64) else _WIDTHS.get(vr, 1)


def swap(data: bytes, width: int) -> bytes:
    """Each group of `width` bytes turned round; what is left over at the end stays as it is."""
    if width == 1:
        return data
    whole = len(data) - len(data) % width
    return np.frombuffer(data, np.dtype(f"u{width}"), count=whole // width).byteswap().tobytes() + data[whole:]


def cut_bits(data: bytes, start: int, bits: int) -> bytes:
    """`bits` bits from bit `start` on, least significant first (PS3.5 8.1.1), padded to whole bytes."""
    if start % 8 == 0 and bits % 8 == 0:
        return data[start // 8 : (start + bits) // 8]
    unpacked = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return np.packbits(unpacked[start : start + bits], bitorder="little").tobytes()
