"""Pixel data of an instance as one uncompressed value made of its frames, or a span of it.

Only the frames that the span touches are read and decoded. Where frames do not end with a byte (1 bit a sample)
one begins within the last byte of another, so all before it are made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from dicomweb.encoding.encapsulate import native, native_length
from dicomweb.model.instance import Instance
from dicomweb.model.ranges import ByteRange
from dicomweb.services.bulk_reading import cut
from dicomweb.services.conversions import conversion_of, native_frame_bits
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.streams import closing_stream


def converted_length(instance: Instance, target: str, frames: int) -> int:
    """Bytes of the value, padded to even length as stored ones are. Raises TooLong, UnsupportedSyntax."""
    return native_length(frames, native_frame_bits(conversion_of(instance, target).spec))


async def read_converted(
    converter: FrameConverter, instance: Instance, target: str, frames: int, span: ByteRange | None
) -> AsyncIterator[bytes]:
    """The value, or a span of it counted from its first byte. Raises what `FrameConverter.many` raises."""
    conversion = conversion_of(instance, target)
    bits = native_frame_bits(conversion.spec)
    first, last = 1, frames
    skip = 0
    if span is not None and bits % 8 == 0:
        first = min(span.start * 8 // bits + 1, frames)
        last = min(-(-span.end * 8 // bits), frames)
        skip = (first - 1) * bits // 8
    async with closing_stream(converter.many(instance, range(first, last + 1), target)) as made:
        pieces = native(made, count=last + 1 - first, bits_per_frame=bits, vr=conversion.pixel_vr)
        await anext(pieces)  # the header of the element
        if span is None:
            async for piece in pieces:
                yield piece
            return
        async for piece in cut(pieces, span.start - skip, span.length):
            yield piece
