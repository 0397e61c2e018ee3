"""Trying again what may be tried again, with full jitter so that many clients do not come back at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage.objects.contract import StoreUnavailable

Result = TypeVar("Result")

FIRST_PAUSE = 0.1
"""Seconds the first pause may last at most; each further one twice as long."""
LONGEST_PAUSE = 5.0
"""Seconds no pause exceeds."""
PATIENCE = 30.0
"""Seconds after which no further attempt is begun."""


async def retried(
    attempt: Callable[[], Awaitable[Result]],
    *,
    attempts: int,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Result:
    """The result of the first attempt that does not end in StoreUnavailable; that of the last is raised."""
    began = time.monotonic()
    made = 0
    while True:
        try:
            return await attempt()
        except StoreUnavailable:
            made += 1
            if made >= attempts or time.monotonic() - began > PATIENCE:
                raise
        await sleep(pause(made))


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row, at random."""
    return random.uniform(0.0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)))
