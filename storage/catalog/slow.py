"""Searches by attributes that have no column: headers are read, within a budget.

The conditions with a column choose the instances that are looked at. If those are more than the budget allows, or
reading takes too long, the search is refused, and the client told what would narrow it. It all happens in a thread
of its own, so that quick searches do not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dicomweb.model.keys import Level
from dicomweb.model.query import QueryTooBroad
from storage.catalog.database import Database, rows_of
from storage.catalog.headers import HeaderReader
from storage.catalog.lookup import HeaderRow
from storage.catalog.matching import header_matches
from storage.catalog.plan import Plan
from storage.catalog.rows import PLACE_SELECT, place_from
from storage.catalog.settings import CatalogSettings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TOGETHER = 256
_OWNER = {Level.STUDY: "i.study_no", Level.SERIES: "i.series_no", Level.INSTANCE: "i.row"}

Candidate = tuple[int, HeaderRow]
"""Number of the study, series or row that would match, and where a header of it lies."""
Choice = Callable[["DuckDBPyConnection"], list[Candidate]]


class SlowSearch:
    """Tries conditions on headers."""

    def __init__(
        self,
        database: Database,
        headers: HeaderReader,
        settings: CatalogSettings,
        within: Callable[[Choice], Choice] | None = None,
    ) -> None:
        """`within` lets the candidates be chosen from other tables than those of now."""
        self._within = within or (lambda choice: choice)
        self._database = database
        self._headers = headers
        self._rows = settings.slow_rows
        self._seconds = settings.slow_seconds

    async def owners(self, plan: Plan) -> list[int]:
        """Numbers of the studies or series, or rows of the instances, that match. Raises QueryTooBroad."""
        deadline = asyncio.get_running_loop().time() + self._seconds
        choice = partial(_candidates, plan=plan, limit=self._rows + 1)
        candidates = await self._database.slow(self._within(choice))
        if len(candidates) > self._rows:
            raise _too_broad(plan)
        matched: dict[int, None] = {}
        for start in range(0, len(candidates), _TOGETHER):
            # One matching instance suffices for its study or series: the others need not be read.
            group = [one for one in candidates[start : start + _TOGETHER] if one[0] not in matched]
            headers = await self._headers.of_rows([row for _, row in group], slow=True)
            found = await self._database.slow(lambda _, headers=headers: _tried(plan, headers))  # type: ignore[misc]  # a default only binds the loop's value
            matched.update((owner, None) for (owner, _), holds in zip(group, found, strict=True) if holds)
            if asyncio.get_running_loop().time() > deadline:
                raise _too_broad(plan)
        return list(matched)


def _candidates(cursor: DuckDBPyConnection, *, plan: Plan, limit: int) -> list[Candidate]:
    owner, lower = _OWNER[plan.level], plan.lower
    sql = f"""SELECT {owner}, i.row, {PLACE_SELECT} FROM instances i
              JOIN series se ON se.no = i.series_no JOIN studies st ON st.no = i.study_no
              WHERE {lower.text} AND i.purged = 0 ORDER BY i.segment, i.block, i.start, i.row LIMIT {limit:d}"""
    return [
        (no, HeaderRow(row, place_from(place))) for no, row, *place in rows_of(cursor, sql, list(lower.values))
    ]


def _tried(plan: Plan, headers: Sequence[bytes]) -> list[bool]:
    return [header_matches(header, plan.slow) for header in headers]


def _too_broad(plan: Plan) -> QueryTooBroad:
    return QueryTooBroad([match.name for match in plan.slow], plan.narrowing)
