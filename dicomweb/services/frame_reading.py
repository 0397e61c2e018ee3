"""Frames of an instance in the byte order a representation promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from dicomweb.encoding.image import PIXEL_DATA
from dicomweb.encoding.words import byte_swap, pixel_word_bytes
from dicomweb.model.instance import ImageSpec, Instance
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Archive, Compute, NoSuchFrame
from dicomweb.services.pixel_order import cut_bits, turned


def read_frames(
    archive: Archive, compute: Compute, instance: Instance, numbers: Sequence[int], *, swapped: bool
) -> AsyncIterator[bytes]:
    """The frames in the order asked for; with `swapped`, big endian ones as little endian.

    Raises NoSuchFrame before the first frame; Damaged.
    """
    image = instance.image
    if not swapped or image is None:
        return archive.frames(instance, numbers)
    width = pixel_word_bytes(instance.pixel_vr, image.bits_allocated)
    if width * 8 > image.bits_allocated:
        return _from_words(archive, compute, instance, image, numbers)
    return _swapped(compute, archive.frames(instance, numbers), width)


async def _swapped(compute: Compute, frames: AsyncIterator[bytes], width: int) -> AsyncIterator[bytes]:
    async for frame in frames:
        yield await turned(compute, frame, width)


async def _from_words(
    archive: Archive, compute: Compute, instance: Instance, image: ImageSpec, numbers: Sequence[int]
) -> AsyncIterator[bytes]:
    """Samples of 8 bits or 1 in big endian OW: the bytes of a word have changed places, also across the border of
    two frames, so whole words are read and the frame is cut out of them."""
    bits = image.rows * image.columns * image.samples_per_pixel * image.bits_allocated
    count = await archive.frame_count(instance)
    for number in numbers:
        if not 1 <= number <= count:
            raise NoSuchFrame(number, count)
    for number in numbers:
        first = (number - 1) * bits
        start = first // 16 * 2
        span = ByteRange(start, -(-(first + bits) // 16) * 2)
        words = b"".join([chunk async for chunk in archive.bulk(instance, (PIXEL_DATA,), span)])
        yield await compute.run(partial(_cut_frame, words, first - start * 8, bits))


def _cut_frame(words: bytes, first: int, bits: int) -> bytes:
    return cut_bits(byte_swap(words, 2), first, bits)
