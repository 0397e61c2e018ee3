"""How the values of each VR are made of bytes: word size, form of the length field (PS3.5 6.2, 7.1.2, 7.3)."""

from __future__ import annotations

import numpy as np

LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""VRs with a 32-bit length in Explicit VR (PS3.5 7.1.2)."""

SHORT_VRS = frozenset(
    (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT"),
        *("PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
)
"""VRs with a 16-bit length in Explicit VR."""

KNOWN_VRS = LONG_VRS | SHORT_VRS

_WORDS = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),  # an AT is two 16-bit numbers (PS3.5 6.2)
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}


def word_bytes(vr: str) -> int:
    """Bytes of the words a value of this VR is made of: what byte order acts on; 1 where it does not."""
    return _WORDS.get(vr, 1)


def byte_swap(data: bytes, word: int) -> bytes:
    """The bytes with the order within each word of `word` bytes turned round (PS3.5 7.3); 1 leaves them alone.

    What follows the last whole word stays as it is.
    """
    if word == 1:
        return data
    whole = len(data) - len(data) % word
    turned = np.frombuffer(data, dtype=f"u{word}", count=whole // word).byteswap().tobytes()
    return turned if whole == len(data) else turned + bytes(data[whole:])


def pixel_word_bytes(vr: str, bits_allocated: int) -> int:
    """Bytes of pixel data that are turned round together.

    OW pixel data of 32 or 64 bits a sample are turned sample by sample, as writers lay them out and pydicom reads
    them (RT Dose is the case met); the letter of PS3.5 8.1.1 would keep the order of the 16-bit words of a sample.
    """
    return bits_allocated // 8 if vr == "OW" and bits_allocated in (32, 64) else word_bytes(vr)
