"""What a node knows without asking DuckDB: series in use, and which UIDs are known at all.

A series that is not here is looked up once, however many wait for it, and brought up to date with what is
pending; one that was never stored is known to be new by its hash. Everything here runs on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from dicomweb.model.keys import InstanceKey, Scope
from storage.catalog import lookup
from storage.catalog.database import Database
from storage.catalog.flushing import Flusher
from storage.catalog.hashes import KnownHashes, fold, hash_uid
from storage.catalog.hot import Blobs, HotSeries, SeriesState
from storage.catalog.lookup import SeriesKey
from storage.catalog.pending import Pending, is_wide
from storage.log.events import LABELLING, Event, Kind, StoredVersion

_AT_ONCE = 1000
"""Instances of a series up to which a removal takes effect in memory: more would keep the event loop busy."""

Loaded = dict[SeriesKey, SeriesState]


class SeriesMemory:
    """Series in memory, and the hashes of all."""

    def __init__(self, database: Database, flusher: Flusher, pending: Pending, *, limit: int) -> None:
        """`limit`: instances whose series stay in memory."""
        self.hot = HotSeries(limit)
        self._database = database
        self._flusher = flusher
        self._pending = pending
        self._series = KnownHashes()
        self._instances = KnownHashes()
        self._shared: set[int] = set()
        self._loading: dict[SeriesKey, asyncio.Task[Loaded]] = {}

    async def learn(self) -> None:
        """Take up which UIDs DuckDB knows."""
        known = await self._database.read(lookup.known_uids)
        self.hot.clear()
        self._series, self._instances = KnownHashes.of_sorted(known.series), KnownHashes.of_sorted(known.instances)
        self._shared = set(known.shared.tolist())

    def take(self, event: Event, revision: int, ordinal: int) -> bool:
        """Let an event take effect. True if it stored what is known to be the first version of its key."""
        if event.kind in LABELLING:
            return False
        if event.stored is not None:
            return self._take_stored(event, event.stored, revision, ordinal)
        if event.scope is None:
            self.hot.clear()
        elif event.kind is Kind.RESTORED:
            # What it brings back depends on the history of the study, which DuckDB has.
            self.hot.drop_study(event.scope.study)
        else:
            for state in list(self.hot.of(event.scope)):
                if is_wide(event) and len(state.keys) > _AT_ONCE:
                    self.hot.drop(state.study, state.series)
                else:
                    state.take(event, revision, ordinal)
        return False

    def _take_stored(self, event: Event, stored: StoredVersion, revision: int, ordinal: int) -> bool:
        key = stored.key
        state = self.hot.get(key.study, key.series)
        if state is None and (series := hash_uid(key.series)) not in self._series:
            self._series.add(series)
            state = SeriesState(key.study, key.series)
            self.hot.put(state)
        fresh = state is not None and state.take(event, revision, ordinal)
        if state is not None and fresh:
            self.hot.grown(state)
        instance = hash_uid(key.instance)
        if instance not in self._instances:
            self._instances.add(instance)
        elif fresh or state is None:
            self._shared.add(instance)
        return fresh

    def maybe_elsewhere(self, state: SeriesState | None, key: InstanceKey) -> bool:
        """Whether the SOP Instance UID may be stored in another series than this one; False is certain."""
        instance = hash_uid(key.instance)
        if state is not None and key.instance in state.keys:
            return instance in self._shared
        return instance in self._instances

    def blobs(self, study: str, series: str, version: str) -> Blobs | None:
        """The small blobs of a version, if its series is here."""
        state = self.hot.get(study, series)
        return state.blobs.get(version) if state is not None else None

    async def one(self, study: str, series: str) -> SeriesState | None:
        """A series, looked up if need be; None if it was never stored."""
        state = self.hot.get(study, series)
        return state if state is not None else (await self.several({(study, series)})).get((study, series))

    async def several(self, keys: Collection[SeriesKey]) -> Loaded:
        """Those of these series that were ever stored, looked up if need be."""
        found: Loaded = {}
        cold: list[SeriesKey] = []
        for key in keys:
            if (state := self.hot.get(*key)) is not None:
                found[key] = state
            elif hash_uid(key[1]) in self._series:
                cold.append(key)
        if cold:
            self._begin([key for key in cold if key not in self._loading])
            for task in {self._loading[key] for key in cold}:
                loaded = await asyncio.shield(task)
                found |= {key: loaded[key] for key in cold if key in loaded}
        return {key: self.hot.get(*key) or state for key, state in found.items()}

    def _begin(self, keys: list[SeriesKey]) -> None:
        if not keys:
            return
        task = asyncio.get_running_loop().create_task(self._load(keys))
        self._loading.update(dict.fromkeys(keys, task))

        def end(_: asyncio.Task[Loaded]) -> None:
            for key in keys:
                self._loading.pop(key, None)

        task.add_done_callback(end)

    async def _load(self, keys: list[SeriesKey]) -> Loaded:
        """Look series up and bring them up to date, again if a batch was written meanwhile."""
        while True:
            if self._must_flush(keys):
                await self._flusher.flush()
            states, as_of = await self._database.read(partial(lookup.read_series, keys=keys))
            if as_of >= self._flusher.durable and not self._must_flush(keys):
                break
        for (study, series), state in states.items():
            for item in self._pending.touching(Scope(study, series)):
                if item.revision > as_of:
                    state.take(item.event, item.revision, item.ordinal)
            if state.keys:
                self.hot.put(state)
        return {key: state for key, state in states.items() if state.keys}

    def _must_flush(self, keys: list[SeriesKey]) -> bool:
        return any(self._pending.wide(study) for study, _ in keys)

    async def fold_hashes(self) -> None:
        """Let the hashes that came since take less memory, if they are many."""
        for known in (self._series, self._instances):
            if (work := known.begin_fold()) is not None:
                known.end_fold(await self._database.read(_folding(work)), work[1])

    async def close(self) -> None:
        """Wait for what is being looked up."""
        await asyncio.gather(*set(self._loading.values()), return_exceptions=True)


def _folding(work: Any) -> Callable[[Any], Any]:
    return lambda _: fold(*work)
