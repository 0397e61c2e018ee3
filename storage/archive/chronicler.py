"""Tells what happened: the catalog knows which entries and what they came to, the entries know who and when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from dicomweb.model.history import Deed, Happening, HistoryPage
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.ports import Archive, NoSuchRevision, NotStored, Unavailable
from storage.archive.as_of import PastArchive
from storage.archive.follower import Follower
from storage.catalog.as_of_chronicle import Chronicle
from storage.catalog.catalog import Catalog
from storage.catalog.pending import overlaps
from storage.log.errors import LogError
from storage.log.events import LABELLING, Entry, Event, Kind
from storage.log.journal import DamagedEntry, Journal
from storage.objects.contract import StoreError

_AT_ONCE = 8
"""Entries read side by side."""
_DEEDS = {
    Kind.REMOVED: Deed.DELETED,
    Kind.RESTORED: Deed.RESTORED,
    Kind.VOIDED: Deed.VOIDED,
    Kind.PURGED: Deed.ERASED,
    Kind.LABELLED: Deed.LABELLED,
    Kind.UNLABELLED: Deed.UNLABELLED,
}


class Chronicler:
    """The past of an archive (see `dicomweb.ports.TimeTravel`)."""

    def __init__(self, journal: Journal, catalog: Catalog, follower: Follower) -> None:
        self._journal = journal
        self._catalog = catalog
        self._follower = follower
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def as_of(self, archive: Archive, revision: int) -> PastArchive:
        """See `TimeTravel.as_of`."""
        if revision > self._catalog.applied:
            await self._follower.catch_up()
        if not 0 <= revision <= self._catalog.applied:
            raise NoSuchRevision(
                f"there is no revision {revision}: the archive is at revision {self._catalog.applied}"
            )
        return PastArchive(archive, self._catalog.past, self._catalog.labels, revision)

    async def revision_at(self, time: datetime) -> int:
        """See `TimeTravel.revision_at`.

        The catalog knows when instances were stored and removed; the entries thereabouts say it of themselves, and
        the few that the catalog does not know are passed one by one.
        """
        await self._follower.catch_up()
        number = await self._catalog.past.last_before(time)
        while number and (written := await self._written(number)) is not None and written > time:
            number -= 1
        while number < self._catalog.applied:
            written = await self._written(number + 1)
            if written is None or written > time:
                break
            number += 1
        return number

    async def _written(self, number: int) -> datetime | None:
        entry = await self._entry(number)
        return entry.written if entry is not None else None

    async def history(self, scope: Scope, *, before: int | None, limit: int) -> HistoryPage:
        """See `TimeTravel.history`."""
        chronicle = await self._catalog.past.chronicle(scope, before=before, limit=limit)
        if not chronicle.ever:
            await self._follower.catch_up()
            chronicle = await self._catalog.past.chronicle(scope, before=before, limit=limit)
        if not chronicle.ever:
            raise NotStored(f"no such {scope.level.name.lower()} was ever stored")
        entries = await asyncio.gather(*map(self._entry, chronicle.revisions))
        told = [
            one
            for number, entry in zip(chronicle.revisions, entries, strict=True)
            for one in (_told(entry, scope, chronicle) if entry else (Happening(number, Deed.UNREADABLE),))
        ]
        return HistoryPage(told, chronicle.revisions[-1] if chronicle.more else None)

    async def removed_scope(self, revision: int) -> Scope:
        """See `TimeTravel.removed_scope`."""
        removal = await self._catalog.removal(revision)
        if removal is None:
            await self._follower.catch_up()
            removal = await self._catalog.removal(revision)
        if removal is None:
            raise NotStored(f"revision {revision} is no removal")
        return removal.scope

    async def _entry(self, number: int) -> Entry | None:
        """The entry, None if it is damaged. Raises Unavailable."""
        async with self._turns:
            try:
                return await self._journal.read(number)
            except DamagedEntry:
                return None
            except (LogError, StoreError) as error:
                raise Unavailable("the object store cannot be reached") from error


_Group = tuple[Deed, str, str, str, str, Scope | None, int]
"""Deed, door, peer, node, detail, scope of a removal, what an undelete undoes: alike in these is told together."""


def _told(entry: Entry, scope: Scope, chronicle: Chronicle) -> Iterator[Happening]:
    """What an entry did in the scope."""
    groups: dict[_Group, tuple[datetime, dict[InstanceKey, None]]] = {}
    for event in entry.events:
        if event.kind in LABELLING:
            if event.scope is not None and scope.covers(event.scope):
                yield _labelled(entry, event, event.scope)
            continue
        if event.scope is not None and not overlaps(event.scope, scope):
            continue
        deed = _deed(event, chronicle)
        if deed is None:
            continue
        turned = deed in (Deed.DELETED, Deed.RESTORED)
        group = (
            *(deed, event.door, event.peer, event.node, event.detail),
            event.scope if turned else None,
            event.target,
        )
        _, keys = groups.setdefault(group, (event.time, {}))
        keys.update(dict.fromkeys(chronicle.turned.get(entry.number, ()) if turned else _key(event)))
    for (deed, door, peer, node, detail, about, target), (time, keys) in groups.items():
        told = Happening(entry.number, deed, time, door, peer, node, scope=about, undoes=target, detail=detail)
        yield replace(
            told,
            instances=len(keys),
            series=tuple(sorted({key.series for key in keys})),
            instance=next(iter(keys)).instance if len(keys) == 1 else "",
            undoable=deed is Deed.DELETED and entry.number in chronicle.undoable,
        )


def _labelled(entry: Entry, event: Event, scope: Scope) -> Happening:
    return Happening(
        *(entry.number, _DEEDS[event.kind], event.time, event.door, event.peer, event.node),
        instances=1 if scope.instance else 0,
        series=(scope.series,) if scope.series else (),
        instance=scope.instance or "",
        scope=scope,
        detail=event.detail,
        label=event.label,
    )


def _deed(event: Event, chronicle: Chronicle) -> Deed | None:
    if event.stored is not None:
        return chronicle.deeds.get(event.stored.version)
    return _DEEDS.get(event.kind)


def _key(event: Event) -> tuple[InstanceKey, ...]:
    scope = event.scope
    if scope is None or scope.series is None or scope.instance is None:
        return ()
    return (InstanceKey(scope.study, scope.series, scope.instance),)
