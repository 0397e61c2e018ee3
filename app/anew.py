"""A server that begins anew by itself once a rebuild has given its archive a new log.

The process is replaced by one of the same command line, with the same number, so whatever watches over it sees no
end. Workers are restarted by their parent, one after the other. Before that, clients are finished with as at any
other end, in as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable

from storage.archive.archive import LakeArchive
from storage.upkeep.epoch_watch import wait_for_new_log

_LOG = logging.getLogger(__name__)
_SECONDS = 9.5
"""How long clients are finished with."""


class Anew:
    """Whether this server is to begin anew, rather than to end."""

    def __init__(self) -> None:
        self.wanted = False
        self._late: threading.Timer | None = None

    @contextlib.asynccontextmanager
    async def watch(self, archive: LakeArchive, act: Callable[[], None]) -> AsyncIterator[None]:
        """Call `act` once the archive has a new log, which is then to be opened."""
        watching = asyncio.create_task(self._watch(archive, act))
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self, archive: LakeArchive, act: Callable[[], None]) -> None:
        await wait_for_new_log(archive)
        _LOG.warning("a rebuild gave the archive a new log: opening it anew")
        act()

    def begin(self, told: asyncio.Event) -> None:
        """Let the server end, and begin anew in place of that; also if its clients do not end in time."""
        self.wanted = True
        self._late = threading.Timer(_SECONDS, replace_process)
        self._late.daemon = True
        self._late.start()
        told.set()


def replace_process() -> None:
    """Become a process of the same command line. Files and sockets are closed by that."""
    logging.shutdown()
    given = [argument for argument in sys.argv[1:] if argument != "--samples"]
    os.execv(sys.executable, [sys.executable, "-m", "app.cli", *given])
