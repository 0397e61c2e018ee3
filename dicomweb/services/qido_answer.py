"""What a search found, as a client wants it: JSON, XML, CSV (PS3.18 8.7.4, 10.6.3).

    archive's batches ──► RetrieveURL added ──► encoded ──► one body if the page is short, else a stream

A page that fits in the archive's first batch goes out whole, with its length. A longer one is encoded batch by
batch while it is sent, so memory does not grow with the page. XML has one part a match, also for clients that
name application/dicom+xml without multipart: several documents do not make one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import orjson

from dicomweb.encoding.xml_output import to_xml
from dicomweb.model.keys import Level, Scope
from dicomweb.model.query import Found, JsonAttributes, Query
from dicomweb.services.search_csv import CsvWriter
from dicomweb.wire.exchange import Answer, HeaderFields
from dicomweb.wire.multipart import closing, new_boundary, part_head, related_type
from dicomweb.wire.negotiation import DICOM_JSON, DICOM_XML, JSON, Representation
from dicomweb.wire.paths import retrieve_url

TOTAL_COUNT = "X-Total-Count"
"""Header that tells how many match, whatever limit and offset."""
CSV = "text/csv"
OFFERS = (
    Representation(DICOM_JSON, False),
    Representation(JSON, False),
    Representation(DICOM_XML, True),
    Representation(DICOM_XML, False),
    Representation(CSV, False),
)
"""What a search can be answered in, the preferred one first."""
RETRIEVE_URL = "00081190"
_UID_TAGS = ("0020000D", "0020000E", "00080018")

Batch = Sequence[JsonAttributes]


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write matches down."""

    content_type: str
    opening: bytes
    closing: bytes
    write: Callable[[Batch, bool], bytes]
    """The bytes of a batch; whether it is the first."""


async def answer_found(
    found: Found, query: Query, form: Representation, *, root: str, headers: HeaderFields = ()
) -> Answer:
    """The answer that tells the page: 200, or 204 if there is nothing on it (PS3.18 10.6.3.1)."""
    expected = max(0, min(query.limit, found.total - query.offset))
    headers = (*headers, (TOTAL_COUNT, str(found.total)))
    if not expected:
        return Answer(204, headers)
    remaining = found.total - query.offset - expected
    if remaining > 0:
        headers = (*headers, ("Warning", more_results(root, remaining)))
    writing = _form(form, query)
    headers = (("Content-Type", writing.content_type), *headers)
    batches = aiter(found.batches)
    first = await anext(batches, ())
    if len(first) >= expected:
        body = writing.write(_with_urls(first, root, query.level), True)
        return Answer(200, headers, b"".join((writing.opening, body, writing.closing)), compressible=True)
    return Answer(200, headers, _stream(first, batches, writing, root, query.level), compressible=True)


def more_results(root: str, remaining: int) -> str:
    """The Warning field where more matches can be asked for, in the standard's words (PS3.18 8.3.4.4.1)."""
    return f"299 {root}: There are {remaining} additional results that can be requested"


async def _stream(
    first: Batch, batches: AsyncIterator[Batch], writing: _Form, root: str, level: Level
) -> AsyncIterator[bytes]:
    yield writing.opening + writing.write(_with_urls(first, root, level), True)
    told = bool(first)
    async for batch in batches:
        if batch:
            yield writing.write(_with_urls(batch, root, level), not told)
            told = True
    yield writing.closing


def _with_urls(batch: Batch, root: str, level: Level) -> list[JsonAttributes]:
    """The matches with RetrieveURL (0008,1190) in its place: attributes stand in order of tags (PS3.18 F.2.2)."""
    uid_tags = _UID_TAGS[:level]
    told = []
    for match in batch:
        scope = Scope(*(match[tag]["Value"][0] for tag in uid_tags))
        whole = {**match, RETRIEVE_URL: {"vr": "UR", "Value": [retrieve_url(root, scope)]}}
        told.append(dict(sorted(whole.items())))
    return told


def _form(form: Representation, query: Query) -> _Form:
    if form.media == DICOM_XML:
        return _xml_form()
    if form.media == CSV:
        table = CsvWriter(query)
        return _Form("text/csv; charset=utf-8", b"", b"", table.write)
    return _Form(form.media, b"[", b"]", _json)


def _json(batch: Batch, first: bool) -> bytes:
    body = orjson.dumps(batch)[1:-1]
    return body if first or not body else b"," + body


def _xml_form() -> _Form:
    boundary = new_boundary()

    def write(batch: Batch, first: bool) -> bytes:
        pieces = []
        for place, match in enumerate(batch):
            pieces.append(part_head(boundary, DICOM_XML, first=first and place == 0))
            pieces.append(to_xml(match))
        return b"".join(pieces)

    return _Form(related_type(boundary, DICOM_XML), b"", closing(boundary), write)
