"""Labels of a batch of events into DuckDB, and which removal hides which; run in the writing thread.

What is on what is decided by `storage.log.labelling` for the table and here for the catalog, by the same rules: a
label is ended by the first event after it that takes it off, and hidden by the first removal in force of all that
it is on. Both are told apart, so that an earlier revision can be told from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dicomweb.model.keys import Scope
from storage.catalog import schema
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.pending import PendingEvent
from storage.catalog.projection import History, Position
from storage.catalog.writing import insert_rows, numbers, read_histories, studies_removed_by
from storage.log.events import Kind
from storage.log.standing import State

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ON_SCOPE = "study_hash = ? AND study = ? AND series IS NOT DISTINCT FROM ? AND instance IS NOT DISTINCT FROM ?"
"""What is on exactly one scope; its values are those of `on_scope`."""


def on_scope(scope: Scope) -> list[Any]:
    """The values of `ON_SCOPE`."""
    return [hash_uid(scope.study), scope.study, scope.series, scope.instance]


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A row of `schema.LABELS`."""

    position: Position
    time: int
    """Microseconds since 1970 UTC."""
    scope: Scope
    label: str
    ended: int = 0
    hidden_by: int = 0

    def values(self) -> tuple[Any, ...]:
        """As the table has it."""
        at, of = self.position, self.scope
        return (
            *(at.revision, at.ordinal, self.time, of.study, of.series, of.instance, hash_uid(of.study)),
            *(self.label, self.ended, self.hidden_by),
        )


def write_labels(connection: DuckDBPyConnection, batch: Sequence[PendingEvent]) -> None:
    """Let the events of a batch take effect, whose removals and undeletes are in the tables already."""
    put: list[LabelRow] = []
    for item in batch:
        event = item.event
        if event.kind is Kind.LABELLED and event.scope is not None:
            time = schema.to_microseconds(event.time)
            put.append(LabelRow(Position(item.revision, item.ordinal), time, event.scope, event.label))
        elif event.kind is Kind.UNLABELLED and event.scope is not None:
            put = [_ended(one, event.scope, event.label, item.revision) for one in put]
            connection.execute(
                f"UPDATE labels SET ended = ? WHERE ended = 0 AND label = ? AND {ON_SCOPE}",
                [item.revision, event.label, *on_scope(event.scope)],
            )
    insert_rows(connection, schema.LABELS, [one.values() for one in put])
    _hide(connection, _turned(connection, batch))


def _ended(one: LabelRow, scope: Scope, label: str, revision: int) -> LabelRow:
    here = (one.scope, one.label) == (scope, label) and not one.ended
    return replace(one, ended=revision) if here else one


def _turned(connection: DuckDBPyConnection, batch: Iterable[PendingEvent]) -> set[str]:
    """The studies in which something was removed or brought back."""
    turning = [item.event for item in batch if item.event.kind in (Kind.REMOVED, Kind.RESTORED)]
    wide = {event.target for event in turning if event.scope is None}
    return {event.scope.study for event in turning if event.scope is not None} | set(
        studies_removed_by(connection, wide) if wide else ()
    )


def _hide(connection: DuckDBPyConnection, studies: Iterable[str]) -> None:
    """Say anew which removals hide the labels in these studies."""
    known = read_label_rows(connection, f"study_hash IN ({numbers(map(hash_uid, studies))})") if studies else []
    if not known:
        return
    histories = read_histories(connection, {one.scope.study for one in known})
    for one in known:
        now = hidden_in(one, histories.get(one.scope.study, History()))
        if now != one:
            connection.execute(
                "UPDATE labels SET hidden_by = ? WHERE revision = ? AND ordinal = ?",
                [now.hidden_by, one.position.revision, one.position.ordinal],
            )


def read_label_rows(cursor: DuckDBPyConnection, where: str) -> list[LabelRow]:
    """The rows for which a condition holds."""
    columns = "revision, ordinal, time, study, series, instance, label, ended, hidden_by"
    return [
        LabelRow(Position(revision, ordinal), time, Scope(*scope), label, ended, hidden)
        for revision, ordinal, time, *scope, label, ended, hidden in rows_of(
            cursor, f"SELECT {columns} FROM labels WHERE {where}"
        )
    ]


def hidden_in(one: LabelRow, history: History) -> LabelRow:
    """The row as the removals and undeletes of its study have it."""
    hider = history.hider(one.scope, one.position)
    return replace(one, hidden_by=hider.revision if hider is not None else 0)


def label_row(row: Mapping[str, Any]) -> LabelRow:
    """The row that a row of the checkpoint table makes."""
    return LabelRow(
        Position(row["since_revision"], row["ordinal"]),
        schema.to_microseconds(row["time"]),
        Scope(row["study"], row["series"], row["instance"]),
        row["label"],
        # nothing comes after that which would change the row
        row["changed_revision"] if row["state"] == State.UNLABELLED else 0,
        row["hidden_revision"] or 0,
    )
