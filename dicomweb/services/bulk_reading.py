"""Bulk values of an instance in the byte order a representation promises."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dicomweb.encoding.image import PIXEL_TAGS
from dicomweb.encoding.words import pixel_word_bytes, word_bytes
from dicomweb.model.instance import Instance
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Archive, Compute
from dicomweb.services.pixel_order import turned

BulkPath = tuple[str, ...]
"""Tags and 1-based item numbers in turn."""


def words_of(instance: Instance, path: BulkPath, vr: str) -> int:
    """Bytes of the words the value at the path is made of."""
    if len(path) == 1 and path[0] in PIXEL_TAGS and instance.image is not None:
        return pixel_word_bytes(vr, instance.image.bits_allocated)
    return word_bytes(vr)


def read_value(
    archive: Archive,
    compute: Compute,
    instance: Instance,
    path: BulkPath,
    span: ByteRange | None,
    *,
    length: int,
    word: int,
) -> AsyncIterator[bytes]:
    """The value of `length` bytes, or a span of it; a `word` of more than one byte is turned round.

    Raises NoSuchBulkData, Damaged.
    """
    if word == 1:
        return archive.bulk(instance, path, span)
    if span is None:
        return _turned(compute, archive.bulk(instance, path), word)
    start = span.start - span.start % word
    whole = ByteRange(start, min(span.end + -span.end % word, length))
    return cut(_turned(compute, archive.bulk(instance, path, whole), word), span.start - start, span.length)


async def _turned(compute: Compute, chunks: AsyncIterator[bytes], word: int) -> AsyncIterator[bytes]:
    """Words turned round, also where one lies across the border of two chunks."""
    held = b""
    async for chunk in chunks:
        data = held + chunk
        whole = len(data) - len(data) % word
        held = data[whole:]
        yield await turned(compute, data[:whole], word)
    if held:
        yield held


async def cut(chunks: AsyncIterator[bytes], skip: int, take: int) -> AsyncIterator[bytes]:
    """`take` bytes behind the first `skip` ones."""
    async for chunk in chunks:
        piece = chunk[skip : skip + take]
        skip = max(0, skip - len(chunk))
        take -= len(piece)
        if piece:
            yield piece
