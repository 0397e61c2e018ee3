"""Runs the web server: listening, TLS, the sweep over idle clients, and an orderly end within ten seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import web

from app.config import Settings
from app.web.front import Front
from app.web.stalls import Stalls
from app.web.tls import BadTls, tls_context

_LOG = logging.getLogger(__name__)
_BACKLOG = 1024
_SWEEP_SECONDS = 1.0
_CUT_SECONDS = 0.5
"""How long a request that was not done by then may take to notice."""
DRAIN_SECONDS = 6.0
"""How long requests at work may go on after the order to end."""
END_SECONDS = 9.5
"""When the process ends, come what may: what was acknowledged is durable, so nothing is lost by it."""


class CannotListen(Exception):
    """The address or port is taken or forbidden, or a certificate cannot be used."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the server answers."""

    url: str
    """`http://127.0.0.1:8042`, no slash at the end."""
    port: int


@contextlib.asynccontextmanager
async def listening(
    application: web.Application, settings: Settings, front: Callable[[], Front]
) -> AsyncIterator[Bound]:
    """Start the application and listen; leaving drains and closes. Raises CannotListen.

    `front` is asked for once the application has started.
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
    await _check_port(settings)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.http_port, ssl_context=tls, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise _cannot_listen(settings, error) from error
        sweeping = asyncio.create_task(_sweep(runner, front().stalls))
        try:
            yield _bound(runner, settings, secure=tls is not None)
            await _drain(site, front())
        finally:
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
        raise _cannot_listen(settings, error) from error


def _cannot_listen(settings: Settings, error: OSError) -> CannotListen:
    return CannotListen(f"cannot listen on {settings.host}:{settings.http_port}: {error.strerror or error}")


def _bound(runner: web.AppRunner, settings: Settings, *, secure: bool) -> Bound:
    port = runner.addresses[0][1]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return Bound(f"{'https' if secure else 'http'}://{host}:{port}", port)


async def _drain(site: web.TCPSite, front: Front) -> None:
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
