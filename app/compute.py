"""Threads for work that computes: codecs, compression, large JSON (`dicomweb.ports.Compute`)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

Result = TypeVar("Result")


class ThreadCompute:
    """A pool of one thread a core. Left, it waits for what runs and drops what has not begun."""

    def __init__(self, threads: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="compute")

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, called in a thread. What it raises is raised here."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
