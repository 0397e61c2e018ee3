"""SQL between the rooms: the catalog's questions as the web door asks them, and its errors as clients are told."""

from __future__ import annotations

from app.web.sql_page import Described
from dicomweb.wire.exchange import WebError
from storage.catalog.sql import SqlAnswer, SqlBusy, SqlQuestions
from storage.catalog.sql_check import StatementRefused
from storage.catalog.sql_views import VIEWS


class SqlAsked:
    """Asks the catalog."""

    def __init__(self, questions: SqlQuestions) -> None:
        self._questions = questions

    async def ask(self, sql: str, *, rows: int | None = None) -> SqlAnswer:
        """The answer to a statement, of at most so many rows. Raises WebError."""
        try:
            return await self._questions.ask(sql, rows=rows)
        except StatementRefused as error:
            # a 400 is written to no log: DuckDB's words may quote what patients are called
            raise WebError(400, str(error)) from error
        except SqlBusy as error:
            raise WebError(503, f"{error}; one is answered at a time", (("Retry-After", "1"),)) from error


def described_views() -> list[Described]:
    """What there is to ask about, for the page."""
    return [
        Described(view.name, view.rows, {name: meaning for name, (_, meaning) in view.columns.items()})
        for view in VIEWS.values()
    ]
