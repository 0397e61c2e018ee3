"""Rows of the checkpoint table as rows of the instances table: Arrow in, Arrow out, many at once.

Rows of one series lie together, and most of their columns are the same: those are looked at once a run of rows
that are alike. The rest stays in Arrow; what is left is said in SQL (`PROJECTION`) while DuckDB takes it in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomweb.model.instance import ImageSpec
from storage.catalog import schema
from storage.catalog.aggregates import PARENT_COLUMNS, identity_of, parent_attributes
from storage.catalog.hashes import hash_uid
from storage.catalog.loading_numbers import Numbers
from storage.catalog.projection import Standing
from storage.catalog.rows import image_text

_IMAGE_FIELDS = tuple(ImageSpec.__dataclass_fields__)
_IMAGE_COLUMNS = tuple(f"image_{name}" for name in _IMAGE_FIELDS)
_KEY = ("study", "series")
_ALIKE = (*_KEY, *PARENT_COLUMNS, *_IMAGE_COLUMNS)
"""The columns by which runs are told apart."""
_TIMES = ("time", "until_time", "hidden_time")
_STANDINGS = {
    "current": Standing.CURRENT,
    "kept": Standing.KEPT,
    "former": Standing.FORMER,
    "removed": Standing.HIDDEN,
    "purged": Standing.PURGED,
    "voided": Standing.VOIDED,
}
_CASES = " ".join(f"WHEN '{name}' THEN {int(to)}" for name, to in _STANDINGS.items())
_EXPRESSIONS = {
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
    # of a purged version the table keeps more than a catalog, where it is not asked for
    "frames": "CASE WHEN purged_revision IS NULL THEN coalesce(frames, ''::BLOB) ELSE ''::BLOB END",
    "bulk": "CASE WHEN purged_revision IS NULL THEN coalesce(bulk, ''::BLOB) ELSE ''::BLOB END",
    "print": "CASE WHEN purged_revision IS NULL THEN print ELSE 0 END",
    "segment": "NULL",
    **dict.fromkeys(("block", "block_size", "start", "length"), "0"),
}
"""Columns of `schema.INSTANCES` as expressions over the table's rows; those not named are called the same."""
PROJECTION = ", ".join(_EXPRESSIONS.get(name) or f'"{name}"' for name in schema.INSTANCES.columns)
"""From `Taken.instances` to rows of the instances table."""

_UNUSED = frozenset({"header", "event_id", "node", "door", "peer", "md5", "current"})
"""Columns of the checkpoint table that a catalog does without."""

LOADED = schema.Table("loaded", {"no": "INTEGER", "study_no": "INTEGER", "study": "VARCHAR", "uid": "VARCHAR"})
"""The series of the table, while it is loaded."""


def wanted_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the checkpoint table's columns that a load needs."""
    return tuple(name for name in names if name not in _UNUSED)


@dataclass(frozen=True, slots=True)
class Taken:
    """What rows of the table make of the catalog."""

    instances: Any
    """An Arrow table, to be projected."""
    series: Any
    """Series seen for the first time, an Arrow table as `LOADED` has it."""


class RowMaker:
    """Numbers rows, series and studies as they come. Used by one thread at a time."""

    def __init__(self) -> None:
        self.next_row = 1
        self._series = Numbers()
        self._studies = Numbers()

    @property
    def studies(self) -> int:
        """How many there are; they are numbered from 1."""
        return len(self._studies)

    def take(self, rows: Any) -> Taken:
        """What rows of stored versions make; `rows` is an Arrow table of at least one row."""
        import pyarrow as pa

        rows = rows.combine_chunks()
        count = rows.num_rows
        for name in _TIMES:
            rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.int64()))
        starts = run_starts(rows.select(_ALIKE))
        lengths = np.diff(starts, append=count)
        runs = rows.select(_ALIKE).take(pa.array(starts))
        studies, series, fresh = self._number(runs)
        values = [dict(zip(PARENT_COLUMNS, row, strict=True)) for row in _tuples(runs, PARENT_COLUMNS)]
        prints = np.array([identity_of(one) for one in values], np.uint64)
        computed = {
            "row": pa.array(np.arange(self.next_row, self.next_row + count)),
            "study_no": pa.array(np.repeat(studies, lengths)),
            "series_no": pa.array(np.repeat(series, lengths)),
            "hash": pa.array(np.array([hash_uid(uid) for uid in rows["instance"].to_pylist()], np.uint64)),
            "print": pa.array(np.repeat(prints, lengths)),
            "attributes": _spread([parent_attributes(one) for one in values], lengths),
            "image": _spread([_image(row) for row in _tuples(runs, _IMAGE_COLUMNS)], lengths),
        }
        self.next_row += count
        kept = rows.drop_columns(list(_ALIKE))
        arrays = [*kept.columns, *computed.values()]
        return Taken(pa.table(arrays, names=[*kept.schema.names, *computed]), fresh)

    def _number(self, runs: Any) -> tuple[NDArray[np.int32], NDArray[np.int32], Any]:
        """The numbers of each run's study and series, and the series that are new."""
        import pyarrow as pa

        names = _tuples(runs, _KEY)
        studies, _ = self._studies.of([study for study, _ in names])
        series, fresh = self._series.of([f"{study}/{uid}" for study, uid in names])
        study_nos, series_nos = np.array(studies, np.int32), np.array(series, np.int32)
        new = np.flatnonzero(fresh)
        uids = runs.select(_KEY).take(pa.array(new))
        columns = [pa.array(series_nos[new]), pa.array(study_nos[new]), uids["study"], uids["series"]]
        return study_nos, series_nos, pa.table(columns, names=list(LOADED.columns))


def run_starts(rows: Any) -> NDArray[np.int64]:
    """Where rows differ in any column from the one before; the first row always does."""
    import pyarrow.compute as pc

    differs = np.zeros(rows.num_rows, dtype=bool)
    differs[0] = True
    for column in rows.columns:
        if column.null_count == rows.num_rows:
            continue
        codes = column.combine_chunks().dictionary_encode().indices
        if codes.null_count:
            codes = pc.fill_null(codes, -1)
        codes = codes.to_numpy(zero_copy_only=False)
        differs[1:] |= codes[1:] != codes[:-1]
    return np.flatnonzero(differs)


def _tuples(rows: Any, names: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))


def _spread(texts: Sequence[str | None], lengths: NDArray[np.int64]) -> Any:
    """Each text as often as its run is long."""
    import pyarrow as pa

    places = pa.array(np.repeat(np.arange(len(texts), dtype=np.int32), lengths))
    return pa.DictionaryArray.from_arrays(places, pa.array(texts, pa.string()))


def _image(values: tuple[Any, ...]) -> str | None:
    return image_text(ImageSpec(*values)) if values[0] is not None else None
