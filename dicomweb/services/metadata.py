"""Retrieve metadata (PS3.18 10.4.1.1.2): the data sets without their bulk values.

What a viewer asks for first, of a whole series at a time. The headers lie in the archive as DICOM JSON, so an
answer is put together from bytes: an absolute URL before each BulkDataURI, the available transfer syntaxes,
brackets. It is made once for a revision of the study, series or instance and kept while there is room, as are its
compressed forms; a client that accepts the encoding gets it as it lies there. Answers too large to be kept are
streamed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache, partial

import orjson

from dicomweb.encoding.xml_output import to_xml
from dicomweb.model.instance import Header
from dicomweb.model.keys import Scope
from dicomweb.ports import Archive, Compute
from dicomweb.services.byte_cache import ByteCache
from dicomweb.services.conditional import caching, not_modified, see_commits
from dicomweb.services.handler import Handler
from dicomweb.wire.conditional import etag
from dicomweb.wire.content_coding import IDENTITY, choose_coding, encode
from dicomweb.wire.exchange import Answer, HeaderFields, Request
from dicomweb.wire.multipart import closing, new_boundary, part_head, related_type
from dicomweb.wire.negotiation import (
    DICOM_JSON,
    DICOM_XML,
    JSON,
    Representation,
    accepted_by,
    choose,
)
from dicomweb.wire.offers import instance_offers
from dicomweb.wire.paths import bulkdata_root, scope_of

_OFFERS = (
    Representation(DICOM_JSON, False),
    Representation(JSON, False),
    Representation(DICOM_XML, True),
)
_INSTANCE_OFFERS = (*_OFFERS, Representation(DICOM_XML, False))
_VARY = "Accept, Accept-Encoding"
_AVAILABLE_SYNTAXES = "00083002"
_AVAILABLE_NAME = b'"00083002":'
_URI = b'"BulkDataURI":"'
_CHARACTER_SET = b'"00080005":{"vr":"CS","Value":['
_CHARACTER_SET_WITHIN = 400
_UNICODE = b'"ISO_IR 192"'
_INLINE_BYTES = 512 << 10
"""Up to here a batch is put together on the loop: handing it to a thread would cost as much."""
_KEPT_BYTES = 16 << 20
"""Answers up to here are held together; longer ones are streamed."""
_TOO_LARGE = b""
"""Kept in place of an answer that is longer, so that the next client is not made to wait for finding out."""
_CODED_BYTES = 1024
"""Shorter answers are not worth a content coding."""


class Metadata:
    """`/metadata` of studies, series and instances."""

    def __init__(
        self, archive: Archive, compute: Compute, *, cache_bytes: int = 64 << 20, compression: bool = True
    ) -> None:
        """`cache_bytes` is the memory for answers; without `compression` they are sent as they are."""
        self._compression = compression
        self._archive = archive
        self._compute = compute
        self._cache = ByteCache(cache_bytes)

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return dict.fromkeys(("metadata_study", "metadata_series", "metadata_instance"), self.metadata)

    async def metadata(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """The data sets of the scope, in order of series and instance numbers."""
        scope = scope_of(variables)
        offers = _OFFERS if scope.instance is None else _INSTANCE_OFFERS
        chosen = choose(accepted_by(request), offers)
        await see_commits(self._archive, request)
        revision = await self._archive.series_revision(scope)
        coding = self._coding(request, chosen)
        tag = etag(self._archive.epoch, revision, f"{chosen} {coding} {request.root}", weak=True)
        unchanged = not_modified(request, tag, vary=_VARY)
        if unchanged is not None:
            return unchanged
        headers = caching(tag, vary=_VARY)
        if chosen.media == DICOM_XML:
            return await self._xml(scope, chosen, request.root, headers)
        headers = (("Content-Type", chosen.media), *headers)
        return await self._json(scope, revision, request.root, coding, headers)

    def _coding(self, request: Request, chosen: Representation) -> str:
        """The coding of kept answers; whatever is streamed is left to the server that sends it."""
        if not self._compression or chosen.media == DICOM_XML:
            return IDENTITY
        return choose_coding(request.header("accept-encoding"))

    async def _json(self, scope: Scope, revision: int, root: str, coding: str, headers: HeaderFields) -> Answer:
        """The JSON array: from the cache, made and put there, or as a stream."""
        key = (scope, revision, root)
        body = await self._cache.get_or_make(key, partial(self._assemble, scope, root))
        if body == _TOO_LARGE:
            pieces = self._pieces(await self._headers(scope), root)
            return Answer(200, headers, _array(pieces), compressible=True)
        if coding == IDENTITY or len(body) < _CODED_BYTES:
            return Answer(200, headers, body)
        work = partial(encode, body, coding)
        packed = await self._cache.get_or_make((*key, coding), partial(self._compute.run, work))
        return Answer(200, (*headers, ("Content-Encoding", coding)), packed)

    async def _assemble(self, scope: Scope, root: str) -> bytes:
        """The whole array, or `_TOO_LARGE`."""
        held, pieces = 0, []
        async for piece in self._pieces(await self._headers(scope), root):
            held += len(piece)
            if held > _KEPT_BYTES:
                return _TOO_LARGE
            pieces.append(piece)
        return b"[" + b",".join(pieces) + b"]"

    async def _headers(self, scope: Scope) -> AsyncIterator[Sequence[Header]]:
        return self._archive.headers(await self._archive.find_instances(scope))

    async def _pieces(self, batches: AsyncIterator[Sequence[Header]], root: str) -> AsyncIterator[bytes]:
        """The data sets of each batch, commas between them."""
        async for batch in batches:
            work = partial(_documents, batch, root)
            if sum(len(header.json) for header in batch) <= _INLINE_BYTES:
                yield work()
            else:
                yield await self._compute.run(work)

    async def _xml(self, scope: Scope, chosen: Representation, root: str, headers: HeaderFields) -> Answer:
        """A Native DICOM Model document an instance (PS3.18 F.3), streamed."""
        documents = self._xml_documents(await self._headers(scope), root)
        if not chosen.multipart:
            return Answer(200, (("Content-Type", DICOM_XML), *headers), documents, compressible=True)
        boundary = new_boundary()
        headers = (("Content-Type", related_type(boundary, DICOM_XML)), *headers)
        return Answer(200, headers, _parts(documents, boundary), compressible=True)

    async def _xml_documents(self, batches: AsyncIterator[Sequence[Header]], root: str) -> AsyncIterator[bytes]:
        async for batch in batches:
            for header in batch:
                yield await self._compute.run(partial(_xml_document, header, root))


def document(header: Header, root: str) -> bytes:
    """The data set of one instance as it is sent.

    A BulkDataURI is made absolute by putting the instance's resource before it wherever `"BulkDataURI":"` stands.
    No text of the data set can hold these bytes: within a JSON string each quote has a backslash before it, so the
    quotes round the name can only be those of a member. The header is written without blanks.
    """
    key = header.instance.key
    prefix = bulkdata_root(root, key).encode()
    body = _in_unicode(header.json).replace(_URI, _URI + prefix)
    if _AVAILABLE_NAME in body:
        # What the sender wrote there was true of its own archive.
        attributes = orjson.loads(body)
        attributes.pop(_AVAILABLE_SYNTAXES, None)
        body = orjson.dumps(attributes)
    return _available(header.instance.transfer_syntax) + (b"," if len(body) > 2 else b"") + body[1:]


def _in_unicode(body: bytes) -> bytes:
    """The data set with the character set that its text is in now: what is sent is UTF-8 (PS3.18 F.2), whatever
    was stored. The element stands first in a data set that has it, short of those in group 0008 before 0005."""
    start = body.find(_CHARACTER_SET, 0, _CHARACTER_SET_WITHIN)
    if start < 0:
        return body
    start += len(_CHARACTER_SET)
    return b"".join((body[:start], _UNICODE, body[body.index(b"]", start) :]))


@lru_cache(maxsize=100)
def _available(stored: str) -> bytes:
    """The beginning of a data set: the transfer syntaxes in which it can be had, the stored one first."""
    offers = instance_offers(stored, single_part=False)
    syntaxes = list(dict.fromkeys(offer.transfer_syntax for offer in offers))
    return orjson.dumps({_AVAILABLE_SYNTAXES: {"vr": "UI", "Value": syntaxes}})[:-1]


def _documents(batch: Sequence[Header], root: str) -> bytes:
    return b",".join([document(header, root) for header in batch])


def _xml_document(header: Header, root: str) -> bytes:
    return to_xml(orjson.loads(document(header, root)))


async def _array(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    before = b"["
    async for piece in pieces:
        yield before + piece
        before = b","
    yield b"]"


async def _parts(documents: AsyncIterator[bytes], boundary: str) -> AsyncIterator[bytes]:
    first = True
    async for body in documents:
        yield part_head(boundary, DICOM_XML, first=first) + body
        first = False
    yield closing(boundary)
