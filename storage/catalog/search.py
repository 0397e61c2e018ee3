"""Searches: the plan of a query carried out, in the reading threads.

First the numbers of the page's matches in order, and how many there are; then what is told of them, some at a
time, so that a page of fifty thousand is never there at once. Conditions that need headers come before both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import orjson

from dicomweb.model.keys import Level
from dicomweb.model.query import CREATOR, LABELS, LABELS_CREATOR, Found, JsonAttributes, Query
from storage.catalog import attributes as told
from storage.catalog.conditions import FALSE, TRUE, Sql
from storage.catalog.database import Database, rows_of
from storage.catalog.docs import DocCache, read_docs
from storage.catalog.extra import ExtraColumns
from storage.catalog.headers import HeaderReader
from storage.catalog.labels import labels_of
from storage.catalog.lookup import rows_with_places
from storage.catalog.page import Page, Row, read_page
from storage.catalog.plan import Plan, plan_query
from storage.catalog.settings import CatalogSettings
from storage.catalog.slow import SlowSearch
from storage.catalog.sources import ALIAS, OF_PATIENT
from storage.catalog.telling import ROW_AT, InstanceTeller, merged, series_told, study_told

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TOGETHER = 500
"""Matches told at a time."""


class Searcher:
    """Answers queries."""

    def __init__(
        self, database: Database, headers: HeaderReader, extra: ExtraColumns, settings: CatalogSettings
    ) -> None:
        self._database = database
        self._extra = extra
        self._headers = headers
        self._describer = Describer()
        self._slow = SlowSearch(database, headers, settings)

    async def search(self, query: Query) -> Found:
        """The page of a query. Raises QueryTooBroad."""
        plan = plan_query(query, self._extra.complete)
        more = TRUE
        if plan.slow:
            owners = await self._slow.owners(plan)
            more = among(plan.level, owners) if owners else FALSE
        begin = partial(self._begin, plan=plan, more=more, limit=query.limit, offset=query.offset)
        page, first = await self._database.read(begin)
        return Found(page.total, self._told(plan, page.rows, first))

    def _begin(
        self, cursor: DuckDBPyConnection, *, plan: Plan, more: Sql, limit: int, offset: int
    ) -> tuple[Page, list[JsonAttributes]]:
        """A page, and what is told of its first rows: together, since each way to a thread and back costs."""
        page = read_page(cursor, plan, more, limit=limit, offset=offset)
        rows = page.rows[:TOGETHER]
        return page, self._describer.describe(cursor, plan=plan, rows=rows, docs=page.docs) if rows else []

    async def _told(
        self, plan: Plan, rows: Sequence[Row], first: Sequence[JsonAttributes]
    ) -> AsyncIterator[Sequence[JsonAttributes]]:
        for start in range(0, len(rows), TOGETHER):
            part, found = rows[start : start + TOGETHER], first
            if start:
                found = await self._database.read(partial(self._describer.describe, plan=plan, rows=part, docs={}))
            if plan.everything or plan.from_header:
                found = await with_headers(self._database, self._headers, plan, part, found)
            yield found


async def with_headers(
    database: Database, headers: HeaderReader, plan: Plan, rows: Sequence[Row], found: Sequence[JsonAttributes]
) -> list[JsonAttributes]:
    """What is told of rows with what their headers add."""
    wanted = [row[ROW_AT] for row in rows]
    places = await database.read(partial(rows_with_places, rows=wanted))
    known = [row for row in wanted if row in places]
    read = await headers.of_rows([places[row] for row in known], slow=True)
    by_row = dict(zip(known, read, strict=True))
    return await database.slow(
        lambda _: [merged(plan, one, by_row.get(row, b"{}")) for row, one in zip(wanted, found, strict=True)]
    )


def among(level: Level, owners: Sequence[int]) -> Sql:
    """The matches are among these: numbers of studies or series, rows of instances."""
    column = "i.row" if level is Level.INSTANCE else f"{ALIAS[level]}.no"
    return Sql(f"{column} IN (SELECT unnest(?::BIGINT[]))", (list(owners),))


class Describer:
    """What is told of matches from the catalog's rows, in a reading thread."""

    def __init__(self) -> None:
        self._docs = DocCache()

    def describe(
        self, cursor: DuckDBPyConnection, *, plan: Plan, rows: Sequence[Row], docs: Mapping[int, bytes]
    ) -> list[JsonAttributes]:
        """What is told of each, in the same order; `docs` are the documents that were read with the rows."""
        found = self._describe(cursor, plan, rows, docs)
        return with_labels(cursor, plan, rows, found) if plan.labels else found

    def _describe(
        self, cursor: DuckDBPyConnection, plan: Plan, rows: Sequence[Row], docs: Mapping[int, bytes]
    ) -> list[JsonAttributes]:
        if plan.level is Level.STUDY:
            studies = docs or self._docs.get(cursor, "studies", ((row[0], row[1]) for row in rows))
            found = [study_told(plan, orjson.loads(studies[row[0]])) for row in rows]
            return _with_patients(cursor, plan, rows, found)
        if plan.level is Level.SERIES:
            series = docs or self._docs.get(cursor, "series", ((row[0], row[1]) for row in rows))
            return _series(cursor, plan, [(row[0], row[3]) for row in rows], series)
        parents = list(dict.fromkeys((row[0], row[1]) for row in rows))
        series = read_docs(cursor, "series", {no for no, _ in parents})
        told_of = _series(cursor, plan, parents, series)
        by_series = dict(zip((no for no, _ in parents), told_of, strict=True))
        teller = InstanceTeller(plan)
        return [teller.tell(row, by_series[row[0]]) for row in rows]


