"""One request on its way through the house: from the web server's words to ours.

A body is read as it comes and counted against the limit; whatever ends it early is an exception, so that no
service takes a part for the whole.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from app.web.cors import SAFE
from app.web.proxy import Approach
from app.web.stalls import Watch
from dicomweb.wire.exchange import WebError

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_MOST_PARAMETERS = 1000
_NOWHERE = Approach("", "", "", proxied=False, host="")


class ClientGone(Exception):
    """The client closed the connection before its request was whole or its answer out."""


class Call:
    """One request. Mutable: what is found out on the way is noted here."""

    __slots__ = (
        "approach",
        "headers",
        "id",
        "limit",
        "method",
        "operation",
        "path",
        "query",
        "received",
        "request",
        "scope",
        "sent",
        "user",
        "watch",
    )

    def __init__(self, request: web.BaseRequest, watch: Watch, *, limit: int) -> None:
        self.request = request
        self.watch = watch
        self.limit = limit
        """Bytes of the largest body."""
        self.method = request.method
        if request.method in SAFE:
            watch.reading = asyncio.current_task()
        self.headers = _read_headers(request)
        self.path, self.query = _split_target(request.raw_path)
        """Path as it stands in the request, percent-encoded; query string likewise."""
        self.id = ""
        """The request id: the client's own, or one of ours."""
        self.approach = _NOWHERE
        self.user = ""
        """Who asks; empty for anybody."""
        self.operation = "none"
        """Name of the operation, for metrics and messages."""
        self.scope = ""
        """UIDs of what is asked for, for messages that may name them."""
        self.received = 0
        """Bytes of the body read so far."""
        self.sent = 0
        """Bytes of the answer's body sent so far."""

    async def body(self) -> AsyncIterator[bytes]:
        """The request body in chunks as they come.

        Raises WebError 413 over the limit, 400 if its transfer or content encoding is wrong; ClientGone.
        """
        content, watch = self.request.content, self.watch
        length = self.request.content_length
        if length is not None and length > self.limit:
            raise _too_large(self.limit)
        if "expect" in self.headers:
            await self._ask_for_body()
        while True:
            watch.waiting()
            try:
                chunk = await content.readany()
            except HttpProcessingError as error:
                raise WebError(400, "the request body is not encoded as its header fields say") from error
            except Exception as error:
                # a lost connection shows as any of a dozen classes, RuntimeError among them
                raise ClientGone from error
            finally:
                watch.moving()
            if not chunk:
                return
            self.received += len(chunk)
            if self.received > self.limit:
                raise _too_large(self.limit)
            yield chunk

    async def _ask_for_body(self) -> None:
        """Tell a client that waits for it to go on (RFC 9110 10.1.1), but only now that somebody reads."""
        transport = self.request.transport
        if self.headers.pop("expect").lower() == "100-continue" and transport is not None:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def read_parameters(query: str) -> list[tuple[str, str]]:
    """Query parameters in their order, decoded.

    Empty ones (`?&`) are passed over, and those whose name begins with `_`: no parameter of DICOMweb's does, but
    scripts add such with a number to get past caches. Raises WebError 400.
    """
    if not query:
        return []
    try:
        found = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as error:
        raise WebError(400, "the query is not percent-encoded UTF-8, or has too many parameters") from error
    return [one for one in found if not one[0].startswith("_")]


def decode_path(path: str) -> str:
    """A path without percent-encoding. Raises WebError 400."""
    if "%" not in path:
        return path
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError as error:
        raise WebError(400, "the path is not percent-encoded UTF-8") from error


def request_ids() -> Callable[[str], str]:
    """A function that gives each request its id: the one the client brought if it is harmless, else a new one."""
    prefix, numbers = secrets.token_hex(4), itertools.count(1)

    def identify(brought: str) -> str:
        if brought and _REQUEST_ID.fullmatch(brought):
            return brought
        return f"{prefix}-{next(numbers):x}"

    return identify


def _split_target(target: str) -> tuple[str, str]:
    """Path and query of a request target, also of its absolute form (RFC 9112 3.2)."""
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path, query.partition("#")[0]


def _read_headers(request: web.BaseRequest) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        name = name.lower()
        if not value.isascii():
            # bytes that are not UTF-8 come as lone surrogates, which no later encoder takes
            value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _too_large(limit: int) -> WebError:
    return WebError(413, f"the request body is larger than {limit} bytes (setting limits.body_bytes)")
