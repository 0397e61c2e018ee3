"""Rows into tables, and the rows a batch of events has to look at again; run in the writing thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dicomweb.model.keys import Scope
from storage.catalog import schema
from storage.catalog.aggregates import SERIES_ROW_COLUMNS, Facts, SeriesRow
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.projection import History, Position, Removed, Restored, Versions
from storage.catalog.rows import PLACE_SELECT, VERSION_SELECT, facts_from, place_from, version_from
from storage.catalog.segments import BlockPlace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def numbers(values: Iterable[int]) -> str:
    """A list of numbers for an IN."""
    return ", ".join(map(str, values))


def insert_rows(connection: DuckDBPyConnection, table: schema.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append rows."""
    if rows:
        # given as a relation: cheaper than registered, and without access to the outside nothing is found by name
        connection.from_arrow(schema.arrow_table(table, rows)).insert_into(table.name)


def replace_rows(
    connection: DuckDBPyConnection, table: schema.Table, rows: Sequence[tuple[Any, ...]], known: set[int]
) -> None:
    """Append rows, those whose number is known in place of the ones of that number."""
    if there := [row[0] for row in rows if row[0] in known]:
        connection.execute(f"DELETE FROM {table.name} WHERE no IN ({numbers(there)})")
    insert_rows(connection, table, rows)


def update_instances(
    connection: DuckDBPyConnection, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Set columns of instances; the first column is the row."""
    if rows:
        connection.register("batch", schema.arrow_table(schema.INSTANCES, rows, columns))
        assigned = ", ".join(f'"{name}" = batch."{name}"' for name in columns[1:])
        connection.execute(f"UPDATE instances SET {assigned} FROM batch WHERE instances.row = batch.row")
        connection.unregister("batch")


def insert_history(connection: DuckDBPyConnection, history: History) -> None:
    """Append removals and undeletes."""
    insert_rows(connection, schema.REMOVALS, [_removal_values(one) for one in history.removed])
    insert_rows(connection, schema.RESTORATIONS, [_restoration_values(one) for one in history.restored])


def _removal_values(removed: Removed) -> tuple[Any, ...]:
    scope, at = removed.scope, removed.position
    time = schema.to_microseconds(removed.time)
    return (at.revision, at.ordinal, time, scope.study, scope.series, scope.instance, hash_uid(scope.study))


def _restoration_values(restored: Restored) -> tuple[Any, ...]:
    scope, at = restored.scope, restored.position
    named = (scope.study, scope.series, scope.instance) if scope else (None, None, None)
    return (at.revision, at.ordinal, 0, *named, restored.target)


def read_histories(connection: DuckDBPyConnection, studies: Iterable[str]) -> dict[str, History]:
    """The removals of those studies that have any, and what undid them."""
    wanted = set(studies)
    columns = "revision, ordinal, time, study, series, instance"
    hashes = numbers(hash_uid(study) for study in wanted)
    rows = rows_of(connection, f"SELECT {columns} FROM removals WHERE study_hash IN ({hashes})")
    removed = [
        Removed(Position(revision, ordinal), Scope(*scope), schema.from_microseconds(time))
        for revision, ordinal, time, *scope in sorted(rows)
        if scope[0] in wanted
    ]
    if not removed:
        return {}
    columns = "revision, ordinal, target, study, series, instance"
    targets = numbers({one.position.revision for one in removed})
    rows = rows_of(connection, f"SELECT {columns} FROM restorations WHERE target IN ({targets})")
    restored = tuple(
        Restored(Position(revision, ordinal), target, Scope(*scope) if scope[0] else None)
        for revision, ordinal, target, *scope in rows
    )
    return {
        study: History(tuple(one for one in removed if one.scope.study == study), restored) for study in wanted
    }


def studies_removed_by(connection: DuckDBPyConnection, revisions: Iterable[int]) -> list[str]:
    """The studies that the removals of these entries are about."""
    sql = f"SELECT DISTINCT study FROM removals WHERE revision IN ({numbers(revisions)})"
    return [study for (study,) in rows_of(connection, sql)]


def read_studies(
    connection: DuckDBPyConnection, uids: Sequence[str]
) -> dict[str, tuple[int, dict[str, SeriesRow]]]:
    """Those of these studies that are there: the number and all series, by UID."""
    if not uids:
        return {}
    wanted = set(uids)
    hashes = numbers(hash_uid(uid) for uid in uids)
    rows = rows_of(connection, f"SELECT no, uid FROM studies WHERE hash IN ({hashes})")
    by_number: dict[int, tuple[str, dict[str, SeriesRow]]] = {no: (uid, {}) for no, uid in rows if uid in wanted}
    if by_number:
        columns = ", ".join(f'"{name}"' for name in SERIES_ROW_COLUMNS)
        sql = f"SELECT {columns} FROM series WHERE study_no IN ({numbers(by_number)})"
        for values in rows_of(connection, sql):
            row = SeriesRow.from_values(dict(zip(SERIES_ROW_COLUMNS, values, strict=True)))
            by_number[row.study_no][1][row.uid] = row
    return {uid: (no, series) for no, (uid, series) in by_number.items()}


@dataclass(frozen=True, slots=True)
class SeriesVersions:
    """The versions of a series as DuckDB has them."""

    keys: dict[str, Versions] = field(default_factory=dict)
    """By SOP Instance UID, in log order."""
    facts: dict[int, Facts] = field(default_factory=dict)
    """What each adds to its series, by row."""
    blocks: dict[int, BlockPlace] = field(default_factory=dict)
    """Where the header's block lies, by row."""


def read_versions(connection: DuckDBPyConnection, series: Sequence[SeriesRow]) -> dict[int, SeriesVersions]:
    """The versions of series, by the number of the series."""
    found = {row.no: SeriesVersions() for row in series}
    uids = {row.no: (row.study, row.uid) for row in series}
    sql = f"""SELECT {VERSION_SELECT}, i.print, i.attributes, i.series_no, {PLACE_SELECT}
              FROM instances i WHERE i.series_no IN ({numbers(found)}) ORDER BY i.revision, i.ordinal"""
    width = len(schema.VERSION_COLUMNS)
    for values in rows_of(connection, sql):
        print_, attributes, no, *place = values[width:]
        into = found[no]
        version = version_from(values[:width], *uids[no])
        sop = version.instance.key.instance
        into.keys[sop] = (*into.keys.get(sop, ()), version)
        into.facts[version.row] = facts_from(version, print_, attributes)
        if header := place_from(place):
            into.blocks[version.row] = header.block
    return found