def with_labels(
    cursor: DuckDBPyConnection, plan: Plan, rows: Sequence[Row], found: Sequence[JsonAttributes]
) -> list[JsonAttributes]:
    """What is told of rows with their labels, and the private creator of those."""
    at = ROW_AT if plan.level is Level.INSTANCE else 0
    labels = labels_of(cursor, plan.level, [row[at] for row in rows])
    creator = told.element("LO", CREATOR)
    return [
        {**one, LABELS_CREATOR: creator, LABELS: {"vr": "LO", "Value": labels[row[at]]}}
        if row[at] in labels
        else dict(one)
        for row, one in zip(rows, found, strict=True)
    ]


def _series(
    cursor: DuckDBPyConnection, plan: Plan, series: Sequence[tuple[int, int]], docs: Mapping[int, bytes]
) -> list[JsonAttributes]:
    """What is told of series, given by their number and that of their study."""
    if not plan.parents:
        return [series_told(plan, orjson.loads(docs[no]), None) for no, _ in series]
    found = read_docs(cursor, "studies", {study for _, study in series})
    studies = {no: orjson.loads(doc) for no, doc in found.items()}
    return [series_told(plan, orjson.loads(docs[no]), studies[study]) for no, study in series]


def _with_patients(
    cursor: DuckDBPyConnection, plan: Plan, rows: Sequence[Row], found: list[JsonAttributes]
) -> list[JsonAttributes]:
    """Add how much there is of each match's patient, if that was asked for."""
    asked = [tag for tag in OF_PATIENT if tag in plan.tell]
    if not asked:
        return found
    named = "SELECT no, patient_id, issuer_of_patient_id FROM studies WHERE no IN (SELECT unnest(?::BIGINT[]))"
    patients = {no: patient for no, *patient in rows_of(cursor, named, [[row[0] for row in rows]])}
    sql = """SELECT count(*), sum(series), sum(visible) FROM studies WHERE visible > 0
              AND patient_id = ? AND issuer_of_patient_id IS NOT DISTINCT FROM ?"""
    for row, one in zip(rows, found, strict=True):
        patient, issuer = patients.get(row[0], (None, None))
        counts = rows_of(cursor, sql, [patient, issuer])[0] if patient else (None, None, None)
        for tag, count in zip(OF_PATIENT, counts, strict=True):
            if tag in asked:
                one[tag] = told.element("IS", None if count is None else int(count))
    return found
