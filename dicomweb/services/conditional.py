"""What retrieve requests and answers say about caching, and ranges of a body (RFC 9110 13, 14, RFC 9111 5.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Archive
from dicomweb.wire.byte_ranges import asked_span, content_range
from dicomweb.wire.conditional import none_match
from dicomweb.wire.exchange import Answer, HeaderFields, Request

CACHE_CONTROL = ("Cache-Control", "private, no-cache")
"""A copy may be kept by the browser alone, and is asked for again each time: an instance may be replaced or
deleted, and a 304 costs next to nothing."""


async def see_commits(archive: Archive, request: Request) -> None:
    """Apply what other nodes have committed if the client asks for a strong read.

    It does so by `Cache-Control: no-cache`, or the `Pragma: no-cache` of older clients (RFC 9111 5.2.1.4, 5.4).
    """
    if "no-cache" in request.header("cache-control").lower() or "no-cache" in request.header("pragma").lower():
        await archive.catch_up()


def caching(tag: str, *, vary: str = "Accept") -> HeaderFields:
    """The header fields of a representation with that ETag, chosen by the fields named in `vary`."""
    return (("ETag", tag), ("Vary", vary), CACHE_CONTROL)


def not_modified(request: Request, tag: str, *, vary: str = "Accept") -> Answer | None:
    """304 if the client holds what the ETag names."""
    field = request.header("if-none-match")
    return Answer(304, caching(tag, vary=vary)) if field and none_match(field, tag) else None


def single_part(
    request: Request,
    content_type: str,
    tag: str,
    total: int,
    read: Callable[[ByteRange | None], AsyncIterator[bytes]],
) -> Answer:
    """A body of known length, or the range of it that is asked for (206). Raises Unsatisfiable."""
    headers = (("Content-Type", content_type), ("Accept-Ranges", "bytes"), *caching(tag))
    span = asked_span(request.header("range"), request.header("if-range"), tag, total)
    if span is None:
        return Answer(200, headers, read(None), length=total)
    return Answer(206, (*headers, ("Content-Range", content_range(span, total))), read(span), length=span.length)
