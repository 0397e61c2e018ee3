"""The Store transaction (PS3.18 10.5; STOW-RS): whatever a body is packed as, its instances go to the archive.

    multipart/related; type=application/dicom        one part an instance, streamed
    application/dicom                                one instance, streamed
    application/zip                                  its entries, streamed (`stow_zip`)
    application/dicom+json, +xml, alone or multipart with bulk data (`stow_metadata`)

The unit is the instance. A body that breaks off in the middle of a part loses that part alone: those before it are
stored and told. If the connection goes, nobody can be told, and what is not committed yet is given up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from dicomweb.ports import Archive, Compute
from dicomweb.services.body_chunks import limited_body
from dicomweb.services.handler import Handler
from dicomweb.services.limits import Limits
from dicomweb.services.stow_answer import OFFERS, answer_stored
from dicomweb.services.stow_metadata import MetadataRequest
from dicomweb.services.stow_parts import Part, read_parts
from dicomweb.services.stow_tally import Tally
from dicomweb.services.stow_zip import store_zip
from dicomweb.services.zip_input import ZipLimits
from dicomweb.wire.exchange import Answer, Request, WebError
from dicomweb.wire.media_types import MediaType, parse_media_type
from dicomweb.wire.multipart import (
    MultipartError,
    MultipartLimits,
    MultipartOverLimit,
    MultipartReader,
    boundary_of,
)
from dicomweb.wire.negotiation import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    JSON,
    ZIP,
    NotAcceptable,
    Representation,
    accepted_by,
    choose,
)
from dicomweb.wire.paths import scope_of

_OCTETS = "application/octet-stream"
_METADATA = frozenset([DICOM_JSON, DICOM_XML, JSON])
_ZIPS = frozenset([ZIP, "application/x-zip-compressed"])
ACCEPTED = (
    'multipart/related; type="application/dicom"',
    DICOM,
    ZIP,
    f'multipart/related; type="{DICOM_JSON}"',
    f'multipart/related; type="{DICOM_XML}"',
    DICOM_JSON,
    DICOM_XML,
)
"""Content-Types of request bodies."""


class Store:
    """Stores instances."""

    def __init__(self, archive: Archive, compute: Compute, limits: Limits) -> None:
        self._archive = archive
        self._compute = compute
        self._limits = limits

    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by the operation of `wire.paths.ROUTES`."""
        return {"store": self._store, "store_study": self._store}

    async def _store(self, request: Request, variables: Mapping[str, str]) -> Answer:
        expect = scope_of(variables) if "study" in variables else None
        media = _content_type(request)
        body = limited_body(request, self._limits.body_bytes)
        async with self._archive.submit(door="stow", peer=request.peer, expect=expect) as submission:
            tally = Tally(submission)
            await self._hand_in(request, media, body, tally)
            told = await tally.finish()
        if not told:
            raise WebError(400, "the request holds no instance")
        return answer_stored(told, _form(request), root=request.root, skipped=tally.skipped)

    async def _hand_in(self, request: Request, media: MediaType, body: AsyncIterator[bytes], tally: Tally) -> None:
        if media.name == "multipart/related":
            await self._multipart(request, media, body, tally)
        elif media.name in _ZIPS:
            limits = ZipLimits(entries=self._limits.parts, ratio=self._limits.zip_ratio)
            await store_zip(body, tally, limits)
        elif media.name in _METADATA:
            metadata = self._metadata(request)
            await metadata.take_metadata("body", media, body, tally)
            await metadata.store(tally)
        else:
            await tally.add("body", body)

    async def _multipart(
        self, request: Request, media: MediaType, body: AsyncIterator[bytes], tally: Tally
    ) -> None:
        limits = MultipartLimits(header_bytes=self._limits.part_header_bytes, parts=self._limits.parts)
        metadata = self._metadata(request)
        root_type = parse_media_type(media.parameter("type"))
        reader = MultipartReader(boundary_of(media), limits)
        try:
            async with aclosing(read_parts(body, reader)) as parts:
                async for part in parts:
                    # Without a `type` the first part says what the body is (RFC 2387 3.1).
                    root_type = (
                        root_type
                        or parse_media_type(part.header("content-type"))
                        or MediaType("application", "dicom")
                    )
                    await self._part(part, root_type, metadata, tally)
        except MultipartOverLimit:
            raise
        except MultipartError as error:
            tally.refuse("body", str(error))
        await metadata.store(tally)

    async def _part(self, part: Part, root_type: MediaType, metadata: MetadataRequest, tally: Tally) -> None:
        """One part, by its own type; without one it is what the body is made of, or the bulk data beside that."""
        label = f"part {part.number}"
        media = parse_media_type(part.header("content-type"))
        location = part.header("content-location")
        kind = media.name if media else _OCTETS if location else root_type.name
        if kind == DICOM or (kind == _OCTETS and root_type.name not in _METADATA):
            await tally.add(label, part.data())
        elif kind in _METADATA:
            await metadata.take_metadata(label, media or root_type, part.data(), tally)
        elif root_type.name in _METADATA:
            await metadata.take_bulk(label, location, media, part.data(), tally)
        else:
            tally.refuse(label, "a part of application/dicom was expected, this one is something else")

    def _metadata(self, request: Request) -> MetadataRequest:
        return MetadataRequest(request.root + request.path, self._compute, self._limits)


def _content_type(request: Request) -> MediaType:
    """The body's media type. Raises WebError: 415 with what is taken."""
    media = parse_media_type(request.header("content-type"))
    if media is not None:
        if media.name in (DICOM, *_METADATA, *_ZIPS):
            return media
        inner = parse_media_type(media.parameter("type"))
        if media.name == "multipart/related" and (inner is None or inner.name in (DICOM, _OCTETS, *_METADATA)):
            return media
    raise WebError(415, f"the body's Content-Type must be one of: {', '.join(ACCEPTED)}")


def _form(request: Request) -> Representation:
    """What the client can read; JSON if it names nothing of that: the instances are stored, so it must be told."""
    try:
        return choose(accepted_by(request), OFFERS)
    except NotAcceptable:
        return OFFERS[0]
