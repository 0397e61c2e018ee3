"""From our answer to the wire.

An answer goes out whole, in pieces without joining them (joining a 528 kB frame costs more than sending it), or
as a stream. A stream that fails before its first byte is an error like any other; one that fails later ends the
connection without its proper end, since a client must never take a part for the whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from aiohttp import web
from multidict import CIMultiDict

from app.web.exchange import Call, ClientGone
from app.web.stalls import abort
from dicomweb.wire.exchange import Answer, HeaderFields

_JOINED = 32 << 10
"""Bytes up to which pieces are joined: one packet is cheaper than many."""
_NO_BODY = frozenset([204, 304])


class Broken(Exception):
    """An answer that failed when part of it was out; the connection has been ended. The cause is chained."""

    def __init__(self, response: web.StreamResponse) -> None:
        super().__init__("the answer broke off")
        self.response = response


class WrongLength(Exception):
    """A stream that did not give the bytes its Content-Length promised."""

    def __init__(self, promised: int | None, given: int) -> None:
        super().__init__(f"the answer was to have {promised} bytes, it had {given}")
        self.promised = promised
        self.given = given


async def send(call: Call, answer: Answer, extra: HeaderFields) -> web.StreamResponse:
    """Send the answer with extra header fields.

    Raises Broken, ClientGone, and whatever a stream raises before its first byte, when nothing is out yet.
    """
    headers = CIMultiDict([*answer.headers, *extra])
    body = answer.body
    if isinstance(body, bytes):
        return await _send_whole(call, answer.status, headers, body)
    if isinstance(body, AsyncIterator):
        if answer.length is not None:
            headers["Content-Length"] = str(answer.length)
        return await _send_stream(call, answer.status, headers, body)
    length = sum(map(len, body))
    if length <= _JOINED:
        return await _send_whole(call, answer.status, headers, b"".join(body))
    headers["Content-Length"] = str(length)
    return await _send_pieces(call, answer.status, headers, body)


async def _send_whole(call: Call, status: int, headers: CIMultiDict[str], body: bytes) -> web.StreamResponse:
    if status in _NO_BODY:
        body = b""
    elif call.method == "HEAD":
        headers["Content-Length"], body = str(len(body)), b""
    response = web.Response(status=status, headers=headers, body=body or None)
    call.watch.waiting()
    try:
        await response.prepare(call.request)
        await response.write_eof()
    except ConnectionError as error:
        raise ClientGone from error
    finally:
        call.watch.moving()
    call.sent = len(body)
    return response


async def _send_pieces(
    call: Call, status: int, headers: CIMultiDict[str], pieces: Sequence[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    call.watch.waiting()
    try:
        await response.prepare(call.request)
        if call.method != "HEAD":
            for piece in pieces:
                await response.write(piece)
                call.sent += len(piece)
                call.watch.waiting()
        await response.write_eof()
    except ConnectionError as error:
        raise ClientGone from error
    finally:
        call.watch.moving()
    return response


async def _send_stream(
    call: Call, status: int, headers: CIMultiDict[str], chunks: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    try:
        # nothing is out before the first chunk is there: until then a fault has a status of its own
        chunk = None if call.method == "HEAD" else await anext(chunks, None)
        try:
            await _write_stream(call, response, chunk, chunks)
        except Exception as error:
            gone = call.request.transport is None or call.request.transport.is_closing()
            abort(call.request.transport)
            raise (ClientGone if gone else Broken(response)) from error
        except BaseException:
            abort(call.request.transport)
            raise
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    return response


async def _write_stream(
    call: Call, response: web.StreamResponse, chunk: bytes | None, chunks: AsyncIterator[bytes]
) -> None:
    watch = call.watch
    watch.waiting()
    try:
        await response.prepare(call.request)
        while chunk is not None:
            if chunk:
                await response.write(chunk)
            watch.moving()
            call.sent += len(chunk)
            chunk = await anext(chunks, None)
            watch.waiting()
        expected = response.content_length
        if expected not in (None, call.sent) and call.method != "HEAD":
            raise WrongLength(expected, call.sent)
        await response.write_eof()
    finally:
        watch.moving()
