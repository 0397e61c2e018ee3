"""A note of a writer that gets no number: all who write are asked to pause for once, and do it together.

A node whose requests take several times as long as those of others never wins against them: whenever it knows the
last entry, others have written the next. So it leaves a note beside the log. Another writer that finds it tells of
it in its next entry, and whoever applies that entry holds back until the slow node's entry has come, or the time
that it needs has passed. The note is removed then, and one that nobody stands behind any more costs a pause, once.

Notes are advice. Correctness depends on none of this; clocks are not compared.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from storage.layout import waiting_key
from storage.objects.contract import ObjectStore, StoreError

_LONGEST_SECONDS = 2.0
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Wait:
    """What a waiting writer asks for."""

    note: str
    """Random id of this note."""
    node: str
    """Who waits."""
    seconds: float
    """The pause that it needs."""

    def text(self) -> str:
        """As it is in a note, and in an entry."""
        return json.dumps([self.note, self.node, round(self.seconds, 3)])


def parse_wait(text: str | bytes) -> Wait | None:
    """What `Wait.text` made; None of anything else."""
    try:
        note, node, seconds = json.loads(text)
        wait = Wait(str(note)[:_LONGEST_NAME], str(node)[:_LONGEST_NAME], float(seconds))
    except (ValueError, TypeError):
        return None
    return Wait(wait.note, wait.node, min(wait.seconds, _LONGEST_SECONDS)) if wait.seconds > 0 else None


class Notes:
    """The place for one note. What the store refuses is not there."""

    def __init__(self, store: ObjectStore, epoch: str) -> None:
        self._store = store
        self._key = waiting_key(epoch)

    async def leave(self, wait: Wait) -> None:
        """Put a note, unless there is one."""
        with suppress(StoreError):
            await self._store.put(self._key, [wait.text().encode()], create=True)

    async def find(self) -> Wait | None:
        """The note that is there. One that cannot be read is removed."""
        try:
            text = await self._store.get(self._key)
        except StoreError:
            return None
        if (wait := parse_wait(text)) is None:
            await self.remove()
        return wait

    async def remove(self) -> None:
        """Take away whatever note is there."""
        with suppress(StoreError):
            await self._store.delete(self._key)
