"""Threads for calls that block, cheap for many short ones.

A hop into a thread and back costs 0.1 ms, more than a small file; and threads that make files in one folder stand
in each other's way. So one thread takes calls from the queue as long as there are any, and tells the event loop of
all that have ended by then at once. Only when calls have waited for `patience` is another thread called to help:
on a disk that answers at once one thread does it all, on a slow mount all of them work side by side.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
Call = tuple["asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]
Ended = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Hands:
    """Threads serving one event loop, between `open` and `close`."""

    def __init__(self, name: str, threads: int, *, patience: float) -> None:
        """At most `threads`; `patience` in seconds, 0 to call a thread for every call."""
        self._name = name
        self._most = threads
        self._patience = patience
        self._threads: list[threading.Thread] = []
        self._calls: deque[Call] = deque()
        self._ended: deque[Ended] = deque()
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._lock = threading.Lock()
        self._awake = 0
        self._helped = 0.0
        self._telling = False
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False

    def open(self) -> None:
        """Serve the running event loop."""
        self._loop = asyncio.get_running_loop()

    def run(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> asyncio.Future[Result]:
        """The result of `work`. A call not begun when the future is cancelled is not made."""
        if self._closed:
            raise RuntimeError(f"{self._name}: closed")
        future: asyncio.Future[Result] = self._loop.create_future()
        self._calls.append((future, work, arguments))
        if self._awake == 0 or self._patience == 0:
            self._help()
        if self._watch is None and self._patience:
            self._watch = self._loop.call_later(self._patience, self._look)
        return future

    async def close(self) -> None:
        """Make the calls that wait, then end the threads."""
        with self._lock:
            self._closed = True  # from here on no thread is added
        if self._watch is not None:
            self._watch.cancel()
        for _ in self._threads:
            self._wake.put(False)
        await self._loop.run_in_executor(None, self._join)
        self._tell()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _help(self) -> None:
        """Have one more thread take calls."""
        with self._lock:
            if self._closed or self._awake >= self._most:
                return
            self._awake += 1
            self._helped = time.monotonic()
            if self._awake > len(self._threads):
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._wake.put(True)

    def _look(self) -> None:
        """Call for help while calls wait behind one that takes long."""
        self._watch = None
        if self._calls:
            self._help()
            self._watch = self._loop.call_later(self._patience, self._look)

    def _serve(self) -> None:
        while self._wake.get():
            while True:
                self._take_all()
                with self._lock:
                    self._awake -= 1
                    if not self._calls:
                        break
                    # one came just now, and whoever brought it may have seen this thread awake
                    self._awake += 1
        self._take_all()

    def _take_all(self) -> None:
        while True:
            try:
                future, work, arguments = self._calls.popleft()
            except IndexError:
                return
            if future.cancelled():
                continue
            try:
                self._ended.append((future, work(*arguments), None))
            except BaseException as error:
                self._ended.append((future, None, error))
            del future, work, arguments
            if not self._telling:
                self._telling = True
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._tell)
            if self._calls and time.monotonic() - self._helped > self._patience:
                self._help()

    def _tell(self) -> None:
        """Hand the results to those who wait; in the event loop."""
        self._telling = False
        while True:
            try:
                future, result, error = self._ended.popleft()
            except IndexError:
                return
            if future.cancelled():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
