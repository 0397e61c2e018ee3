"""How pictures are given to the client: what it accepts of what there is, one body or many parts, ETags, ranges.

Rendered resources of a study or series are all of their images, so multipart/related, a part a frame, is what a
client gets that names it or says nothing (PS3.18 10.4.3.3). A client that names a single-part media type, as
viewers and browsers do for their lists, gets the picture that stands for them: it could do nothing with parts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import lru_cache

from dicomweb.model.pixel_errors import PixelError
from dicomweb.ports import Archive
from dicomweb.services.conditional import caching, not_modified, single_part
from dicomweb.services.drawing import Order
from dicomweb.services.drawing_work import note_of
from dicomweb.services.rendered_parameters import Look
from dicomweb.services.sights import PICTURES, Sight
from dicomweb.services.streams import begun, closing_stream
from dicomweb.services.studio import Studio
from dicomweb.wire.byte_ranges import asked_span, content_range
from dicomweb.wire.conditional import etag
from dicomweb.wire.exchange import Answer, HeaderFields, Request
from dicomweb.wire.media_types import Packaging
from dicomweb.wire.multipart import closing, new_boundary, part_head, related_type
from dicomweb.wire.negotiation import Accepted, Representation, choose, is_met, parse_accepted

_ACTIVE = frozenset(("text/html", "text/xml", "image/svg+xml"))
"""Media types that a browser might run something of: they are shown, and nothing in them runs or loads."""
_QUIET = (
    "Content-Security-Policy",
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
)
_HEAD_AND_DATA = 2


@lru_cache(maxsize=512)
def choose_media(
    parameter: str, header: str, single: tuple[str, ...], multipart: tuple[str, ...], parts_first: bool
) -> Representation:
    """What to send for the two Accept texts, of these media types as one body and of those as parts.

    With `parts_first` a client that takes anything gets parts, unless it names a single-part media type beside.
    Raises NotAcceptable.
    """
    accepted = parse_accepted(parameter, header)
    if single and single[0] not in PICTURES and _is_page(accepted):
        # Firefox names image/png before */*, and means the pictures of a page: a document is wanted as one
        accepted = parse_accepted("", "")
    named = any(one.packaging is Packaging.SINGLE for one in (*accepted.parameter, *accepted.header))
    bodies = [Representation(media, False) for media in single]
    parts = [Representation(media, True) for media in multipart]
    return choose(accepted, [*parts, *bodies] if parts_first and not named else [*bodies, *parts])


def heeded(look: Look, parameter: str, header: str, chosen: Representation) -> Look:
    """The look with a warning if what is sent is not what the `accept` parameter wants."""
    wanted = parse_accepted(parameter, header).parameter
    if not wanted or is_met(wanted, chosen):
        return look
    return look.warned("The accept parameter cannot be met, the Accept header field is obeyed")


def _is_page(accepted: Accepted) -> bool:
    """Whether a browser asks for what it shows in a window or frame, and takes whatever it is."""
    media = {one.media for one in accepted.header}
    return not accepted.parameter and {"text/html", "application/xhtml+xml", "*/*"} <= media


async def answer_one(studio: Studio, request: Request, order: Order, sight: Sight) -> Answer:
    """One picture, video, document or text as the body, or the range of it that is asked for."""
    studio.drawing.check(order, sight)
    tag = order_tag(studio.archive, order)
    unchanged = not_modified(request, tag)
    if unchanged is not None:
        return unchanged
    extra = (*order.look.fields(), *((_QUIET,) if order.media in _ACTIVE else ()))
    passage = await studio.passage(order, sight)
    if passage is not None:
        answer = single_part(request, order.content_type, tag, passage.length, passage.read)
        return Answer(answer.status, (*answer.headers, *extra), answer.body, answer.length)
    data = await studio.drawing.draw(order, sight)
    headers = (("Content-Type", order.content_type), ("Accept-Ranges", "bytes"), *caching(tag), *extra)
    return whole_or_span(request, data, headers, tag)


def order_tag(archive: Archive, order: Order) -> str:
    """The ETag of what is ordered: its key names the versions of instances, and all else that counts."""
    return etag(archive.epoch, order.instance.revision, order.key)


def whole_or_span(request: Request, data: bytes, headers: HeaderFields, tag: str) -> Answer:
    """The bytes, or the range of them that is asked for. Raises Unsatisfiable."""
    span = asked_span(request.header("range"), request.header("if-range"), tag, len(data))
    if span is None:
        return Answer(200, headers, data)
    headers = (*headers, ("Content-Range", content_range(span, len(data))))
    return Answer(206, headers, data[span.start : span.end])


async def answer_parts(
    studio: Studio,
    request: Request,
    orders: AsyncIterator[tuple[Order, Sight]],
    *,
    media: str,
    revision: int,
    named: str,
    extra: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Many pictures, a part each, drawn one after the other as they are sent.

    What is wrong with the first one is told by a status; what is wrong later ends the connection.
    """
    tag = etag(studio.archive.epoch, revision, f"parts {media} {named}", weak=True)
    unchanged = not_modified(request, tag)
    if unchanged is not None:
        return unchanged
    boundary = new_boundary()
    body = await begun(_parts(studio, orders, boundary), chunks=_HEAD_AND_DATA)
    headers = (("Content-Type", related_type(boundary, media)), *caching(tag), *extra)
    return Answer(200, headers, body)


async def _parts(
    studio: Studio, orders: AsyncIterator[tuple[Order, Sight]], boundary: str
) -> AsyncIterator[bytes]:
    first = True
    async with closing_stream(orders) as stream:
        async for order, sight in stream:
            passage = await studio.passage(order, sight)
            head = part_head(boundary, order.content_type, first=first)
            first = False
            if passage is None:
                yield head + await _drawn(studio, order, sight)
                continue
            yield head
            async for chunk in passage.read(None):
                yield chunk
    yield closing(boundary)


async def _drawn(studio: Studio, order: Order, sight: Sight) -> bytes:
    """The picture; where a card will do, a frame that cannot be decoded does not spoil all the others."""
    try:
        return await studio.drawing.draw(order, sight)
    except PixelError as error:
        if not order.card:
            raise
        return await studio.drawing.card(order, note_of(error))
