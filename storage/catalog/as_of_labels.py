"""The labels as they were at an earlier revision: a view by the name of their table, for one question.

What was put on or taken off later is told by the rows themselves. Which removal hid a label is worked out anew
where something of its study was removed or brought back since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomweb.ports import TooMuchChanged
from storage.catalog import schema
from storage.catalog.as_of import until
from storage.catalog.database import rows_of
from storage.catalog.label_writing import LabelRow, hidden_in, read_label_rows
from storage.catalog.projection import History
from storage.catalog.writing import insert_rows, numbers, read_histories

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PAST = schema.Table("past_labels", schema.LABELS.columns)
_TOGETHER = 500
"""Studies whose removals are read at a time."""


def put_labels(then: DuckDBPyConnection, tables: str, revision: int, *, most: int) -> None:
    """Let the view stand before the table; `tables` is what the tables themselves are called by.

    Raises TooMuchChanged if more than `most` labels have to be looked at one by one.
    """
    studies = _turned_since(then, revision)
    worked_out: list[LabelRow] = []
    for start in range(0, len(studies), _TOGETHER):
        group = studies[start : start + _TOGETHER]
        worked_out += _then(then, group, revision)
        if len(worked_out) > most:
            raise TooMuchChanged(revision)
    (definition,) = _PAST.definitions()
    then.execute(definition.replace("CREATE TABLE", "CREATE TEMP TABLE"))
    insert_rows(then, _PAST, [one.values() for one in worked_out])
    others = f"study_hash NOT IN ({numbers(studies)})" if studies else "TRUE"
    then.execute(
        f"""CREATE TEMP VIEW labels AS
            SELECT * REPLACE (CASE WHEN ended > {revision:d} THEN 0 ELSE ended END AS ended)
            FROM (SELECT * FROM {tables}.labels WHERE revision <= {revision:d} AND {others}
                  UNION ALL SELECT * FROM past_labels)"""
    )


def _turned_since(then: DuckDBPyConnection, revision: int) -> list[int]:
    """Hashes of the studies with labels of that time in which something was removed or brought back since."""
    sql = f"""SELECT DISTINCT study_hash FROM removals
              WHERE (revision > {revision:d}
                     OR revision IN (SELECT target FROM restorations WHERE revision > {revision:d}))
              AND study_hash IN (SELECT study_hash FROM labels WHERE revision <= {revision:d})"""
    return [study for (study,) in rows_of(then, sql)]


def _then(then: DuckDBPyConnection, studies: list[int], revision: int) -> list[LabelRow]:
    known = read_label_rows(then, f"revision <= {revision:d} AND study_hash IN ({numbers(studies)})")
    histories = read_histories(then, {one.scope.study for one in known})
    return [hidden_in(one, until(histories.get(one.scope.study, History()), revision)) for one in known]
