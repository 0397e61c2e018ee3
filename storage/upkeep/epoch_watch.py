"""A node notices that a rebuild gave its archive a new log.

Its own log has ended then (`rebuild_epoch`): it answers searches and retrievals as of that end, takes no writes,
and its health says so. As long as all is well nothing is asked of the store for this.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from storage import layout
from storage.archive.archive import LakeArchive
from storage.log.errors import LogError
from storage.log.format import parse_format
from storage.objects.contract import StoreError

_LOOK_SECONDS = 3.0
"""Between two looks of a node that has met the end of its log."""


async def wait_for_new_log(archive: LakeArchive, *, look_seconds: float = _LOOK_SECONDS) -> None:
    """Return when the archive goes by another epoch than the one that was opened, and the rebuild is done."""
    while True:
        await asyncio.sleep(look_seconds)
        if archive.health().ready:
            continue
        with suppress(StoreError, LogError):
            now = parse_format(await archive.store.get(layout.FORMAT), writing=False)
            if now.epoch != archive.epoch and not now.rebuild:
                return
