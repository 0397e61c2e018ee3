"""What a picture is made of, fetched from the archive: frames as stored, bulk values that rendering needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.encoding.words import word_bytes
from dicomweb.model.instance import ImageSpec, Instance
from dicomweb.model.query import JsonAttributes
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Archive, Compute, NoSuchBulkData
from dicomweb.services.bulk_reading import read_value
from dicomweb.services.frame_reading import read_frames
from dicomweb.wire.transfer_syntaxes import EXPLICIT_LITTLE, transfer_syntax

LARGEST_VALUE = 64 << 20
"""Bytes of a bulk value that is fetched for a picture: overlays of a long cine have some."""
_FRAME_GROUPS = "52009230"
_RENDERED = frozenset(
    ("00282000", "00283006", *(f"002812{end}" for end in ("01", "02", "03", "04", "21", "22", "23", "24")))
)
"""ICC profile, LUT data, palettes plain and segmented: what of the bulk values decides how pixels look."""
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One frame as it is stored, and what is needed to decode it."""

    data: bytes
    number: int
    """From 1 on."""
    spec: ImageSpec
    transfer_syntax: str
    """Of `data`: never a big endian one."""
    pixel_vr: str


async def stored_frames(
    archive: Archive, compute: Compute, instance: Instance, numbers: Sequence[int]
) -> AsyncIterator[StoredFrame]:
    """The frames of these numbers in their order. Raises NoSuchFrame before the first one; Damaged."""
    assert instance.image is not None
    big = transfer_syntax(instance.transfer_syntax).big_endian
    syntax = EXPLICIT_LITTLE if big else instance.transfer_syntax
    at = 0
    async for data in read_frames(archive, compute, instance, numbers, swapped=big):
        yield StoredFrame(data, numbers[at], instance.image, syntax, instance.pixel_vr)
        at += 1


def rendering_uris(header: JsonAttributes, numbers: Sequence[int]) -> list[str]:
    """BulkDataURIs of the values that decide how these frames look; those of other frames are left out."""
    return list(dict.fromkeys(_uris(header, numbers, 0)))


def _uris(data_set: Mapping[str, Any], numbers: Sequence[int], depth: int) -> Iterator[str]:
    for tag, element in data_set.items():
        uri = element.get("BulkDataURI")
        if uri is not None:
            if isinstance(uri, str) and (tag in _RENDERED or (tag.startswith("60") and tag.endswith("3000"))):
                yield uri
        elif element.get("vr") == "SQ" and depth < _DEEPEST:
            items = element.get("Value")
            if isinstance(items, list):
                if tag == _FRAME_GROUPS:
                    items = [items[number - 1] for number in numbers if number <= len(items)]
                for item in items:
                    if isinstance(item, dict):
                        yield from _uris(item, numbers, depth + 1)


async def bulk_values(
    archive: Archive, compute: Compute, instance: Instance, uris: Iterable[str]
) -> dict[str, bytes]:
    """The values at these BulkDataURIs, little endian.

    Values that are not there, or too large to decide about a look, are left out.
    """
    wanted = {uri: tuple(uri.split("/")) for uri in uris}
    if not wanted:
        return {}
    sizes = {path: (vr, length) for path, vr, length in await archive.bulk_paths(instance)}
    turn = transfer_syntax(instance.transfer_syntax).big_endian
    values = {}
    for uri, path in wanted.items():
        vr, length = sizes.get(path, ("", LARGEST_VALUE + 1))
        if length > LARGEST_VALUE:
            continue
        word = word_bytes(vr) if turn else 1
        chunks = read_value(archive, compute, instance, path, None, length=length, word=word)
        values[uri] = b"".join([chunk async for chunk in chunks])
    return values


async def beginning_of(archive: Archive, instance: Instance, uri: str, most: int | None) -> bytes | None:
    """The first bytes of a bulk value as stored, all of it without `most`; None if it is not there, or too large
    to be had whole. However many are wanted, it is no more than LARGEST_VALUE."""
    path = tuple(uri.split("/"))
    try:
        sizes = {each: length for each, _, length in await archive.bulk_paths(instance)}
        length = sizes[path]
        if most is None and length > LARGEST_VALUE:
            return None
        most = min(length, LARGEST_VALUE, length if most is None else most)
        span = None if most == length else ByteRange(0, most)
        return b"".join([chunk async for chunk in archive.bulk(instance, path, span)])
    except (KeyError, NoSuchBulkData):
        return None
