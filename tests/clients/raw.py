"""HTTP written and read byte by byte, where a library would hide what matters: how a header is spelled, where a
body begins, what becomes of a connection that ends in the middle.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.clients.servers import Server

SECONDS = 30.0
"""How long an answer is waited for."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came over the wire."""

    status: int
    head: bytes
    """Status line and header fields as they are spelled."""
    body: bytes
    """Without its transfer coding."""
    whole: bool
    """Whether the body came to its proper end."""

    def header(self, name: str) -> str:
        """A header field; several are joined by a comma, none is an empty string."""
        lines = [line.partition(b":") for line in self.head.split(b"\r\n")[1:]]
        return ", ".join(value.strip().decode() for key, _, value in lines if key.lower() == name.lower().encode())

    def error(self) -> dict[str, Any]:
        """The error object in the body, checked for its shape."""
        assert self.header("content-type") == "application/json"
        found: dict[str, Any] = json.loads(self.body)
        keys = {"HttpStatus", "HttpError", "Message", "Method", "Uri", "OrthancStatus", "OrthancError", "Details"}
        assert found.keys() == keys
        assert found["HttpStatus"] == self.status
        assert found["Message"]
        return found


@contextlib.contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    """A connection to the server."""
    with socket.create_connection(server.address, SECONDS) as connection:
        yield connection


def head_of(
    server: Server, method: str, path: str, headers: Mapping[str, str] | None = None, *, root: str = "/dicom-web"
) -> bytes:
    """A request's head; `path` below the DICOMweb root. A Host is added, nothing else."""
    fields = {"Host": "{}:{}".format(*server.address), **(headers or {})}
    lines = [f"{method} {root}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"


def ask(
    server: Server,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    body: bytes | None = None,
    root: str = "/dicom-web",
) -> RawAnswer:
    """One request on a connection of its own."""
    fields = dict(headers or {})
    if body is not None:
        fields["Content-Length"] = str(len(body))
    with connected(server) as connection:
        connection.sendall(head_of(server, method, path, {**fields, "Connection": "close"}, root=root))
        with contextlib.suppress(ConnectionError):
            # a server may answer and close before it has taken the whole body
            connection.sendall(body or b"")
        return read_answer(connection, bodyless=method == "HEAD")


def read_answer(connection: socket.socket, *, bodyless: bool = False) -> RawAnswer:
    """The next answer on a connection."""
    with connection.makefile("rb") as stream:
        lines = [stream.readline()]
        while lines[-1] not in (b"\r\n", b""):
            lines.append(stream.readline())
        head = b"".join(lines)
        assert head.endswith(b"\r\n\r\n"), f"no answer: {head!r}"
        status = int(head.split()[1])
        answer = RawAnswer(status, head, b"", True)
        if bodyless or status in (204, 304):
            return answer
        if answer.header("transfer-encoding") == "chunked":
            body, whole = _chunked(stream)
        else:
            length = int(answer.header("content-length"))
            body = _available(stream, length)
            whole = len(body) == length
        return RawAnswer(status, head, body, whole)


def _chunked(stream: Any) -> tuple[bytes, bool]:
    pieces: list[bytes] = []
    while True:
        try:
            line = stream.readline()
        except ConnectionError:
            line = b""
        if not line.strip():
            return b"".join(pieces), False
        length = int(line, 16)
        piece = _available(stream, length)
        stream.readline()
        pieces.append(piece)
        if length == 0 or len(piece) < length:
            return b"".join(pieces), length == 0


def _available(stream: Any, length: int) -> bytes:
    """So many bytes, or what came before the connection ended."""
    pieces: list[bytes] = []
    try:
        while length > 0 and (piece := stream.read1(length)):
            pieces.append(piece)
            length -= len(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def drop(connection: socket.socket) -> None:
    """End a connection at once, as a machine that is switched off and on does: with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
