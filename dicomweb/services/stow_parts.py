"""The parts of a multipart/related body, one after the other, while the body comes in.

    body chunks ──► MultipartReader ──► part: header fields, then its data as a stream

A part's data must be read before the next part; what is left of it is passed over. No more than one chunk is held,
so a part may be of any size. A part whose closing boundary never comes raises in its data stream, never ends it:
whoever stores what it yields cannot take the front of an instance for the whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

from dicomweb.wire.multipart import End, Event, MultipartReader, PartData, PartHead


class Part:
    """One part of a body."""

    def __init__(self, number: int, head: PartHead, events: _Events) -> None:
        self.number = number
        """Counted from 1."""
        self._head = head
        self._events = events
        self._open = True

    def header(self, name: str) -> str:
        """A header field by its lower-case name, or an empty string."""
        return self._head.header(name)

    async def data(self) -> AsyncIterator[bytes]:
        """The part's bytes. Raises MultipartError, and what the body raises."""
        while self._open:
            event = await self._events.take()
            if isinstance(event, PartData):
                yield event.data
            else:
                self._open = False

    async def skip(self) -> None:
        """Pass over what is left of the data."""
        async for _ in self.data():
            pass


async def read_parts(body: AsyncIterable[bytes], reader: MultipartReader) -> AsyncGenerator[Part, None]:
    """The parts of a body, in order. Raises MultipartError, and what the body raises."""
    events = _Events(body, reader)
    number = 0
    while not isinstance(event := await events.take(), End):
        if isinstance(event, PartHead):
            number += 1
            part = Part(number, event, events)
            yield part
            await part.skip()
    await events.drain()


class _Events:
    """The reader's events, pulled as they are wanted."""

    def __init__(self, body: AsyncIterable[bytes], reader: MultipartReader) -> None:
        self._body = aiter(body)
        self._reader = reader
        self._waiting: deque[Event] = deque()

    async def take(self) -> Event:
        """The next event."""
        while not self._waiting:
            chunk = await anext(self._body, None)
            if chunk is None:
                self._reader.finish()
                return End()
            self._waiting.extend(self._reader.feed(chunk))
        return self._waiting.popleft()

    async def drain(self) -> None:
        """Take in what follows the closing boundary, so that the connection can serve the next request."""
        async for _ in self._body:
            pass
