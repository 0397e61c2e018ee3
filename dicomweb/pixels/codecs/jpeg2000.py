"""JPEG 2000 and HTJ2K (ISO/IEC 15444-1, -2, -15; PS3.5 A.4.4, 8.2.4, 8.2.14).

    FF4F SOC | FF51 SIZ | ... FF52 COD, FF50 CAP ... | FF90 SOT, tile-part | SOT, tile-part | ... | FFD9 EOC

The standard wants a bare codestream; some devices send a JP2 file, whose boxes are left aside: what they say of
colour is said by the data set. The tile-parts are counted before decoding, because a codestream that is cut off
would decode to a picture that is blurred in part. So are the precincts, because for each of them a decoder keeps
some hundred bytes, and only the header of the codestream says how small they are.

OpenJPEG does both kinds. OpenJPH takes half the time for HTJ2K, but as imagecodecs binds it, it leaves memory
unwritten for damaged code-blocks without a word, and does not return from tiles that begin inside the image.
So it is left to samples that OpenJPEG cannot do, and there it has to say the same twice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from dicomweb.pixels.codecs.codestream import Codestream, Samples
from dicomweb.pixels.frame import TooLarge, Undecodable, UnsupportedSyntax

_SIZ = struct.Struct(">HHLLLLLLLLH")
_JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_SOC, _EOC = b"\xff\x4f", b"\xff\xd9"
_CAP, _SIZ_MARKER, _COD, _COC, _SOT, _SOD = 0xFF50, 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93
_LEAST_TILE_PART = 14
"""SOT and SOD of a tile-part without packets."""
_SOT_BYTES = 12
_MOST_BITS = 24
"""Of a sample: with more OpenJPEG is no longer exact."""
_MOST_BITS_HIGH_THROUGHPUT = 32
_MOST_LAYERS = 4096
"""Of a quality-layered codestream; more would only make decoders slow."""
_FEW_PRECINCTS = 4096
_LEAST_PIXELS_A_PRECINCT = 64
"""On the average, of more precincts than those few; encoders make them of 64 x 64 pixels and larger."""
_PRECINCTS_SAID = 0x01
"""Of Scod and Scoc (ISO/IEC 15444-1 A.6.1): sizes are written out, else there is one precinct a resolution."""


def is_jpeg2000(data: bytes) -> bool:
    """Whether the bytes begin as a codestream or a JP2 file."""
    return data[:3] == b"\xff\x4f\xff" or data[:12] == _JP2_SIGNATURE


def read_jpeg2000(data: bytes, photometric: str) -> Codestream:
    """What the header of a codestream says. Raises Undecodable, UnsupportedSyntax, TooLarge."""
    data = _bare(data)
    try:
        header = _main_header(data)
        complete = _completed(data, header)
    except (struct.error, IndexError) as error:
        raise Undecodable("the header of a JPEG 2000 codestream is cut off") from error
    if header.precision > (_MOST_BITS_HIGH_THROUGHPUT if header.high_throughput else _MOST_BITS):
        raise UnsupportedSyntax(f"JPEG 2000 of {header.precision} bits a sample")
    deep = header.precision > _MOST_BITS
    return Codestream(
        rows=header.rows,
        columns=header.columns,
        samples_per_pixel=header.components,
        precision=header.precision,
        signed=header.signed,
        decode=partial(_openjph, complete, header) if deep else partial(_openjpeg, complete),
    )


@dataclass(frozen=True, slots=True)
class _Header:
    rows: int
    columns: int
    components: int
    precision: int
    signed: bool
    tiles: int
    high_throughput: bool
    end: int
    """Offset of the first SOT."""


def _bare(data: bytes) -> bytes:
    """The codestream of a JP2 file (ISO/IEC 15444-1 I.4), or the data themselves."""
    if data[:12] != _JP2_SIGNATURE:
        return data
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        header = 8
        if length == 1 and at + 16 <= len(data):
            length, header = struct.unpack_from(">Q", data, at + 8)[0], 16
        if kind == b"jp2c":
            return data[at + header : at + length if length else None]
        if length < header:
            break
        at += length
    raise Undecodable("a JP2 file without a codestream")


def _main_header(data: bytes) -> _Header:
    if data[:2] != _SOC:
        raise Undecodable("not a JPEG 2000 codestream")
    segments = list(_segments(data, 2, _SOT))
    found = {marker: at for marker, at, _ in segments}
    if _SIZ_MARKER not in found:
        raise Undecodable("a JPEG 2000 codestream without SIZ")
    size = next(segment for marker, _, segment in segments if marker == _SIZ_MARKER)
    header = _sized(size, high_throughput=_CAP in found, end=found[_SOT])
    _check_coding(segments, header)
    return header


def _segments(data: bytes, at: int, last: int) -> Iterator[tuple[int, int, bytes]]:
    """Marker, its offset and segment, length included, from `at` on; at the end the marker `last` without one."""
    while True:
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == last:
            yield marker, at, b""
            return
        if marker < 0xFF00 or length < 2:
            raise Undecodable(f"a JPEG 2000 header with {marker:04X} where a marker was expected")
        yield marker, at, data[at + 2 : at + 2 + length]
        at += 2 + length


def _check_coding(segments: Iterable[tuple[int, int, bytes]], header: _Header) -> None:
    """Refuse what would cost a decoder far more than its samples (COD and COC, ISO/IEC 15444-1 A.6.1, A.6.2)."""
    for marker, _, segment in segments:
        if marker == _COD:
            if struct.unpack_from(">H", segment, 4)[0] > _MOST_LAYERS:
                raise Undecodable("a JPEG 2000 codestream of absurdly many layers")
            style, levels = segment[2], segment[7:]
        elif marker == _COC:
            style_at = 3 if header.components < 257 else 4
            style, levels = segment[style_at], segment[style_at + 1 :]
        else:
            continue
        most = max(_FEW_PRECINCTS, header.rows * header.columns // _LEAST_PIXELS_A_PRECINCT)
        if style & _PRECINCTS_SAID and _precincts(levels, header) > most:
            raise TooLarge(f"a JPEG 2000 codestream of more than {most} precincts")


def _precincts(coding: bytes, header: _Header) -> int:
    """How many precincts a component has if it is one tile; `coding` begins with the number of decompositions."""
    count = 0
    for resolution in range(coding[0] + 1):
        size = coding[5 + resolution]
        halved = coding[0] - resolution
        across, down = halved + (size & 15), halved + (size >> 4)
        count += -(-header.columns >> across) * -(-header.rows >> down)
    return count


def _sized(size: bytes, *, high_throughput: bool, end: int) -> _Header:
    """The SIZ segment (A.5.1): image and tile grid, then depth and sub-sampling of each component."""
    _, _, right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, count = _SIZ.unpack_from(size)
    components = [size[_SIZ.size + 3 * n : _SIZ.size + 3 * n + 3] for n in range(count)]
    if not count or any(len(component) < 3 for component in components):
        raise Undecodable("a JPEG 2000 codestream without components")
    if any(component != components[0] for component in components):
        raise Undecodable("the components of a JPEG 2000 codestream differ in size or depth")
    depth, across, down = components[0]
    if (across, down) != (1, 1) or right <= left or bottom <= top:
        raise Undecodable("a JPEG 2000 codestream of sub-sampled components or without size")
    if not (tile_left <= left < tile_left + tile_width and tile_top <= top < tile_top + tile_height):
        raise Undecodable("a JPEG 2000 codestream whose first tile does not hold its first sample")
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    return _Header(
        rows=bottom - top,
        columns=right - left,
        components=count,
        precision=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        tiles=tiles,
        high_throughput=high_throughput,
        end=end,
    )


def _completed(data: bytes, header: _Header) -> bytes:
    """The codestream up to its end, which is added if only EOC is missing. Raises Undecodable if more is."""
    if header.tiles * _LEAST_TILE_PART > len(data):
        raise Undecodable(f"{len(data)} bytes of JPEG 2000 cannot hold {header.tiles} tiles")
    at, seen = header.end, set()
    while data[at : at + 2] == b"\xff\x90":
        _, tile, length = struct.unpack_from(">HHL", data, at + 2)
        seen.add(tile)
        _check_coding(_segments(data, at + _SOT_BYTES, _SOD), header)
        if length == 0:
            # the last tile-part may leave its length open: it ends with the codestream (A.4.2)
            end = data.rfind(_EOC, at)
            at = end if end >= 0 else len(data)
            break
        if length < _LEAST_TILE_PART:
            raise Undecodable(f"a JPEG 2000 tile-part of {length} bytes")
        at += length
    if at > len(data) or len(seen) != header.tiles:
        raise Undecodable(f"a JPEG 2000 codestream is cut off: {len(seen)} of {header.tiles} tiles")
    return data if data[at : at + 2] == _EOC else data[:at] + _EOC


def _openjph(data: bytes, header: _Header) -> Samples:
    """What comes out over two different fillings, which only shows if something was left unwritten."""
    import imagecodecs

    shape = (header.rows, header.columns) + ((header.components,) if header.components > 1 else ())
    kind = np.dtype(np.int32 if header.signed else np.uint32)
    first = imagecodecs.htj2k_decode(data, out=np.zeros(shape, kind))
    if (first != imagecodecs.htj2k_decode(data, out=np.full(shape, -1).astype(kind))).any():
        raise Undecodable("code-blocks of an HTJ2K codestream are damaged")
    return first


def _openjpeg(data: bytes) -> Samples:
    import imagecodecs

    return imagecodecs.jpeg2k_decode(data)
