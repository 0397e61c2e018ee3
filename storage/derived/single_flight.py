"""One making per key, however many wait for what it makes.

The work runs in a task of its own, so that it belongs to all who wait: one of them going away changes nothing, and
only when the last has gone is the work given up. What the work raises goes to all who wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Flight:
    """Work under way."""

    task: asyncio.Task[bytes]
    waiting: int = 0


class SingleFlight:
    """Work by key. For one event loop."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight] = {}

    def __len__(self) -> int:
        """Work under way."""
        return len(self._flights)

    def under_way(self, key: str) -> bool:
        """Whether the work of that key is being done."""
        return key in self._flights

    async def join(self, key: str, work: Callable[[], Awaitable[bytes]]) -> bytes:
        """The result of the work of that key, begun by `work` unless it is under way."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(_run(work)))
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                # whoever asks from now on begins anew, and does not join what is being given up
                self._forget(key, flight.task)
                flight.task.cancel()

    async def close(self) -> None:
        """Give up what is under way; those who wait are cancelled."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: str, task: asyncio.Task[bytes]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            # looked at, so that nobody complains of an error that all who waited had left behind
            task.exception()

    def _forget(self, key: str, task: asyncio.Task[bytes]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]


async def _run(work: Callable[[], Awaitable[bytes]]) -> bytes:
    return await work()
