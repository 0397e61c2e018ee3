"""Spark's own Parquet reader over the files that the table's log names.

Runs where PySpark is installed (`pip install pyspark`, Java 17): it is hundreds of megabytes and no part of what
tests need. With delta-spark and its libraries for Java, `spark.read.format("delta").load(...)` names the files.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from deltalake import DeltaTable

from storage.log.rows import CURRENT_VIEW, SCHEMA
from tests.storage.log.conftest import Place
from tests.storage.log.make import NOON
from tests.storage.log.test_open_data import CURRENT, fold

sql: Any = pytest.importorskip("pyspark.sql", reason="PySpark is not installed")


async def test_spark_reads_what_is_visible(folder: Place) -> None:
    where = await fold(folder)
    builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    for name in ("spark.driver.bindAddress", "spark.driver.host"):
        builder = builder.config(name, "127.0.0.1")
    spark = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    try:
        spark.read.parquet(*DeltaTable(where.uri).file_uris()).createOrReplaceTempView("instances")
        spark.sql(CURRENT_VIEW.replace("CREATE VIEW", "CREATE TEMPORARY VIEW"))
        chosen = "instance, size, header, frames, unix_micros(time) AS time"
        rows = spark.sql(f"SELECT {chosen} FROM current ORDER BY instance").collect()
        names = spark.table("instances").columns
    finally:
        spark.stop()

    assert set(names) == set(SCHEMA.names)
    assert [(row["instance"], row["size"]) for row in rows] == CURRENT
    assert json.loads(rows[0]["header"])["00080060"]["Value"] == ["CT"]
    assert bytes(rows[0]["frames"]) == b"\x01frames"
    assert rows[0]["time"] == round(NOON.astimezone(UTC).timestamp() * 1e6)
