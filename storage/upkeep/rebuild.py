"""The log made anew from the DICOM objects alone, in a new epoch; the table follows from it.

    list studies ─▶ plan each ─▶ read headers by ranges ─▶ judge ─▶ entries of the new epoch ─▶ switch to it

Nothing is visible before the switch, so a rebuild that was interrupted is taken up by the next one: behind the
last entry of the new epoch, whose study says how far the listing had come. What came back, what did not and what
nothing in a bucket can tell is in the findings.

A removal gets an entry of its own, as every removal has, since an undelete names it by its number.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson
import zstandard

from dicomweb.encoding.head import Unreadable
from dicomweb.model.keys import Scope
from dicomweb.model.outcome import Outcome
from storage import layout
from storage.archive.identifiers import fresh_id, is_converted
from storage.archive.inspect import Unidentified
from storage.archive.judge import Bench, Candidate, Known
from storage.archive.settings import ArchiveSettings, Duplicates
from storage.log.events import Event, Kind, StoredVersion
from storage.log.format import ArchiveFormat
from storage.log.journal import Journal
from storage.log.unread import is_unread
from storage.objects.contract import ObjectMissing, ObjectStore, StoreError
from storage.upkeep.rebuild_epoch import Claim, RebuildTaken
from storage.upkeep.rebuild_findings import Findings, FindingsLog
from storage.upkeep.rebuild_listing import StudyListing, list_studies
from storage.upkeep.rebuild_plan import DamagedNote, Found, Note, doubtful, parse_note, plan_study
from storage.upkeep.rebuild_read import Misplaced, inspect_object

_AT_ONCE = 16
"""Objects read side by side."""
_ENTRY_ROWS = 400
_ENTRY_BYTES = 8 << 20
"""Headers and indexes of an entry."""
_REMEMBERED = 20_000
"""Instances whose versions are remembered to judge further ones by; those of a study always are."""
_DOOR = "rebuild"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RebuildSettings:
    """How to rebuild."""

    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    """Those of the archive: limits of headers, and `duplicates`, which says what a second version is."""
    digests: bool = False
    """Read every object whole, so that no digest stays open."""


Tell = Callable[[Findings, float], None]
"""Told now and then: the findings so far, and the share of the listing that is done."""


class Rebuild:
    """Writes the log of the epoch that was claimed."""

    def __init__(
        self, store: ObjectStore, claimed: Claim, settings: RebuildSettings, *, node: str, tell: Tell
    ) -> None:
        self._store = store
        self._claim = claimed
        self._node = node
        self._tell = tell
        self._settings = settings
        # a version that exists is not refused after the event
        policy = settings.archive.duplicates
        self._policy = Duplicates.KEEP if policy is Duplicates.REJECT else policy
        coming = ArchiveFormat(claimed.archive_id, claimed.new, claimed.reader, claimed.writer)
        self._journal = Journal(store, coming, node=node, patience_seconds=10.0, listing=False)
        self._findings = FindingsLog(store, claimed.new)
        self._bench = Bench(self._policy)
        self._number = 0
        self._resumed = ""
        """Place of the study that an earlier run was in."""
        self._given: set[str] = set()
        """Its versions and the ids of its removals that the log has."""
        self._waiting: list[Found] = []
        self._events: list[Event] = []
        self._bytes = 0

    async def run(self) -> Findings:
        """Write all entries, or those that are missing. Raises RebuildTaken, LogError and the store's errors."""
        await self._take_up()
        async with aclosing(list_studies(self._store, after=self._resumed)) as studies:
            async for study in studies:
                await self._do(study)
        await self._read_waiting()
        await self._commit()
        return await self._findings.finish()

    async def _take_up(self) -> None:
        """Find out how far an earlier run came."""
        number = await self._journal.tail(0)
        if not number:
            return
        await self._findings.take_up(number)
        self._number = number
        entry = await self._journal.read(number)
        scope = entry.events[-1].scope if entry is not None else None
        if scope is None:
            raise RebuildTaken
        study = scope.study
        self._resumed = layout.study_place(study)
        events: list[Event] = []
        while entry is not None:
            some = [event for event in entry.events if event.scope and event.scope.study == study]
            events = [*some, *events]
            if not some or entry.number == 1:
                break
            entry = await self._journal.read(entry.number - 1)
        for event in events:
            self._know_again(event)

    def _know_again(self, event: Event) -> None:
        if event.stored is not None:
            self._given.add(event.stored.version)
            self._bench.judge(Candidate(event.stored, _DOOR, ""))
        elif event.scope is not None:
            self._given.add(event.event_id)
            self._hide(event.scope)

    def _hide(self, scope: Scope) -> None:
        """A removal comes after all that was judged."""
        for key in self._bench.states:
            if scope.covers(key):
                self._bench.states[key] = Known()

    async def _do(self, study: StudyListing) -> None:
        findings, share = self._findings, _share(study.place)
        findings.all.counts.studies += bool(study.objects) and study.place != self._resumed
        findings.new.strange += set(study.strange).difference(findings.all.strange)
        if len(self._bench.states) > _REMEMBERED:
            await self._read_waiting()
            self._bench.states.clear()
        notes, first = await self._notes(study), self._policy is Duplicates.KEEP
        unsure = {one.info.key for one in doubtful(study.objects, notes, first=first)}
        findings.new.doubtful += unsure.difference(findings.all.doubtful)
        for step in plan_study(study.objects, notes):
            if isinstance(step, Note):
                await self._remove(step)
            elif not self._is_done(step):
                self._waiting.append(step)
            if len(self._waiting) >= _AT_ONCE:
                await self._read_waiting()
                self._tell(findings.all, share)
        self._tell(findings.all, share)

    def _is_done(self, found: Found) -> bool:
        """Whether an earlier run has dealt with the object."""
        named = self._findings.all
        if found.name.version in self._given:
            return True
        return found.info.key in named.damaged or found.info.key in named.repeated

    async def _notes(self, study: StudyListing) -> list[Note]:
        notes = []
        for key in study.notes:
            place = layout.parse_removed_key(key)
            if place is None:
                self._findings.new.strange.append(key)
            # those of other epochs are what an earlier rebuild has not come to delete
            elif place[0] == self._claim.old or (not self._claim.old and place[0] != self._claim.new):
                try:
                    notes.append(parse_note(key, await self._store.get(key)))
                except (DamagedNote, ObjectMissing) as error:
                    self._findings.new.damaged_notes[key] = str(error)
        return notes

    async def _read_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for found, result in zip(waiting, await asyncio.gather(*map(self._read, waiting)), strict=True):
            counts = self._findings.all.counts
            counts.objects += 1
            counts.bytes += found.info.size
            if isinstance(result, str):
                self._findings.new.damaged[found.info.key] = result
            else:
                self._judge(found, result)
        if len(self._events) >= _ENTRY_ROWS or self._bytes >= _ENTRY_BYTES:
            await self._commit()

    async def _read(self, found: Found) -> StoredVersion | str:
        """What the object is, or why it is nothing. Raises the store's errors but ObjectMissing."""
        settings = self._settings.archive
        try:
            inspected = await inspect_object(
                self._store,
                found.info,
                found.name,
                limits=settings.limits,
                digest=self._settings.digests,
                small_bytes=settings.small_bytes,
            )
        except ObjectMissing:
            return "it was listed, but is missing"
        except (Unreadable, Unidentified, Misplaced) as error:
            return str(error)
        except StoreError:
            raise
        except Exception as error:  # one odd object must not keep all others from coming back
            _LOG.exception("an object could not be looked through")
            return f"it could not be looked through ({type(error).__name__})"
        return await self._with_header(inspected.version)

    async def _with_header(self, stored: StoredVersion) -> StoredVersion:
        """A header too large for a row has an object of its own, which may be what was lost."""
        if len(stored.header) <= self._settings.archive.large_header_bytes:
            return stored
        packed = await asyncio.to_thread(zstandard.compress, stored.header)
        await self._store.put(layout.header_key(stored.key, stored.version), [packed])
        return replace(stored, header=b"")

    def _judge(self, found: Found, stored: StoredVersion) -> None:
        counts = self._findings.all.counts
        outcome = self._bench.judge(Candidate(stored, _DOOR, "")).outcome
        if outcome is Outcome.DUPLICATE and self._policy is Duplicates.KEEP:
            # the same bytes beside themselves: what an interrupted writer left behind
            self._findings.new.repeated.append(found.info.key)
            return
        counts.stored += 1
        counts.replaced += outcome is not Outcome.STORED
        counts.open_digests += is_unread(stored.digest)
        counts.converted += is_converted(stored.version)
        self._bytes += len(stored.header) + len(stored.frames) + len(stored.bulk)
        event = self._event(Kind.STORED, stored.key.scope, found.time, fresh_id())
        self._events.append(replace(event, stored=stored, current=outcome is not Outcome.KEPT))

    def _event(self, kind: Kind, scope: Scope, time: datetime, event_id: str) -> Event:
        return Event(
            kind=kind, scope=scope, time=time, node=self._node, door=_DOOR, peer="", event_id=event_id
        )  # fmt: skip

    async def _remove(self, note: Note) -> None:
        """Let a removal come after what it hides, and write its note for the next rebuild."""
        await self._read_waiting()
        if note.event_id in self._given:
            return
        await self._commit()
        number = self._number + 1
        content = {
            "study": note.scope.study,
            "series": note.scope.series,
            "instance": note.scope.instance,
            "revision": number,
            "time": note.time.isoformat(),
            "versions": sorted(note.versions),
        }
        key = layout.removed_key(note.scope.study, self._claim.new, number, 0)
        await self._store.put(key, [orjson.dumps(content)])
        await self._store.settle([key])
        self._hide(note.scope)
        self._findings.all.counts.removals += 1
        self._events = [self._event(Kind.REMOVED, note.scope, note.time, note.event_id)]
        await self._commit()

    async def _commit(self) -> None:
        if not self._events:
            return
        number, events = self._number + 1, self._events
        await self._findings.write(number)
        appended = await self._journal.append(number, events, fresh_id())
        if not appended.won:
            raise RebuildTaken
        self._number, self._events, self._bytes = number, [], 0


def _share(place: str) -> float:
    """The part of a listing that lies before a study: the two digits spread evenly."""
    try:
        return int(place[:2], 16) / 256
    except ValueError:
        return 0.0


async def delete_old_notes(store: ObjectStore, epoch: str) -> None:
    """Delete the notes of removals of all epochs but this one. Raises the store's errors."""
    for key in [info.key async for info in store.list(layout.REMOVED)]:
        place = layout.parse_removed_key(key)
        if place is not None and place[0] != epoch:
            await store.delete(key)
