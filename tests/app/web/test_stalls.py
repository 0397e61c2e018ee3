"""A connection that must not end in order ends with a reset, on whichever event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from app.web.stalls import abort


def loops() -> list[Callable[[Coroutine[Any, Any, None]], None]]:
    """Ways to run: asyncio's own, and uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return [asyncio.run]
    return [asyncio.run, uvloop.run]


async def _abort_after_some_bytes() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"part of an answer")
        await writer.drain()
        abort(writer.transport)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()
    server.close()


@pytest.mark.parametrize("run", loops(), ids=lambda run: run.__module__)
def test_an_aborted_connection_is_reset(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    run(_abort_after_some_bytes())
