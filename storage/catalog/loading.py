"""The checkpoint table into an empty catalog: many rows at once, in one transaction.

Rows come as `storage.log.rows.SCHEMA` describes them, without headers, series together if possible. Whatever is
the same for neighbouring rows is worked out once; the rest goes from Arrow into DuckDB as it is. Studies and
series are added up from the instances at the end, by SQL, and told by the same functions as everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomweb.model.instance import ImageSpec
from storage.catalog import schema
from storage.catalog.aggregates import (
    PARENT_COLUMNS,
    SERIES_ROW_COLUMNS,
    SeriesRow,
    identity_print,
    parent_attributes,
    study_values,
)
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.projection import Standing
from storage.catalog.rows import image_text
from storage.catalog.writing import insert_rows
from storage.log.events import Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_STUDIES_TOGETHER = 1000
_IMAGE_FIELDS = tuple(ImageSpec.__dataclass_fields__)
_STANDINGS = {
    "current": Standing.CURRENT,
    "kept": Standing.KEPT,
    "former": Standing.FORMER,
    "removed": Standing.HIDDEN,
    "purged": Standing.PURGED,
    "voided": Standing.VOIDED,
}
_TIMES = ("time", "until_time", "hidden_time")

_CASES = " ".join(f"WHEN '{name}' THEN {int(to)}" for name, to in _STANDINGS.items())
_FROM_TABLE = {
    "sop": "instance",
    "revision": "since_revision",
    "standing": f"CASE state {_CASES} END",
    "hidden_by": "coalesce(hidden_revision, 0)",
    "hidden_at": "coalesce(hidden_time, 0)",
    "purged": "coalesce(purged_revision, 0)",
    "voided": "coalesce(voided_revision, 0)",
    "until_revision": "coalesce(until_revision, 0)",
    "until_time": "coalesce(until_time, 0)",
    "changed": "changed_revision",
    "digest": "unhex(digest)",
    "meta_digest": "unhex(meta_digest)",
    "original_digest": "unhex(original_digest)",
    "file_meta": "coalesce(file_meta, '')",
    "frames": "coalesce(frames, ''::BLOB)",
    "bulk": "coalesce(bulk, ''::BLOB)",
    "segment": "NULL",
    **dict.fromkeys(("block", "block_size", "start", "length"), "0"),
}
"""Columns of `schema.INSTANCES` as expressions over the table's rows; those not named are called the same."""


_LOADED = schema.Table("loaded", {"no": "INTEGER", "study_no": "INTEGER", "study": "VARCHAR", "uid": "VARCHAR"})
"""The series of the table, while it is loaded."""


class Loader:
    """Loads the table; lives in the writing thread."""

    def __init__(self) -> None:
        self._row = 1
        self._series: dict[bytes, tuple[int, int]] = {}
        self._studies: dict[bytes, int] = {}

    def begin(self, connection: DuckDBPyConnection) -> None:
        """Begin with an empty catalog."""
        connection.execute("BEGIN")
        (definition,) = _LOADED.definitions()
        connection.execute(definition.replace("CREATE TABLE", "CREATE TEMP TABLE"))

    def add(self, connection: DuckDBPyConnection, batch: Any) -> None:
        """Take rows of the table, an Arrow record batch."""
        import pyarrow as pa
        import pyarrow.compute as pc

        stored = batch.filter(pc.equal(batch["kind"], str(Kind.STORED)))
        if stored.num_rows:
            self._add_stored(connection, pa, pa.Table.from_batches([stored]))
        for kind in (Kind.REMOVED, Kind.RESTORED):
            events = batch.filter(pc.equal(batch["kind"], str(kind)))
            if events.num_rows:
                _add_events(connection, kind, events.to_pylist())

    def _add_stored(self, connection: DuckDBPyConnection, pa: Any, rows: Any) -> None:
        for name in _TIMES:
            rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.int64()))
        count = rows.num_rows
        fresh: list[tuple[int, int, str, str]] = []
        numbers = _repeated(rows, ("study", "series"), lambda row: self._number(row[0], row[1], fresh))
        insert_rows(connection, _LOADED, fresh)
        attributes = _repeated(rows, PARENT_COLUMNS, lambda row: _attributes(row))
        images = _repeated(rows, tuple(f"image_{name}" for name in _IMAGE_FIELDS), _image)
        computed = {
            "row": pa.array(range(self._row, self._row + count), pa.int64()),
            "study_no": pa.array([study for study, _ in numbers], pa.int32()),
            "series_no": pa.array([series for _, series in numbers], pa.int32()),
            "hash": pa.array([hash_uid(uid) for uid in rows["instance"].to_pylist()], pa.uint64()),
            "print": pa.array([identity_print(text) for text in attributes], pa.uint64()),
            "attributes": pa.array(attributes, pa.string()),
            "image": pa.array(images, pa.string()),
        }
        self._row += count
        for name, values in computed.items():
            rows = rows.append_column(name, values)
        chosen = ", ".join(_FROM_TABLE.get(name, f'"{name}"') for name in schema.INSTANCES.columns)
        connection.from_arrow(rows).project(chosen).insert_into("instances")

    def _number(self, study: str, series: str, fresh: list[tuple[int, int, str, str]]) -> tuple[int, int]:
        """Numbers of a study and a series, given at first sight, when they are noted in `fresh`."""
        name = _digest(f"{study}/{series}")
        if (known := self._series.get(name)) is not None:
            return known
        study_no = self._studies.setdefault(_digest(study), len(self._studies) + 1)
        numbers = self._series[name] = (study_no, len(self._series) + 1)
        fresh.append((numbers[1], study_no, study, series))
        return numbers

    def finish(self, connection: DuckDBPyConnection, applied: int) -> None:
        """Add up series and studies, and let it all be there."""
        for first in range(1, len(self._studies) + 1, _STUDIES_TOGETHER):
            _add_up(connection, first, first + _STUDIES_TOGETHER)
        connection.execute("DROP TABLE loaded")
        connection.execute("UPDATE meta SET applied = ?, next_row = ?", [applied, self._row])
        connection.execute("COMMIT")

    def give_up(self, connection: DuckDBPyConnection) -> None:
        """Leave the catalog as it was."""
        connection.execute("ROLLBACK")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _repeated(rows: Any, names: Sequence[str], make: Callable[[tuple[Any, ...]], Any]) -> list[Any]:
    """What `make` says of each row's values of some columns, asked once for neighbours that are alike."""
    columns = [rows[name].combine_chunks() for name in names]
    starts = _starts(columns, rows.num_rows)
    found: list[Any] = []
    for at, end in zip(starts, [*starts[1:], rows.num_rows], strict=True):
        value = make(tuple(column[at].as_py() for column in columns))
        found.extend([value] * (end - at))
    return found


