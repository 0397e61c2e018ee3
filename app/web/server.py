"""Runs the web server: listening, TLS, the sweep over idle clients, and an orderly end within ten seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from app.config import Settings
from app.listeners import BACKLOG, CannotListen, base_url, cannot_listen
from app.web.front import Front
from app.web.stalls import Stalls
from app.web.starting import STARTING, answering
from app.web.tls import BadTls, tls_context

_LOG = logging.getLogger(__name__)
_SWEEP_SECONDS = 1.0
_CUT_SECONDS = 0.5
"""How long a request that was not done by then may take to notice."""
DRAIN_SECONDS = 6.0
"""How long requests at work may go on after the order to end."""
END_SECONDS = 9.5
"""When the process ends, come what may: what was acknowledged is durable, so nothing is lost by it."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the server answers."""

    url: str
    """`http://127.0.0.1:8042`, no slash at the end."""
    port: int


class Source(Protocol):
    """Where connections come from that another process accepted."""

    def start(
        self, serve: Callable[[socket.socket], Coroutine[Any, Any, None]], connections: Callable[[], int]
    ) -> None:
        """Have each connection served from now on; `connections` tells how many are open."""

    def stop(self) -> None:
        """Take no more."""

    async def close(self) -> None:
        """End."""


@contextlib.asynccontextmanager
async def listening(
    application: web.Application,
    settings: Settings,
    front: Callable[[], Front],
    *,
    source: Source | None = None,
) -> AsyncIterator[Bound]:
    """Start the application and listen; leaving drains and closes. Raises CannotListen.

    `front` is asked for once the application has started. With a `source` connections come from there, and the
    port of the settings is the one that somebody else listens on.
    """
    try:
        tls = tls_context(settings.web)
    except BadTls as error:
        raise CannotListen(str(error)) from error
    runner = web.AppRunner(
        application,
        access_log=None,
        keepalive_timeout=settings.limits.idle_seconds,
        shutdown_timeout=_CUT_SECONDS,
        max_line_size=settings.limits.request_head_bytes,
        max_field_size=settings.limits.request_head_bytes,
    )
    # before the application starts, which may begin an archive
    if source is None:
        await _check_port(settings)
    async with contextlib.AsyncExitStack() as meanwhile:
        if source is None and settings.http_port and (starting := application.get(STARTING)) is not None:
            answers = answering(starting, settings.host, settings.http_port, tls)
            await meanwhile.enter_async_context(answers)
        await runner.setup()
    try:
        site: web.TCPSite | _HandedSite
        if source is None:
            site = web.TCPSite(runner, settings.host, settings.http_port, ssl_context=tls, backlog=BACKLOG)
        else:
            site = _HandedSite(runner, source, tls)
        try:
            await site.start()
        except OSError as error:
            raise cannot_listen(settings, error) from error
        sweeping = asyncio.create_task(_sweep(runner, front().stalls))
        try:
            port = runner.addresses[0][1] if source is None else settings.http_port
            yield Bound(base_url(settings, port), port)
            await _drain(site, front())
        finally:
            if source is not None:
                await source.close()
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping
    finally:
        await runner.cleanup()


async def _check_port(settings: Settings) -> None:
    """Raise CannotListen if the port is taken or the address is not this machine's."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(settings.host or None, settings.http_port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                if os.name == "posix":
                    # as the server does, else a port just left by one counts as taken
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as error:
        raise cannot_listen(settings, error) from error


class _HandedSite:
    """What `web.TCPSite` is for a port of one's own."""

    def __init__(self, runner: web.AppRunner, source: Source, tls: ssl.SSLContext | None) -> None:
        self._runner = runner
        self._source = source
        self._tls = tls

    async def start(self) -> None:
        server = self._runner.server
        assert server is not None
        self._source.start(self._serve, lambda: len(server.connections))

    async def stop(self) -> None:
        self._source.stop()

    async def _serve(self, connection: socket.socket) -> None:
        server = self._runner.server
        if server is None:
            connection.close()
            return
        connection.setblocking(False)
        # a client that is gone already, or whose TLS handshake fails
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(server, connection, ssl=self._tls)


async def _drain(site: web.TCPSite | _HandedSite, front: Front) -> None:
    """Take no new connections, and let requests at work come to their end.

    Not left to aiohttp's own shutdown: that throws away what clients still send, so no upload would be finished.
    """
    front.ending.begun = True
    await site.stop()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(front.stalls.all_ended(), DRAIN_SECONDS)


async def _sweep(runner: web.AppRunner, stalls: Stalls) -> None:
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        if runner.server is not None:
            stalls.sweep(runner.server.connections)


def hear_of_end() -> asyncio.Event:
    """Set once the process is told to end (SIGTERM, SIGINT); before this call that ends it on the spot."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


async def wait_for_end(told: asyncio.Event) -> None:
    """Return when the process has been told to end; from then on it has ten seconds."""
    await told.wait()
    deadline = threading.Timer(END_SECONDS, _end_now)
    deadline.daemon = True
    deadline.start()


def _end_now() -> None:
    _LOG.error("requests did not end in time; ending without them")
    logging.shutdown()
    os._exit(1)
