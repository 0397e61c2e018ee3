"""Bytes in flight: who wants to hold more than is left waits, first come first served."""

from __future__ import annotations

import asyncio
from collections import deque


class ByteBudget:
    """A number of bytes shared by all who hold some in memory.

    One holder may always have something, however large: a single request never waits for itself.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Wait until `size` bytes fit, then hold them."""
        if not self._waiting and (self.used == 0 or self.used + size <= self.limit):
            self.used += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (size, turn)
        self._waiting.append(place)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(size)
            else:
                self._waiting.remove(place)
                self._wake()
            raise

    def give(self, size: int) -> None:
        """Hold `size` bytes less."""
        self.used -= size
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if self.used and self.used + size > self.limit:
                return
            self._waiting.popleft()
            self.used += size
            turn.set_result(None)
