"""The tables of the catalog's DuckDB file.

    meta        what this file is a projection of, and how far
    studies     one row a study: attributes and aggregates, and `doc`, its DICOM JSON
    series      one row a series, likewise
    instances   one row a version, without its header; `segment` .. `length` say where the header lies
    removals, restorations   what REMOVED and RESTORED events said
    labels      one row for each time a label was put on something, and what became of it
    extra       values of attributes that settings make searchable

Rows refer to one another by numbers of this file alone, given in the order of arrival: the rows of a series lie
together, so that DuckDB finds them by the least and greatest number of each block, without an index on millions
of rows. Studies and series, a hundred times fewer, have indexes.

Absent numbers are 0 where 0 says nothing else; searched attributes are null if absent. Times are microseconds
since 1970 UTC. Any change here raises VERSION: a file of another version is thrown away and made anew from the
log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from dicomweb.model.keys import Level
from storage.log.columns import COLUMNS, Column

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (time - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The time, UTC."""
    return _EPOCH + timedelta(microseconds=value)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, its columns and their types in the order of the rows."""

    name: str
    columns: dict[str, str]
    indexes: tuple[str, ...] = ()
    packing: dict[str, str] = field(default_factory=dict)
    """How columns are compressed; for the others DuckDB tries what there is on every block of values."""

    def definitions(self) -> list[str]:
        """The statements that make it."""
        columns = ", ".join(self._column(name, kind) for name, kind in self.columns.items())
        return [
            f"CREATE TABLE {self.name} ({columns})",
            *(f'CREATE INDEX {self.name}_{column} ON {self.name} ("{column}")' for column in self.indexes),
        ]

    def _column(self, name: str, kind: str) -> str:
        packing = self.packing.get(name)
        return f'"{name}" {kind}' + (f" USING COMPRESSION {packing}" if packing else "")


@cache
def level_columns(level: Level) -> tuple[Column, ...]:
    """The searched attributes of a level."""
    return tuple(column for column in COLUMNS if column.level is level)


@cache
def name_columns(level: Level) -> tuple[Column, ...]:
    """The person names among them, which have a folded column and one of words."""
    return tuple(column for column in level_columns(level) if column.vr == "PN")


def folded(column: str) -> str:
    """The column of a person name as searches compare it."""
    return f"{column}_folded"


def words(column: str) -> str:
    """The column of the words of a person name."""
    return f"{column}_words"


def _searched(level: Level) -> dict[str, str]:
    columns = {column.name: "BIGINT" if column.integer else "VARCHAR" for column in level_columns(level)}
    for column in name_columns(level):
        columns[folded(column.name)] = "VARCHAR"
        columns[words(column.name)] = "VARCHAR"
    return columns


_DENSE = "zstd"
"""For long texts that are alike and read one at a time: a third of the room and of the time of DuckDB's choice."""
_PLAIN = "uncompressed"
"""For what cannot be made shorter, of which DuckDB would have to find that out."""

META = Table("meta", {"schema": "INTEGER", "epoch": "VARCHAR", "applied": "BIGINT", "next_row": "BIGINT"})

_AGGREGATES = {
    "visible": "BIGINT",
    "hidden": "BIGINT",
    "bytes": "BIGINT",
    "changed": "BIGINT",
    "first_revision": "BIGINT",
    "first_time": "BIGINT",
    "last_revision": "BIGINT",
    "last_ordinal": "INTEGER",
    "last_time": "BIGINT",
    "last_row": "BIGINT",
    "sop_classes": "VARCHAR",
    "transfer_syntaxes": "VARCHAR",
}
"""Counts of instances (visible; removed), bytes of the visible ones, the last entry that changed anything, when
the first and last of the visible ones were stored, and the row of that last one, whose attributes stand for
all."""

STUDIES = Table(
    "studies",
    {
        "no": "INTEGER",
        "uid": "VARCHAR",
        "hash": "UBIGINT",
        **_AGGREGATES,
        "series": "BIGINT",
        "modalities": "VARCHAR",
        "conflict": "BOOLEAN",
        "newest": "BIGINT",
        "doc": "BLOB",
        **_searched(Level.STUDY),
    },
    ("no", "hash", "patient_id", "accession_number"),
    {"uid": _PLAIN},
)
"""`conflict`: the instances disagree about who the patient is, or which study; `newest`: date and time as one
number, by which studies are listed."""

