"""SQL over the catalog: what administrators may ask, and what nobody may."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from storage.catalog.catalog import Catalog
from storage.catalog.settings import CatalogSettings
from storage.catalog.sql import SqlBusy, SqlLimits, SqlQuestions
from storage.catalog.sql_check import StatementRefused, check_statement
from storage.catalog.sql_views import VIEWS
from tests.storage.catalog.making import EPOCH, entry, key, label, remove, store, stored

ALLOWED = (
    "SELECT 1",
    "select modality, count(*) FILTER (WHERE instances > 1) AS n FROM series GROUP BY ALL ORDER BY n DESC LIMIT 5",
    "FROM studies",
    "SELECT * FROM Studies s JOIN series USING (study) LEFT JOIN instances i ON i.series = series.series;",
    "WITH big AS (SELECT study FROM studies WHERE bytes > 10) SELECT count(*) FROM big WHERE study IN (FROM big)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
    "SELECT kind, date_trunc('day', time) AS day, count(*) FROM events GROUP BY ALL HAVING count(*) > 0",
    "SELECT study, row_number() OVER (PARTITION BY patient_id ORDER BY study_date) FROM studies QUALIFY true",
    "SELECT unnest(string_split(modalities, ',')) FROM studies",
    "SELECT * FROM range(3) r(i), unnest([1, 2]) u(j)",
    "SELECT patient_id FROM studies UNION SELECT series FROM series EXCEPT SELECT 'x'",
    "SELECT CAST(bytes AS DECIMAL(18, 2)) / 1e9, bytes::VARCHAR, [1, 2][1], {'a': 1}.a, lower(study) FROM studies",
    "SELECT COLUMNS('.*date') FROM studies; -- the dates",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT list_transform([1, 2], lambda x: x + 1), regexp_matches('a', '.'), strftime(now(), '%Y')",
    "SELECT DISTINCT ON (study) study FROM instances WHERE EXISTS (SELECT 1 FROM events)",
    "SELECT * EXCLUDE (digest) FROM instances USING SAMPLE 10%",
)
HOSTILE = (
    # other statements
    "INSERT INTO studies VALUES (1)",
    "DELETE FROM catalog.main.studies",
    "UPDATE catalog.main.meta SET applied = 0",
    "DROP TABLE catalog.main.studies",
    "CREATE TABLE x AS SELECT 1",
    "CREATE TEMP TABLE x (i INTEGER)",
    "CREATE MACRO f(x) AS x",
    "ATTACH '/tmp/other.db' AS other",
    "DETACH catalog",
    "USE memory",
    "COPY studies TO '/tmp/studies.csv'",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET memory_limit = '100GB'",
    "RESET ALL",
    "SET GLOBAL enable_external_access = true",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "DESCRIBE catalog.main.meta",
    "SUMMARIZE studies",
    "SELECT * FROM (SHOW ALL TABLES)",
    "SELECT * FROM (DESCRIBE studies)",
    "",
    ";",
    "-- nothing",
    "nonsense",
    # more than one
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE catalog.main.studies",
    "SELECT 1 /* ; */ ; COMMIT; DELETE FROM catalog.main.instances",
    # writing from within
    "WITH x AS (INSERT INTO catalog.main.meta VALUES (1, '', 0, 0) RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM catalog.main.studies RETURNING *) FROM x",
    # files and addresses
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM 'https://example.org/x.parquet'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM READ_BLOB('/etc/passwd')",
    "SELECT * FROM \"read_csv\"('/etc/passwd')",
    "SELECT * FROM main.read_csv('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('s3://bucket/x')",
    "SELECT * FROM parquet_metadata('/tmp/x')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/**')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT 1 WHERE EXISTS (FROM glob('/*'))",
    "SELECT 1 ORDER BY (SELECT count(*) FROM glob('/*'))",
    "SELECT 1 LIMIT (SELECT count(*) FROM glob('/*'))",
    "WITH x AS (FROM read_text('/etc/passwd')) FROM x",
    "SELECT * FROM studies JOIN read_text('/etc/passwd') t ON true",
    "SELECT list_transform([1], lambda x: (SELECT count(*) FROM glob('/*')))",
    # statements in text
    "SELECT * FROM query('DROP TABLE x')",
    "SELECT * FROM query_table('meta')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    # memory of the process by its address
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM seq_scan('meta')",
    # what is not a view
    "SELECT * FROM meta",
    "SELECT * FROM extra",
    "SELECT * FROM removals",
    "SELECT * FROM catalog.main.studies",
    "SELECT * FROM main.studies",
    "SELECT * FROM temp.studies",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM (WITH meta AS (SELECT 1) FROM meta) x, meta",
    "WITH duckdb_tables AS (SELECT 1) FROM duckdb_tables",
    "SELECT * FROM studies AT (VERSION => 1)",
    # the server's own affairs, and its time
    "SELECT current_setting('temp_directory')",
    "SELECT \"CURRENT_SETTING\"('temp_directory')",
    "SELECT main.current_setting('temp_directory')",
    "SELECT getenv('HOME')",
    "SELECT getvariable('x')",
    "SELECT current_query()",
    "SELECT write_log('x')",
    "SELECT nextval('x')",
    "SELECT sleep_ms(100000)",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM force_checkpoint()",
    "SELECT * FROM enable_logging()",
    "SELECT 1 FROM studies WHERE sleep_ms(1000) IS NULL",
    # values as large as one likes
    "SELECT repeat('x', 1000000000)",
    "SELECT len(range(1000000000))",
    "SELECT printf('%1000000000d', 1)",
    "SELECT format('{:>1000000000}', 'x')",
    # too much of it
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT " + "+".join(["1"] * 5000),
    "SELECT 1 /*" + "x" * 30_000 + "*/",
    "SELECT '\0'",
)


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    """Two studies of one instance each, and a third that was removed."""

    async def no_origin(*_: object) -> bytes:
        raise AssertionError("no header is read")

    async with Catalog(tmp_path / "node", epoch=EPOCH, origin=no_origin, settings=CatalogSettings()) as catalog:  # type: ignore[arg-type]
        catalog.apply(entry(1, store(stored(key("1"), patient_name="Doe^Jane", modality="CT", rows=512))))
        catalog.apply(entry(2, store(stored(key("2"), patient_name="Roe^Richard", modality="MR"))))
        catalog.apply(entry(3, store(stored(key("3"), patient_name="Moe^Mary", modality="MR"))))
        catalog.apply(entry(4, remove(key("3").scope), label(key("1").scope, "urgent")))
        yield catalog


@pytest.mark.parametrize("sql", ALLOWED)
async def test_select_in_all_its_forms_is_answered(sql: str, catalog: Catalog) -> None:
    answer = await catalog.sql.ask(sql)

    assert answer.columns
    assert answer.revision == 4


@pytest.mark.parametrize("sql", HOSTILE)
def test_everything_else_is_refused_before_the_catalog_hears_of_it(sql: str) -> None:
    with pytest.raises(StatementRefused):
        check_statement(sql)


async def test_what_was_applied_a_moment_ago_is_there(catalog: Catalog) -> None:
    answer = await catalog.sql.ask("SELECT patient_name, instances FROM studies ORDER BY patient_name")

    assert answer.rows == [("Doe^Jane", 1), ("Roe^Richard", 1)]
    assert (answer.columns, answer.types) == (("patient_name", "instances"), ("VARCHAR", "BIGINT"))


async def test_events_tell_what_was_stored_and_removed(catalog: Catalog) -> None:
    answer = await catalog.sql.ask("SELECT revision, kind, study, state FROM events ORDER BY revision")

    assert answer.rows == [
        (1, "stored", "1.1", "current"),
        (2, "stored", "1.2", "current"),
        (3, "stored", "1.3", "hidden"),
        (4, "removed", "1.3", None),
    ]


@pytest.mark.parametrize("name", sorted(VIEWS))
async def test_a_view_has_the_columns_that_it_is_documented_with(name: str, catalog: Catalog) -> None:
    answer = await catalog.sql.ask(f"SELECT * FROM {name}")

    assert answer.columns == tuple(VIEWS[name].columns)
    assert answer.rows


async def test_even_unchecked_nothing_can_be_written_and_no_file_reached(catalog: Catalog, tmp_path: Path) -> None:
    """The connection itself refuses, should a statement ever pass the check that ought not to."""
    (tmp_path / "secret").write_text("secret")

    def tried(cursor: duckdb.DuckDBPyConnection) -> list[str]:
        failures = []
        for sql in (
            'INSERT INTO "catalog"."main".removals (revision) VALUES (9)',
            f"FROM read_text('{tmp_path}/secret')",
            f"COPY (SELECT 1) TO '{tmp_path}/written'",
            f"ATTACH '{tmp_path}/other.db'",
            "SET enable_external_access = true",
            "LOAD httpfs",
        ):
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            with pytest.raises(duckdb.Error) as found:
                cursor.execute(sql).fetchall()
            failures.append(type(found.value).__name__)
            cursor.execute("ROLLBACK")
        return failures

    assert len(await catalog._database.aside(tried)) == 6
    assert not (tmp_path / "written").exists()


async def test_rows_and_bytes_of_an_answer_are_bounded(catalog: Catalog) -> None:
    answer = await catalog.sql.ask("SELECT * FROM range(100)", rows=10)
    assert (len(answer.rows), answer.truncated) == (10, True)
    answer = await catalog.sql.ask("SELECT * FROM range(10)", rows=10)
    assert (len(answer.rows), answer.truncated) == (10, False)
    small = _limited(catalog, SqlLimits(value_bytes=1000))
    assert (await small.ask("SELECT * FROM range(100000)")).truncated


async def test_a_statement_that_takes_too_long_is_ended(catalog: Catalog) -> None:
    began = time.monotonic()
    with pytest.raises(StatementRefused, match="longer than"):
        await _limited(catalog, SqlLimits(seconds=0.2)).ask(
            "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
        )
    assert time.monotonic() - began < 5
    assert (await catalog.sql.ask("SELECT 1")).rows == [(1,)]


async def test_a_statement_that_takes_too_much_memory_is_ended(catalog: Catalog) -> None:
    sql = "SELECT range AS n, count(*) FROM range(20000000) GROUP BY n ORDER BY n"
    with pytest.raises(StatementRefused, match="memory"):
        await _limited(catalog, SqlLimits(memory_bytes=20 << 20)).ask(sql)
    assert (await catalog.sql.ask("SELECT 1")).rows == [(1,)]


async def test_one_statement_is_at_work_at_a_time_and_searches_go_on(catalog: Catalog) -> None:
    questions = _limited(catalog, SqlLimits(seconds=1.0))
    long = asyncio.create_task(
        questions.ask("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")
    )
    await asyncio.sleep(0.1)
    with pytest.raises(SqlBusy):
        await questions.ask("SELECT 1")
    assert (await catalog.statistics()).studies == 2
    assert not long.done()
    with pytest.raises(StatementRefused):
        await long
    assert (await questions.ask("SELECT 1")).rows == [(1,)]


async def test_a_node_that_ends_does_not_wait_for_a_statement(tmp_path: Path) -> None:
    async def no_origin(*_: object) -> bytes:
        raise AssertionError("no header is read")

    sql = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    async with Catalog(tmp_path / "node", epoch=EPOCH, origin=no_origin) as catalog:  # type: ignore[arg-type]
        long = asyncio.create_task(catalog.sql.ask(sql))
        await asyncio.sleep(0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    with pytest.raises(StatementRefused, match="ending"):
        await long


async def test_a_caller_who_leaves_leaves_nothing_locked(catalog: Catalog) -> None:
    questions = _limited(catalog, SqlLimits(seconds=1.5))
    sql = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    gone = asyncio.create_task(questions.ask(sql))
    await asyncio.sleep(0.4)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    with pytest.raises(SqlBusy):
        await questions.ask("SELECT 1")
    async with asyncio.timeout(20):
        while questions._busy.locked():  # noqa: ASYNC110 - a thread's lock tells of nothing
            await asyncio.sleep(0.05)
    assert (await questions.ask("SELECT 1")).rows == [(1,)]


async def test_an_error_of_the_statement_harms_nothing(catalog: Catalog) -> None:
    for sql in (
        "SELECT no_such_column FROM studies",
        "SELECT patient_name::INTEGER FROM studies",
        "SELECT error('x')",
    ):
        with pytest.raises(StatementRefused):
            await catalog.sql.ask(sql)
    assert (await catalog.statistics()).studies == 2


def _limited(catalog: Catalog, limits: SqlLimits) -> SqlQuestions:
    return SqlQuestions(catalog._database, catalog.flush, limits)


HUGE = {
    "a list": "SELECT list(range::VARCHAR || 'abcdefghijklmnop') FROM range(1000000)",
    "structures": "SELECT list({'a': range, 'b': [range]}) FROM range(1000000)",
    "text": "SELECT string_agg(range::VARCHAR, '') FROM range(1000000)",
    "text in many rows": "WITH a AS (SELECT string_agg(range::VARCHAR, '') x FROM range(100000)) "
    "SELECT x FROM a, range(20000)",
    "lists in many rows": "WITH a AS (SELECT list(range) x FROM range(100000)) SELECT x FROM a, range(20000)",
    "a map": "SELECT map(list(range), list(range)) FROM range(100000)",
}


@pytest.mark.parametrize("what", HUGE)
async def test_values_without_measure_are_refused(what: str, catalog: Catalog) -> None:
    with pytest.raises(StatementRefused, match=r"too large|memory"):
        await catalog.sql.ask(HUGE[what])
    assert (await catalog.sql.ask("SELECT 1")).rows == [(1,)]


MANY = {
    "text": "WITH a AS (SELECT string_agg(range::VARCHAR, '') x FROM range(12000)) SELECT x FROM a, range(20000)",
    "lists": "WITH a AS (SELECT list(range) x FROM range(4900)) SELECT x FROM a, range(20000)",
}
PEAK = """
import asyncio, resource, sys
from pathlib import Path
from storage.catalog.catalog import Catalog
from storage.catalog.settings import CatalogSettings
async def main():
    async with Catalog(Path(sys.argv[1]), epoch="e", origin=None, settings=CatalogSettings()) as catalog:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = await catalog.sql.ask(sys.argv[2])
        assert answer.truncated
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
asyncio.run(main())
"""


@pytest.mark.parametrize("what", MANY)
async def test_large_values_in_many_rows_take_bounded_memory(what: str, tmp_path: Path) -> None:
    """20 000 rows of such values would be more than a gigabyte."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PEAK, str(tmp_path / "node"), MANY[what]), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()

    assert process.returncode == 0
    assert int(told) < 500


async def test_nested_values_come_as_json_and_zoned_times_in_utc(catalog: Catalog) -> None:
    sql = "SELECT [1, NULL] AS l, {'a': 'x', 'b': [1.5]} AS s, MAP {'k': 2} AS m, now() AS t; -- the end;"
    answer = await catalog.sql.ask(sql)
    ((items, members, pairs, moment),) = answer.rows

    assert answer.columns == ("l", "s", "m", "t")
    assert answer.types[0].endswith("[]")
    assert [json.loads(one) for one in (items, members, pairs)] == [[1, None], {"a": "x", "b": [1.5]}, {"k": 2}]
    assert abs((moment.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()) < 60


async def test_columns_of_one_name_and_the_order_of_rows_stay(catalog: Catalog) -> None:
    answer = await catalog.sql.ask("SELECT range AS a, -range AS a FROM range(5000) ORDER BY 2")

    assert answer.columns == ("a", "a")
    assert [row[0] for row in answer.rows] == list(range(4999, -1, -1))
