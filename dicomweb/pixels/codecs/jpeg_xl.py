"""JPEG XL (ISO/IEC 18181-1, -2; PS3.5 8.2.15): lossless, recompressed JPEG, lossy.

Either a bare codestream (FF0A) or boxes with it inside. Its header is a string of bits, least significant first:

    size | all_default ? : extra fields?, bit depth, ..., extra channels, xyb_encoded, colour space | frames ...
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial

from dicomweb.pixels.codecs.codestream import Codestream, Samples
from dicomweb.pixels.frame import Undecodable, UnsupportedSyntax

_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_ASPECTS = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height by ratio code; 0 says that the width is written out."""


def is_jpeg_xl(data: bytes) -> bool:
    """Whether the bytes begin as JPEG XL."""
    return data[:2] == b"\xff\x0a" or data[:12] == _SIGNATURE


def read_jpeg_xl(data: bytes, photometric: str) -> Codestream:
    """What the header of a codestream says. Raises Undecodable, UnsupportedSyntax."""
    codestream, recompressed = _unboxed(data)
    if codestream[:2] != b"\xff\x0a":
        raise Undecodable("JPEG XL boxes without a codestream")
    rows, columns, precision, samples, xyb = _read_header(_Bits(codestream[2:66]))
    # a JPEG that was recompressed comes out as RGB; sub-sampled chroma can come from nowhere else
    rgb = samples == 3 and (xyb or recompressed or photometric in ("XYB", "YBR_FULL_422"))
    return Codestream(
        rows=rows,
        columns=columns,
        samples_per_pixel=samples,
        precision=precision,
        signed=False,
        decode=partial(_libjxl, data),
        becomes="RGB" if rgb else "",
    )


def _unboxed(data: bytes) -> tuple[bytes, bool]:
    """The (first part of the) codestream, and whether it can be turned back into a JPEG file."""
    if data[:12] != _SIGNATURE:
        return data, False
    at, found, recompressed = 12, b"", False
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        header = 8
        if length == 1 and at + 16 <= len(data):
            length, header = struct.unpack_from(">Q", data, at + 8)[0], 16
        end = at + length if length else len(data)
        if end < at + header:
            break
        if kind == b"jbrd":
            recompressed = True
        elif kind in (b"jxlc", b"jxlp") and not found:
            found = data[at + header + (4 if kind == b"jxlp" else 0) : end]
        at = end
    return found, recompressed


@dataclass(slots=True)
class _Bits:
    """The bits of a header, least significant of each byte first."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> int:
        """The next bits as a number. Raises Undecodable."""
        if self.at + count > 8 * len(self.data):
            raise Undecodable("the header of a JPEG XL codestream is cut off")
        value = int.from_bytes(self.data[self.at // 8 : (self.at + count + 7) // 8], "little")
        value = value >> self.at % 8 & ((1 << count) - 1)
        self.at += count
        return value

    def choose(self, *forms: tuple[int, int]) -> int:
        """One of four forms (ISO/IEC 18181-1 U32): what is added, and how many bits follow."""
        base, bits = forms[self.take(2)]
        return base + self.take(bits)


def _read_header(bits: _Bits) -> tuple[int, int, int, int, bool]:
    """Rows, columns, bits a sample, samples, and whether colour is XYB."""
    rows, columns = _size(bits)
    if bits.take(1):
        return rows, columns, 8, 3, True
    if bits.take(1):
        _extra_fields(bits)
    if bits.take(1):
        raise UnsupportedSyntax("JPEG XL of floating point samples")
    precision = bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    bits.take(1)
    if bits.choose((0, 0), (1, 0), (2, 4), (1, 12)):
        raise UnsupportedSyntax("JPEG XL with more channels than colour")
    xyb = bool(bits.take(1))
    if bits.take(1):
        return rows, columns, precision, 3, xyb
    bits.take(1)
    grey = bits.choose((0, 0), (1, 0), (2, 4), (18, 6)) == 1
    return rows, columns, precision, 1 if grey else 3, xyb


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)
    rows = _extent(bits, small)
    ratio = bits.take(3)
    if ratio:
        across, down = _ASPECTS[ratio]
        return rows, rows * across // down
    return rows, _extent(bits, small)


def _extent(bits: _Bits, small: int) -> int:
    if small:
        return (1 + bits.take(5)) * 8
    return bits.choose((1, 9), (1, 13), (1, 18), (1, 30))


def _extra_fields(bits: _Bits) -> None:
    """Orientation, size it is meant for; a preview or an animation is no single image."""
    if bits.take(3):
        raise UnsupportedSyntax("JPEG XL that is to be turned round")
    if bits.take(1):
        _size(bits)
    if bits.take(2):
        raise UnsupportedSyntax("JPEG XL with a preview or an animation")


def _libjxl(data: bytes) -> Samples:
    import imagecodecs

    return imagecodecs.jpegxl_decode(data, numthreads=1)
