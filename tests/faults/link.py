"""The network between a server and its bucket: it can be cut, mended, and made to lose an answer.

Runs in threads, since the tests that use it block. It passes HTTP on message by message, which all of the tests'
S3 traffic allows: every request and answer there has a Content-Length or no body.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import urlsplit


@dataclass
class Link:
    """The way to one HTTP server."""

    target: tuple[str, int]
    port: int = 0
    lose: list[tuple[str, str]] = field(default_factory=list)
    """Method and a piece of the path: the next such request is done, its answer is lost."""
    lost: list[str] = field(default_factory=list)
    """Paths whose answers were lost."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of all requests passed on."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.mend()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Take connections, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections and reset those there are."""
        if self._listener is not None:
            # a thread in accept() is not woken by close alone
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            for connection in self._open:
                _reset(connection)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), client, socket.create_connection(self.target) as server:
            with self._lock:
                self._open.update((client, server))
            try:
                with client.makefile("rb") as requests, server.makefile("rb") as answers:
                    while self._pass_on(client, server, requests, answers):
                        pass
            finally:
                with self._lock:
                    self._open -= {client, server}

    def _pass_on(
        self, client: socket.socket, server: socket.socket, requests: BinaryIO, answers: BinaryIO
    ) -> bool:
        head = _head(requests)
        if not head:
            return False
        method, path = head.split(b" ", 2)[:2]
        server.sendall(head + _body(head, requests))
        self.seen.append((method.decode(), path.decode()))
        answer = _head(answers)
        status = int(answer.split()[1])
        bodyless = method == b"HEAD" or status in (204, 304)
        body = b"" if bodyless else _body(answer, answers)
        if self._is_lost(method.decode(), path.decode()):
            _reset(client)
            return False
        client.sendall(answer + body)
        return True

    def _is_lost(self, method: str, path: str) -> bool:
        with self._lock:
            for number, (wanted, piece) in enumerate(self.lose):
                if wanted == method and piece in path:
                    del self.lose[number]
                    self.lost.append(path)
                    return True
        return False


def _head(stream: BinaryIO) -> bytes:
    lines = [stream.readline()]
    while lines[-1] not in (b"\r\n", b""):
        lines.append(stream.readline())
    if not lines[-1]:
        return b""
    return b"".join(lines)


def _body(head: bytes, stream: BinaryIO) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            data = stream.read(int(value))
            if len(data) < int(value):
                raise EOFError
            return data
        if name.lower() == b"transfer-encoding":
            raise AssertionError("this link does not know chunked bodies")
    return b""


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def link_to(url: str) -> Iterator[Link]:
    """A link to the HTTP server at that URL."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    link = Link((parts.hostname, parts.port))
    try:
        yield link
    finally:
        link.cut()
