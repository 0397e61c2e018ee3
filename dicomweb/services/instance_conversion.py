"""Whole instances in another transfer syntax, as a stream: header, pixel data frame by frame, what lies behind.

    header     stored bytes, element by element, attributes that the conversion changes replaced
    Pixel Data uncompressed: one value, its length computed from the attributes and the number of frames
               compressed:   an empty Basic Offset Table, and an item a frame (PS3.5 A.4)
    behind     stored bytes again

Nothing is held but the frames that are under way. The first of them is made before the first byte is given: so an
image that cannot be decoded is told with a status, and what it was compressed to by a lossy target is known to the
header. Where the header tells that nothing lies behind the pixel data, reading stops there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import orjson

from dicomweb.encoding.changes import encoded_changes
from dicomweb.encoding.charset import character_set
from dicomweb.encoding.encapsulate import encapsulated, native
from dicomweb.encoding.json_values import BadValue
from dicomweb.encoding.rewrite import Rewriter
from dicomweb.encoding.writer import element_header, implicit_header
from dicomweb.model.instance import Header, Instance
from dicomweb.model.pixel_errors import UnsupportedSyntax
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Archive, Compute
from dicomweb.services.conversions import conversion_of, is_recoded, native_bytes, native_frame_bits
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.stepping import stepwise
from dicomweb.services.streams import chain, closing_stream
from dicomweb.wire.transfer_syntaxes import IMPLICIT_LITTLE, transfer_syntax

if TYPE_CHECKING:
    from dicomweb.pixels.transcode import Conversion

_PIXEL_DATA = 0x7FE00010
_LONG_HEADER = 12
"""Bytes of the header of a native pixel data element in Explicit VR (PS3.5 7.1.2)."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one instance is written."""

    rewriter: Rewriter
    ends_with_pixels: bool
    """Whether nothing is stored behind the pixel data."""


async def convert_instance(
    archive: Archive, compute: Compute, converter: FrameConverter, header: Header, target: str
) -> AsyncGenerator[bytes, None]:
    """The file in the transfer syntax `target`. Raises UnsupportedSyntax, Undecodable, TooLarge, Damaged."""
    instance = header.instance
    if not is_recoded(instance, target):
        async with closing_stream(archive.read(instance)) as stored:
            plan = await compute.run(partial(_planned, header, target, None, 0))
            async for piece in _rewritten(compute, plan, stored, None):
                yield piece
        return
    conversion = conversion_of(instance, target)
    count = await archive.frame_count(instance)
    async with (
        closing_stream(converter.many(instance, range(1, count + 1), target)) as frames,
        closing_stream(archive.read(instance)) as stored,
    ):
        first = await anext(frames, b"")
        plan = await compute.run(partial(_planned, header, target, conversion, len(first)))
        value = _pixel_data(conversion, chain((first,) if count else (), frames), count)
        async for piece in _rewritten(compute, plan, stored, value):
            yield piece


def converted_bytes(instance: Instance, target: str) -> int:
    """About how many bytes the converted instance has, at most."""
    recoded = instance.image if is_recoded(instance, target) else None
    return instance.size + (native_bytes(recoded) if recoded else 0)


def _planned(header: Header, target: str, conversion: Conversion | None, first_bytes: int) -> _Plan:
    """`conversion` is None if the pixel data, if any, go through with the other elements; `first_bytes` are those
    of the first converted frame."""
    instance = header.instance
    attributes: JsonAttributes = orjson.loads(header.json)
    changes: JsonAttributes = {}
    if conversion is not None:
        from dicomweb.pixels.relabel import relabelled

        ratio = native_frame_bits(conversion.before) / 8 / first_bytes if first_bytes else None
        changes = relabelled(
            attributes,
            conversion,
            source_version=instance.version,
            ratio=ratio,
            stored_ratio=native_bytes(conversion.before) / instance.size,
        )
    declared = tuple(str(term or "") for term in attributes.get("00080005", {}).get("Value") or ())
    write = implicit_header if target == IMPLICIT_LITTLE else element_header
    try:
        encoded = encoded_changes(changes, write, character_set(declared)[0])
    except BadValue as error:
        raise UnsupportedSyntax(f"the header cannot be rewritten: {error}") from error
    rewriter = Rewriter(
        attributes,
        source=instance.transfer_syntax,
        target=target,
        data_set_offset=instance.data_set_offset,
        changes=encoded,
        without_pixels=conversion is not None,
        sop_instance=changes["00080018"]["Value"][0] if "00080018" in changes else "",
    )
    return _Plan(rewriter, ends_with_pixels=all(int(key, 16) <= _PIXEL_DATA for key in attributes))


async def _rewritten(
    compute: Compute, plan: _Plan, stored: AsyncIterator[bytes], value: AsyncIterator[bytes] | None
) -> AsyncIterator[bytes]:
    """The file: what is stored with its changes, the pixel data element in its place."""
    async for chunk in stored:
        async for piece in stepwise(compute, partial(plan.rewriter.feed, chunk)):
            if piece is not None:
                yield piece
                continue
            assert value is not None
            async for pixels in value:
                if plan.rewriter.deflates:
                    pixels = await compute.run(partial(plan.rewriter.pass_through, pixels))
                yield pixels
            if plan.ends_with_pixels:
                yield b"".join(plan.rewriter.end())
                return
    async for piece in stepwise(compute, plan.rewriter.finish):
        if piece is not None:
            yield piece


async def _pixel_data(conversion: Conversion, frames: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """The pixel data element."""
    if transfer_syntax(conversion.target).encapsulated:
        async for piece in encapsulated(frames):
            yield piece
        return
    bits = native_frame_bits(conversion.spec)
    pieces = native(frames, count=count, bits_per_frame=bits, vr=conversion.pixel_vr)
    if conversion.target == IMPLICIT_LITTLE:
        explicit = await anext(pieces)
        yield implicit_header(_PIXEL_DATA, "", int.from_bytes(explicit[8:_LONG_HEADER], "little"))
    async for piece in pieces:
        yield piece
