"""Sockets that listen: bound before anything else happens, so that a port in use costs no half-made archive."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack

from app.config import Settings

BACKLOG = 1024
"""Connections that the system holds until they are accepted."""


class CannotListen(Exception):
    """The address or port is taken or forbidden, or a certificate cannot be used."""


def cannot_listen(settings: Settings, error: OSError) -> CannotListen:
    """The reason in a sentence."""
    hint = "; DICOMLAKE_HTTP_PORT or --http-port names another port" if error.errno == errno.EADDRINUSE else ""
    return CannotListen(f"cannot listen on {settings.host}:{settings.http_port}: {error.strerror or error}{hint}")


def open_listeners(settings: Settings) -> list[socket.socket]:
    """Listening sockets, one for each address that the host stands for, all on one port. Raises CannotListen."""
    try:
        with ExitStack() as stack:
            found = socket.getaddrinfo(
                settings.host or None,
                settings.http_port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
            port = settings.http_port
            listeners: list[socket.socket] = []
            for family, kind, protocol, _, address in dict.fromkeys(found):
                listener = stack.enter_context(socket.socket(family, kind, protocol))
                _share_nothing(listener)
                listener.bind((address[0], port, *address[2:]))
                listener.listen(BACKLOG)
                listener.setblocking(False)
                port = listener.getsockname()[1]
                listeners.append(listener)
            stack.pop_all()
            return listeners
    except OSError as error:
        raise cannot_listen(settings, error) from error


def _share_nothing(listener: socket.socket) -> None:
    if os.name == "posix":
        # else a port just left by a server counts as taken
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def base_url(settings: Settings, port: int) -> str:
    """`http://127.0.0.1:8042`, no slash at the end."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{'https' if settings.web.tls_certificate else 'http'}://{host}:{port}"
