"""The index as open data: described column by column, and read by other engines with no node running."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from storage.layout import TABLE
from storage.log.checkpoint import Checkpoint
from storage.log.delta import Place as TablePlace
from storage.log.delta import place_of
from storage.log.described import DESCRIBED, GROUPS
from storage.log.events import Event
from storage.log.journal import Journal
from storage.log.rows import CURRENT_VIEW, SCHEMA
from tests.build.readme import README
from tests.storage.log.conftest import Place
from tests.storage.log.make import key, removed, stored

SECTION = README.read_text(encoding="utf-8").partition("## The index as a table")[2].partition("\n## ")[0]
CURRENT = [("1.2.1.1.1", 526_000), ("1.2.2.1.1", 526_000), ("1.2.3.1.1", 526_000)]
"""SOP Instance UID and size of what is visible at the end of `log`."""


def log() -> list[Sequence[Event]]:
    """Four instances, one of them replaced, one removed."""
    return [
        [stored(key(study=1)), stored(key(study=2))],
        [stored(key(study=3)), stored(key(study=4))],
        [stored(key(study=2), "newer")],
        [removed(key(study=4).scope)],
    ]


async def fold(place: Place) -> TablePlace:
    """The table of the log."""
    journal = await Journal.open(place.store, node="writer")
    for number, events in enumerate(log(), 1):
        await journal.append(number, events, f"c{number}")
    await Checkpoint(place.store, place.address).fold()
    return place_of(place.address)


def test_every_column_is_described_and_every_described_one_is_there() -> None:
    assert set(DESCRIBED) == set(SCHEMA.names)
    assert len(DESCRIBED) == sum(len(group) for group in GROUPS.values())
    assert all(told.strip() for told in DESCRIBED.values())


def test_the_readme_names_the_view_that_is_published() -> None:
    assert CURRENT_VIEW in SECTION


async def test_duckdb_reads_what_is_visible(place: Place) -> None:
    where = await fold(place)
    instances = DeltaTable(where.uri, storage_options=where.options).to_pyarrow_dataset()
    with duckdb.connect() as connection:
        connection.register("instances", instances)
        connection.execute(CURRENT_VIEW)
        found = connection.execute("SELECT instance, size FROM current ORDER BY instance").fetchall()

    assert found == CURRENT


async def test_polars_reads_what_is_visible(place: Place) -> None:
    where = await fold(place)
    instances = polars.scan_delta(where.uri, storage_options=_for_polars(where))
    visible = instances.filter(polars.col("until_revision").is_null() & polars.col("current"))
    found = visible.select("instance", "size", "header").sort("instance").collect()

    assert found.select("instance", "size").rows() == CURRENT
    assert json.loads(found["header"][0])["00080060"]["Value"] == ["CT"]


async def test_pyarrow_reads_what_is_visible(place: Place) -> None:
    where = await fold(place)
    instances = DeltaTable(where.uri, storage_options=where.options).to_pyarrow_dataset()
    visible = ds.field("until_revision").is_null() & ds.field("current")
    found = instances.to_table(columns=["instance", "size"], filter=visible).sort_by("instance")

    assert [tuple(row.values()) for row in found.to_pylist()] == CURRENT


async def test_the_table_asks_of_a_reader_what_spark_and_trino_have(folder: Place) -> None:
    """Delta protocol, reader version 1 and writer version 2: what every reader of Delta tables knows."""
    where = await fold(folder)
    actions = [action for entry in _entries(Path(where.uri)) for action in entry]
    protocols = [action["protocol"] for action in actions if "protocol" in action]
    (about, *_) = [action["metaData"] for action in actions if "metaData" in action]
    added = [action["add"] for action in actions if "add" in action]

    assert protocols == [{"minReaderVersion": 1, "minWriterVersion": 2}]
    assert about["format"]["provider"] == "parquet"
    assert about["partitionColumns"] == []
    assert set(about["configuration"]) <= {"delta.logRetentionDuration", "delta.deletedFileRetentionDuration"}
    kinds = {field["type"] for field in json.loads(about["schemaString"])["fields"]}
    assert kinds <= {"string", "long", "boolean", "binary", "timestamp"}
    assert added
    for one in added:
        assert one["partitionValues"] == {}
        assert "deletionVector" not in one
        assert json.loads(one["stats"])["numRecords"] > 0


async def test_the_files_hold_no_more_than_plain_parquet(folder: Place) -> None:
    """Flat columns, Zstandard, times in microseconds UTC: what engines of the Java world read as well."""
    where = await fold(folder)
    for uri in DeltaTable(where.uri).file_uris():
        footer = pq.ParquetFile(uri).metadata
        columns = [footer.schema.column(at) for at in range(footer.num_columns)]
        assert {column.max_definition_level for column in columns} == {1}
        assert {footer.row_group(0).column(at).compression for at in range(footer.num_columns)} == {"ZSTD"}
        times = [column for column in columns if "Timestamp" in str(column.logical_type)]
        assert times
        for column in times:
            assert "isAdjustedToUTC=true, timeUnit=microseconds" in str(column.logical_type)
        assert not [field for field in footer.schema.to_arrow_schema() if pa.types.is_nested(field.type)]


def _entries(table: Path) -> list[list[dict[str, Any]]]:
    assert table.name == TABLE
    files = sorted((table / "_delta_log").glob("*.json"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def _for_polars(where: TablePlace) -> dict[str, str] | None:
    return {name.lower(): value for name, value in where.options.items()} or None
