"""Notes of removals and log made to agree again, where a process ended between writing the one and the other."""

from __future__ import annotations

from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.removal_notes import write_note


async def mend_notes(archive: LakeArchive) -> int:
    """Write the notes that are missing, delete those of removals that were undone; how many.

    Raises Unavailable, CatalogError and the store's errors.
    """
    noted: dict[int, str] = {}
    async for info in archive.store.list(layout.REMOVED):
        place = layout.parse_removed_key(info.key)
        if place is not None and place[0] == archive.epoch:
            noted[place[1]] = info.key
    # only now, so that the log tells of every note that was listed
    await archive.catch_up()
    in_force = {one.revision: one for one in await archive.catalog.removals_in_force()}
    stale = [key for revision, key in noted.items() if revision not in in_force]
    missing = [one for revision, one in in_force.items() if revision not in noted]
    for key in stale:
        await archive.store.delete(key)
    for one in missing:
        await write_note(
            archive.store,
            archive.catalog,
            archive.epoch,
            one.scope,
            revision=one.revision,
            ordinal=one.ordinal,
            time=one.time,
        )
    return len(stale) + len(missing)
