"""The rows of the checkpoint table `instances/`, as any engine reads them.

One row for each stored version of an instance, and one for each removal, undelete and label (`kind`). What a
reader of the archive sees is the published view `current`:

    CREATE VIEW current AS SELECT * FROM instances WHERE until_revision IS NULL AND current

What each column means stands in `storage.log.described`, and from there in the README.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.log.codec import known_kinds
from storage.log.events import Kind
from storage.log.schema import IMAGE_FIELDS, META, SEARCHED_FIELDS, TYPES
from storage.log.standing import State

_TEXT, _BYTES, _INTEGER, _FLAG = pa.utf8(), pa.binary(), pa.int64(), pa.bool_()
_TIME = TYPES["time"]

IDENTITY = ("kind", "study", "series", "instance", "version", "since_revision", "ordinal", "time", "target")
FATE = (
    *("until_revision", "until_time", "state", "current", "hidden_revision", "hidden_time"),
    *("purged_revision", "voided_revision", "changed_revision"),
)
"""The columns that later events change."""
BLANKED = (*(field.name for field in SEARCHED_FIELDS), "header", "file_meta")
"""What a purge makes null."""
ORDER = ("study", "series", "instance_number", "instance", "since_revision", "ordinal")
"""How rows lie in a file."""
CURRENT_VIEW = "CREATE VIEW current AS SELECT * FROM instances WHERE until_revision IS NULL AND current"
"""What every documented example reads."""

SCHEMA: pa.Schema = pa.schema(
    [
        ("kind", _TEXT),
        ("study", _TEXT),
        ("series", _TEXT),
        ("instance", _TEXT),
        ("version", _TEXT),
        ("since_revision", _INTEGER),
        ("ordinal", _INTEGER),
        ("until_revision", _INTEGER),
        ("until_time", _TIME),
        ("state", _TEXT),
        ("current", _FLAG),
        ("leading", _FLAG),
        ("hidden_revision", _INTEGER),
        ("hidden_time", _TIME),
        ("purged_revision", _INTEGER),
        ("voided_revision", _INTEGER),
        ("changed_revision", _INTEGER),
        ("target", _INTEGER),
        ("label", _TEXT),
        ("event_id", _TEXT),
        ("time", _TIME),
        ("node", _TEXT),
        ("door", _TEXT),
        ("peer", _TEXT),
        ("size", _INTEGER),
        ("data_set_offset", _INTEGER),
        ("sop_class", _TEXT),
        ("transfer_syntax", _TEXT),
        ("digest", _TEXT),
        ("meta_digest", _TEXT),
        ("md5", _TEXT),
        ("pixel_vr", _TEXT),
        ("original_digest", _TEXT),
        ("original_size", _INTEGER),
        ("original_transfer_syntax", _TEXT),
        *((field.name, field.type) for field in (*IMAGE_FIELDS, *SEARCHED_FIELDS)),
        ("file_meta", _TEXT),
        ("frames", _BYTES),
        ("bulk", _BYTES),
        ("header_size", _INTEGER),
        ("header", pa.large_utf8()),
    ]
)
_HEX = ("digest", "meta_digest", "md5", "original_digest")
_JSON = ("header", "file_meta")
_WITH_ROW = pa.array([str(Kind.STORED), str(Kind.REMOVED), str(Kind.RESTORED), str(Kind.LABELLED)])
_PLACED: pa.Schema = pa.schema(
    [*TYPES.items(), ("since_revision", _INTEGER), ("ordinal", _INTEGER), ("writer", _TEXT)]
)


def place_events(batches: Iterable[tuple[int, pa.RecordBatch]]) -> pa.Table:
    """The events of entries, each given by number and rows, in one table; with their places in the log.

    Events of kinds that this program may skip are left out. Raises UnknownKind.
    """
    parts = []
    for number, batch in batches:
        batch = known_kinds(batch, number=number)
        rows = batch.num_rows
        names = [name for name in batch.schema.names if name in TYPES]
        facts = {
            "since_revision": pa.repeat(pa.scalar(number, _INTEGER), rows),
            "ordinal": pa.array(range(rows), _INTEGER),
            "writer": pa.repeat(batch.schema.metadata[META.NODE].decode(), rows),
        }
        arrays = [*(batch.column(name) for name in names), *facts.values()]
        parts.append(pa.table(arrays, names=[*names, *facts]))
    return pa.concat_tables([_PLACED.empty_table(), *parts], promote_options="permissive")


def rows_of(events: pa.Table) -> pa.Table:
    """The rows that these events would have if nothing came after them."""
    have = pc.is_in(events["kind"], _WITH_ROW)
    # not without need: headers are copied along
    events = events if pc.all(have).as_py() else events.filter(have)
    stored, label = pc.equal(events["kind"], str(Kind.STORED)), pc.equal(events["kind"], str(Kind.LABELLED))
    lasting = pc.or_(stored, label)
    rows = events.num_rows
    columns: dict[str, Any] = {name: events[name] for name in SCHEMA.names if name in events.schema.names}
    columns |= {name: _hex(columns[name]) for name in _HEX}
    columns |= {name: _json(columns[name]) for name in _JSON}
    columns |= {
        "version": pc.if_else(stored, events["version"], events["event_id"]),
        "node": pc.coalesce(events["node"], events["writer"]),
        "leading": pc.fill_null(pc.and_(stored, pc.fill_null(events["current"], True)), False),
        "current": stored,
        "state": pc.if_else(stored, str(State.CURRENT), pc.if_else(label, str(State.LABEL), str(State.EVENT))),
        "until_revision": pc.if_else(lasting, pa.scalar(None, _INTEGER), events["since_revision"]),
        "until_time": pc.if_else(lasting, pa.scalar(None, _TIME), events["time"]),
        "changed_revision": events["since_revision"],
    }
    arrays = [
        columns[name] if name in columns else pa.nulls(rows, SCHEMA.field(name).type) for name in SCHEMA.names
    ]
    return pa.table(arrays, names=SCHEMA.names).cast(SCHEMA)


def _hex(digests: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if digest is None else digest.hex() for digest in digests.to_pylist()], _TEXT)


def _json(texts: pa.ChunkedArray) -> pa.Array:
    """JSON as text; null where there is none."""
    large = pc.cast(texts, pa.large_binary())
    empty = pc.equal(pc.binary_length(large), 0)
    if pc.any(empty).as_py():
        large = pc.if_else(empty, None, large)
    return large.cast(pa.large_utf8())


def with_columns(rows: pa.Table, changed: dict[str, Sequence[Any]]) -> pa.Table:
    """The rows with some columns given anew."""
    for name, values in changed.items():
        field = SCHEMA.field(name)
        rows = rows.set_column(SCHEMA.get_field_index(name), field, pa.array(values, field.type))
    return rows


def conformed(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """These columns with the types of `SCHEMA`; null where a file was written before the column was thought of."""
    schema = pa.schema([SCHEMA.field(name) for name in names])
    there = set(rows.schema.names)
    arrays = [rows[f.name] if f.name in there else pa.nulls(rows.num_rows, f.type) for f in schema]
    return pa.table(arrays, names=list(names)).cast(schema)


def sorted_batches(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    """The rows in `ORDER`, `size` at a time; the headers in as many chunks as their order asks for."""
    headers = rows["header"]
    # without the headers, which are nearly all of it: they are pointed at, not copied
    others = rows.drop_columns(["header"]).combine_chunks()
    places = pc.sort_indices(others, sort_keys=[(name, "ascending") for name in ORDER])
    for start in range(0, len(places), size):
        some = places[start : start + size]
        batch = others.take(some)
        yield batch.add_column(
            SCHEMA.get_field_index("header"), SCHEMA.field("header"), _picked(headers, some.to_numpy())
        )


def _picked(values: pa.ChunkedArray, places: NDArray[np.uint64]) -> pa.ChunkedArray:
    """The values at these places, neighbours that stay neighbours as one chunk."""
    ends = np.cumsum([len(chunk) for chunk in values.chunks])
    chunks = np.searchsorted(ends, places, side="right")
    apart = (np.diff(places) != 1) | (np.diff(chunks) != 0)
    firsts = np.concatenate(([0], np.flatnonzero(apart) + 1)).tolist()
    pieces = []
    for first, end in zip(firsts, [*firsts[1:], len(places)], strict=True):
        chunk = values.chunk(int(chunks[first]))
        within = int(places[first]) - (int(ends[chunks[first]]) - len(chunk))
        pieces.append(chunk.slice(within, end - first))
    return pa.chunked_array(pieces, values.type)
