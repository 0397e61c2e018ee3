"""Small things done with streams on their way out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

Item = TypeVar("Item")


async def begun(stream: AsyncIterator[bytes], *, chunks: int) -> AsyncIterator[bytes]:
    """The same stream, its first chunks read already.

    What fails at once is so told with a status; later the connection can only be broken off. Whoever sends a
    stream waits for its first chunk, so this is for streams in which a head stands before the first stored bytes.
    """
    ahead: list[bytes] = []
    while len(ahead) < chunks and (chunk := await anext(stream, None)) is not None:
        ahead.append(chunk)
    return chain(ahead, stream)


async def chain(items: Iterable[Item], rest: AsyncIterator[Item] | None = None) -> AsyncIterator[Item]:
    """The items, then what the stream gives; left early, the stream is closed."""
    if rest is None:
        for item in items:
            yield item
        return
    async with closing_stream(rest) as stream:
        for item in items:
            yield item
        async for item in stream:
            yield item


@asynccontextmanager
async def closing_stream(stream: AsyncIterator[Item]) -> AsyncIterator[AsyncIterator[Item]]:
    """The stream, and its end when it is left, read to the end or not: what it has opened is closed at once."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