SERIES = Table(
    "series",
    {
        "no": "INTEGER",
        "study_no": "INTEGER",
        "study": "VARCHAR",
        "uid": "VARCHAR",
        "hash": "UBIGINT",
        **_AGGREGATES,
        "print_low": "UBIGINT",
        "print_high": "UBIGINT",
        "attributes": "VARCHAR",
        "doc": "BLOB",
        **_searched(Level.SERIES),
    },
    ("no", "study_no", "hash"),
    {"study": _PLAIN, "uid": _PLAIN, "attributes": _DENSE},
)
"""`hash` is that of the Series Instance UID; `attributes` the study's and series' columns of the last instance as
JSON."""

VERSION_COLUMNS = {
    "row": "BIGINT",
    "sop": "VARCHAR",
    "version": "VARCHAR",
    "revision": "BIGINT",
    "ordinal": "INTEGER",
    "time": "BIGINT",
    "leading": "BOOLEAN",
    "standing": "TINYINT",
    "hidden_by": "BIGINT",
    "hidden_at": "BIGINT",
    "purged": "BIGINT",
    "voided": "BIGINT",
    "until_revision": "BIGINT",
    "until_time": "BIGINT",
    "changed": "BIGINT",
    "size": "BIGINT",
    "data_set_offset": "BIGINT",
    "sop_class": "VARCHAR",
    "transfer_syntax": "VARCHAR",
    "digest": "BLOB",
    "image": "VARCHAR",
    "pixel_vr": "VARCHAR",
    "original_digest": "BLOB",
    "original_size": "BIGINT",
    "original_transfer_syntax": "VARCHAR",
    "instance_number": "BIGINT",
}
"""What `projection.Version` says, in the order in which it is read back."""

INSTANCES = Table(
    "instances",
    {
        **VERSION_COLUMNS,
        "study_no": "INTEGER",
        "series_no": "INTEGER",
        "hash": "UBIGINT",
        "meta_digest": "BLOB",
        "file_meta": "VARCHAR",
        "frames": "BLOB",
        "bulk": "BLOB",
        "print": "UBIGINT",
        "attributes": "VARCHAR",
        "header_size": "BIGINT",
        "segment": "INTEGER",
        "block": "BIGINT",
        "block_size": "INTEGER",
        "start": "INTEGER",
        "length": "INTEGER",
        **{name: kind for name, kind in _searched(Level.INSTANCE).items() if name != "instance_number"},
    },
    packing={
        **dict.fromkeys(("file_meta", "attributes"), _DENSE),
        **dict.fromkeys(("sop", "version", "digest", "meta_digest"), _PLAIN),
    },
)
"""`hash` is that of the SOP Instance UID, `print` of what must agree within a study."""

_EVENT_COLUMNS = {
    "revision": "BIGINT",
    "ordinal": "INTEGER",
    "time": "BIGINT",
    "study": "VARCHAR",
    "series": "VARCHAR",
    "instance": "VARCHAR",
}
REMOVALS = Table("removals", {**_EVENT_COLUMNS, "study_hash": "UBIGINT"})
RESTORATIONS = Table("restorations", {**_EVENT_COLUMNS, "target": "BIGINT"})

LABELS = Table(
    "labels",
    {**_EVENT_COLUMNS, "study_hash": "UBIGINT", "label": "VARCHAR", "ended": "BIGINT", "hidden_by": "BIGINT"},
)
"""`ended`: the entry that took it off; `hidden_by`: the first removal in force of what it is on. In force is what
has neither."""

EXTRA = Table(
    "extra",
    {
        "row": "BIGINT",
        "tag": "VARCHAR",
        "value": "VARCHAR",
        "number": "DOUBLE",
        "folded": "VARCHAR",
        "words": "VARCHAR",
    },
)
"""One row a value; one with nothing in it for an attribute that is absent or empty."""

TABLES = (META, STUDIES, SERIES, INSTANCES, REMOVALS, RESTORATIONS, LABELS, EXTRA)


def arrow_table(table: Table, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] | None = None) -> Any:
    """Rows as an Arrow table of the columns named, by default all."""
    import pyarrow as pa

    types = {
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "TINYINT": pa.int8(),
        "UBIGINT": pa.uint64(),
        "VARCHAR": pa.string(),
        "BLOB": pa.binary(),
        "BOOLEAN": pa.bool_(),
        "DOUBLE": pa.float64(),
    }
    names = list(columns or table.columns)
    arrays = [
        pa.array(values, types[table.columns[name]])
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    ]
    return pa.Table.from_arrays(arrays, names)
