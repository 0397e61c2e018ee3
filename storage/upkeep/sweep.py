"""Objects that no log entry names: what interrupted writers left behind.

Nothing is deleted by age alone. An object is condemned in the log first; from then on
no entry may name it, since every writer must have seen the condemnation before it commits. After a grace the log
is read to its tail once more, and only what is still named by nobody goes.

An object older than the log's first entry is nothing that a writer of this log left behind: it belongs to a log
that was lost, and is all there is of its instance.

    old and unnamed ──▶ CONDEMNED committed ──▶ grace ──▶ log read to its tail ──▶ still unnamed ──▶ deleted
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dicomweb.model.keys import Scope
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.identifiers import fresh_id, id_time
from storage.catalog.projection import Standing
from storage.log.events import Event, Kind
from storage.objects.contract import ObjectInfo

_AT_ONCE = 1000
"""Objects condemned in one entry."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did."""

    seen: int
    """Objects looked at."""
    deleted: int
    """Objects no entry named, deleted."""


async def sweep(archive: LakeArchive, *, age_seconds: float, grace_seconds: float) -> Swept:
    """Delete what no entry names and is older than `age_seconds`. Raises Unavailable, StoreError.

    `grace_seconds` has to be longer than a writer can stand still between judging a commit and creating its entry;
    a writer that stood still for longer is stopped by the condemnation itself.
    """
    seen = deleted = 0
    old: list[str] = []
    first = await archive.journal.read(1)
    begin = first.written.timestamp() if first else math.inf
    async for info in archive.store.list(layout.DICOM):
        seen += 1
        if _is_between(info, begin, time.time() - age_seconds):
            old.append(info.key)
        if len(old) >= _AT_ONCE:
            deleted += await _sweep_some(archive, old, grace_seconds)
            old = []
    if old:
        deleted += await _sweep_some(archive, old, grace_seconds)
    return Swept(seen, deleted)


def _is_between(info: ObjectInfo, begin: float, limit: float) -> bool:
    name = layout.parse_object_key(info.key)
    if name is None:
        return False
    try:
        made = id_time(name.version)
    except ValueError:
        return False
    return begin <= made < limit and info.modified.timestamp() < limit


async def _sweep_some(archive: LakeArchive, keys: Sequence[str], grace_seconds: float) -> int:
    await archive.catch_up()
    # The plan is made anew for each number that is lost to another writer: looking through all keys every time, it
    # would come too late for as long as others write.
    suspects = await _unnamed(archive, keys)
    if not suspects:
        return 0
    condemned: list[str] = []

    async def plan(number: int) -> Sequence[Event]:
        condemned[:] = await _unnamed(archive, suspects)
        return [_condemned_event(archive, key) for key in condemned]

    await archive.committer.change(plan)
    await asyncio.sleep(grace_seconds)
    await archive.catch_up()
    doomed = await _unnamed(archive, condemned)
    for key in doomed:
        await archive.store.delete(key)
    return len(doomed)


async def _unnamed(archive: LakeArchive, keys: Sequence[str]) -> list[str]:
    """Those of the keys that no version names which may still be read or brought back."""
    names = {key: layout.parse_object_key(key) for key in keys}
    known: dict[str, set[str]] = {}
    for study in {name.key.study for name in names.values() if name}:
        versions = await archive.catalog.versions(Scope(study))
        known[study] = {
            v.instance.version for v in versions if v.standing not in (Standing.PURGED, Standing.VOIDED)
        }
    return [key for key, name in names.items() if name and name.version not in known[name.key.study]]


def _condemned_event(archive: LakeArchive, key: str) -> Event:
    return Event(
        kind=Kind.CONDEMNED,
        scope=None,
        time=datetime.now(UTC),
        node=archive.node,
        door="upkeep",
        peer="",
        event_id=fresh_id(),
        object_key=key,
    )
