"""What can be found: the log as a node's memory and DuckDB file know it.

    apply(entry) ──> hot series (dictionaries), pending events ── flush ──> DuckDB, header segments
                          │                                                    │
    known, find, within, status: microseconds                 search, cold series: milliseconds

Applying an entry is memory alone. Pending events go to DuckDB together: when a search needs them, after a
second, or when there are many; with them, in one transaction, the number of the last entry. So a catalog that
was stopped at any point knows what it holds and goes on from there; and the folder may be deleted at any time
it is not open.

The event loop never waits for DuckDB: one thread writes, a few read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dicomweb.model.instance import Header, Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.query import Found, Query
from storage.catalog import history, lookup
from storage.catalog.database import CatalogBroken, CatalogError, Database
from storage.catalog.hashes import KnownHashes, fold, hash_uid
from storage.catalog.headers import HeaderOrigin, HeaderReader
from storage.catalog.history import RemovalInfo, Statistics, VersionRow
from storage.catalog.hot import HotSeries, ScopeStatus, SeriesState
from storage.catalog.loading import Loader
from storage.catalog.lookup import SeriesKey
from storage.catalog.pending import Pending, PendingEvent, relevant
from storage.catalog.search import Searcher
from storage.catalog.segments import HeaderSegments
from storage.catalog.settings import CatalogSettings
from storage.catalog.writer import Writer
from storage.log.events import Entry, Event, Kind

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is stored of a key."""

    current: Instance | None
    """The version a reader is given."""
    visible: tuple[tuple[str, bytes, str], ...]
    """Version, digest and transfer syntax of each visible version, the current one among them."""
    elsewhere: bool
    """The SOP Instance UID is visible under another series or study too."""


_NOTHING = KeyState(None, (), False)


