"""Frames of the sample files as the archive would give them: by our own reader and frame index, all in memory."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from dicomweb.encoding.codestreams import OPENING, divide
from dicomweb.encoding.frame_index import frame_index
from dicomweb.encoding.head import Head, HeadLimits
from dicomweb.encoding.image import image_spec, pixel_vr
from dicomweb.encoding.reader import HeadReader
from dicomweb.encoding.words import byte_swap, pixel_word_bytes
from dicomweb.encoding.written_syntax import first_fragment, written_syntax
from dicomweb.model.frames import FrameIndex
from dicomweb.model.instance import ImageSpec
from dicomweb.model.ranges import ByteRange
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.frame import DecodedFrame
from dicomweb.services.pixel_order import cut_bits
from dicomweb.wire.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE
from tests.build.samples import SAMPLES


@dataclass(frozen=True, slots=True)
class StoredFrames:
    """The frames of one file."""

    pixel_vr: str
    """Empty without pixel data."""
    spec: ImageSpec | None
    syntax: str
    frames: Sequence[bytes]

    def decode(self, number: int = 1) -> DecodedFrame:
        """A frame by its number (1-based)."""
        assert self.spec is not None
        return decode_frame(self.frames[number - 1], self.spec, self.syntax, pixel_vr=self.pixel_vr)


@cache
def stored_frames(name: str) -> StoredFrames:
    """The first and the last frame of a sample file (or the only one). Raises Unreadable."""
    assert SAMPLES is not None
    data = (SAMPLES / name).read_bytes()
    reader = HeadReader(HeadLimits(), whole=True)
    reader.feed(data)
    head = reader.finish()
    spec, vr = image_spec(head.data_set), pixel_vr(head.data_set)
    syntax = written_syntax(head, first_fragment(head, data))
    index = frame_index(replace(head, transfer_syntax=syntax), spec)
    if index is None or spec is None:
        return StoredFrames(vr, spec, syntax, ())
    if head.inflated:
        start = head.data_set_offset
        data = data[:start] + zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:])
    if index.undivided and index.fragments is not None:
        spans = zip(index.fragments.starts, index.fragments.lengths, strict=True)
        index = divide(index, [data[start : start + min(OPENING, length)] for start, length in spans])
    numbers = sorted({1, index.count}) if index.count else []
    if syntax == EXPLICIT_BIG and pixel_word_bytes(vr, spec.bits_allocated) * 8 > spec.bits_allocated:
        frames = [_from_words(data, head, index, number) for number in numbers]
        return StoredFrames(vr, spec, EXPLICIT_LITTLE, frames)
    return StoredFrames(vr, spec, syntax, [_frame(data, index, number) for number in numbers])


def _frame(data: bytes, index: FrameIndex, number: int) -> bytes:
    joined = b"".join(data[span.start : span.end] for span in index.ranges(number))
    return cut_bits(joined, index.bit_offset(number), index.frame_bits(number))


def _from_words(data: bytes, head: Head, index: FrameIndex, number: int) -> bytes:
    """Samples of less than a word, whose bytes have changed places across the border of frames."""
    assert head.pixel is not None
    assert isinstance(head.pixel.value, ByteRange)
    value = byte_swap(data[head.pixel.value.start : head.pixel.value.end], 2)
    bits = index.frame_bits(number)
    return cut_bits(value, (number - 1) * bits, bits)
