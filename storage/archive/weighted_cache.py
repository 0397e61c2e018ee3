"""Values kept up to a number of bytes; loaded once however many wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class WeightedCache(Generic[Value]):
    """The values used last, as many as fit."""

    def __init__(self, limit: int, weigh: Callable[[Value], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._held = 0
        self._loading: dict[str, asyncio.Task[Value]] = {}

    def get(self, key: str) -> Value | None:
        """The value if it is here; it counts as used."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    async def load(self, key: str, load: Callable[[], Awaitable[Value]]) -> Value:
        """The value, by `load` if it is not here. What `load` raises goes to all who wait, and is not kept."""
        value = self.get(key)
        if value is not None:
            return value
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(self._load(key, load))
            self._loading[key] = task
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(task)

    async def _load(self, key: str, load: Callable[[], Awaitable[Value]]) -> Value:
        value = await load()
        self._values[key] = value
        self._held += self._weigh(value)
        while self._held > self._limit and len(self._values) > 1:
            _, old = self._values.popitem(last=False)
            self._held -= self._weigh(old)
        return value
