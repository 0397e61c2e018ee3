"""A request body read piece by piece, within its limit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from dicomweb.wire.exchange import Request, WebError


class BodyOverLimit(WebError):
    """A body, or what it holds, is larger than the settings allow: 413."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(413, f"{what} is larger than the limit of {limit} bytes")


def limited_body(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body's chunks. Raises BodyOverLimit: at once where Content-Length says so, else when it is passed."""
    declared = request.header("content-length")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise BodyOverLimit("the request body", limit)
    return _counted(request.body, limit)


async def _counted(chunks: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes]:
    taken = 0
    async for chunk in chunks:
        taken += len(chunk)
        if taken > limit:
            raise BodyOverLimit("the request body", limit)
        yield chunk


class ByteSource:
    """Chunks read as a file is read, from front to back: what parsers of containers need."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = aiter(chunks)
        self._held = b""
        self.position = 0
        """Bytes handed out."""

    async def read(self) -> bytes:
        """Some bytes as they come; none only at the end."""
        if not self._held:
            self._held = await self._next()
        data, self._held = self._held, b""
        self.position += len(data)
        return data

    async def read_exactly(self, count: int) -> bytes:
        """So many bytes. Raises EndOfBody if there are fewer."""
        while len(self._held) < count:
            more = await self._next()
            if not more:
                raise EndOfBody(f"the body ended {count - len(self._held)} bytes early")
            self._held += more
        data, self._held = self._held[:count], self._held[count:]
        self.position += count
        return data

    async def peek(self, count: int) -> bytes:
        """The next bytes, without taking them; fewer only at the end."""
        while len(self._held) < count:
            more = await self._next()
            if not more:
                break
            self._held += more
        return self._held[:count]

    def give_back(self, data: bytes) -> None:
        """Put bytes back that were read and belong to what follows."""
        self._held = data + self._held
        self.position -= len(data)

    async def _next(self) -> bytes:
        async for chunk in self._chunks:
            if chunk:
                return chunk
        return b""


class EndOfBody(Exception):
    """The body ended where more was expected."""
