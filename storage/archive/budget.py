"""Bytes in flight: who wants to hold more than is left waits, first come first served.

An instance comes in chunks and nobody knows how many there will be, so several may hold a part each and wait for
the rest when nothing is left. Then one of them at a time may go over the limit, so that it ends and gives back
what it has: the limit is exceeded by one small instance at most, and nobody waits for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """Somebody who waits."""

    size: int
    granted: asyncio.Future[None]
    share: Share | None


class ByteBudget:
    """A number of bytes shared by all who hold some in memory.

    One holder may always have something, however large: a single request never waits for itself.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._waiting: deque[_Turn] = deque()
        self._over: Share | None = None
        """Who may go over the limit until it has all it needs."""

    async def take(self, size: int, share: Share | None = None) -> None:
        """Wait until `size` bytes fit, then hold them; `share` is what they are added to."""
        if (share is not None and share is self._over) or (not self._waiting and self._fits(size)):
            self._grant(size, share)
            return
        turn = _Turn(size, asyncio.get_running_loop().create_future(), share)
        self._waiting.append(turn)
        self._wake()
        try:
            await turn.granted
        except asyncio.CancelledError:
            if turn.granted.done() and not turn.granted.cancelled():
                if share is not None:
                    share.held -= size
                self.give(size)
            else:
                with suppress(ValueError):
                    self._waiting.remove(turn)
                self._wake()
            raise

    def give(self, size: int) -> None:
        """Hold `size` bytes less."""
        self.used -= size
        self._wake()

    def resign(self, share: Share) -> None:
        """Let another go over the limit, if it was this one."""
        if self._over is share:
            self._over = None
            self._wake()

    def _fits(self, size: int) -> bool:
        return self.used == 0 or self.used + size <= self.limit

    def _grant(self, size: int, share: Share | None) -> None:
        self.used += size
        if share is not None:
            share.held += size

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting[0]
            if turn.granted.done():  # given up, and not yet told so
                self._waiting.popleft()
                continue
            if not self._fits(turn.size):
                chosen = self._next_over()
                if chosen is None:
                    return
                turn, self._over = chosen, chosen.share
            self._waiting.remove(turn)
            self._grant(turn.size, turn.share)
            turn.granted.set_result(None)

    def _next_over(self) -> _Turn | None:
        """Who may go over the limit next: the first that waits with something in its hands."""
        if self._over is not None:
            return None
        waiting = (turn for turn in self._waiting if not turn.granted.done())
        return next((turn for turn in waiting if turn.share is not None and turn.share.held), None)


class Share:
    """What one instance holds of a budget: it grows by chunks, and is given back at once."""

    def __init__(self, budget: ByteBudget) -> None:
        self.held = 0
        self._budget = budget

    async def grow(self, size: int) -> None:
        """Hold `size` bytes more, when they fit."""
        await self._budget.take(size, self)

    def enough(self) -> None:
        """It will not grow any more; what it holds it keeps."""
        self._budget.resign(self)

    def give(self) -> None:
        """Hold nothing."""
        held, self.held = self.held, 0
        self._budget.resign(self)
        if held:
            self._budget.give(held)
