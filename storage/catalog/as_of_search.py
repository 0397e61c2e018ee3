"""Searches as of an earlier revision: the plan of any query, carried out on the tables as they were.

It is all done in the thread for what may take seconds. A page is told to its end while the tables are seen as they
were, and waits as JSON to be sent: nothing is held open for a client that reads slowly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import orjson

from dicomweb.model.query import Found, JsonAttributes, OneOf, Query
from storage.catalog import attributes as told
from storage.catalog.as_of_tables import Past
from storage.catalog.conditions import FALSE, TRUE, Sql
from storage.catalog.database import Database
from storage.catalog.extra import ExtraColumns
from storage.catalog.headers import HeaderReader
from storage.catalog.page import Row, read_page
from storage.catalog.plan import Plan, plan_query
from storage.catalog.search import TOGETHER, Describer, among, with_headers
from storage.catalog.settings import CatalogSettings
from storage.catalog.slow import SlowSearch
from storage.catalog.sources import OF_PATIENT

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_Told = tuple[Sequence[Row], bytes]
"""Some rows of a page, and what is told of them as a JSON array."""


class PastSearcher:
    """Answers queries about the past."""

    def __init__(
        self, database: Database, headers: HeaderReader, extra: ExtraColumns, settings: CatalogSettings
    ) -> None:
        self._database = database
        self._headers = headers
        self._extra = extra
        self._settings = settings

    async def search(self, query: Query, revision: int) -> Found:
        """The page of a query. Raises QueryTooBroad, TooMuchChanged."""
        plan = plan_query(query, self._extra.complete)
        past = Past(revision, studies_of(query, plan), self._settings.past_rows)
        more = TRUE
        if plan.slow:
            owners = await SlowSearch(self._database, self._headers, self._settings, past.within).owners(plan)
            more = among(plan.level, owners) if owners else FALSE
        page = partial(_page, plan=plan, more=more, limit=query.limit, offset=query.offset)
        total, batches = await self._database.slow(past.within(page))
        return Found(total, self._sent(plan, batches))

    async def _sent(self, plan: Plan, batches: Sequence[_Told]) -> AsyncIterator[Sequence[JsonAttributes]]:
        for rows, text in batches:
            found: list[JsonAttributes] = orjson.loads(text)
            if plan.everything or plan.from_header:
                found = await with_headers(self._database, self._headers, plan, rows, found)
            yield found


def _page(
    cursor: DuckDBPyConnection, *, plan: Plan, more: Sql, limit: int, offset: int
) -> tuple[int, list[_Told]]:
    page = read_page(cursor, plan, more, limit=limit, offset=offset)
    # Not the one that remembers documents: one of the past may have lost by an erasure what it told before.
    describer = Describer()
    batches: list[_Told] = []
    for start in range(0, len(page.rows), TOGETHER):
        rows = page.rows[start : start + TOGETHER]
        found = describer.describe(cursor, plan=plan, rows=rows, docs=page.docs)
        batches.append((rows, orjson.dumps(found)))
    return page.total, batches


def studies_of(query: Query, plan: Plan) -> tuple[str, ...]:
    """The studies beyond which nothing has to be known for the query; empty for all.

    How much there is of a patient hangs on other studies too.
    """
    if any(tag in OF_PATIENT for tag in (*plan.tell, *(match.path[0] for match in query.matches))):
        return ()
    for match in query.matches:
        if match.path == (told.STUDY_INSTANCE,) and isinstance(match.condition, OneOf):
            return match.condition.values
    return ()
