"""Pending events into DuckDB: one transaction a batch, run in the writing thread.

What only arrives (first versions of their keys) is appended, and its series is counted on. A series with anything
else (a replaced version, a removal, an undelete) is read, folded and counted anew. Series of studies in use are
remembered, so that a study that grows is not read again for every batch.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomweb.model.keys import Scope
from storage.catalog import schema
from storage.catalog.aggregates import SeriesRow, study_values
from storage.catalog.changes import Changes, NewRows, append, fold_in
from storage.catalog.extra_values import extra_values
from storage.catalog.folding import SeriesFold, extended
from storage.catalog.hashes import KnownHashes, fold, hash_uid
from storage.catalog.label_writing import write_labels
from storage.catalog.lookup import SeriesKey, read_hashes
from storage.catalog.pending import PendingEvent, overlaps
from storage.catalog.projection import History
from storage.catalog.rows import (
    BLANKED,
    PLACE_COLUMNS,
    UPDATED,
    place_update,
    update_values,
)
from storage.catalog.segments import HeaderPlace, HeaderSegments
from storage.catalog.writing import (
    insert_history,
    insert_rows,
    numbers,
    read_histories,
    read_studies,
    read_versions,
    replace_rows,
    studies_removed_by,
    update_instances,
)
from storage.log.events import LABELLING, Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_REMEMBERED_SERIES = 4096


@dataclass(slots=True)
class _Study:
    """A study whose series are all known here."""

    no: int
    uid: str
    series: dict[str, SeriesRow] = field(default_factory=dict)


class Writer:
    """Writes batches; lives in the writing thread."""

    def __init__(self, segments: HeaderSegments, extra: Sequence[str] = ()) -> None:
        """`extra`: tags whose values go to the extra table."""
        self._segments = segments
        self._extra = extra
        self.gaps = False
        """Whether instances were written whose header was not at hand, so that their extra values are missing."""
        self._studies: OrderedDict[str, _Study] = OrderedDict()
        self._known = KnownHashes()
        self._applied = 0
        self._next_row = 1
        self._next_study = 1
        self._next_series = 1

    def open(self, connection: DuckDBPyConnection) -> None:
        """Learn what DuckDB holds."""
        self._studies.clear()
        self._known = KnownHashes.of_sorted(read_hashes(connection, "studies")[0])
        ((self._applied, self._next_row),) = connection.execute("SELECT applied, next_row FROM meta").fetchall()
        ((self._next_study,),) = connection.execute("SELECT coalesce(max(no), 0) + 1 FROM studies").fetchall()
        ((self._next_series,),) = connection.execute("SELECT coalesce(max(no), 0) + 1 FROM series").fetchall()

    def write(self, connection: DuckDBPyConnection, batch: Sequence[PendingEvent], applied: int) -> None:
        """Let the events take effect, and say that everything up to `applied` has.

        Those that have taken effect already, in a batch whose end was not heard of, do not again.
        """
        batch = [item for item in batch if item.revision > self._applied]
        connection.execute("BEGIN")
        try:
            changes = self._plan(connection, [item for item in batch if item.event.kind not in LABELLING])
            self._put(connection, changes)
            if self._extra:
                self._put_extra(connection, batch, changes.rows)
            insert_history(connection, extended(History(), batch))
            write_labels(connection, batch)
            connection.execute("UPDATE meta SET applied = ?, next_row = ?", [applied, self._next_row])
            connection.execute("COMMIT")
        except BaseException:
            _give_up(connection)
            self.open(connection)
            raise
        self._applied = applied
        self._segments.blank(changes.blocks)
        self._forget()

    def keep_headers(self, connection: DuckDBPyConnection, headers: Sequence[tuple[int, bytes]]) -> None:
        """Write headers that were fetched again (row and header) to the segments."""
        places = self._segments.append([header for _, header in headers])
        found = [place_update(row, place) for (row, _), place in zip(headers, places, strict=True) if place]
        update_instances(connection, ("row", *PLACE_COLUMNS), found)

    def _plan(self, connection: DuckDBPyConnection, batch: Sequence[PendingEvent]) -> Changes:
        """What the batch makes of the rows."""
        changes = Changes()
        studies = self._load_studies(connection, _studies_of(connection, batch), changes)
        by_series = _by_series(studies.values(), batch)
        changes.rows = self._number_rows(batch)
        places = self._keep_new_headers(by_series.values())
        new = NewRows(changes.rows, places, changes.instances)
        mixed = {key for key, items in by_series.items() if not all(item.fresh for item in items)}
        for key, items in by_series.items():
            changes.series[key] = self._series_row(studies[key[0]], key[1])
            if key not in mixed:
                append(changes.series[key], items, new)
        if mixed:
            known = read_versions(connection, [changes.series[key] for key in mixed])
            histories = read_histories(connection, {study for study, _ in mixed})
            for key in mixed:
                series = SeriesFold(Scope(*key), histories.get(key[0], History()))
                before = known[changes.series[key].no]
                row = fold_in(changes.series[key], series, before, by_series[key], new, changes)
                studies[key[0]].series[key[1]] = changes.series[key] = row
        return changes

    def _load_studies(
        self, connection: DuckDBPyConnection, uids: Iterable[str], changes: Changes
    ) -> dict[str, _Study]:
        found: dict[str, _Study] = {}
        unknown = []
        for uid in uids:
            if (study := self._studies.get(uid)) is not None:
                self._studies.move_to_end(uid)
                found[uid] = study
            else:
                unknown.append(uid)
        there = read_studies(connection, [uid for uid in unknown if hash_uid(uid) in self._known])
        found |= {uid: _Study(no, uid, series) for uid, (no, series) in there.items()}
        for study in found.values():
            self._studies[study.uid] = study
            changes.known_studies.add(study.no)
            changes.known_series.update(one.no for one in study.series.values())
        for uid in unknown:
            if uid not in found:
                found[uid] = self._studies[uid] = _Study(self._next_study, uid)
                self._known.add(hash_uid(uid))
                self._next_study += 1
        return found

    def _number_rows(self, batch: Sequence[PendingEvent]) -> dict[str, int]:
        rows = {}
        for item in batch:
            if item.event.stored is not None:
                rows[item.event.stored.version] = self._next_row
                self._next_row += 1
        return rows

    def _keep_new_headers(self, by_series: Iterable[Sequence[PendingEvent]]) -> dict[str, HeaderPlace | None]:
        """Write the headers of a batch to the segments, those of a series together."""
        places: dict[str, HeaderPlace | None] = {}
        for items in by_series:
            gone = _gone(items)
            stored = [
                one
                for item in items
                if (one := item.event.stored) is not None and one.header and one.version not in gone
            ]
            kept = self._segments.append([one.header for one in stored])
            for one, place in zip(stored, kept, strict=True):
                places[one.version] = place
        return places

    def _series_row(self, study: _Study, uid: str) -> SeriesRow:
        row = study.series.get(uid)
        if row is None:
            row = study.series[uid] = SeriesRow(self._next_series, study.no, study.uid, uid)
            self._next_series += 1
        return row

    def _put(self, connection: DuckDBPyConnection, changes: Changes) -> None:
        """Rows into tables."""
        insert_rows(connection, schema.INSTANCES, changes.instances)
        update_instances(connection, UPDATED, [update_values(one) for one in changes.updates])
        if changes.purged:
            blanked = ", ".join(f'"{name}" = {value}' for name, value in BLANKED.items())
            connection.execute(f"UPDATE instances SET {blanked} WHERE row IN ({numbers(changes.purged)})")
            connection.execute(f"DELETE FROM extra WHERE row IN ({numbers(changes.purged)})")
        series = [one.values() for one in changes.series.values()]
        replace_rows(connection, schema.SERIES, series, changes.known_series)
        studies = [self._studies[uid] for uid in dict.fromkeys(uid for uid, _ in changes.series)]
        rows = [study_values(one.no, one.uid, one.series.values()) for one in studies]
        replace_rows(connection, schema.STUDIES, rows, changes.known_studies)

    def _put_extra(
        self, connection: DuckDBPyConnection, batch: Sequence[PendingEvent], rows: Mapping[str, int]
    ) -> None:
        gone = _gone(batch)
        stored = [one for item in batch if (one := item.event.stored) is not None and one.version not in gone]
        self.gaps = self.gaps or not all(one.header for one in stored)
        values = [
            (rows[one.version], *value)
            for one in stored
            if one.header
            for value in extra_values(one.header, self._extra)
        ]
        insert_rows(connection, schema.EXTRA, values)

    def _forget(self) -> None:
        remembered = sum(len(study.series) for study in self._studies.values())
        while remembered > _REMEMBERED_SERIES and len(self._studies) > 1:
            _, study = self._studies.popitem(last=False)
            remembered -= len(study.series)
        if (work := self._known.begin_fold()) is not None:
            self._known.end_fold(fold(*work), work[1])


def _give_up(connection: DuckDBPyConnection) -> None:
    import duckdb

    with contextlib.suppress(duckdb.TransactionException):  # a commit that failed has ended it already
        connection.execute("ROLLBACK")


def _gone(items: Iterable[PendingEvent]) -> set[str]:
    """Versions that were voided or purged before they were written."""
    return {item.event.version for item in items if item.event.kind in (Kind.VOIDED, Kind.PURGED)}


def _studies_of(connection: DuckDBPyConnection, batch: Sequence[PendingEvent]) -> dict[str, None]:
    """The studies that the events concern, each once, in their order."""
    found = {item.event.scope.study: None for item in batch if item.event.scope is not None}
    targets = {
        item.event.target for item in batch if item.event.kind is Kind.RESTORED and item.event.scope is None
    }
    return found | dict.fromkeys(studies_removed_by(connection, targets)) if targets else found


def _by_series(studies: Iterable[_Study], batch: Sequence[PendingEvent]) -> dict[SeriesKey, list[PendingEvent]]:
    """The events by the series they concern, those of a whole study at each of its series."""
    found: defaultdict[SeriesKey, list[PendingEvent]] = defaultdict(list)
    known = {study.uid: dict.fromkeys(study.series) for study in studies}
    for item in batch:
        scope = item.event.scope
        if item.event.stored is not None and scope is not None and scope.series is not None:
            known[scope.study][scope.series] = None
            found[scope.study, scope.series].append(item)
            continue
        for uid in [scope.study] if scope else known:
            for series in known[uid]:
                if scope is None or overlaps(scope, Scope(uid, series)):
                    found[uid, series].append(item)
    return found
