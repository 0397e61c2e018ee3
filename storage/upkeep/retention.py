"""What was removed or replaced long enough ago loses its bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storage.archive.archive import LakeArchive
from storage.upkeep.purge import delete_objects, mark_purged

_AT_ONCE = 500


async def expire(archive: LakeArchive, keep: timedelta) -> int:
    """Purge versions that have not been visible for longer than `keep`; how many.

    Raises Unavailable, StoreError.
    """
    before = datetime.now(UTC) - keep
    gone = 0
    await archive.catch_up()
    while versions := await archive.catalog.expired(before, _AT_ONCE):
        await mark_purged(archive, versions, peer="", detail="retention")
        await delete_objects(archive, versions)
        gone += len(versions)
    return gone
