"""What was removed or replaced long enough ago loses its bytes.

Whether a version still is removed or replaced is looked at again when its purge is committed: an undelete that
came first has won, and its bytes stay.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storage.archive.archive import LakeArchive
from storage.catalog.history import VersionRow
from storage.catalog.projection import Standing
from storage.upkeep.purge import delete_objects, mark_purged

_AT_ONCE = 500


async def expire(archive: LakeArchive, keep: timedelta) -> int:
    """Purge versions that have not been visible for longer than `keep`; how many.

    Raises Unavailable, StoreError.
    """
    before = datetime.now(UTC) - keep
    gone = 0
    await archive.catch_up()

    def still_gone(version: VersionRow) -> bool:
        return (
            version.standing in (Standing.HIDDEN, Standing.FORMER)
            and version.until is not None
            and version.until.time < before
        )

    while versions := await archive.catalog.expired(before, _AT_ONCE):
        done = await mark_purged(archive, versions, peer="", detail="retention", still=still_gone)
        purged = {event.version for event in done.events}
        await delete_objects(archive, [one for one in versions if one.instance.version in purged])
        gone += len(purged)
    return gone
