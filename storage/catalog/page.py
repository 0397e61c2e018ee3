"""The rows of a page: which studies, series or instances match, in order, and how many there are.

A key with an index leaves few matches. They are read with their documents in one question, and sorted here: to
DuckDB each question is about half a millisecond of planning, whatever it finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from dicomweb.model.keys import Level
from storage.catalog.conditions import Sql, all_of
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.plan import BY_DATE, Plan
from storage.catalog.sources import ALIAS
from storage.catalog.telling import page_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FEW = 500
"""Matches of a key with an index up to which they are sorted here."""

_DEEP = 1000
"""Matches to be passed over from which on it is worth while to count first."""

_DAYS = 10_000_000
"""What is left out of `newest` to count by: the time, and the last digit of the date."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of matches."""

    rows: list[Row]
    """What `telling.page_columns` names, in order."""
    total: int
    """Matches in all."""
    docs: Mapping[int, bytes] = field(default_factory=dict)
    """Documents of the rows by number, if they were read with them."""


def read_page(cursor: DuckDBPyConnection, plan: Plan, more: Sql, *, limit: int, offset: int) -> Page:
    """The page of the matches for which `more` holds too."""
    if plan.of_study:
        study = _in_study(cursor, plan)
        if study is None:
            return Page([], 0)
        more = all_of([study, more])
    if plan.few and (found := _few(cursor, plan, more, limit=limit, offset=offset)) is not None:
        return found
    if offset >= _DEEP:
        return _deep(cursor, plan, more, limit=limit, offset=offset)
    keys = plan.keys(more)
    sql = f"SELECT {page_columns(plan)} {keys.text} LIMIT {limit:d} OFFSET {offset:d}"
    rows = rows_of(cursor, sql, list(keys.values)) if limit else []
    if (rows or not offset) and 0 < limit != len(rows):
        return Page(rows, offset + len(rows))
    return Page(rows, _count(cursor, plan, more))


def _deep(cursor: DuckDBPyConnection, plan: Plan, more: Sql, *, limit: int, offset: int) -> Page:
    """A page far from the first. Of what is listed by date, only the days of the page are sorted.

    How many match of which days is counted in one pass, an eighth of what it takes to sort a million studies.
    """
    if plan.sort[0] != BY_DATE:
        total = _count(cursor, plan, more)
        return Page(_cut(cursor, plan, more, at=offset, limit=limit, among=total), total)
    found = plan.unordered(more)
    sql = f"SELECT {BY_DATE.expression} // {_DAYS} AS days, count(*) {found.text} GROUP BY days ORDER BY days DESC"
    counts = rows_of(cursor, sql, list(found.values))
    span = _span(counts, offset, limit)
    inside = Sql(f"{BY_DATE.expression} >= ? AND {BY_DATE.expression} < ?", (span.first, span.end))
    rows = _cut(cursor, plan, all_of([inside, more]), at=offset - span.before, limit=limit, among=span.matches)
    return Page(rows, sum(count for _, count in counts))


@dataclass(frozen=True, slots=True)
class _Span:
    """The days of a page."""

    first: int
    end: int
    """Behind the last, as numbers that `schema.STUDIES` calls `newest`."""
    before: int
    """Matches that are listed before them."""
    matches: int
    """Matches within them."""


def _span(counts: Sequence[tuple[int, int]], offset: int, limit: int) -> _Span:
    """The days that a page lies in; `counts` are matches by days, in the order of the list."""
    before = matches = 0
    inside: list[int] = []
    for days, count in counts:
        if before + matches >= offset + limit:
            break
        if not inside and before + count <= offset:
            before += count
            continue
        inside.append(days)
        matches += count
    return (
        _Span(inside[-1] * _DAYS, (inside[0] + 1) * _DAYS, before, matches) if inside else _Span(0, 0, before, 0)
    )


def _cut(cursor: DuckDBPyConnection, plan: Plan, more: Sql, *, at: int, limit: int, among: int) -> list[Row]:
    """A part of so many matches: from the last match if that is nearer, since all before it are sorted."""
    wanted = max(0, min(limit, among - at))
    if not wanted:
        return []
    behind = among - at - wanted
    backwards = behind < at
    keys = plan.keys(more, backwards=backwards)
    sql = f"SELECT {page_columns(plan)} {keys.text} LIMIT {wanted:d} OFFSET {behind if backwards else at:d}"
    rows = rows_of(cursor, sql, list(keys.values))
    return rows[::-1] if backwards else rows


def _count(cursor: DuckDBPyConnection, plan: Plan, more: Sql) -> int:
    count = plan.count(more)
    ((total,),) = rows_of(cursor, count.text, list(count.values))
    return int(total)


def _in_study(cursor: DuckDBPyConnection, plan: Plan) -> Sql | None:
    """What holds for the matches of `plan.of_study`, None if there is no such study.

    Studies are found by the hash of their UID alone: `_few` compares the UID, which would cost half as much again
    in SQL.
    """
    value = hash_uid(plan.of_study)
    if plan.level is Level.STUDY:
        return Sql("st.hash = ?", (value,))
    for no, uid in rows_of(cursor, "SELECT no, uid FROM studies WHERE hash = ?", [value]):
        if uid == plan.of_study:
            return Sql(f"{ALIAS[plan.level]}.study_no = ?", (no,))
    return None


def _few(cursor: DuckDBPyConnection, plan: Plan, more: Sql, *, limit: int, offset: int) -> Page | None:
    """The page out of all matches; None if those are not few."""
    keys = plan.unordered(more)
    alias = ALIAS[plan.level]
    sort = "".join(f", {key.expression}" for key in plan.sort)
    sql = f"SELECT {page_columns(plan)}, {alias}.uid, {alias}.doc{sort} {keys.text} LIMIT {_FEW + 1}"
    rows = rows_of(cursor, sql, list(keys.values))
    if len(rows) > _FEW:
        return None
    at = len(rows[0]) - len(plan.sort) - 2 if rows else 0
    if plan.level is Level.STUDY and plan.of_study:
        rows = [row for row in rows if row[at] == plan.of_study]
    for back, key in enumerate(reversed(plan.sort), start=1):
        known = [row for row in rows if row[-back] is not None]
        known.sort(key=itemgetter(-back), reverse=key.descending)
        rows = known + [row for row in rows if row[-back] is None]
    page = rows[offset : offset + limit]
    return Page(page, len(rows), {row[0]: row[at + 1] for row in page})
