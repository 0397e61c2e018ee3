"""What bears which label: asked by scope, counted, and as conditions and attributes of searches.

A label that is in force on what nothing is visible of is told nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dicomweb.model.keys import Level, Scope
from dicomweb.model.labels import LabelCondition, LabelCount, LabelRule
from storage.catalog.as_of import until
from storage.catalog.conditions import TRUE, Sql, all_of
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.label_writing import ON_SCOPE, hidden_in, on_scope, read_label_rows
from storage.catalog.projection import History, Standing
from storage.catalog.writing import numbers, read_histories

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_IN_FORCE = "l.ended = 0 AND l.hidden_by = 0"
_AT = {
    Level.STUDY: "l.series IS NULL",
    Level.SERIES: "l.series IS NOT NULL AND l.instance IS NULL",
    Level.INSTANCE: "l.instance IS NOT NULL",
}
_BORNE_BY = {
    Level.STUDY: "labels l JOIN studies st ON st.hash = l.study_hash AND st.uid = l.study",
    Level.SERIES: "labels l JOIN series se ON se.study = l.study AND se.uid = l.series",
    Level.INSTANCE: "labels l JOIN series se ON se.study = l.study AND se.uid = l.series"
    " JOIN instances i ON i.series_no = se.no AND i.sop = l.instance",
}
_NUMBER = {Level.STUDY: "st.no", Level.SERIES: "se.no", Level.INSTANCE: 'i."row"'}
_SHOWN = {
    Level.STUDY: "st.visible > 0",
    Level.SERIES: "se.visible > 0",
    Level.INSTANCE: f"i.standing = {Standing.CURRENT:d}",
}


def read_labels(cursor: DuckDBPyConnection, scope: Scope) -> list[str]:
    """The labels in force on exactly this scope, ascending."""
    sql = f"SELECT DISTINCT l.label FROM labels l WHERE {ON_SCOPE} AND {_IN_FORCE} ORDER BY l.label"
    return [label for (label,) in rows_of(cursor, sql, on_scope(scope))]


def read_labels_at(cursor: DuckDBPyConnection, scope: Scope, revision: int) -> list[str]:
    """The same after an earlier entry."""
    known = read_label_rows(cursor, f"study_hash = {hash_uid(scope.study)} AND revision <= {revision:d}")
    history = until(read_histories(cursor, [scope.study]).get(scope.study, History()), revision)
    there = (one for one in known if one.scope == scope and not 0 < one.ended <= revision)
    return sorted({one.label for one in there if not hidden_in(one, history).hidden_by})


def count_labels(cursor: DuckDBPyConnection) -> list[LabelCount]:
    """The labels that something visible bears, ascending."""
    counts: dict[str, dict[Level, int]] = {}
    for level in Level:
        sql = f"""SELECT l.label, count(DISTINCT {_NUMBER[level]}) FROM {_BORNE_BY[level]}
                  WHERE {_AT[level]} AND {_IN_FORCE} AND {_SHOWN[level]} GROUP BY l.label"""
        for label, count in rows_of(cursor, sql):
            counts.setdefault(label, {})[level] = count
    return [
        LabelCount(label, *(found.get(level, 0) for level in Level)) for label, found in sorted(counts.items())
    ]


def labels_of(cursor: DuckDBPyConnection, level: Level, wanted: Sequence[int]) -> dict[int, list[str]]:
    """The labels of studies or series by their numbers, of instances by their rows; ascending."""
    number = _NUMBER[level]
    sql = f"""SELECT {number}, list(DISTINCT l.label ORDER BY l.label) FROM {_BORNE_BY[level]}
              WHERE {number} IN ({numbers(wanted)}) AND {_AT[level]} AND {_IN_FORCE} GROUP BY 1"""
    return dict(rows_of(cursor, sql)) if wanted else {}


def label_condition(level: Level, condition: LabelCondition) -> Sql:
    """What holds for the matches of a level that bear the labels they are to bear."""
    if condition.rule is LabelRule.ALL:
        return all_of([_bears(level, (label,)) for label in condition.labels])
    bears = _bears(level, condition.labels)
    return bears if condition.rule is LabelRule.ANY else Sql(f"NOT {bears.text}", bears.values)


_NAMED = {
    Level.STUDY: ("st.uid", "SELECT l.study FROM labels l"),
    Level.SERIES: ("(se.study, se.uid)", "SELECT (l.study, l.series) FROM labels l"),
    Level.INSTANCE: ('i."row"', f'SELECT i."row" FROM {_BORNE_BY[Level.INSTANCE]}'),
}


def _bears(level: Level, labels: Sequence[str]) -> Sql:
    """One of these labels, or any at all, is on it."""
    one, those = _NAMED[level]
    named = Sql(f"l.label IN ({', '.join('?' * len(labels))})", tuple(labels)) if labels else TRUE
    return Sql(f"({one} IN ({those} WHERE {named.text} AND {_AT[level]} AND {_IN_FORCE}))", named.values)
