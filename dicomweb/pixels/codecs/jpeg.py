"""JPEG by the DCT, JPEG Lossless, JPEG-LS (ISO/IEC 10918-1, 14495-1; PS3.5 A.4.1 to A.4.3).

    FFD8 SOI | tables, APPn ... | FFCx SOFn: precision, rows, columns, components | FFDA SOS | scan ... | FFD9 EOI

The kind of coding is told by n of SOFn: 0 baseline, 1 extended, 2 progressive, 3 lossless, 55 JPEG-LS.

**Colour.** What three components of a DCT image mean is told by the codestream before the data set, because
encoders that turn RGB into YCbCr on their way often leave Photometric Interpretation at RGB: the Adobe segment,
component names "RGB", the JFIF segment (always YCbCr), chroma stored smaller; only then the attribute.

**End.** Decoders fill up an image that is cut off without a word. Where EOI is missing, the image is decoded
twice, with different bytes behind its end: if they change it, it was not complete. Bytes that are wrong in the
middle of a scan are not found out: JPEG has nothing to check them by. The digests of the archive do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from dicomweb.pixels.codecs.codestream import Codestream, Samples
from dicomweb.pixels.frame import Undecodable, UnsupportedSyntax

_SEQUENTIAL, _PROGRESSIVE, _LOSSLESS, _JPEG_LS = (0xC0, 0xC1), 0xC2, 0xC3, 0xF7
_FRAME_HEADERS = frozenset((*range(0xC0, 0xD0), _JPEG_LS)) - {0xC4, 0xC8, 0xCC}
_SOS, _APP0, _ADOBE = 0xDA, 0xE0, 0xEE
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a segment."""
_EOI = b"\xff\xd9"
_MOST_SCANS = 200
"""Of a progressive image; encoders write about ten, and each costs as much as the whole image."""
_OTHER_END = b"\xda\x95\x2b\x6d" * 64
"""What may follow a complete scan without changing it; begins with a bit that decoders would not fill in."""


@dataclass(frozen=True, slots=True)
class _Header:
    kind: int
    """Second byte of the SOFn marker."""
    precision: int
    rows: int
    columns: int
    names: bytes
    """Component identifiers, a byte each."""
    factors: bytes
    """Sampling factors, a byte each."""
    jfif: bool
    adobe: int | None
    """Transform of the Adobe segment: 0 none, 1 YCbCr; None without one."""
    one_scan: bool
    """The first scan holds all components."""
    scan: int
    """Offset of the first SOS."""


def is_jpeg(data: bytes) -> bool:
    """Whether the bytes begin as JPEG of any kind."""
    return data[:3] == b"\xff\xd8\xff"


def read_jpeg(data: bytes, photometric: str) -> Codestream:
    """What the headers of a JPEG or JPEG-LS image say. Raises Undecodable, UnsupportedSyntax."""
    try:
        header = _read_header(data)
    except (struct.error, IndexError) as error:
        raise Undecodable("the header of a JPEG image is cut off") from error
    components = len(header.names)
    if components not in (1, 3):
        raise UnsupportedSyntax(f"JPEG of {components} components")
    becomes = ""
    if header.kind == _JPEG_LS:
        decoder = partial(_charls, data if data.find(_EOI, header.scan) >= 0 else data + _EOI)
    elif header.kind == _LOSSLESS:
        decoder = partial(_whole, data, header, "RGB" if components == 3 else "")
    elif header.kind == _PROGRESSIVE or header.kind in _SEQUENTIAL:
        becomes = "RGB" if components == 3 else ""
        decoder = partial(_whole, data, header, _colour(header, photometric))
    else:
        raise UnsupportedSyntax(f"JPEG of the process with frame header FF{header.kind:02X}")
    return Codestream(
        rows=header.rows,
        columns=header.columns,
        samples_per_pixel=components,
        precision=header.precision,
        signed=False,
        decode=decoder,
        becomes=becomes,
    )


def _read_header(data: bytes) -> _Header:
    frame: tuple[int, bytes] | None = None
    jfif, adobe = False, None
    for marker, at, segment in _segments(data):
        if marker in _FRAME_HEADERS:
            if frame is not None:
                raise Undecodable("a JPEG image of several frames")
            frame = (marker, segment)
        elif marker == _APP0:
            jfif = jfif or segment[:5] == b"JFIF\0"
        elif marker == _ADOBE and segment[:5] == b"Adobe" and len(segment) >= 12:
            adobe = segment[11]
        elif marker == _SOS:
            if frame is None:
                break
            return _header(*frame, jfif=jfif, adobe=adobe, in_scan=segment[0], scan=at)
    raise Undecodable("a JPEG image without frame header or scan")


def _header(kind: int, segment: bytes, *, jfif: bool, adobe: int | None, in_scan: int, scan: int) -> _Header:
    precision, rows, columns, count = struct.unpack_from(">BHHB", segment)
    components = segment[6 : 6 + 3 * count]
    if not count or len(components) < 3 * count:
        raise Undecodable("a JPEG frame header that is too short for its components")
    names, factors = components[0::3], components[1::3]
    return _Header(kind, precision, rows, columns, names, factors, jfif, adobe, in_scan == count, scan)


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Marker, its offset and value of each segment up to the first scan."""
    at = 2
    while at + 1 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF:
            raise Undecodable(f"a JPEG image with {data[at]:02X} where a marker was expected")
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        if length < 2:
            raise Undecodable("a JPEG segment without its length")
        yield marker, at, data[at + 4 : at + 2 + length]
        if marker == _SOS:
            return
        at += 2 + length


def _colour(header: _Header, photometric: str) -> str:
    """Colour space of the components; empty for one."""
    if len(header.names) == 1:
        return ""
    if header.adobe is not None:
        return "YCBCR" if header.adobe else "RGB"
    if header.names == b"RGB":
        return "RGB"
    if header.jfif or len(set(header.factors)) > 1:
        return "YCBCR"
    return "RGB" if photometric == "RGB" else "YCBCR"


def _whole(data: bytes, header: _Header, colour: str) -> Samples:
    """The samples of an image by DCT or prediction, if it is complete. Raises Undecodable."""
    if data.count(b"\xff\xda") > _MOST_SCANS:
        raise Undecodable("a JPEG image of absurdly many scans")
    if data.find(_EOI, header.scan) >= 0:
        return _turbo(data, colour)
    if header.kind == _PROGRESSIVE or not header.one_scan:
        raise Undecodable("a JPEG image of several scans is cut off")
    begun = data.rstrip(b"\xff")
    samples = _turbo(begun + _EOI, colour)
    if (samples != _turbo(begun + _OTHER_END + _EOI, colour)).any():
        raise Undecodable("a JPEG image is cut off")
    return samples


def _turbo(data: bytes, colour: str) -> Samples:
    """By libjpeg-turbo, which does 2 to 16 bits; three components become RGB."""
    import imagecodecs

    if colour:
        return imagecodecs.jpeg8_decode(data, colorspace=colour, outcolorspace="RGB")
    return imagecodecs.jpeg8_decode(data)


def _charls(data: bytes) -> Samples:
    import imagecodecs

    return imagecodecs.jpegls_decode(data)