class Catalog:
    """The catalog of a node. All methods are called on the event loop."""

    def __init__(
        self,
        folder: Path,
        *,
        epoch: str,
        origin: HeaderOrigin,
        settings: CatalogSettings = CatalogSettings(),  # noqa: B008  # a frozen value
    ) -> None:
        self.applied = 0
        """Number of the last entry applied."""
        self.problem = ""
        """Why what was applied could not be written, for the health page; empty if it could."""
        self._settings = settings
        self._durable = 0
        self._database = Database(folder, epoch, settings)
        self._segments = HeaderSegments(folder, limit=settings.header_bytes, segment_bytes=settings.segment_bytes)
        self._writer = Writer(self._segments)
        self._pending = Pending()
        self._headers = HeaderReader(self._database, self._segments, self._writer, origin, self._pending)
        self._searcher = Searcher(self._database, self._headers, settings)
        self._hot = HotSeries(settings.hot_instances)
        self._known_series = KnownHashes()
        self._known_instances = KnownHashes()
        self._shared_instances: set[int] = set()
        self._loading: dict[SeriesKey, asyncio.Task[dict[SeriesKey, SeriesState]]] = {}
        self._flushing = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._flusher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._database.open()
        try:
            try:
                await self._learn()
            except CatalogBroken:
                await self._database.begin_anew()
                await self._learn()
            self._segments.open()
        except BaseException:
            await self._database.close()
            raise
        return self

    async def _learn(self) -> None:
        """Take up what DuckDB holds."""
        await self._database.write(self._writer.open)
        ((self.applied,),) = await self._database.read(
            lambda cursor: cursor.execute("SELECT applied FROM meta").fetchall()
        )
        self._durable = self.applied
        series, instances, shared = await self._database.read(lookup.known_hashes)
        self._known_series, self._known_instances = KnownHashes(series), KnownHashes(instances)
        self._shared_instances = {int(value) for value in shared}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self.flush()
        except CatalogError as failure:
            _LOG.warning("the catalog was closed before it held everything: %s", failure)
        tasks = [*self._loading.values(), *([self._flusher] if self._flusher else [])]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._headers.close()
        await self._database.close()
        self._segments.close()

    # applying

    async def load(self, batches: AsyncIterator[Any], applied: int) -> None:
        """Fill an empty catalog from the checkpoint table, which holds the log up to `applied`.

        `batches` are Arrow record batches in the table's schema (`storage.log.rows`), headers left out.
        """
        if self.applied:
            raise ValueError(f"a table is loaded into an empty catalog, this one holds {self.applied} entries")
        loader = Loader()
        await self._database.write(loader.begin)
        try:
            async for batch in batches:
                await self._database.write(partial(loader.add, batch=batch))
            await self._database.write(partial(loader.finish, applied=applied))
        except BaseException:
            await self._database.write(loader.give_up)
            raise
        await self._learn()

    def apply(self, entry: Entry) -> None:
        """Let an entry take effect: memory only. Entries come in ascending order, each once."""
        if entry.number <= self.applied:
            raise ValueError(f"entry {entry.number} comes after {self.applied}")
        for ordinal, event in relevant(entry):
            fresh = self._take(event, entry.number, ordinal)
            self._pending.add(PendingEvent(entry.number, ordinal, event, fresh))
        self.applied = entry.number
        self._schedule()

    def _take(self, event: Event, revision: int, ordinal: int) -> bool:
        if event.stored is not None:
            return self._take_stored(event, event.stored.key, revision, ordinal)
        if event.kind is Kind.RESTORED:
            # What it brings back depends on the history of the study, which DuckDB has.
            if event.scope is None:
                self._hot.clear()
            else:
                self._hot.drop_study(event.scope.study)
        elif event.scope is not None:
            for state in self._hot.of(event.scope):
                state.take(event, revision, ordinal)
        return False

    def _take_stored(self, event: Event, key: InstanceKey, revision: int, ordinal: int) -> bool:
        state = self._hot.get(key.study, key.series)
        if state is None and (series := hash_uid(key.series)) not in self._known_series:
            self._known_series.add(series)
            state = SeriesState(key.study, key.series)
            self._hot.put(state)
        fresh = state is not None and state.take(event, revision, ordinal)
        if state is not None and fresh:
            self._hot.grown(state)
        instance = hash_uid(key.instance)
        if instance not in self._known_instances:
            self._known_instances.add(instance)
        elif fresh or state is None:
            self._shared_instances.add(instance)
        return fresh

    def _schedule(self) -> None:
        settings, pending = self._settings, self._pending
        if not pending:
            return
        if len(pending) >= settings.flush_rows or pending.header_bytes >= settings.flush_header_bytes:
            self._start_flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(settings.flush_seconds, self._start_flush)

    def _start_flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.get_running_loop().create_task(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        try:
            await self.flush()
        except Exception:
            _LOG.exception("pending rows could not be written; they are tried again")
            self._timer = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._start_flush)
            return
        self._schedule()

    async def flush(self) -> None:
        """Bring DuckDB up to what is applied now. Raises CatalogError."""
        target = self.applied
        async with self._flushing:
            if self._durable >= target or not self._pending:
                return
            batch, applied = self._pending.up_to_now(), self.applied
            try:
                await self._database.write(partial(self._writer.write, batch=batch, applied=applied))
            except Exception as error:
                self.problem = f"the catalog of this node cannot be written ({type(error).__name__})"
                raise
            self.problem = ""
            self._durable = applied
            self._pending.done(applied)
            await self._fold_hashes()

    async def _fold_hashes(self) -> None:
        for known in (self._known_series, self._known_instances):
            if (work := known.begin_fold()) is not None:
                known.end_fold(await self._database.read(lambda _, work=work: fold(*work)), work[1])  # type: ignore[misc]  # a default only binds the loop's value

    # series in memory

    async def _series(self, study: str, series: str) -> SeriesState | None:
        """A series in memory, looked up if need be; None if it was never stored."""
        state = self._hot.get(study, series)
        return state if state is not None else (await self._several({(study, series)})).get((study, series))

    async def _several(self, keys: Collection[SeriesKey]) -> dict[SeriesKey, SeriesState]:
        """Those of these series that were ever stored."""
        found: dict[SeriesKey, SeriesState] = {}
        cold: list[SeriesKey] = []
        for key in keys:
            if (state := self._hot.get(*key)) is not None:
                found[key] = state
            elif hash_uid(key[1]) in self._known_series:
                cold.append(key)
        if cold:
            new = [key for key in cold if key not in self._loading]
            if new:
                self._begin_loading(new)
            for task in {self._loading[key] for key in cold}:
                loaded = await asyncio.shield(task)
                found |= {key: loaded[key] for key in cold if key in loaded}
        return {key: self._hot.get(*key) or state for key, state in found.items()}

    def _begin_loading(self, keys: list[SeriesKey]) -> None:
        task = asyncio.get_running_loop().create_task(self._load(keys))
        for key in keys:
            self._loading[key] = task

        def end(_: asyncio.Task[dict[SeriesKey, SeriesState]]) -> None:
            for key in keys:
                self._loading.pop(key, None)

        task.add_done_callback(end)

    async def _load(self, keys: list[SeriesKey]) -> dict[SeriesKey, SeriesState]:
        while True:
            if any(self._pending.restores(study) for study, _ in keys):
                await self.flush()
            states, as_of = await self._database.read(partial(lookup.read_series, keys=keys))
            if as_of >= self._durable and not any(self._pending.restores(study) for study, _ in keys):
                break
        for (study, series), state in states.items():
            for item in self._pending.touching(Scope(study, series)):
                if item.revision > as_of:
                    state.take(item.event, item.revision, item.ordinal)
            if state.keys:
                self._hot.put(state)
        return {key: state for key, state in states.items() if state.keys}

    # asking by UID

    async def known(self, keys: Collection[InstanceKey]) -> Mapping[InstanceKey, KeyState]:
        """What is stored of each key. Costs no query for series that are new or in memory."""
        states = await self._several({(key.study, key.series) for key in keys})
        found = {key: _key_state(states.get((key.study, key.series)), key) for key in keys}
        doubtful = [key for key in keys if self._maybe_elsewhere(states.get((key.study, key.series)), key)]
        if doubtful:
            await self.flush()
            elsewhere = await self._database.read(partial(lookup.visible_elsewhere, keys=doubtful))
            for key in elsewhere:
                found[key] = KeyState(found[key].current, found[key].visible, True)
        return found

    def _maybe_elsewhere(self, state: SeriesState | None, key: InstanceKey) -> bool:
        instance = hash_uid(key.instance)
        if state is not None and key.instance in state.keys:
            return instance in self._shared_instances
        return instance in self._known_instances

    async def find(self, key: InstanceKey) -> Instance | None:
        """The current version, None if nothing of it is visible."""
        state = await self._series(key.study, key.series)
        return state.find(key.instance) if state is not None else None

    async def within(self, scope: Scope) -> list[Instance]:
        """Current versions, ordered by Series UID, Instance Number, SOP Instance UID."""
        if scope.series is None:
            await self._flush_study(scope.study)
            series = await self._database.read(partial(lookup.series_of_study, study=scope.study))
            states = await self._several({(scope.study, uid) for uid in series})
            return [one for key in sorted(states) for one in states[key].ordered()]
        state = await self._series(scope.study, scope.series)
        if state is None:
            return []
        if scope.instance is None:
            return list(state.ordered())
        found = state.find(scope.instance)
        return [found] if found is not None else []

    async def status(self, scope: Scope) -> ScopeStatus:
        """What is there of a study, a series or an instance, and when it last changed."""
        if scope.series is None:
            await self._flush_study(scope.study)
            return await self._database.read(partial(lookup.study_status, study=scope.study))
        state = await self._series(scope.study, scope.series)
        return state.status(scope.instance) if state is not None else ScopeStatus(0, 0, 0)

    async def _flush_study(self, study: str) -> None:
        if self._pending.of_study(study) or self._pending.restores(study):
            await self.flush()

    # what lies beside a version

    async def frame_bytes(self, instance: Instance) -> bytes:
        """`StoredVersion.frames` of the version."""
        if (blobs := self._small_blobs(instance)) is not None:
            return blobs[0]
        return await self._database.read(partial(lookup.read_blob, instance=instance, column="frames"))

    async def bulk_bytes(self, instance: Instance) -> bytes:
        """`StoredVersion.bulk` of the version."""
        if (blobs := self._small_blobs(instance)) is not None:
            return blobs[1]
        return await self._database.read(partial(lookup.read_blob, instance=instance, column="bulk"))

    async def file_meta(self, instance: Instance) -> bytes:
        """`StoredVersion.file_meta` of the version."""
        if (stored := self._pending.stored(instance.version)) is not None:
            return stored.file_meta
        return await self._database.read(partial(lookup.read_blob, instance=instance, column="file_meta"))

    def _small_blobs(self, instance: Instance) -> tuple[bytes, bytes] | None:
        state = self._hot.get(instance.key.study, instance.key.series)
        if state is not None and (blobs := state.blobs.get(instance.version)) is not None:
            return blobs.frames, blobs.bulk
        stored = self._pending.stored(instance.version)
        return (stored.frames, stored.bulk) if stored is not None else None

    def headers(self, instances: Sequence[Instance]) -> AsyncIterator[list[Header]]:
        """Their headers in the same order, some at a time: from memory, the local disk, or the log."""
        return self._headers.read(instances)

    async def search(self, query: Query) -> Found:
        """Find studies, series or instances among all that was applied. Raises QueryTooBroad."""
        await self.flush()
        return await self._searcher.search(query)

    # what was

    async def removal(self, revision: int) -> RemovalInfo | None:
        """What the removal of that entry hides; None if the entry removed nothing."""
        await self.flush()
        return await self._database.read(partial(history.read_removal, revision=revision))

    async def versions(self, scope: Scope) -> list[VersionRow]:
        """All versions in the scope, by key and log order."""
        await self._flush_study(scope.study)
        return await self._database.read(partial(history.read_versions, scope=scope))

    async def expired(self, before: datetime, limit: int) -> list[VersionRow]:
        """Versions that ceased to be visible before that time and still have bytes, the longest gone first."""
        await self.flush()
        return await self._database.slow(partial(history.read_expired, before=before, limit=limit))

    async def statistics(self) -> Statistics:
        """Counts and bytes; what is pending is counted apart."""
        read = partial(history.read_statistics, pending=len(self._pending), header_bytes=self._segments.size)
        return await self._database.read(read)


def _key_state(state: SeriesState | None, key: InstanceKey) -> KeyState:
    versions = state.keys.get(key.instance) if state is not None else None
    if not versions:
        return _NOTHING
    visible = [one.instance for one in versions if one.visible]
    return KeyState(
        state.find(key.instance) if state is not None else None,
        tuple((one.version, one.digest, one.transfer_syntax) for one in visible),
        False,
    )