def _starts(columns: Sequence[Any], count: int) -> list[int]:
    """Where rows differ from the one before."""
    import pyarrow.compute as pc

    differs = np.zeros(count, dtype=bool)
    differs[0] = True
    for column in columns:
        if column.null_count == count:
            continue
        codes = pc.fill_null(column.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
        differs[1:] |= codes[1:] != codes[:-1]
    return [int(at) for at in np.flatnonzero(differs)]


def _attributes(values: tuple[Any, ...]) -> str:
    return parent_attributes(dict(zip(PARENT_COLUMNS, values, strict=True)))


def _image(values: tuple[Any, ...]) -> str | None:
    return image_text(ImageSpec(*values)) if values[0] is not None else None


def _add_events(connection: DuckDBPyConnection, kind: Kind, rows: Sequence[dict[str, Any]]) -> None:
    table = schema.REMOVALS if kind is Kind.REMOVED else schema.RESTORATIONS
    values = []
    for row in rows:
        last = hash_uid(row["study"]) if kind is Kind.REMOVED else row["target"]
        time = schema.to_microseconds(row["time"])
        scope = (row["study"], row["series"], row["instance"])
        values.append((row["since_revision"], row["ordinal"], time, *scope, last))
    insert_rows(connection, table, values)


_SUMS = f"""
    WITH mine AS (SELECT * FROM loaded WHERE study_no >= ? AND study_no < ?),
    here AS (SELECT i.* FROM instances i WHERE i.study_no >= ? AND i.study_no < ?),
    shown AS (
        SELECT series_no, count(*) visible, sum(size)::BIGINT bytes, min((revision, time)) first,
               max((revision, ordinal, time, "row")) last, list(DISTINCT sop_class) sop_classes,
               list(DISTINCT transfer_syntax) transfer_syntaxes, min(print) print_low, max(print) print_high
        FROM here WHERE standing = {int(Standing.CURRENT)} GROUP BY series_no),
    keys AS (SELECT series_no, max(standing) best, max(changed) changed FROM here GROUP BY series_no, sop),
    gone AS (
        SELECT series_no, count(*) FILTER (best BETWEEN {int(Standing.PURGED)} AND {int(Standing.FORMER)}) hidden,
               max(changed) changed FROM keys GROUP BY series_no)
    SELECT mine.no, mine.study_no, mine.study, mine.uid, coalesce(visible, 0), hidden, coalesce(bytes, 0),
           gone.changed, coalesce(first[1], 0), coalesce(first[2], 0), coalesce(last[1], 0), coalesce(last[2], 0),
           coalesce(last[3], 0), coalesce(last[4], 0), array_to_string(sop_classes, '\\'),
           array_to_string(transfer_syntaxes, '\\'), coalesce(print_low, 0), coalesce(print_high, 0),
           coalesce(here.attributes, '{{}}')
    FROM mine JOIN gone ON gone.series_no = mine.no LEFT JOIN shown ON shown.series_no = mine.no
    LEFT JOIN here ON here."row" = last[4] ORDER BY mine.study_no, mine.no"""


def _add_up(connection: DuckDBPyConnection, first: int, end: int) -> None:
    rows = [
        SeriesRow.from_values(dict(zip(SERIES_ROW_COLUMNS, values, strict=True)))
        for values in rows_of(connection, _SUMS, [first, end, first, end])
    ]
    insert_rows(connection, schema.SERIES, [row.values() for row in rows])
    insert_rows(connection, schema.STUDIES, list(_studies(rows)))


def _studies(rows: Sequence[SeriesRow]) -> Iterator[tuple[Any, ...]]:
    for no, series in groupby(rows, key=lambda row: row.study_no):
        every = list(series)
        yield study_values(no, every[0].study, every)
