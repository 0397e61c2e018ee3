"""Series in memory: what ingest and frame requests ask again and again, answered by dictionaries.

A series here is complete: all its versions up to the last entry applied. It came to be known while it was in use
(first stored, or looked up once), and goes when others have been used since and the bound is reached. Everything
here runs on the event loop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey, Scope
from storage.catalog import projection
from storage.catalog.projection import Change, Moment, Standing, Version, Versions
from storage.log.events import Event, Kind, StoredVersion

SMALL_BLOB = 512
"""Bytes up to which a frame or bulk index stays in memory with its series."""


@dataclass(frozen=True, slots=True)
class Blobs:
    """The indexes of a version that a frame or bulk request needs."""

    frames: bytes
    bulk: bytes

    @property
    def small(self) -> bool:
        """Whether they may stay in memory."""
        return len(self.frames) + len(self.bulk) <= SMALL_BLOB


@dataclass(frozen=True, slots=True)
class ScopeStatus:
    """What is there of a study, a series or an instance."""

    revision: int
    """Last entry that changed anything in it, 0 if none did."""
    visible: int
    """Instances with a current version."""
    hidden: int
    """Instances that were stored once and have no visible version."""

    @property
    def ever(self) -> bool:
        """Whether anything was stored in it, be it removed since."""
        return bool(self.visible or self.hidden)


def version_of(stored: StoredVersion, event: Event, revision: int, ordinal: int, *, row: int = 0) -> Version:
    """A version as a STORED event makes it, before its key is settled."""
    instance = Instance(
        stored.key,
        stored.version,
        revision,
        stored.size,
        stored.data_set_offset,
        stored.sop_class,
        stored.transfer_syntax,
        stored.digest,
        stored.image,
        stored.pixel_vr,
        stored.original,
    )
    number = stored.columns.get("instance_number")
    return Version(
        instance,
        ordinal,
        event.time,
        event.current,
        number if isinstance(number, int) else None,
        changed=revision,
        row=row,
    )


class SeriesState:
    """All versions of one series."""

    __slots__ = ("_order", "_status", "blobs", "keys", "series", "study")

    def __init__(self, study: str, series: str) -> None:
        self.study = study
        self.series = series
        self.keys: dict[str, Versions] = {}
        """Versions by SOP Instance UID."""
        self.blobs: dict[str, Blobs] = {}
        """By version, small ones only."""
        self._status: ScopeStatus | None = None
        self._order: list[Instance] | None = None

    def take(self, event: Event, revision: int, ordinal: int) -> bool:
        """Let the event take effect, an undelete apart. True if it stored the first version of its key."""
        self._status = self._order = None
        if event.kind is Kind.STORED and event.stored is not None:
            return self._store(event.stored, event, revision, ordinal)
        if event.scope is not None:
            self._change(event, event.scope, Moment(revision, event.time))
        return False

    def _store(self, stored: StoredVersion, event: Event, revision: int, ordinal: int) -> bool:
        before = self.keys.get(stored.key.instance, ())
        new = version_of(stored, event, revision, ordinal)
        self.keys[stored.key.instance] = projection.store(before, new)
        blobs = Blobs(stored.frames, stored.bulk)
        if blobs.small:
            self.blobs[stored.version] = blobs
        return not before

    def _change(self, event: Event, scope: Scope, at: Moment) -> None:
        change = change_of(event, at)
        if change is None:
            return
        if scope.instance is not None:
            if scope.instance in self.keys:
                self.keys[scope.instance] = change(self.keys[scope.instance])
            return
        for sop, versions in self.keys.items():
            self.keys[sop] = change(versions)

    def put(self, version: Version, blobs: Blobs | None) -> None:
        """Take a version as the catalog has it; all of a key in log order."""
        sop = version.instance.key.instance
        self.keys[sop] = (*self.keys.get(sop, ()), version)
        if blobs is not None and blobs.small:
            self.blobs[version.instance.version] = blobs

    def find(self, sop: str) -> Instance | None:
        """The current version of an instance."""
        for one in self.keys.get(sop, ()):
            if one.standing is Standing.CURRENT:
                return one.instance
        return None

    def ordered(self) -> list[Instance]:
        """The current versions by Instance Number (none last) and SOP Instance UID."""
        if self._order is None:
            current = [
                one for versions in self.keys.values() for one in versions if one.standing is Standing.CURRENT
            ]
            current.sort(key=attrgetter("instance.key.instance"))
            current.sort(key=lambda one: (one.number is None, one.number or 0))
            self._order = [one.instance for one in current]
        return self._order

    def status(self, sop: str | None = None) -> ScopeStatus:
        """What is there of the series, or of one instance in it."""
        if sop is not None:
            return _status([self.keys[sop]] if sop in self.keys else [])
        if self._status is None:
            self._status = _status(list(self.keys.values()))
        return self._status


def change_of(event: Event, at: Moment) -> Change | None:
    """What the event does to the versions of a key in its scope; None for kinds that do nothing of the sort."""
    if event.kind is Kind.REMOVED:
        return lambda versions: projection.remove(versions, at)
    if event.kind is Kind.VOIDED:
        return lambda versions: projection.void(versions, event.version, at)
    if event.kind is Kind.PURGED:
        return lambda versions: projection.purge(versions, event.version, at)
    if event.kind is Kind.DIGESTED:
        return lambda versions: projection.digest(versions, event.version, bytes.fromhex(event.detail))
    return None


def _status(keys: list[Versions]) -> ScopeStatus:
    revision = visible = hidden = 0
    for versions in keys:
        revision = max(revision, *(one.changed for one in versions))
        if projection.current_of(versions) is not None:
            visible += 1
        elif projection.was_removed(versions):
            hidden += 1
    return ScopeStatus(revision, visible, hidden)


class HotSeries:
    """Series in memory, the least recently used one leaves first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._states: OrderedDict[tuple[str, str], SeriesState] = OrderedDict()
        self._by_study: dict[str, dict[str, SeriesState]] = {}
        self._instances = 0

    def get(self, study: str, series: str) -> SeriesState | None:
        """The series, if it is here; it counts as used."""
        state = self._states.get((study, series))
        if state is not None:
            self._states.move_to_end((study, series))
        return state

    def of(self, scope: Scope) -> Iterator[SeriesState]:
        """The series here that a scope touches."""
        known = self._by_study.get(scope.study, {})
        if scope.series is None:
            yield from known.values()
        elif scope.series in known:
            yield known[scope.series]

    def put(self, state: SeriesState) -> None:
        """Let a series be here."""
        self.drop(state.study, state.series)
        self._states[state.study, state.series] = state
        self._by_study.setdefault(state.study, {})[state.series] = state
        self._instances += len(state.keys)
        self._trim(state)

    def grown(self, state: SeriesState) -> None:
        """An instance was added to a series that is here."""
        self._instances += 1
        self._trim(state)

    def drop(self, study: str, series: str) -> None:
        """Let a series go."""
        state = self._states.pop((study, series), None)
        if state is None:
            return
        self._instances -= len(state.keys)
        del self._by_study[study][series]
        if not self._by_study[study]:
            del self._by_study[study]

    def drop_study(self, study: str) -> None:
        """Let all series of a study go."""
        for series in list(self._by_study.get(study, ())):
            self.drop(study, series)

    def clear(self) -> None:
        """Let everything go."""
        self._states.clear()
        self._by_study.clear()
        self._instances = 0

    def _trim(self, keep: SeriesState) -> None:
        while self._instances > self._limit and len(self._states) > 1:
            oldest = next(iter(self._states))
            if self._states[oldest] is keep:
                self._states.move_to_end(oldest)
                oldest = next(iter(self._states))
            self.drop(*oldest)

    def __len__(self) -> int:
        return self._instances


def key_scope(key: InstanceKey) -> Scope:
    """The series of an instance as a scope."""
    return Scope(key.study, key.series)
