"""A store that fails at random: a share of all requests is refused, slow, cut short or answered by a reset."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.build.faulty_proxy import DROP_ANSWER, HANG, RESET, SLOW, TRUNCATE, FaultyProxy, faulty_proxy

FAULTS: tuple[str | int, ...] = (500, 503, SLOW, TRUNCATE, RESET, DROP_ANSWER)
"""What happens to a request; 500 and 503 without its being done, the last after it was done."""
HANGS = 0.03
"""Share of the failing requests that are done and never answered, where nodes have little patience."""
STORM_SECONDS = 5.0
"""How long a storm lasts: longer than a node whose graces are short tries to find out what became of an entry."""
_STORMS = 0.03
"""Share of the log's entries at which one begins: the entry is written, and nobody is told while it lasts."""


@dataclass
class Weather:
    """How the store is doing."""

    url: str
    """Where nodes connect."""
    share: float = 0.0
    """Of all requests that fail; may be set at any time."""
    faults: Counter[str] = field(default_factory=Counter)
    """What was done to how many."""
    requests: int = 0


@contextlib.contextmanager
def weather(target: str, seed: int, *, hasty: bool = False) -> Iterator[Weather]:
    """A proxy in front of a store, in a thread of its own; the sky is clear at first.

    For `hasty` nodes, who do not wait for long, some requests never get an answer, and now and then a storm comes.
    """
    chance = random.Random(f"weather {seed}")
    opened: list[Weather] = []
    ready, ending = threading.Event(), threading.Event()

    async def serve() -> None:
        async with faulty_proxy(target) as proxy:
            opened.append(Weather(proxy.url))
            _let_it_fail(proxy, opened[0], chance, hasty=hasty)
            ready.set()
            await asyncio.to_thread(ending.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield opened[0]
    finally:
        ending.set()
        thread.join()


def _let_it_fail(proxy: FaultyProxy, sky: Weather, chance: random.Random, *, hasty: bool) -> None:
    storm_until = 0.0

    def take(method: str) -> str | int | None:
        nonlocal storm_until
        proxy.seen.clear()
        sky.requests += 1
        now = time.monotonic()
        if hasty and sky.share and method == "PUT" and "/log/" in proxy.target and chance.random() < _STORMS:
            storm_until = now + STORM_SECONDS
            sky.faults["storm"] += 1
        fault: str | int
        if now < storm_until:
            fault = DROP_ANSWER if method == "PUT" else 503
        elif chance.random() >= sky.share:
            return None
        else:
            fault = HANG if hasty and chance.random() < HANGS else chance.choice(FAULTS)
        sky.faults[str(fault)] += 1
        return fault

    proxy.take = take  # type: ignore[method-assign]
