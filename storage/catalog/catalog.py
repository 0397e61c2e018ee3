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

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dicomweb.model.instance import Header, Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.query import Found, Query
from storage.catalog import history, lookup
from storage.catalog.as_of_catalog import PastCatalog
from storage.catalog.as_of_search import PastSearcher
from storage.catalog.database import CatalogBroken, Database
from storage.catalog.extra import ExtraColumns
from storage.catalog.flushing import Flusher
from storage.catalog.headers import HeaderOrigin, HeaderReader
from storage.catalog.history import RemovalInfo, RemovalInForce, Statistics, VersionRow
from storage.catalog.hot import Blobs, ScopeStatus, SeriesState
from storage.catalog.label_catalog import LabelCatalog
from storage.catalog.loading import load_table
from storage.catalog.memory import SeriesMemory
from storage.catalog.pending import Pending, PendingEvent, relevant
from storage.catalog.search import Searcher
from storage.catalog.segments import HeaderSegments
from storage.catalog.settings import CatalogSettings
from storage.catalog.sql import SqlQuestions
from storage.catalog.usage import Usage, read_usage
from storage.catalog.writer import Writer
from storage.log.events import Entry


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is stored of a key."""

    current: Instance | None
    """The version a reader is given."""
    visible: tuple[Instance, ...]
    """Every visible version, the current one among them."""
    elsewhere: bool
    """The SOP Instance UID is visible under another series or study too."""
    latest: str
    """The last of all its versions by their ids, also of those that are not visible; empty if there is none."""


_NOTHING = KeyState(None, (), False, "")


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
        self._database = Database(folder, epoch, settings)
        self._segments = HeaderSegments(folder, limit=settings.header_bytes, segment_bytes=settings.segment_bytes)
        self._writer = Writer(self._segments, settings.extra_columns)
        self._settings = settings
        self._pending = Pending()
        self._flusher = Flusher(self._database, self._writer, self._pending, settings)
        self._memory = SeriesMemory(self._database, self._flusher, self._pending, limit=settings.hot_instances)
        self._flusher.after_batch = self._after_batch
        self._headers = HeaderReader(self._database, self._segments, self._writer, origin, self._pending)
        self._extra = ExtraColumns(self._database, self._writer, self._headers, settings.extra_columns)
        self._searcher = Searcher(self._database, self._headers, self._extra, settings)
        searcher = PastSearcher(self._database, self._headers, self._extra, settings)
        self.past = PastCatalog(self._database, self._memory, searcher, self.flush)
        """What the catalog held at an earlier entry."""
        self.labels = LabelCatalog(self._database, self._pending, self.flush, past_rows=settings.past_rows)
        """Which labels are on what."""
        self.sql = SqlQuestions(self._database, self.flush)
        """What administrators ask."""

    async def __aenter__(self) -> Self:
        await self._database.open()
        try:
            try:
                await self._learn()
            except CatalogBroken:
                await self._database.begin_anew(damaged=True)
                await self._learn()
            self._segments.open()
            await self._extra.open()
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
        self._flusher.durable = self.applied
        await self._memory.learn()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._flusher.close()
        await self._extra.close()
        await self._memory.close()
        await self._headers.close()
        await self._database.close()
        self._segments.close()

    @property
    def problem(self) -> str:
        """Why what was applied cannot be written, for the health page; empty if it can."""
        return self._flusher.problem

    # applying

    async def load(
        self, batches: AsyncIterator[Any], applied: int, progress: Callable[[int], None] | None = None
    ) -> None:
        """Fill an empty catalog from the checkpoint table, which holds the log up to `applied`.

        `batches` are Arrow record batches in the table's schema (`storage.log.rows`), headers left out. `progress`
        is told how many rows have been taken.
        """
        if self.applied:
            raise ValueError(f"a table is loaded into an empty catalog, this one holds {self.applied} entries")
        await load_table(self._database, batches, applied=applied, progress=progress)
        await self._learn()
        await self._extra.open()

    @property
    def crowded(self) -> bool:
        """Whether so much is pending that `flush` should be awaited before more is applied."""
        settings, pending = self._settings, self._pending
        return len(pending) >= settings.most_rows or pending.header_bytes >= 4 * settings.flush_header_bytes

    @property
    def overfull(self) -> bool:
        """Whether so much is pending that cannot be written that memory has no room for more."""
        settings, pending = self._settings, self._pending
        much = len(pending) >= settings.utmost_rows or pending.header_bytes >= 16 * settings.flush_header_bytes
        return bool(self.problem) and much

    def apply(self, entry: Entry) -> None:
        """Let an entry take effect: memory only. Entries come in ascending order, each once."""
        if entry.number <= self.applied:
            raise ValueError(f"entry {entry.number} comes after {self.applied}")
        for ordinal, event in relevant(entry):
            fresh = self._memory.take(event, entry.number, ordinal)
            self._pending.add(PendingEvent(entry.number, ordinal, event, fresh))
        self.applied = entry.number
        self._flusher.schedule()

    async def _after_batch(self) -> None:
        await self._memory.fold_hashes()
        self._extra.look()

    async def flush(self) -> None:
        """Bring DuckDB up to what is applied now. Raises CatalogError."""
        await self._flusher.flush()

    # asking by UID

    async def known(self, keys: Collection[InstanceKey]) -> Mapping[InstanceKey, KeyState]:
        """What is stored of each key. Costs no query for series that are new or in memory."""
        states = await self._memory.several({(key.study, key.series) for key in keys})
        found = {key: _key_state(states.get((key.study, key.series)), key) for key in keys}
        doubtful = [key for key in keys if self._memory.maybe_elsewhere(states.get((key.study, key.series)), key)]
        if doubtful:
            await self.flush()
            elsewhere = await self._database.read(partial(lookup.visible_elsewhere, keys=doubtful))
            for key in elsewhere:
                found[key] = replace(found[key], elsewhere=True)
        return found

    async def find(self, key: InstanceKey) -> Instance | None:
        """The current version, None if nothing of it is visible."""
        state = await self._memory.one(key.study, key.series)
        return state.find(key.instance) if state is not None else None

    async def within(self, scope: Scope) -> list[Instance]:
        """Current versions, ordered by Series UID, Instance Number, SOP Instance UID."""
        if scope.series is None:
            await self._flush_study(scope.study)
            series = await self._database.read(partial(lookup.series_of_study, study=scope.study))
            states = await self._memory.several({(scope.study, uid) for uid in series})
            return [one for key in sorted(states) for one in states[key].ordered()]
        state = await self._memory.one(scope.study, scope.series)
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
        state = await self._memory.one(scope.study, scope.series)
        return state.status(scope.instance) if state is not None else ScopeStatus(0, 0, 0)

    async def _flush_study(self, study: str) -> None:
        if self._pending.of_study(study) or self._pending.wide(study):
            await self.flush()

    # what lies beside a version

    async def frame_bytes(self, instance: Instance) -> bytes:
        """`StoredVersion.frames` of the version."""
        if (blobs := self._blobs_in_memory(instance)) is not None:
            return blobs.frames
        return await self._database.read(partial(lookup.read_blob, instance=instance, column="frames"))

    async def bulk_bytes(self, instance: Instance) -> bytes:
        """`StoredVersion.bulk` of the version."""
        if (blobs := self._blobs_in_memory(instance)) is not None:
            return blobs.bulk
        return await self._database.read(partial(lookup.read_blob, instance=instance, column="bulk"))

    async def file_meta(self, instance: Instance) -> bytes:
        """`StoredVersion.file_meta` of the version."""
        if (stored := self._pending.stored(instance.version)) is not None:
            return stored.file_meta
        return await self._database.read(partial(lookup.read_blob, instance=instance, column="file_meta"))

    def _blobs_in_memory(self, instance: Instance) -> Blobs | None:
        key = instance.key
        if (blobs := self._memory.blobs(key.study, key.series, instance.version)) is not None:
            return blobs
        stored = self._pending.stored(instance.version)
        return Blobs(stored.frames, stored.bulk) if stored is not None else None

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

    async def removals(self) -> list[RemovalInfo]:
        """The removals that could be undone, the last first."""
        await self.flush()
        return await self._database.read(history.read_removals)

    async def studies_after(self, place: str, limit: int) -> list[str]:
        """Studies of which anything was ever stored, in the order of `layout.study_place`, behind a place."""
        return await self._database.slow(partial(history.read_studies_after, place=place, limit=limit))

    async def removals_in_force(self) -> list[RemovalInForce]:
        """The removals that no undelete named, whether they hide anything now or not."""
        await self.flush()
        return await self._database.slow(history.read_removals_in_force)

    async def versions(self, scope: Scope) -> list[VersionRow]:
        """All versions in the scope, by key and log order."""
        await self._flush_study(scope.study)
        return await self._database.read(partial(history.read_versions, scope=scope))

    async def expired(self, before: datetime, limit: int) -> list[VersionRow]:
        """Versions that ceased to be visible before that time and still have bytes, the longest gone first."""
        await self.flush()
        return await self._database.slow(partial(history.read_expired, before=before, limit=limit))

    async def usage(self) -> Usage:
        """Objects and bytes; what was applied within the last second may be missing."""
        return await self._database.aside(read_usage)

    async def statistics(self) -> Statistics:
        """Counts and bytes; what is pending is counted apart."""
        read = partial(history.read_statistics, pending=len(self._pending), header_bytes=self._segments.size)
        return await self._database.read(read)


def _key_state(state: SeriesState | None, key: InstanceKey) -> KeyState:
    versions = state.keys.get(key.instance) if state is not None else None
    if not versions:
        return _NOTHING
    visible = tuple(one.instance for one in versions if one.visible)
    latest = max(one.instance.version for one in versions)
    return KeyState(state.find(key.instance) if state is not None else None, visible, False, latest)
