"""RLE Lossless (PS3.5 G): the bytes of each sample apart, most significant first, each packed by runs.

    64 bytes: number of segments, 15 offsets | segment of R's high bytes | of R's low bytes | of G's ...

Each segment is padded to even length. Whatever Planar Configuration says, it is colour by plane (G.2).
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import numpy as np

from dicomweb.pixels.codecs.codestream import EncodedFrame, Samples
from dicomweb.pixels.codecs.native import arranged
from dicomweb.pixels.frame import Undecodable

_HEADER = struct.Struct("<16L")
_MOST_PER_BYTE = 64
"""A run of 128 bytes takes two (PS3.5 G.3.1)."""
_SURPLUS = 128
"""Bytes behind the last one that matters that a segment may have without being taken apart slowly."""


def decode_rle(frame: EncodedFrame) -> Samples:
    """The samples of an RLE frame. Raises Undecodable."""
    if frame.spec.bits_allocated == 1:
        return arranged(_bits(frame).astype(frame.sample_type, copy=False), frame, by_plane=False)
    count, size = frame.samples, frame.sample_type.itemsize
    segments = _segments(frame.data, frame.spec.samples_per_pixel * size)
    _check_ratio(frame, count * size)
    samples = _unpacked(frame.data, segments, np.dtype(f"<u{size}"), count).view(
        frame.sample_type.newbyteorder("<")
    )
    return arranged(samples.astype(frame.sample_type, copy=False), frame, by_plane=False)


def _bits(frame: EncodedFrame) -> Samples:
    """Samples of one bit: a byte each, since the composite pixel code is padded to whole bytes (PS3.5 G.2).

    Some writers took that for eight samples a byte, as native pixel data have them; the length tells them apart.
    """
    ((start, end),) = _segments(frame.data, 1)
    packed = -(-frame.samples // 8)
    _check_ratio(frame, packed)
    unpacked = _unpacked_bytes(frame.data[start:end], frame.samples)
    if len(unpacked) >= frame.samples:
        samples: Samples = (np.frombuffer(unpacked, np.uint8, frame.samples) != 0).astype(np.uint8)
        return samples
    if len(unpacked) < packed or len(unpacked) > packed + 1:
        raise Undecodable(f"an RLE segment of {len(unpacked)} bytes, {frame.samples} samples of a bit declared")
    return np.unpackbits(np.frombuffer(unpacked, np.uint8), count=frame.samples, bitorder="little")


def _check_ratio(frame: EncodedFrame, declared: int) -> None:
    if declared > _MOST_PER_BYTE * len(frame.data):
        raise Undecodable(f"{len(frame.data)} bytes of RLE cannot hold {declared}")


def _segments(data: bytes, expected: int) -> list[tuple[int, int]]:
    """Begin and end of each segment."""
    if len(data) < _HEADER.size:
        raise Undecodable(f"an RLE frame of {len(data)} bytes, its header has {_HEADER.size}")
    count, *offsets = _HEADER.unpack_from(data)
    if count != expected:
        raise Undecodable(f"an RLE frame of {count} segments, {expected} declared")
    bounds = [*offsets[:count], len(data)]
    if bounds[0] < _HEADER.size or any(a >= b for a, b in pairwise(bounds)):
        raise Undecodable("the segments of an RLE frame do not follow one another inside it")
    return list(pairwise(bounds))


def _unpacked(data: bytes, segments: list[tuple[int, int]], kind: np.dtype[Any], count: int) -> Samples:
    """`count` little endian samples, those of a pixel side by side.

    Segment by segment: whether each of them is complete can only be seen so.
    """
    size = kind.itemsize
    samples = len(segments) // size
    pixels = count // samples
    if len(segments) == 1:
        return _segment(data[segments[0][0] : segments[0][1]], pixels).view(kind)
    out = np.empty((pixels, samples, size), np.uint8)
    for number, (start, end) in enumerate(segments):
        out[:, number // size, size - 1 - number % size] = _segment(data[start:end], pixels)
    return out.reshape(-1).view(kind)


def _segment(segment: bytes, expected: int) -> Samples:
    """The first `expected` bytes of a segment; padding behind them is left aside. Raises Undecodable."""
    unpacked = _unpacked_bytes(segment, expected)
    if len(unpacked) < expected:
        raise Undecodable(f"an RLE segment of {len(unpacked)} bytes, {expected} declared")
    return np.frombuffer(unpacked, np.uint8, expected)


def _unpacked_bytes(segment: bytes, expected: int) -> bytes:
    """What a segment holds, not much more than `expected` bytes of it: it may be of 64 times its size."""
    import imagecodecs

    try:
        return bytes(imagecodecs.packbits_decode(segment, out=expected + _SURPLUS))
    except RuntimeError:
        # refused also for a run that is cut off behind the last byte that matters
        return bytes(_packbits(segment, expected))


def _packbits(segment: bytes, expected: int) -> bytes:
    """Up to `expected` bytes, or some more: runs taken apart as PS3.5 G.3.2 says."""
    out = bytearray()
    at = 0
    while len(out) < expected and at + 1 < len(segment):
        control = segment[at]
        if control < 128:
            out += segment[at + 1 : at + 2 + control]
            at += 2 + control
        else:
            if control > 128:
                out += segment[at + 1 : at + 2] * (257 - control)
            at += 2 if control > 128 else 1
    return bytes(out)
