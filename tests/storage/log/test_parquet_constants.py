"""What the footer says of columns with one value is what reading them would have said."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from storage.log.parquet_constants import constants_of, with_constants

_FEW = st.one_of(
    st.lists(st.sampled_from([None, "a"]), min_size=4, max_size=12),
    st.lists(st.sampled_from(["a", "ä", ""]), min_size=4, max_size=12),
    st.lists(st.sampled_from([None, 0, 7]), min_size=4, max_size=12),
    st.just([None] * 8),
    st.just(["x" * 9000] * 8),
    st.just([7] * 8),
)


def _file(columns: list[list[Any]], *, statistics: bool = True) -> pq.ParquetFile:
    size = min(map(len, columns))
    kinds = [pa.int64() if any(isinstance(one, int) for one in values) else pa.string() for values in columns]
    table = pa.table(
        {f"c{at}": pa.array(values[:size], kinds[at]) for at, values in enumerate(columns)}
        | {"n": list(range(size)), "time": pa.array([5] * size, pa.timestamp("us", "UTC")), "bytes": [b"b"] * size}
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=3, write_statistics=statistics)
    return pq.ParquetFile(sink)


@given(st.lists(_FEW, min_size=1, max_size=5))
def test_rows_put_together_from_the_footer_are_the_rows_of_the_file(columns: list[list[Any]]) -> None:
    file = _file(columns)
    groups = list(range(file.metadata.num_row_groups))
    constants = constants_of(file.metadata, groups, file.schema_arrow.names)
    others = file.read(columns=[name for name in file.schema_arrow.names if name not in constants])
    rows = with_constants(others, file.metadata.num_rows, constants, file.schema_arrow)
    assert rows.equals(file.read())


def test_columns_of_one_value_are_found() -> None:
    file = _file([["a"] * 8, [None] * 8, [7] * 8])
    assert constants_of(file.metadata, [0, 1, 2], ["c0", "c1", "c2", "n"]) == {"c0": "a", "c1": None, "c2": 7}


def test_a_value_that_differs_between_row_groups_is_none_of_all() -> None:
    file = _file([["a", "a", "a", "b", "b", "b"]])
    assert constants_of(file.metadata, [0, 1], ["c0"]) == {}
    assert constants_of(file.metadata, [1], ["c0"]) == {"c0": "b"}


def test_a_file_without_statistics_is_read() -> None:
    file = _file([["a"] * 8], statistics=False)
    assert constants_of(file.metadata, [0, 1, 2], file.schema_arrow.names) == {}
