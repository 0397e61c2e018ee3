"""The rows of a page: which studies, series or instances match, in order, and how many there are.

A key with an index leaves few matches. They are read with their documents in one question, and sorted here: to
DuckDB each question is about half a millisecond of planning, whatever it finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from dicomweb.model.keys import Level
from storage.catalog.conditions import Sql, all_of
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.plan import Plan
from storage.catalog.sources import ALIAS
from storage.catalog.telling import page_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FEW = 500
"""Matches of a key with an index up to which they are sorted here."""

_DEEP = 1000
"""Matches to be passed over from which on it is worth while to count first."""

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
    """A page far from the first: counted from the last match if that is nearer, since all before it are sorted."""
    total = _count(cursor, plan, more)
    wanted = max(0, min(limit, total - offset))
    if not wanted:
        return Page([], total)
    behind = total - offset - wanted
    backwards = behind < offset
    keys = plan.keys(more, backwards=backwards)
    at = behind if backwards else offset
    sql = f"SELECT {page_columns(plan)} {keys.text} LIMIT {wanted:d} OFFSET {at:d}"
    rows = rows_of(cursor, sql, list(keys.values))
    return Page(rows[::-1] if backwards else rows, total)


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
