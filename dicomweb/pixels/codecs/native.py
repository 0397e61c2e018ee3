"""Uncompressed frames: samples as they lie, by pixel or by plane, in either byte order (PS3.5 8.1, 8.2).

Sub-sampled colour (PS3.3 C.7.6.3.1.2) is brought to full resolution by repeating Cb and Cr, which belong to the
first of two pixels:  Y1 Y2 Cb Cr  becomes  Y1 Cb Cr, Y2 Cb Cr.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from dicomweb.encoding.words import byte_swap, pixel_word_bytes
from dicomweb.pixels.codecs.codestream import EncodedFrame, Samples
from dicomweb.pixels.frame import Undecodable, UnsupportedSyntax

_HALVED = frozenset(("YBR_FULL_422", "YBR_PARTIAL_422"))


def decode_native(frame: EncodedFrame) -> Samples:
    """The samples of an uncompressed frame.

    Raises Undecodable if there are not as many bytes as the attributes say, UnsupportedSyntax.
    """
    spec, data = frame.spec, frame.data
    if frame.big_endian:
        data = little_endian(data, frame_word_bytes(frame.pixel_vr, spec.bits_allocated))
    if spec.bits_allocated % 8:
        return arranged(_packed(data, frame), frame, by_plane=spec.planar_configuration == 1)
    if _is_halved(frame):
        return _full_resolution(_taken(data, frame, frame.samples // 3 * 2), frame)
    samples = _taken(data, frame, frame.samples)
    return arranged(samples, frame, by_plane=spec.planar_configuration == 1)


def decode_deflated(frame: EncodedFrame) -> Samples:
    """The samples of a frame deflated by itself (Deflated Image Frame Compression, PS3.5 8.2.16, A.4.13)."""
    return decode_native(replace(frame, data=inflated(frame.data, frame.decoded_bytes), big_endian=False))


def inflated(data: bytes, most: int) -> bytes:
    """The bytes of a deflated frame, which has `most` of them or fewer, but for padding. Raises Undecodable."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(data, most + 2)
    except zlib.error as error:
        raise Undecodable(f"a deflated frame is damaged: {error}") from error
    if not inflater.eof:
        raise Undecodable("a deflated frame is cut off, or longer than its attributes say")
    return plain


def little_endian(data: bytes, word: int) -> bytes:
    """A big endian frame in little endian, words of so many bytes; and the other way round. Raises Undecodable."""
    if len(data) % word:
        # a frame that ends inside a word: its last byte lies with the frame behind it
        raise Undecodable(f"a big endian frame of {len(data)} bytes, words of {word} bytes expected")
    return byte_swap(data, word)


def frame_word_bytes(pixel_vr: str, bits_allocated: int) -> int:
    """Bytes of a big endian pixel data element that lie turned round together (PS3.5 7.3)."""
    return pixel_word_bytes(pixel_vr, bits_allocated) if pixel_vr else max(1, bits_allocated // 8)


def arranged(samples: Samples, frame: EncodedFrame, *, by_plane: bool) -> Samples:
    """The samples in a row as (rows, columns) or (rows, columns, samples), C-contiguous."""
    spec = frame.spec
    if spec.samples_per_pixel == 1:
        return samples.reshape(spec.rows, spec.columns)
    if not by_plane:
        return samples.reshape(spec.rows, spec.columns, spec.samples_per_pixel)
    planes = samples.reshape(spec.samples_per_pixel, spec.rows, spec.columns)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _packed(data: bytes, frame: EncodedFrame) -> Samples:
    """Samples that are not whole bytes, one behind the other from bit 0 on (PS3.5 8.1.1).

    Of one bit, or of any number up to 15, which former editions allowed and 12-bit images of that time have.
    """
    bits = frame.spec.bits_allocated
    expected = -(-frame.samples * bits // 8)
    if not expected <= len(data) <= expected + expected % 2:
        raise Undecodable(f"a frame of {len(data)} bytes, {expected} declared")
    unpacked = np.unpackbits(np.frombuffer(data, np.uint8), count=frame.samples * bits, bitorder="little")
    if bits == 1:
        return unpacked
    whole = np.zeros((frame.samples, 16), np.uint8)
    whole[:, :bits] = unpacked.reshape(-1, bits)
    if frame.spec.pixel_representation == 1:
        whole[:, bits:] = whole[:, bits - 1 : bits]
    words = np.packbits(whole, axis=1, bitorder="little").view("<i2").reshape(-1)
    return words.astype(frame.sample_type)


def _taken(data: bytes, frame: EncodedFrame, count: int) -> Samples:
    """`count` samples; a byte of padding may follow them (PS3.5 8.1.1)."""
    kind = frame.sample_type.newbyteorder("<")
    expected = count * kind.itemsize
    if not expected <= len(data) <= expected + expected % 2:
        raise Undecodable(f"a frame of {len(data)} bytes, {expected} declared")
    return np.frombuffer(data, kind, count).astype(frame.sample_type, copy=False)


def _is_halved(frame: EncodedFrame) -> bool:
    """Whether Cb and Cr lie there for every second pixel only; some say so and store every sample."""
    spec = frame.spec
    if spec.samples_per_pixel != 3 or len(frame.data) >= frame.decoded_bytes:
        return False
    if spec.photometric_interpretation in _HALVED and spec.columns % 2 == 0:
        return True
    if spec.photometric_interpretation in _HALVED or spec.photometric_interpretation == "YBR_PARTIAL_420":
        raise UnsupportedSyntax(f"native {spec.photometric_interpretation} of {spec.columns} columns")
    return False


def _full_resolution(samples: Samples, frame: EncodedFrame) -> Samples:
    spec = frame.spec
    pairs = samples.reshape(spec.rows, spec.columns // 2, 4)
    full = np.empty((spec.rows, spec.columns, 3), samples.dtype)
    for first in (0, 1):
        full[:, first::2, 0] = pairs[:, :, first]
        full[:, first::2, 1:] = pairs[:, :, 2:]
    return full
