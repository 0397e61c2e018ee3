"""Bulk values as parts of an answer: as stored, or the image's pixel data converted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from dicomweb.encoding.encapsulate import TooLong
from dicomweb.encoding.image import PIXEL_TAGS
from dicomweb.model.instance import Instance
from dicomweb.model.pixel_errors import TooLarge
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Archive, Compute
from dicomweb.services.bulk_reading import BulkPath, read_value, words_of
from dicomweb.services.conditional import caching
from dicomweb.services.converted_values import converted_length, read_converted
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.streams import begun, chain, closing_stream
from dicomweb.wire.exchange import Answer
from dicomweb.wire.multipart import closing, new_boundary, part_head, related_type
from dicomweb.wire.negotiation import Representation
from dicomweb.wire.paths import bulkdata_url, frame_url
from dicomweb.wire.transfer_syntaxes import transfer_syntax

_HEAD_AND_DATA = 2

Reader = Callable[[ByteRange | None], AsyncIterator[bytes]]
"""Reads a value, or a span of it counted from its first byte."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart answer."""

    chosen: Representation
    location: str
    chunks: AsyncIterator[bytes]


def is_pixels(path: BulkPath) -> bool:
    """Whether this is the pixel data of the top level: those of icons are values like others."""
    return len(path) == 1 and path[0] in PIXEL_TAGS


def is_compressed(chosen: Representation) -> bool:
    """Whether frames of this form are separate: joined they could not be told apart."""
    return transfer_syntax(chosen.transfer_syntax).encapsulated


class BulkParts:
    """Makes parts of the bulk values of instances."""

    def __init__(self, archive: Archive, compute: Compute, converter: FrameConverter) -> None:
        self._archive = archive
        self._compute = compute
        self._converter = converter

    async def frames_at(self, instance: Instance, path: BulkPath, *, encapsulated: bool) -> int:
        """How many frames the value has; an icon is one, and so is what is no image."""
        if not is_pixels(path):
            return 1
        if encapsulated:
            return await self._archive.frame_count(instance)
        return instance.image.frames if instance.image else 1

    async def frame_parts(
        self, root: str, instance: Instance, frames: int, chosen: Representation
    ) -> AsyncIterator[Part]:
        """The pixel data, a part a frame."""
        numbers = range(1, frames + 1)
        source: AsyncIterator[bytes]
        if chosen.converted:
            source = self._converter.many(instance, numbers, chosen.transfer_syntax)
        else:
            source = self._archive.frames(instance, numbers)
        number = 0
        async with closing_stream(source) as stream:
            async for frame in stream:
                number += 1
                yield Part(chosen, frame_url(root, instance.key, number), chain((frame,)))

    async def converted(self, instance: Instance, chosen: Representation, frames: int) -> tuple[int, Reader]:
        """Length of converted pixel data as one value, and how it is read. Compressed, that is the only frame."""
        target = chosen.transfer_syntax
        if is_compressed(chosen):
            frame = await self._converter.one(instance, 1, target)
            return len(frame), lambda span: chain((frame[span.start : span.end] if span else frame,))
        try:
            length = converted_length(instance, target, frames)
        except TooLong as error:
            raise TooLarge(str(error)) from error
        return length, partial(read_converted, self._converter, instance, target, frames)

    def reader(self, instance: Instance, path: BulkPath, chosen: Representation, vr: str, length: int) -> Reader:
        """Reads the value as it is stored, or with its bytes turned round."""
        word = words_of(instance, path, vr) if chosen.swapped else 1
        return partial(read_value, self._archive, self._compute, instance, path, length=length, word=word)

    def part(self, root: str, instance: Instance, path: BulkPath, chosen: Representation, read: Reader) -> Part:
        """The value as a part."""
        return Part(chosen, bulkdata_url(root, instance.key, path), read(None))


async def multipart(parts: AsyncIterator[Part], chosen: Representation, tag: str) -> Answer:
    """The answer of these parts; what is wrong with the first shows before it begins."""
    boundary = new_boundary()
    headers = (("Content-Type", related_type(boundary, chosen.media)), *caching(tag))
    return Answer(200, headers, await begun(_join(parts, boundary), chunks=_HEAD_AND_DATA))


async def _join(parts: AsyncIterator[Part], boundary: str) -> AsyncIterator[bytes]:
    first = True
    async with closing_stream(parts) as stream:
        async for part in stream:
            yield part_head(boundary, part.chosen.content_type, first=first, location=part.location)
            first = False
            async for chunk in part.chunks:
                yield chunk
    yield closing(boundary)
