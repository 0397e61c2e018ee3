"""A proxy in front of an HTTP server that does to connections what networks do, once for each fault it is told.

Connections of clients stay open from request to request. It reads a whole request, then takes the next fault
whose method fits:

    RESET           resets the connection; the server sees nothing
    DROP_ANSWER     lets the server answer, throws the answer away, resets the connection
    TRUNCATE        passes the head and half of the body of the answer on, then closes
    HANG            lets the server answer and says nothing
    SLOW            lets the server answer and passes it on two seconds later
    a number        answers that status itself; the server sees nothing
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

RESET = "reset"
DROP_ANSWER = "drop answer"
TRUNCATE = "truncate"
HANG = "hang"
SLOW = "slow"
SLOW_SECONDS = 2.0


@dataclass
class FaultyProxy:
    """What it does next, and what it has seen."""

    url: str
    """Where clients connect."""
    faults: list[tuple[str, str | int]] = field(default_factory=list)
    """Method and fault, each used once."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and target of every request that came, faulted or not."""

    target: str = ""
    """Target of the request whose fault `take` is asked for."""
    connections: int = 0
    """How many connections clients have made."""

    def fail(self, method: str, *faults: str | int) -> None:
        """Do these to the next requests of that method, one each."""
        self.faults += [(method, fault) for fault in faults]

    def count(self, method: str) -> int:
        """How many requests of that method have come."""
        return sum(1 for one, _ in self.seen if one == method)

    def take(self, method: str) -> str | int | None:
        """The fault for a request, if there is one."""
        for number, (wanted, fault) in enumerate(self.faults):
            if wanted == method:
                del self.faults[number]
                return fault
        return None


@contextlib.asynccontextmanager
async def faulty_proxy(target: str) -> AsyncIterator[FaultyProxy]:
    """A proxy in front of the server at the URL `target`."""
    parts = urlsplit(target)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        proxy.connections += 1
        try:
            while head := await _head(reader):
                await _exchange(proxy, head, reader, writer, parts.hostname or "", parts.port or 80)
        except (_Ended, ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            if not server.is_serving():
                return  # cancelled below; told further, the streams would report it as a fault of theirs
            raise
        finally:
            writer.close()
            connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = FaultyProxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield proxy
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class _Ended(Exception):
    """The connection is not used any more."""


async def _exchange(
    proxy: FaultyProxy,
    head: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    port: int,
) -> None:
    method, target = head.split(b" ", 2)[:2]
    proxy.seen.append((method.decode(), target.decode()))
    body = await reader.readexactly(_length(head))
    proxy.target = target.decode()
    fault = proxy.take(method.decode())
    if fault == RESET:
        _reset(writer)
    if isinstance(fault, int):
        writer.write(b"HTTP/1.1 %d Fault\r\nContent-Length: 0\r\n\r\n" % fault)
        await writer.drain()
        return
    answer_head, answer = await _ask(host, port, head + body)
    if fault == DROP_ANSWER:
        _reset(writer)
    if fault == HANG:
        await asyncio.sleep(3600)
    if fault == SLOW:
        await asyncio.sleep(SLOW_SECONDS)
    if fault == TRUNCATE:
        writer.write(answer_head + answer[: len(answer) // 2])
        await writer.drain()
        raise _Ended
    writer.write(answer_head + answer)
    await writer.drain()


async def _ask(host: str, port: int, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of the server's answer."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        head = await _head(reader)
        body = b"" if request.startswith(b"HEAD ") else await reader.readexactly(_length(head))
    finally:
        writer.close()
    # the tests' server closes after every answer, which real ones do not
    return head.replace(b"Connection: close\r\n", b""), body


async def _head(reader: asyncio.StreamReader) -> bytes:
    """A request or answer up to its empty line; empty at the end of the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _reset(writer: asyncio.StreamWriter) -> None:
    # linger of no time: closing sends RST instead of FIN
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    raise _Ended
