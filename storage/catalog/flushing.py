"""When pending events go to DuckDB: when someone needs them there, after a while, or when they are many.

One batch is written at a time. Whoever waits for it may be cancelled, the batch is not: a batch that was given up
half-way would be written twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from storage.catalog.database import CatalogFull, Database
from storage.catalog.pending import Pending
from storage.catalog.settings import CatalogSettings
from storage.catalog.writer import Writer

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 5.0
_QUIET_SECONDS = 2.0
"""After so long without a batch DuckDB may fold its write-ahead log into its file, which takes a while."""


class Flusher:
    """Writes what is pending. Used on the event loop."""

    def __init__(self, database: Database, writer: Writer, pending: Pending, settings: CatalogSettings) -> None:
        self.durable = 0
        """Number of the last entry that DuckDB holds."""
        self.after_batch: Callable[[], Awaitable[None]] | None = None
        """What is done after each batch."""
        self.problem = ""
        """Why what is pending cannot be written, empty if it can."""
        self._database = database
        self._writer = writer
        self._pending = pending
        self._settings = settings
        self._timer: asyncio.TimerHandle | None = None
        self._batch: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._tidying: asyncio.Task[None] | None = None

    def schedule(self) -> None:
        """See to it that what is pending is written in time."""
        settings, pending = self._settings, self._pending
        if not pending:
            return
        if len(pending) >= settings.flush_rows or pending.header_bytes >= settings.flush_header_bytes:
            self._begin()
        elif self._timer is None:
            self._later(settings.flush_seconds)

    async def flush(self) -> None:
        """Return when everything that is pending now is in DuckDB. Raises CatalogError."""
        target = self._pending.last
        while self._pending and self.durable < target:
            await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        """The batch that is being written, or the next one."""
        if self._batch is None or self._batch.done():
            self._batch = asyncio.get_running_loop().create_task(self._write())
            self._batch.add_done_callback(self._ended)
        return self._batch

    async def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, last = self._pending.up_to_now(), self._pending.last
        await self._database.write(partial(self._writer.write, batch=batch, applied=last))
        self.durable = last
        self._pending.done(last)
        if self.after_batch is not None:
            await self.after_batch()

    def _ended(self, batch: asyncio.Task[None]) -> None:
        if batch.cancelled():
            return
        if (error := batch.exception()) is None:
            self.problem = ""
            self.schedule()
            self._rest()
            return
        if isinstance(error, CatalogFull):
            if not self.problem:
                _LOG.error("pending rows cannot be written, they are tried again: %s", error)
            self.problem = str(error)
        else:
            if not self.problem:
                _LOG.error("pending rows cannot be written; they are tried again", exc_info=error)
            self.problem = f"the catalog of this node cannot be written ({type(error).__name__})"
        self._later(_RETRY_SECONDS)

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.get_running_loop().call_later(_QUIET_SECONDS, self._tidy)

    def _tidy(self) -> None:
        self._resting = None
        self._tidying = asyncio.get_running_loop().create_task(self._database.checkpoint())
        self._tidying.add_done_callback(_tidied)

    async def close(self) -> None:
        """Write what is pending, if it can be."""
        try:
            await self.flush()
        except Exception as error:
            _LOG.warning("the catalog is closed before it holds everything (%s)", type(error).__name__)
        for timer in (self._timer, self._resting):
            if timer is not None:
                timer.cancel()
        if self._tidying is not None:
            await asyncio.gather(self._tidying, return_exceptions=True)


def _tidied(task: asyncio.Task[None]) -> None:
    """Nothing is lost where it failed, DuckDB being at something else: it is done after another batch."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.info("the file of the catalog is tidied another time (%s)", type(error).__name__)
