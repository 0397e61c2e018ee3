"""What comes next is read while the one before is worked on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def read_ahead(
    items: AsyncIterable[Item], read: Callable[[Item], Awaitable[Result]], *, ahead: int
) -> AsyncGenerator[Result, None]:
    """What `read` says of each item, in their order; `ahead` of them are being read while one is looked at.

    What is under way when the reader leaves off is cancelled.
    """
    reading: deque[asyncio.Task[Result]] = deque()

    async def one(item: Item) -> Result:
        return await read(item)

    try:
        async for item in items:
            reading.append(asyncio.create_task(one(item)))
            if len(reading) > ahead:
                yield await reading.popleft()
        while reading:
            yield await reading.popleft()
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
