"""Which nodes serve an archive: each keeps a small note in the store for as long as it does.

    nodes/<node>.json      {"release": "1.2.0", "format": 2}

The note is written anew every ten minutes and deleted at the end; one that was not written for 25 minutes is of
a node that was killed. How old it is, is told by the store's clock alone. Nothing but an upgrade goes by these
notes, and nothing is lost if they are wrong: whoever may not write learns it from the log. So a store that does
not take a note keeps no node from its work.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from storage.layout import NODES
from storage.log.format import FORMAT_VERSION
from storage.objects.contract import ObjectMissing, ObjectStore, StoreError

_LOG = logging.getLogger(__name__)
NOTE_SECONDS = 600.0
"""Between two writes of a node's note."""
GONE_SECONDS = 2.5 * NOTE_SECONDS
"""After which the node of a note counts as killed."""
_TIDY = timedelta(days=1)
"""Age of notes that are deleted by whoever comes by."""
_LEAVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Present:
    """A node that serves, or did until it was killed a short while ago."""

    node: str
    release: str
    """Of this program, as it names itself."""
    format: int
    """The latest format version that it knows."""
    seen: timedelta
    """How long ago it wrote its note."""


class Attendance:
    """Says that a node is there, for as long as the context lasts."""

    def __init__(self, store: ObjectStore, *, node: str, release: str) -> None:
        self._store = store
        self._key = f"{NODES}{node}.json"
        self._note = json.dumps({"release": release, "format": FORMAT_VERSION}).encode()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_up())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._store.delete(self._key)

    async def _keep_up(self) -> None:
        tidied = False
        while True:
            try:
                await self._store.put(self._key, [self._note])
                if not tidied:
                    tidied = True
                    await _tidy(self._store, self._key)
            except StoreError as error:
                _LOG.debug("the note of this node was not written: %s", error)
            await asyncio.sleep(NOTE_SECONDS)


async def present(store: ObjectStore, *, node: str) -> list[Present]:
    """The nodes that are there, by name. `node` names whoever asks. Raises the store's errors."""
    mark = f"{NODES}{node}.asks"
    await store.put(mark, [b""])
    try:
        now = (await store.head(mark)).modified
        return [one for key, modified in await _notes(store) if (one := await _read(store, key, now - modified))]
    finally:
        await store.delete(mark)


async def _read(store: ObjectStore, key: str, seen: timedelta) -> Present | None:
    if seen.total_seconds() > GONE_SECONDS:
        return None
    name = key.removeprefix(NODES).removesuffix(".json")
    try:
        content = json.loads(await store.get(key))
        return Present(name, str(content["release"]), int(content["format"]), max(seen, timedelta()))
    except ObjectMissing:
        return None
    except (ValueError, KeyError, TypeError):
        # whoever wrote that, it is not known to be new enough
        return Present(name, "unknown", 0, seen)


async def _notes(store: ObjectStore) -> list[tuple[str, datetime]]:
    async with aclosing(store.list(NODES)) as listed:
        return [(info.key, info.modified) async for info in listed if info.key.endswith(".json")]


async def _tidy(store: ObjectStore, own: str) -> None:
    now = (await store.head(own)).modified
    for key, modified in await _notes(store):
        if now - modified > _TIDY:
            await store.delete(key)
