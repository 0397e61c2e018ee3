"""What the port says while the application is still starting.

A node that begins with an empty disk on a large archive needs a minute or more. Meanwhile whoever watches over it
must see that it lives, that it is not ready, and how far it is; a port that refuses connections says none of that,
and a supervisor that takes it for dead begins everything anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator

import orjson
from aiohttp import web

from app.listeners import BACKLOG
from dicomweb.wire.errors import error_body

_LOG = logging.getLogger(__name__)
_PATIENCE_SECONDS = 1.0
"""A start that takes less is over before anybody asks."""
_RETRY_SECONDS = 5
_JSON = "application/json"


class Starting:
    """How far a start is."""

    def __init__(self) -> None:
        self.reason = "starting"

    def say(self, reason: str) -> None:
        """From now on this is what is being done."""
        self.reason = reason


STARTING = web.AppKey("starting", Starting)


@contextlib.asynccontextmanager
async def answering(
    starting: Starting, host: str, port: int, tls: ssl.SSLContext | None, *, patience: float = _PATIENCE_SECONDS
) -> AsyncIterator[None]:
    """Answer for the application until this ends, if that takes longer than `patience` in seconds.

    A port that cannot be listened on is for the application to complain of.
    """
    task = asyncio.create_task(_answer(starting, host, port, tls, patience))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _answer(starting: Starting, host: str, port: int, tls: ssl.SSLContext | None, patience: float) -> None:
    await asyncio.sleep(patience)

    async def handle(request: web.BaseRequest) -> web.Response:
        return _page(starting, request)

    server = web.Server(handle, access_log=None)
    try:
        listener = await asyncio.get_running_loop().create_server(
            server, host or None, port, ssl=tls, backlog=BACKLOG
        )
    except OSError as error:
        _LOG.info("nothing answers while the server starts: %s", error.strerror)
        return
    try:
        await asyncio.Future()
    finally:
        listener.close()
        await server.shutdown(0.5)


def _page(starting: Starting, request: web.BaseRequest) -> web.Response:
    """Alive and not ready; anything else is to be asked again soon (RFC 9110 15.6.4)."""
    path = request.path.rstrip("/")
    if path == "/health/live":
        return web.Response(body=b'{"live":true}', content_type=_JSON)
    headers = {"Retry-After": str(_RETRY_SECONDS), "Connection": "close", "Cache-Control": "no-store"}
    if path == "/health/ready":
        body = orjson.dumps({"ready": False, "reason": starting.reason})
    else:
        body = error_body(503, f"the server is not ready yet: {starting.reason}", request.method, request.path)
    return web.Response(status=503, body=body, content_type=_JSON, headers=headers)
