"""`/sql`: the catalog in SQL, for administrators.

    GET /sql     the page
    POST /sql    a statement: as a form (`sql`, `format`), as JSON (`{"sql": ...}`), or as it is
                 (`application/sql`); the answer as JSON, CSV, Parquet or the page, by `format` or Accept

Who may: users and tokens named in `auth.admins`. Where nobody has to log in, the setting `sql` opens it to this
machine. A page of another site may not, whatever else it may do here. The statement and what it finds are written
to no log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol
from urllib.parse import parse_qs

import orjson

from app.web.exchange import Call
from app.web.page import wants_page
from app.web.sql_formats import Found, as_csv, as_json, as_parquet
from app.web.sql_page import PAGE_ROWS, Described, page
from dicomweb.wire.exchange import Answer, HeaderFields, WebError

_MOST_BYTES = 256 << 10
"""Bytes of a request body."""
_ALLOW: HeaderFields = (("Allow", "GET, HEAD, POST"),)
_PARQUET = "application/vnd.apache.parquet"
_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8; header=present", "parquet": _PARQUET}


class Questions(Protocol):
    """Answers statements."""

    async def ask(self, sql: str, *, rows: int | None = None) -> Found:
        """What a statement finds, at most so many rows. Raises WebError."""


class SqlDoor:
    """Answers what comes to `/sql`."""

    def __init__(
        self, questions: Questions, views: Sequence[Described], *, admins: frozenset[str], unnamed: bool
    ) -> None:
        """`unnamed`: nobody has to say who they are, and everybody may."""
        self._questions = questions
        self._views = views
        self._admins = admins
        self._unnamed = unnamed

    async def answer(self, call: Call, mount: str, below: str) -> Answer:
        """The page, or what a statement finds."""
        call.operation = "sql"
        if below.strip("/"):
            raise WebError(404, "below /sql there is nothing; the statement is the body of a POST")
        self._check_right(call)
        if call.method in ("GET", "HEAD"):
            return page(call.approach.base, self._views)
        if call.method != "POST":
            raise WebError(405, f"/sql knows GET, HEAD and POST, not {call.method}", _ALLOW)
        sql, wanted, named = await _read(call)
        if wanted == "html":
            return await self._page(call, sql)
        found = await self._questions.ask(sql)
        if wanted == "parquet":
            pieces: Iterable[bytes] = [await asyncio.to_thread(as_parquet, found)]
        else:
            pieces = as_csv(found) if wanted == "csv" else as_json(found)
        fields = (
            ("Content-Type", _TYPES[wanted]),
            ("Cache-Control", "no-store"),
            ("X-Dicomlake-Revision", str(found.revision)),
            *((("X-Dicomlake-Truncated", "true"),) if found.truncated else ()),
            *((("Content-Disposition", f'attachment; filename="answer.{wanted}"'),) if named else ()),
        )
        return Answer(200, fields, list(pieces))

    async def _page(self, call: Call, sql: str) -> Answer:
        try:
            found = await self._questions.ask(sql, rows=PAGE_ROWS)
        except WebError as error:
            return page(call.approach.base, self._views, sql, wrong=error.message, status=error.status)
        return page(call.approach.base, self._views, sql, found)

    def _check_right(self, call: Call) -> None:
        """Raises WebError 403."""
        if call.user not in self._admins and not (self._unnamed and not call.approach.proxied and not call.user):
            told = "SQL is for administrators: name this user in the setting auth.admins"
            if not call.user:
                told = (
                    "SQL is for administrators: set auth.admins with auth.users or auth.tokens, or, on a server "
                    "that is reached from this machine alone and not by a proxy, `sql`"
                )
            raise WebError(403, told)
        origin = call.headers.get("origin")
        foreign = origin is not None and origin != call.approach.origin
        if foreign or call.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise WebError(403, "pages of other origins may not ask in SQL")


async def _read(call: Call) -> tuple[str, str, bool]:
    """The statement, the format to answer in, and whether a form of the page names it. Raises WebError."""
    body = bytearray()
    async for chunk in call.body():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise WebError(413, f"a statement has at most {_MOST_BYTES >> 10} KiB")
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    given: dict[str, object] = {}
    try:
        text = body.decode()
        if kind == "application/json":
            read = orjson.loads(text)
            given = read if isinstance(read, dict) else {}
        elif kind == "application/x-www-form-urlencoded":
            given = {
                name: values[0] for name, values in parse_qs(text, errors="strict", max_num_fields=10).items()
            }
        else:
            given = {"sql": text}
    except ValueError as error:
        raise WebError(
            400, "the statement cannot be read: expected UTF-8, as a form, as JSON, or as it is"
        ) from error
    sql, wanted = given.get("sql"), given.get("format") or _accepted(call.headers.get("accept", ""))
    if not isinstance(sql, str) or not sql.strip():
        raise WebError(400, "there is no statement: expected one in `sql`, or as the body (application/sql)")
    if wanted not in ("html", *_TYPES):
        raise WebError(400, "format: expected json, csv, parquet or html")
    return sql, str(wanted), kind == "application/x-www-form-urlencoded"


def _accepted(accept: str) -> str:
    if wants_page(accept):
        return "html"
    named = (wanted for wanted, kind in (("csv", "text/csv"), ("parquet", _PARQUET)) if kind in accept.lower())
    return next(named, "json")
