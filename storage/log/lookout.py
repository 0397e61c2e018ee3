"""Reads what others write behind an entry, by asking for it before it is there.

A writer that waits for its chance must know of each new entry before it may try the next number, and whoever wrote
that one knows it a request earlier than all the others. Asking all the time, several times within the duration of
a request, makes up for most of that. It is done only while others are known to write.

Nothing is cancelled that would close a connection: a request whose answer is not wanted any more is left to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from storage.log.errors import LogError
from storage.log.events import Entry
from storage.objects.contract import StoreError

_NARROWEST = 2
"""Numbers asked for at first: when one is there the next may be as well."""
_WIDEST = 8
"""Numbers asked for at once by a node that is behind."""
_PER_REQUEST = 3
"""How often a number is asked for in the time that a request takes."""
_SHORTEST_SECONDS = 0.005
_MOST_ASKING = 16
"""Requests under way; more would not help a store that is slow to answer."""


class Lookout:
    """One task at a time waits for news."""

    def __init__(
        self,
        fetch: Callable[[int], Awaitable[bytes | None]],
        decode: Callable[[int, bytes], Awaitable[Entry]],
    ) -> None:
        """`fetch` gives the object of an entry, None if it is not there yet."""
        self._fetch = fetch
        self._decode = decode
        self._after = 0
        self._found: dict[int, Entry | LogError] = {}
        self._asked: dict[int, float] = {}
        self._asking: set[asyncio.Task[Any]] = set()
        self._came = asyncio.Event()
        self._width = _NARROWEST
        self._highest = 0

    async def news(self, after: int, *, request_seconds: float, far: bool = False) -> list[Entry]:
        """The entries behind `after`, as soon as there is one: those that are known in a row.

        `far`: there is probably much. Waits for as long as it takes; may be cancelled, and asked again. Raises
        what keeps the first from being read; a store that does not answer is no news.
        """
        pause = max(request_seconds / _PER_REQUEST, _SHORTEST_SECONDS)
        self._after, self._highest = after, max(self._highest, after + 1)
        self._asked = {number: when for number, when in self._asked.items() if number > after}
        self._found = {number: found for number, found in self._found.items() if number > after}
        width = _WIDEST if far else self._width
        while after + 1 not in self._found:
            self._came.clear()
            for number in range(after + 1, after + 1 + width):
                self._ask_for(number, pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), pause)
            width = 1  # whatever was there at first has been asked for
        return self.seen(after)

    @property
    def behind(self) -> bool:
        """Whether more was there than was asked for, again and again."""
        return self._width >= _WIDEST // 2

    def _ask_for(self, number: int, pause: float) -> None:
        """Ask, unless it is known or was asked for just now."""
        now = asyncio.get_running_loop().time()
        lately = self._asked.get(number, -pause)
        if number not in self._found and now - lately >= pause and len(self._asking) < _MOST_ASKING:
            self._asked[number] = now
            self._highest = max(self._highest, number)
            self.keep(self._ask(number))

    def seen(self, after: int) -> list[Entry]:
        """Those of them that have been read already. Raises what keeps the first from being read."""
        entries: list[Entry] = []
        while found := self._found.get(after + 1 + len(entries)):
            if isinstance(found, LogError):
                if not entries:
                    raise found
                break
            entries.append(found)
        return entries

    async def _ask(self, number: int) -> None:
        try:
            data = await self._fetch(number)
            if data is None:
                self._width = _NARROWEST
            elif number > self._after and not isinstance(self._found.get(number), Entry):
                if number == self._highest:
                    self._width = min(2 * self._width, _WIDEST)
                self._found[number] = await self._decode(number, data)
                self._came.set()
        except LogError as error:
            self._found.setdefault(number, error)
            self._came.set()
        except StoreError:
            return

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on that nobody waits for."""
        self._asking.add(task := asyncio.create_task(work))
        task.add_done_callback(self._asking.discard)

    async def close(self) -> None:
        """End whatever still goes on."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
