"""Instances from DICOM JSON or XML with bulk data beside them (PS3.18 10.5.2, F.2, F.3).

    metadata part(s) ─► data sets ─┐
                                   ├─► DICOM file ─► archive
    bulk data parts ─► by URI ─────┘

Bulk data may come in any order and belong to several instances, so nothing is handed in before the whole body is
there: it is held in memory, within limits. A part belongs to a BulkDataURI if its Content-Location is the same,
both taken relative to the resource that was posted to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urljoin

import orjson

from dicomweb.encoding.json_input import BulkPart, data_set_to_part10
from dicomweb.encoding.malformed import MalformedAttributes
from dicomweb.encoding.xml_input import from_xml
from dicomweb.model.keys import IllegalUid, InstanceKey, parse_uid
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Compute
from dicomweb.services.body_chunks import BodyOverLimit
from dicomweb.services.limits import Limits
from dicomweb.services.stow_tally import Tally
from dicomweb.wire.media_types import MediaType
from dicomweb.wire.negotiation import DICOM_XML

_KEY_TAGS = ("0020000D", "0020000E", "00080018")


class MetadataRequest:
    """Gathers the metadata and bulk data of one request, then hands in what they make."""

    def __init__(self, base: str, compute: Compute, limits: Limits) -> None:
        self._base = base.rstrip("/") + "/"
        self._compute = compute
        self._limits = limits
        self._data_sets: list[tuple[str, JsonAttributes]] = []
        self._bulk: dict[str, list[BulkPart]] = defaultdict(list)
        self._metadata_room = limits.metadata_bytes
        self._bulk_room = limits.bulk_bytes

    async def take_metadata(
        self, label: str, media: MediaType, chunks: AsyncIterator[bytes], tally: Tally
    ) -> None:
        """A part of metadata: an XML document, or a JSON array of data sets. Raises BodyOverLimit."""
        pieces = [piece async for piece in self._metadata_chunks(chunks)]
        document = b"".join(pieces)
        try:
            if media.name == DICOM_XML:
                found: Sequence[Any] = [await self._compute.run(partial(from_xml, document))]
            else:
                found = await self._compute.run(partial(_json_data_sets, document))
        except MalformedAttributes as error:
            tally.refuse(label, str(error))
            return
        if len(self._data_sets) + len(found) > self._limits.parts:
            raise BodyOverLimit("the number of data sets", self._limits.parts)
        for number, data_set in enumerate(found, start=1):
            self._data_sets.append((f"{label} data set {number}" if len(found) > 1 else label, data_set))

    async def take_bulk(
        self, label: str, location: str, media: MediaType | None, chunks: AsyncIterator[bytes], tally: Tally
    ) -> None:
        """A part of bulk data. Raises BodyOverLimit."""
        pieces: list[bytes] = []
        async for piece in chunks:
            self._bulk_room -= len(piece)
            if self._bulk_room < 0:
                raise BodyOverLimit("bulk data beside metadata", self._limits.bulk_bytes)
            pieces.append(piece)
        if not location:
            tally.refuse(label, "bulk data without a Content-Location belong to no attribute")
            return
        kind = media.name if media else "application/octet-stream"
        syntax = media.parameter("transfer-syntax") if media else ""
        self._bulk[self._absolute(location)].append(BulkPart(tuple(pieces), kind, syntax))

    async def store(self, tally: Tally) -> None:
        """Make a DICOM file of each data set and hand it in."""
        for label, data_set in self._data_sets:
            try:
                pieces = await self._compute.run(partial(data_set_to_part10, data_set, self._parts_of))
            except MalformedAttributes as error:
                tally.refuse(label, str(error), *_identity(data_set))
                continue
            await tally.add(label, _each(pieces))

    def _parts_of(self, uri: str) -> Sequence[BulkPart] | None:
        return self._bulk.get(self._absolute(uri))

    def _absolute(self, uri: str) -> str:
        try:
            return urljoin(self._base, uri.strip().strip("<>"))
        except ValueError:  # what looks like an IPv6 address and is none
            return uri

    async def _metadata_chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in chunks:
            self._metadata_room -= len(piece)
            if self._metadata_room < 0:
                raise BodyOverLimit("metadata", self._limits.metadata_bytes)
            yield piece


async def _each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _json_data_sets(document: bytes) -> list[JsonAttributes]:
    """The data sets of a JSON document: an array (PS3.18 F.2.1), one alone is let pass."""
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise MalformedAttributes(
            (), f"the JSON cannot be read at line {error.lineno} column {error.colno}"
        ) from error
    data_sets = found if isinstance(found, list) else [found]
    if not data_sets or not all(isinstance(one, dict) for one in data_sets):
        raise MalformedAttributes((), "an array of DICOM JSON objects was expected")
    return data_sets


def _identity(data_set: JsonAttributes) -> tuple[InstanceKey | None, str]:
    """Which instance a data set that cannot be stored would have been, and its SOP class."""
    try:
        key = InstanceKey(*(parse_uid(_first(data_set, tag)) for tag in _KEY_TAGS))
    except IllegalUid:
        key = None
    return key, _first(data_set, "00080016")


def _first(data_set: JsonAttributes, tag: str) -> str:
    entry = data_set.get(tag)
    values = entry.get("Value") if isinstance(entry, dict) else None
    value = values[0] if isinstance(values, list) and values else ""
    return value if isinstance(value, str) else ""
