"""The catalog's tables as they were at an earlier revision, for one question.

    series that nothing changed since ────────────── their rows, and those of their instances, as they lie there
    series changed since, and there at that time ─── where each instance stood is worked out by `as_of`, and the
                                                     rows of series and studies are added up by `aggregates`
    labels ───────────────────────────────────────── see `as_of_labels`
    what came later ──────────────────────────────── left out

Both together are views by the names of the tables, which stand before these for one connection alone. So a search
in the past is answered by the very code and SQL that answers it for now, and an ordinary search knows nothing of
it. The work grows with what was changed since, and is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from dicomweb.ports import TooMuchChanged
from storage.catalog import schema
from storage.catalog.aggregates import SERIES_ROW_COLUMNS, Facts, SeriesRow, study_values
from storage.catalog.as_of import versions_at
from storage.catalog.as_of_labels import put_labels
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.projection import History, Standing, Version, was_removed
from storage.catalog.schema import Table
from storage.catalog.writing import SeriesVersions, insert_rows, numbers, read_histories, read_versions

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TOGETHER = 500
"""Series, or studies, worked out at a time."""
_FATES = Table("past_fates", {"row": "BIGINT", "standing": "TINYINT", "changed": "BIGINT"})
_SERIES = Table("past_series", schema.SERIES.columns)
_STUDIES = Table("past_studies", schema.STUDIES.columns)

Result = TypeVar("Result")
Work = Callable[["DuckDBPyConnection"], Result]
"""What is done with a connection, in one of the catalog's threads."""


@dataclass(frozen=True, slots=True)
class Past:
    """Which past is asked for."""

    revision: int
    studies: tuple[str, ...] = ()
    """Study Instance UIDs beyond which nothing is looked at; empty for all."""
    most: int = 200_000
    """Versions of instances that may have to be looked at one by one."""

    def within(self, work: Work[Result]) -> Work[Result]:
        """The same work, to be done with the tables as they were. It raises TooMuchChanged."""

        def done(cursor: DuckDBPyConnection) -> Result:
            with _tables(cursor, self) as then:
                return work(then)

        return done


@contextmanager
def _tables(cursor: DuckDBPyConnection, past: Past) -> Iterator[DuckDBPyConnection]:
    """A connection that sees the tables as they were; what it sees does not move on."""
    then = cursor.cursor()
    try:
        then.execute("BEGIN")
        _put(then, past, _worked_out(then, past))
        yield then
    finally:
        then.close()


@dataclass(slots=True)
class _Rows:
    """Rows in place of those that have changed since."""

    fates: list[tuple[Any, ...]] = field(default_factory=list)
    series: dict[int, SeriesRow] = field(default_factory=dict)
    """By number."""
    studies: list[tuple[Any, ...]] = field(default_factory=list)


def _worked_out(then: DuckDBPyConnection, past: Past) -> _Rows:
    touched = _touched(then, past)
    rows = _Rows()
    for start in range(0, len(touched), _TOGETHER):
        group = touched[start : start + _TOGETHER]
        known = read_versions(then, group)
        histories = read_histories(then, {one.study for one in group})
        for one in group:
            _add_series(rows, one, known[one.no], histories.get(one.study, History()), past.revision)
    _add_studies(then, past, rows)
    return rows


def _touched(then: DuckDBPyConnection, past: Past) -> list[SeriesRow]:
    """The series that were there and were changed since, without what they add up to. Raises TooMuchChanged."""
    sql = f"""SELECT se.no, se.study_no, se.study, se.uid, count(*)
              FROM instances i JOIN series se ON se.no = i.series_no
              WHERE se.changed > {past.revision:d}{_only("se.study_no", past)}
              GROUP BY ALL HAVING min(i.revision) <= {past.revision:d}"""
    found = rows_of(then, sql)
    if sum(row[-1] for row in found) > past.most:
        raise TooMuchChanged(past.revision)
    return [SeriesRow(*row[:-1]) for row in found]


def _only(column: str, past: Past) -> str:
    if not past.studies:
        return ""
    return f" AND {column} IN (SELECT no FROM studies WHERE hash IN ({numbers(map(hash_uid, past.studies))}))"


def _add_series(rows: _Rows, series: SeriesRow, known: SeriesVersions, history: History, revision: int) -> None:
    """Where the instances of a series stood, and what it added up to."""
    keys = [versions_at(versions, history, revision) for versions in known.keys.values()]
    every = [one for versions in keys for one in versions]
    if not every:
        return
    rows.fates += [(one.row, int(one.standing), one.changed) for one in every]
    current = [_facts(one, known.facts[one.row]) for one in every if one.standing is Standing.CURRENT]
    rows.series[series.no] = series.recounted(
        current, hidden=sum(map(was_removed, keys)), changed=max(one.changed for one in every)
    )


def _facts(version: Version, facts: Facts) -> Facts:
    """What a version added to its series. What was erased since is counted, but does not speak for the others."""
    return replace(facts, revision=0, ordinal=-1) if version.purged else facts


def _add_studies(then: DuckDBPyConnection, past: Past, rows: _Rows) -> None:
    """The rows of studies that were changed since, added up from their series as they were."""
    series: dict[int, list[SeriesRow]] = {}
    for one in rows.series.values():
        series.setdefault(one.study_no, []).append(one)
    columns = ", ".join(f'se."{name}"' for name in SERIES_ROW_COLUMNS)
    sql = f"""SELECT {columns} FROM series se JOIN studies st ON st.no = se.study_no
              WHERE st.changed > {past.revision:d} AND se.changed <= {past.revision:d}{_only("st.no", past)}"""
    found = rows_of(then, sql)
    if len(found) > past.most:
        raise TooMuchChanged(past.revision)
    for values in found:
        row = SeriesRow.from_values(dict(zip(SERIES_ROW_COLUMNS, values, strict=True)))
        series.setdefault(row.study_no, []).append(row)
    rows.studies = [study_values(no, every[0].study, every) for no, every in series.items()]


def _put(then: DuckDBPyConnection, past: Past, rows: _Rows) -> None:
    """Let the views stand before the tables."""
    ((database,),) = rows_of(then, "SELECT current_database()")
    made: tuple[tuple[Table, Sequence[tuple[Any, ...]]], ...] = (
        (_FATES, rows.fates),
        (_SERIES, [one.values() for one in rows.series.values()]),
        (_STUDIES, rows.studies),
    )
    for table, values in made:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns.items())
        then.execute(f"CREATE TEMP TABLE {table.name} ({columns})")
        for start in range(0, len(values), 10_000):
            insert_rows(then, table, values[start : start + 10_000])
    tables, revision = f'"{database}".main', past.revision
    put_labels(then, tables, revision, most=past.most)
    then.execute(
        f"""CREATE TEMP VIEW instances AS
            SELECT * FROM {tables}.instances
            WHERE series_no IN (SELECT no FROM {tables}.series WHERE changed <= {revision:d})
            UNION ALL SELECT i.* REPLACE (f.standing AS standing, f.changed AS changed)
            FROM {tables}.instances i JOIN past_fates f ON f."row" = i."row" """
    )
    for name in ("series", "studies"):
        then.execute(
            f"""CREATE TEMP VIEW {name} AS SELECT * FROM {tables}.{name} WHERE changed <= {revision:d}
                UNION ALL SELECT * FROM past_{name}"""
        )
