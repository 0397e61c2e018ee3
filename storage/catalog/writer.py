"""Pending events into DuckDB: one transaction a batch, run in the writing thread.

What only arrives (first versions of their keys) is appended, and its series is counted on. A series with anything
else (a replaced version, a removal, an undelete) is read, folded and counted anew. Series of studies in use are
remembered, so that a study that grows is not read again for every batch.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dicomweb.model.keys import Scope
from storage.catalog import schema
from storage.catalog.aggregates import SERIES_ROW_COLUMNS, Facts, SeriesRow, study_values
from storage.catalog.database import rows_of
from storage.catalog.folding import SeriesFold, extended
from storage.catalog.hashes import KnownHashes, fold, hash_uid
from storage.catalog.hot import version_of
from storage.catalog.pending import PendingEvent, overlaps
from storage.catalog.projection import History, Position, Removed, Restored, Version
from storage.catalog.rows import (
    BLANKED,
    PLACE_COLUMNS,
    PLACE_SELECT,
    UPDATED,
    VERSION_SELECT,
    facts_from,
    facts_of,
    instance_values,
    place_from,
    place_update,
    update_values,
    version_from,
)
from storage.catalog.segments import BlockPlace, HeaderPlace, HeaderSegments
from storage.log.events import Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_REMEMBERED_SERIES = 4096
SeriesKey = tuple[str, str]
"""Study and Series Instance UID."""


@dataclass(slots=True)
class _Study:
    """A study whose series are all known here."""

    no: int
    uid: str
    series: dict[str, SeriesRow] = field(default_factory=dict)


@dataclass(slots=True)
class _Changes:
    """What a batch will write."""

    instances: list[tuple[Any, ...]] = field(default_factory=list)
    updates: list[Version] = field(default_factory=list)
    purged: list[int] = field(default_factory=list)
    """Rows to blank."""
    blocks: set[BlockPlace] = field(default_factory=set)
    """Header blocks to blank."""
    series: dict[SeriesKey, SeriesRow] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)
    """Numbers of series and studies that DuckDB has already, so that their rows are replaced."""
    known_studies: set[int] = field(default_factory=set)


class Writer:
    """Writes batches; lives in the writing thread."""

    def __init__(self, segments: HeaderSegments) -> None:
        self._segments = segments
        self._studies: OrderedDict[str, _Study] = OrderedDict()
        self._known = KnownHashes()
        self._next_row = 1
        self._next_study = 1
        self._next_series = 1

    def open(self, connection: DuckDBPyConnection) -> None:
        """Learn what DuckDB holds."""
        self._studies.clear()
        self._known = KnownHashes(connection.execute("SELECT hash FROM studies").fetchnumpy()["hash"])
        (self._next_row,) = connection.execute("SELECT next_row FROM meta").fetchall()[0]
        (self._next_study,) = connection.execute("SELECT coalesce(max(no), 0) + 1 FROM studies").fetchall()[0]
        (self._next_series,) = connection.execute("SELECT coalesce(max(no), 0) + 1 FROM series").fetchall()[0]

    def write(self, connection: DuckDBPyConnection, batch: Sequence[PendingEvent], applied: int) -> None:
        """Let the events take effect, and say that everything up to `applied` has."""
        connection.execute("BEGIN")
        try:
            changes = self._plan(connection, batch)
            self._put(connection, changes, batch, applied)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            self.open(connection)
            raise
        self._segments.blank(changes.blocks)
        self._forget()

    def keep_headers(self, connection: DuckDBPyConnection, headers: Sequence[tuple[int, bytes]]) -> None:
        """Write headers that were fetched again (row and header) to the segments."""
        places = self._segments.append([header for _, header in headers])
        found = [place_update(row, place) for (row, _), place in zip(headers, places, strict=True) if place]
        if found:
            _update(connection, ("row", *PLACE_COLUMNS), found)

    # the plan: what the batch makes of the rows

    def _plan(self, connection: DuckDBPyConnection, batch: Sequence[PendingEvent]) -> _Changes:
        changes = _Changes()
        studies = self._load_studies(connection, _studies_of(connection, batch), changes)
        by_series = self._by_series(studies, batch)
        rows = self._number_rows(batch)
        mixed = {key for key, items in by_series.items() if not all(item.fresh for item in items)}
        places = self._keep_new_headers(by_series)
        for key in by_series.keys() - mixed:
            self._append(studies[key[0]], key, by_series[key], rows, places, changes)
        if mixed:
            self._fold(connection, studies, {key: by_series[key] for key in mixed}, rows, places, changes)
        return changes

    def _load_studies(
        self, connection: DuckDBPyConnection, uids: Iterable[str], changes: _Changes
    ) -> dict[str, _Study]:
        found: dict[str, _Study] = {}
        unknown = []
        for uid in uids:
            if (study := self._studies.get(uid)) is not None:
                self._studies.move_to_end(uid)
                found[uid] = study
            else:
                unknown.append(uid)
        found |= self._read_studies(connection, [uid for uid in unknown if hash_uid(uid) in self._known])
        for uid, study in found.items():
            self._studies[uid] = study
            changes.known_studies.add(study.no)
            changes.known.update(one.no for one in study.series.values())
        for uid in unknown:
            if uid not in found:
                found[uid] = self._studies[uid] = _Study(self._next_study, uid)
                self._known.add(hash_uid(uid))
                self._next_study += 1
        return found

    def _read_studies(self, connection: DuckDBPyConnection, uids: Sequence[str]) -> dict[str, _Study]:
        if not uids:
            return {}
        hashes = ", ".join(str(hash_uid(uid)) for uid in uids)
        rows = rows_of(connection, f"SELECT no, uid FROM studies WHERE hash IN ({hashes})")
        studies = {no: _Study(no, uid) for no, uid in rows if uid in set(uids)}
        if studies:
            columns = ", ".join(f'"{name}"' for name in SERIES_ROW_COLUMNS)
            numbers = ", ".join(map(str, studies))
            for values in rows_of(connection, f"SELECT {columns} FROM series WHERE study_no IN ({numbers})"):
                row = SeriesRow.from_values(dict(zip(SERIES_ROW_COLUMNS, values, strict=True)))
                studies[row.study_no].series[row.uid] = row
        return {study.uid: study for study in studies.values()}

    def _by_series(
        self, studies: dict[str, _Study], batch: Sequence[PendingEvent]
    ) -> dict[SeriesKey, list[PendingEvent]]:
        """The events by the series they concern, those of a whole study at each of its series."""
        found: defaultdict[SeriesKey, list[PendingEvent]] = defaultdict(list)
        known = {uid: set(study.series) for uid, study in studies.items()}
        for item in batch:
            scope = item.event.scope
            if item.event.stored is not None and scope is not None and scope.series is not None:
                known[scope.study].add(scope.series)
                found[scope.study, scope.series].append(item)
                continue
            for uid in [scope.study] if scope else known:
                for series in known[uid]:
                    if scope is None or overlaps(scope, Scope(uid, series)):
                        found[uid, series].append(item)
        return found

    def _number_rows(self, batch: Sequence[PendingEvent]) -> dict[str, int]:
        rows = {}
        for item in batch:
            if item.event.stored is not None:
                rows[item.event.stored.version] = self._next_row
                self._next_row += 1
        return rows

    def _keep_new_headers(self, by_series: dict[SeriesKey, list[PendingEvent]]) -> dict[str, HeaderPlace | None]:
        """Write the headers of a batch to the segments, those of a series together."""
        gone = {
            item.event.version
            for items in by_series.values()
            for item in items
            if item.event.kind in (Kind.PURGED, Kind.VOIDED)
        }
        places: dict[str, HeaderPlace | None] = {}
        for items in by_series.values():
            stored = [
                one
                for item in items
                if (one := item.event.stored) is not None and one.header and one.version not in gone
            ]
            kept = self._segments.append([one.header for one in stored])
            places.update(zip((one.version for one in stored), kept, strict=True))
        return places

    def _series_row(self, study: _Study, uid: str) -> SeriesRow:
        row = study.series.get(uid)
        if row is None:
            row = study.series[uid] = SeriesRow(self._next_series, study.no, study.uid, uid)
            self._next_series += 1
        return row

    def _append(
        self,
        study: _Study,
        key: SeriesKey,
        items: Sequence[PendingEvent],
        rows: dict[str, int],
        places: dict[str, HeaderPlace | None],
        changes: _Changes,
    ) -> None:
        """Instances that are new, in a series where nothing else happened."""
        row = self._series_row(study, key[1])
        for item in items:
            stored = item.event.stored
            assert stored is not None
            version = version_of(stored, item.event, item.revision, item.ordinal, row=rows[stored.version])
            facts = facts_of(version, stored)
            row.add(facts)
            row.changed = item.revision
            place = places.get(stored.version)
            changes.instances.append(instance_values(version, stored, facts, (study.no, row.no), place))
        changes.series[key] = row

    def _fold(
        self,
        connection: DuckDBPyConnection,
        studies: dict[str, _Study],
        by_series: dict[SeriesKey, list[PendingEvent]],
        rows: dict[str, int],
        places: dict[str, HeaderPlace | None],
        changes: _Changes,
    ) -> None:
        """Series in which versions were replaced, hidden or brought back."""
        histories = read_histories(connection, {study for study, _ in by_series})
        for key, items in by_series.items():
            study = studies[key[0]]
            row = self._series_row(study, key[1])
            fold_ = SeriesFold(Scope(*key), histories.get(key[0], History()))
            facts, blocks = _load(connection, row, fold_)
            before = fold_.versions()
            fold_.run(items, rows)
            after = fold_.versions()
            for item in items:
                if (stored := item.event.stored) is not None:
                    version = after[rows[stored.version]]
                    facts[version.row] = facts_of(version, stored)
                    values = instance_values(
                        version, stored, facts[version.row], (study.no, row.no), places.get(stored.version)
                    )
                    changes.instances.append(values)
            for number, version in after.items():
                if number in before and version != before[number]:
                    changes.updates.append(version)
                    if version.purged and not before[number].purged:
                        changes.purged.append(number)
                        changes.blocks.update([blocks[number]] if number in blocks else [])
            study.series[key[1]] = changes.series[key] = row.recounted(
                [facts[one.row] for one in fold_.current()], hidden=fold_.hidden, changed=fold_.changed
            )

    # the act: rows into tables

    def _put(
        self, connection: DuckDBPyConnection, changes: _Changes, batch: Sequence[PendingEvent], applied: int
    ) -> None:
        _insert(connection, schema.INSTANCES, changes.instances)
        if changes.updates:
            _update(connection, UPDATED, [update_values(one) for one in changes.updates])
        if changes.purged:
            blanked = ", ".join(f'"{name}" = {value}' for name, value in BLANKED.items())
            connection.execute(f"UPDATE instances SET {blanked} WHERE row IN ({_numbers(changes.purged)})")
        series = list(changes.series.values())
        _replace(connection, schema.SERIES, [one.values() for one in series], changes.known)
        studies = {study: self._studies[study] for study, _ in changes.series}
        rows = [study_values(one.no, one.uid, one.series.values()) for one in studies.values()]
        _replace(connection, schema.STUDIES, rows, changes.known_studies)
        history = extended(History(), batch)
        _insert(connection, schema.REMOVALS, [_removal_values(one) for one in history.removed])
        _insert(connection, schema.RESTORATIONS, [_restoration_values(one) for one in history.restored])
        connection.execute("UPDATE meta SET applied = ?, next_row = ?", [applied, self._next_row])

    def _forget(self) -> None:
        remembered = sum(len(study.series) for study in self._studies.values())
        while remembered > _REMEMBERED_SERIES and len(self._studies) > 1:
            _, study = self._studies.popitem(last=False)
            remembered -= len(study.series)
        if (work := self._known.begin_fold()) is not None:
            self._known.end_fold(fold(*work), work[1])


def _studies_of(connection: DuckDBPyConnection, batch: Sequence[PendingEvent]) -> dict[str, None]:
    """The studies that the events concern, each once, in their order."""
    found = {item.event.scope.study: None for item in batch if item.event.scope is not None}
    targets = {
        item.event.target for item in batch if item.event.kind is Kind.RESTORED and item.event.scope is None
    }
    if targets:
        sql = f"SELECT DISTINCT study FROM removals WHERE revision IN ({_numbers(targets)})"
        found |= dict.fromkeys(study for (study,) in rows_of(connection, sql))
    return found


def _load(
    connection: DuckDBPyConnection, row: SeriesRow, into: SeriesFold
) -> tuple[dict[int, Facts], dict[int, BlockPlace]]:
    """Read the versions of a series; the facts and header blocks of each by row."""
    sql = f"""SELECT {VERSION_SELECT}, i.print, i.attributes, {PLACE_SELECT}
              FROM instances i WHERE i.series_no = {row.no} ORDER BY i.revision, i.ordinal"""
    facts, blocks = {}, {}
    width = len(schema.VERSION_COLUMNS)
    for values in rows_of(connection, sql):
        version = version_from(values[:width], row.study, row.uid)
        sop = version.instance.key.instance
        into.keys[sop] = (*into.keys.get(sop, ()), version)
        facts[version.row] = facts_from(version, *values[width : width + 2])
        if place := place_from(values[width + 2 :]):
            blocks[version.row] = place.block
    return facts, blocks


def read_histories(connection: DuckDBPyConnection, studies: Iterable[str]) -> dict[str, History]:
    """The removals of studies, and what undid them, as DuckDB has them."""
    wanted = set(studies)
    hashes = _numbers(hash_uid(study) for study in wanted)
    rows = rows_of(
        connection,
        f"SELECT revision, ordinal, time, study, series, instance FROM removals WHERE study_hash IN ({hashes})",
    )
    removed = [
        Removed(Position(revision, ordinal), Scope(*scope), schema.from_microseconds(time))
        for revision, ordinal, time, *scope in rows
        if scope[0] in wanted
    ]
    if not removed:
        return {}
    targets = _numbers({one.position.revision for one in removed})
    rows = rows_of(
        connection,
        f"SELECT revision, ordinal, target, study, series, instance FROM restorations WHERE target IN ({targets})",
    )
    restored = [
        Restored(Position(revision, ordinal), target, Scope(*scope) if scope[0] else None)
        for revision, ordinal, target, *scope in rows
    ]
    removed.sort(key=lambda one: one.position)
    return {
        study: History(tuple(one for one in removed if one.scope.study == study), tuple(restored))
        for study in wanted
    }


def _removal_values(removed: Removed) -> tuple[Any, ...]:
    scope, at = removed.scope, removed.position
    time = schema.to_microseconds(removed.time)
    return (at.revision, at.ordinal, time, scope.study, scope.series, scope.instance, hash_uid(scope.study))


def _restoration_values(restored: Restored) -> tuple[Any, ...]:
    scope, at = restored.scope, restored.position
    named = (scope.study, scope.series, scope.instance) if scope else (None, None, None)
    return (at.revision, at.ordinal, 0, *named, restored.target)


def _numbers(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))


def _insert(connection: DuckDBPyConnection, table: schema.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.register("batch", schema.arrow_table(table, rows))
        connection.execute(f"INSERT INTO {table.name} SELECT * FROM batch")
        connection.unregister("batch")


def _replace(
    connection: DuckDBPyConnection, table: schema.Table, rows: Sequence[tuple[Any, ...]], known: set[int]
) -> None:
    """Insert rows, in place of those of the same number."""
    if there := [row[0] for row in rows if row[0] in known]:
        connection.execute(f"DELETE FROM {table.name} WHERE no IN ({_numbers(there)})")
    _insert(connection, table, rows)


def _update(connection: DuckDBPyConnection, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Set columns of instances; the first column is the row."""
    connection.register("batch", schema.arrow_table(schema.INSTANCES, rows, columns))
    assigned = ", ".join(f'"{name}" = batch."{name}"' for name in columns[1:])
    connection.execute(f"UPDATE instances SET {assigned} FROM batch WHERE instances.row = batch.row")
    connection.unregister("batch")
