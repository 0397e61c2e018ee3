"""The rows of the checkpoint table as a Parquet file.

Rows lie sorted by study and series, in row groups small enough that a reader finds one series by the least and
greatest values of the groups and reads little else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.log.rows import SCHEMA, sorted_batches

ROW_GROUP = 2048
"""Rows of a row group: some series."""
_LEVEL = 3
_BULKY = ("header", "file_meta", "frames", "bulk")
_UNLIKE = ("version", "digest", "event_id", "header", "frames")
"""Columns whose values are all different: a dictionary of them would be in the way."""
_STATED = ("study", "series", "since_revision", "patient_id", "study_date", "modality")
"""Columns whose bounds stand in the table's own log, and save other engines from opening files."""


def write_parquet(rows: pa.Table, metadata: Mapping[str, str] | None = None) -> pa.Buffer:
    """The file; only one row group of it is held beside the rows and what is compressed.

    `metadata`: what its footer says of it beside the columns.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        SCHEMA,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name in SCHEMA.names if name not in _UNLIKE],
        write_statistics=[name for name in SCHEMA.names if name not in _BULKY],
        store_schema=False,
    ) as writer:
        for batch in sorted_batches(rows, ROW_GROUP):
            writer.write_table(batch, row_group_size=ROW_GROUP)
        if metadata:
            writer.add_key_value_metadata(dict(metadata))
    return sink.getvalue()


def stats_of(rows: pa.Table) -> dict[str, Any]:
    """Per-file statistics as the Delta protocol has them."""
    bounds = {name: pc.min_max(rows[name]).as_py() for name in _STATED}
    return {
        "numRecords": rows.num_rows,
        "minValues": {name: bound["min"] for name, bound in bounds.items() if bound["min"] is not None},
        "maxValues": {name: bound["max"] for name, bound in bounds.items() if bound["max"] is not None},
        # of every column: readers take a column without a count for one without nulls
        "nullCount": {name: rows[name].null_count for name in SCHEMA.names},
    }
