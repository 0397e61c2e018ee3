"""Small things done with byte streams on their way out."""

from __future__ import annotations

from collections.abc import AsyncIterator


async def begun(stream: AsyncIterator[bytes], *, chunks: int = 1) -> AsyncIterator[bytes]:
    """The same stream, its first chunks read already.

    What fails at once is so told with a status; later the connection can only be broken off.
    """
    ahead: list[bytes] = []
    while len(ahead) < chunks and (chunk := await anext(stream, None)) is not None:
        ahead.append(chunk)
    return _go_on(ahead, stream)


async def _go_on(ahead: list[bytes], stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in ahead:
        yield chunk
    ahead.clear()
    async for chunk in stream:
        yield chunk
