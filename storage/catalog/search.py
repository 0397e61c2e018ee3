"""Searches: the plan of a query carried out, in the reading threads.

First the numbers of the page's matches in order, and how many there are; then what is told of them, some at a
time, so that a page of fifty thousand is never there at once. Conditions that need headers come before both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from dicomweb.model.keys import Level
from dicomweb.model.query import Found, JsonAttributes, Query
from storage.catalog import attributes as told
from storage.catalog.conditions import FALSE, TRUE, Sql
from storage.catalog.database import Database, rows_of
from storage.catalog.headers import HeaderReader
from storage.catalog.lookup import numbers, rows_with_places
from storage.catalog.plan import ALIAS, Plan, plan_query
from storage.catalog.settings import CatalogSettings
from storage.catalog.slow import SlowSearch
from storage.catalog.telling import InstanceTeller, merged, page_columns, series_told, study_told

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TOGETHER = 500
"""Matches told at a time."""

Row = tuple[Any, ...]


class Searcher:
    """Answers queries."""

    def __init__(self, database: Database, headers: HeaderReader, settings: CatalogSettings) -> None:
        self._database = database
        self._headers = headers
        self._slow = SlowSearch(database, headers, settings)

    async def search(self, query: Query) -> Found:
        """The page of a query. Raises QueryTooBroad."""
        plan = plan_query(query)
        more = TRUE
        if plan.slow:
            owners = await self._slow.owners(plan)
            more = _among(plan.level, owners) if owners else FALSE
        page = partial(_page, plan=plan, more=more, limit=query.limit, offset=query.offset)
        rows, total = await self._database.read(page)
        return Found(total, self._told(plan, rows))

    async def _told(self, plan: Plan, rows: Sequence[Row]) -> AsyncIterator[Sequence[JsonAttributes]]:
        for start in range(0, len(rows), _TOGETHER):
            part = rows[start : start + _TOGETHER]
            found = await self._database.read(partial(_describe, plan=plan, rows=part))
            if plan.everything or plan.from_header:
                found = await self._with_headers(plan, part, found)
            yield found

    async def _with_headers(
        self, plan: Plan, rows: Sequence[Row], found: Sequence[JsonAttributes]
    ) -> list[JsonAttributes]:
        wanted = [row[2] if plan.level is Level.INSTANCE else row[-1] for row in rows]
        places = await self._database.read(partial(rows_with_places, rows=wanted))
        known = [row for row in wanted if row in places]
        headers = await self._headers.of_rows([places[row] for row in known], slow=True)
        by_row = dict(zip(known, headers, strict=True))
        return await self._database.slow(
            lambda _: [merged(plan, one, by_row.get(row, b"{}")) for row, one in zip(wanted, found, strict=True)]
        )


def _among(level: Level, owners: Sequence[int]) -> Sql:
    column = "i.row" if level is Level.INSTANCE else f"{ALIAS[level]}.no"
    return Sql(f"{column} IN (SELECT unnest(?::BIGINT[]))", (list(owners),))


def _page(cursor: DuckDBPyConnection, *, plan: Plan, more: Sql, limit: int, offset: int) -> tuple[list[Row], int]:
    """The rows of a page in order, and how many match in all."""
    keys = plan.keys(more)
    sql = f"SELECT {page_columns(plan)} {keys.text} LIMIT {limit:d} OFFSET {offset:d}"
    rows = rows_of(cursor, sql, list(keys.values)) if limit else []
    if (rows or not offset) and 0 < limit != len(rows):
        return rows, offset + len(rows)
    count = plan.count(more)
    ((total,),) = rows_of(cursor, count.text, list(count.values))
    return rows, total


def _describe(cursor: DuckDBPyConnection, *, plan: Plan, rows: Sequence[Row]) -> list[JsonAttributes]:
    """What is told of some matches from the catalog's rows."""
    if plan.level is Level.STUDY:
        studies = _docs(cursor, "studies", (row[0] for row in rows))
        found = [study_told(plan, studies[row[0]]) for row in rows]
        return _with_patients(cursor, plan, found)
    if plan.level is Level.SERIES:
        return _describe_series(cursor, plan, [(row[0], row[1]) for row in rows])
    parents = list(dict.fromkeys((row[0], row[1]) for row in rows))
    by_series = dict(zip((series for series, _ in parents), _describe_series(cursor, plan, parents), strict=True))
    teller = InstanceTeller(plan)
    return [teller.tell(row, by_series[row[0]]) for row in rows]


def _describe_series(
    cursor: DuckDBPyConnection, plan: Plan, series: Sequence[tuple[int, int]]
) -> list[JsonAttributes]:
    """What is told of series, given by their number and that of their study."""
    docs = _docs(cursor, "series", (no for no, _ in series))
    if not plan.parents:
        return [series_told(plan, docs[no], None) for no, _ in series]
    studies = _docs(cursor, "studies", (study for _, study in series))
    return [series_told(plan, docs[no], studies[study]) for no, study in series]


def _docs(cursor: DuckDBPyConnection, table: str, wanted: Iterable[int]) -> dict[int, JsonAttributes]:
    found = rows_of(cursor, f"SELECT no, doc FROM {table} WHERE no IN ({numbers(set(wanted))})")
    return {no: orjson.loads(doc) for no, doc in found}


def _with_patients(cursor: DuckDBPyConnection, plan: Plan, found: list[JsonAttributes]) -> list[JsonAttributes]:
    """Add how much there is of each match's patient, if that was asked for."""
    asked = [tag for tag in _OF_PATIENT if tag in plan.tell]
    if not asked:
        return found
    sql = """SELECT count(*), sum(series), sum(visible) FROM studies WHERE visible > 0
              AND patient_id = ? AND issuer_of_patient_id IS NOT DISTINCT FROM ?"""
    for one in found:
        patient, issuer = (_first(one.get(tag)) for tag in ("00100020", "00100021"))
        counts = rows_of(cursor, sql, [patient, issuer])[0] if patient else (None, None, None)
        for tag, count in zip(_OF_PATIENT, counts, strict=True):
            if tag in asked:
                one[tag] = told.element("IS", None if count is None else int(count))
    return found


_OF_PATIENT = (told.PATIENT_STUDIES, told.PATIENT_SERIES, told.PATIENT_INSTANCES)


def _first(element: dict[str, Any] | None) -> Any:
    return next(iter((element or {}).get("Value") or ()), None)
