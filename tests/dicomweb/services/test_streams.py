"""Streams on their way out."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from dicomweb.services.streams import begun, chain


async def test_a_stream_that_is_left_midway_is_closed_at_once() -> None:
    """What it holds, such as frames that are being converted, is let go with the client."""
    closed = False

    async def pieces() -> AsyncGenerator[bytes, None]:
        nonlocal closed
        try:
            for _ in range(9):
                yield b"piece"
        finally:
            closed = True

    stream = await begun(pieces(), chunks=2)
    assert await anext(stream) == b"piece"
    assert not closed
    assert isinstance(stream, AsyncGenerator)
    await stream.aclose()
    assert closed


async def test_a_chain_gives_its_items_then_the_stream() -> None:
    assert [item async for item in chain((1, 2), chain((3,)))] == [1, 2, 3]
