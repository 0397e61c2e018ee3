"""How much memory the work in hand may take together: who would take more waits until others are through.

A thread a core decodes, but every client that waits for a thread has its stored frame in memory already. So what
is about to be read is announced here, and comes in the order in which it was asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """Bytes shared by all work. For one event loop."""

    def __init__(self, limit: int) -> None:
        """`limit` in bytes; work that is larger has its turn alone."""
        self._limit = limit
        self._taken = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Room for that many bytes while the context lasts."""
        size = min(size, self._limit)
        if self._waiting or self._taken + size > self._limit:
            await self._wait(size)
        else:
            self._taken += size
        try:
            yield
        finally:
            self._give_back(size)

    async def _wait(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, size))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # its turn had come, and it went away before it knew
                self._give_back(size)
            else:
                self._waiting.remove((turn, size))
                self._call()
            raise

    def _give_back(self, size: int) -> None:
        self._taken -= size
        self._call()

    def _call(self) -> None:
        while self._waiting and self._taken + self._waiting[0][1] <= self._limit:
            turn, size = self._waiting.popleft()
            self._taken += size
            turn.set_result(None)
