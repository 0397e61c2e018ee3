"""Whether this node asks others to pause, and pauses for one that asks (see `storage/log/waiting.py`)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from storage.archive.identifiers import fresh_id
from storage.log.events import Entry
from storage.log.waiting import Notes, Wait, parse_wait

_PATIENCE = 12
"""Numbers that went to others, after which a writer asks them to pause."""
_TIMES_USUAL = 2.5
"""The same, of the numbers that are lost usually."""
_LOOK_SECONDS = 0.5
"""Between two looks for a note, while others write."""
_REST_SECONDS = 3.0
"""Between two pauses, so that slow nodes do not slow the others down for good."""
_REQUESTS = 3.5
"""What a pause has to have room for: to read the entry that tells of it, and to write one."""


class Deference:
    """One node's part in it."""

    def __init__(self, notes: Notes, node: str) -> None:
        self._notes = notes
        self._node = node
        self._looked = self._asked = self._rested = -math.inf
        self.in_need = False
        """Whether this node gets no number unless others pause."""
        self._found: Wait | None = None
        self._met = ""
        self._until = 0.0
        self._for = ""
        self._left = False
        self._work: set[asyncio.Task[None]] = set()

    def meet(self, entry: Entry) -> None:
        """An entry has come."""
        if entry.node == self._for:
            self._until = 0.0
        wait = parse_wait(entry.waits) if entry.waits else None
        if wait is not None and wait.note != self._met:
            self._met, self._rested = wait.note, _now()
            self._for, self._until = wait.node, _now() + wait.seconds
            if entry.node == self._node:
                self._keep(self._notes.remove())
        if entry.node == self._node and self._left:
            self._left = False
            self._keep(self._notes.remove())

    def wait_seconds(self) -> float:
        """How long to hold back for another from now."""
        return 0.0 if self.invited else max(0.0, self._until - _now())

    @property
    def invited(self) -> bool:
        """Whether the others hold back for this node, so that it need not look at the log before it writes."""
        return self._for == self._node and _now() < self._until

    def consider(self, lost: int, usual: float, request_seconds: float) -> None:
        """Ask for a pause if this node is in need of one, else look for somebody who does.

        `lost` are numbers that went to others while it had something to write; `usual`, what others lose.
        """
        self.in_need = lost >= max(_PATIENCE, _TIMES_USUAL * usual)
        if self.in_need and _now() - self._asked > _REST_SECONDS:
            self._asked = _now()
            self._left = True
            self._keep(self._notes.leave(Wait(fresh_id(), self._node, _REQUESTS * request_seconds)))
        elif not self.in_need:
            self.look()

    def look(self) -> None:
        """See now and then whether somebody waits, without waiting for it."""
        if _now() - self._looked > _LOOK_SECONDS:
            self._looked = _now()
            self._keep(self._look())

    async def _look(self) -> None:
        self._found = await self._notes.find()

    def telling(self) -> str:
        """What the next entry is to tell of."""
        wait = self._found
        if wait is None or wait.node == self._node or _now() - self._rested < _REST_SECONDS:
            return ""
        if wait.note == self._met:
            # whoever told of it has not come to remove it
            self._found = None
            self._keep(self._notes.remove())
            return ""
        return wait.text()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        self._work.add(task := asyncio.create_task(work))
        task.add_done_callback(self._work.discard)

    async def close(self) -> None:
        """End what is under way."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
