"""Bytes that go for good: by lawful erasure, or when retention ends.

The order is what makes it safe to be interrupted anywhere: first the log says PURGED, so that no reader trusts
the bytes any more; then the objects go; then, for an erasure, headers are blanked in the log's entries and in the
files of the table that hold them. Each step may be repeated: a second `purge` of the same scope finishes what a
first one left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dicomweb.model.keys import Scope
from dicomweb.ports import NotStored, Unavailable
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.identifiers import fresh_id
from storage.archive.works import ChangeResult
from storage.catalog.history import VersionRow
from storage.catalog.projection import Standing
from storage.log.codec import encode_entry
from storage.log.errors import LogError
from storage.log.events import Entry, Event, Kind


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did."""

    revision: int
    """Number of its log entry; 0 if all had been purged before."""
    versions: int
    """Versions whose bytes are gone."""


async def purge(archive: LakeArchive, scope: Scope, *, peer: str = "") -> Purged:
    """Erase everything stored in the scope, former versions included; UIDs, times and digests stay in the log.

    Raises NotStored, Unavailable, StoreError.
    """
    await archive.catch_up()
    versions = [v for v in await archive.catalog.versions(scope) if v.standing is not Standing.VOIDED]
    if not versions:
        raise NotStored(f"no such {scope.level.name.lower()} is stored")
    done = await mark_purged(archive, versions, peer=peer, detail="erasure")
    await delete_objects(archive, versions)
    await _blank_entries(archive, versions)
    await _erase_from_table(archive)
    return Purged(done.revision if done.events else 0, len(versions))


async def mark_purged(
    archive: LakeArchive,
    versions: Sequence[VersionRow],
    *,
    peer: str,
    detail: str,
    still: Callable[[VersionRow], bool] = lambda _: True,
) -> ChangeResult:
    """Commit PURGED for those that are not yet, and of which `still` holds when it is committed."""
    names = {version.instance.version for version in versions}

    async def plan(number: int) -> Sequence[Event]:
        scopes = {version.instance.key.scope for version in versions}
        now = [one for scope in scopes for one in await archive.catalog.versions(scope)]
        return [
            _purged_event(archive, one, peer, detail)
            for one in now
            if one.instance.version in names
            and one.standing not in (Standing.PURGED, Standing.VOIDED)
            and still(one)
        ]

    return await archive.committer.change(plan)


def _purged_event(archive: LakeArchive, version: VersionRow, peer: str, detail: str) -> Event:
    return Event(
        kind=Kind.PURGED,
        scope=version.instance.key.scope,
        time=datetime.now(UTC),
        node=archive.node,
        door="upkeep",
        peer=peer,
        event_id=fresh_id(),
        version=version.instance.version,
        detail=detail,
    )


async def delete_objects(archive: LakeArchive, versions: Sequence[VersionRow]) -> None:
    """Delete the bytes of versions, and their headers where they lie apart. Raises StoreError."""
    for version in versions:
        instance = version.instance
        await archive.store.delete(layout.object_key(instance.key, instance.version))
        await archive.store.delete(layout.header_key(instance.key, instance.version))


async def _erase_from_table(archive: LakeArchive) -> None:
    """Have the files of the table that hold what was erased written anew, and all that they replace deleted."""
    if archive.checkpoint is None:
        return
    revision = archive.revision
    try:
        folded = await archive.checkpoint.erase()
    except LogError as error:
        raise Unavailable("nothing could be erased from the checkpoint table; purge once more") from error
    # a fold ends before an entry that is damaged
    if folded.last < revision and await archive.checkpoint.snapshot() is not None:
        raise Unavailable(f"the checkpoint table is at revision {folded.last}; repair the log, purge once more")


async def _blank_entries(archive: LakeArchive, versions: Sequence[VersionRow]) -> None:
    """Write the entries that stored these versions again, without their headers.

    The one place where something in the log is overwritten: the number, the commit and the order stay.
    """
    names = {version.instance.version for version in versions}
    for number in sorted({version.instance.revision for version in versions}):
        entry = await archive.journal.read(number)
        if entry is None:
            continue
        key = layout.entry_key(entry.epoch, number)
        await archive.store.put(key, [encode_entry(_blanked(entry, names))])
        await archive.store.settle([key])


def _blanked(entry: Entry, names: set[str]) -> Entry:
    return replace(entry, events=tuple(_blank(event, names) for event in entry.events))


def _blank(event: Event, names: set[str]) -> Event:
    stored = event.stored
    if stored is None or stored.version not in names:
        return event
    return replace(event, stored=replace(stored, header=b"{}", header_size=2, file_meta=b"{}", columns={}))
