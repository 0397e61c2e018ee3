"""`/sql`: who may ask, how it is answered, and that nothing of it is written to a log."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from aiohttp import ClientSession

from app.assembly import FRONT, build_application
from app.values import ConfigError
from app.web.server import listening
from app.web.sql_formats import as_csv, as_json
from app.web.sql_page import EXAMPLES
from storage.catalog.sql import SqlAnswer
from tests.app.archives import related
from tests.app.serving import settings_of
from tests.build.asking import related as content_type
from tests.build.dicom import ct_slice

USERS = {"DICOMLAKE_AUTH_USERS": "root:secret,bob:secret", "DICOMLAKE_AUTH_TOKENS": "robot:token"}
ROOT = {"Authorization": "Basic " + b64encode(b"root:secret").decode()}
BOB = {"Authorization": "Basic " + b64encode(b"bob:secret").decode()}
NAME = "<script>alert(1)</script>"
PLAIN = {"Content-Type": "application/sql"}


@contextlib.asynccontextmanager
async def house(
    store: Path, values: dict[str, object], environment: dict[str, str] | None = None
) -> AsyncIterator[tuple[str, ClientSession]]:
    """The server's URL and a client."""
    settings = settings_of({"store": str(store), "log.access": True, **values}, environment)
    application = build_application(settings)
    async with listening(application, settings, lambda: application[FRONT]) as bound, ClientSession() as client:
        yield bound.url, client


async def store(url: str, client: ClientSession) -> None:
    """Store a slice whose patient has an unkind name."""
    headers = {"Content-Type": content_type("application/dicom"), "Accept": "application/dicom+json"}
    body = io.BytesIO(related([ct_slice(PatientName=NAME)]))
    async with client.post(url + "/dicom-web/studies", data=body, headers=headers) as answer:
        assert answer.status == 200


async def test_only_administrators_may_ask(tmp_path: Path) -> None:
    async with house(tmp_path, {"auth.admins": "root,robot", "sql": True}, USERS) as (url, client):
        for who, status in ((ROOT, 200), ({"Authorization": "Bearer token"}, 200), (BOB, 403), ({}, 401)):
            async with client.get(url + "/sql", headers=who) as answer:
                assert answer.status == status
            async with client.post(url + "/sql", data="SELECT 1", headers={**who, **PLAIN}) as answer:
                assert answer.status == status


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, 403),
        ({"sql": True}, 200),
        ({"sql": True, "host": "0.0.0.0", "allow_anonymous": True}, 403),
        ({"sql": True, "trusted_proxies": "127.0.0.1"}, 403),
        ({"sql": True, "public_url": "https://pacs.example.org"}, 403),
    ],
)
async def test_without_users_it_is_open_on_this_machine_alone_and_by_a_setting(
    values: dict[str, object], status: int, tmp_path: Path
) -> None:
    async with house(tmp_path, values) as (url, client):
        url = url.replace("0.0.0.0", "127.0.0.1")
        async with client.post(url + "/sql", data="SELECT 1", headers=PLAIN) as answer:
            assert answer.status == status


def test_administrators_are_users_or_tokens() -> None:
    with pytest.raises(ConfigError, match=r"auth\.admins"):
        settings_of({"auth.admins": "nobody"}, USERS)


async def test_pages_of_other_sites_may_not_ask(tmp_path: Path) -> None:
    values = {"sql": True, "web.cors_write_origins": "https://viewer.example.org"}
    async with house(tmp_path, values) as (url, client):
        for headers, status in (
            ({"Origin": url}, 200),
            ({"Origin": "https://viewer.example.org"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({"Host": "evil.example.org"}, 421),
        ):
            async with client.post(url + "/sql", data={"sql": "SELECT 1"}, headers=headers) as answer:
                assert answer.status == status, headers


async def test_json_csv_and_the_page(tmp_path: Path) -> None:
    async with house(tmp_path, {"sql": True}) as (url, client):
        await store(url, client)
        sql = "SELECT patient_name, instances, first_stored FROM studies"
        async with client.post(url + "/sql", data=sql, headers=PLAIN) as answer:
            found = orjson.loads(await answer.read())
            assert answer.headers["X-Dicomlake-Revision"] == "1"
            assert answer.headers["Cache-Control"] == "no-store"
        assert found["columns"] == ["patient_name", "instances", "first_stored"]
        assert found["types"] == ["VARCHAR", "BIGINT", "TIMESTAMP"]
        assert found["rows"][0][:2] == [NAME, 1]
        assert (found["truncated"], found["revision"]) == (False, 1)
        async with client.post(url + "/sql", json={"sql": sql}, headers={"Accept": "text/csv"}) as answer:
            rows = list(csv.reader(io.StringIO(await answer.text())))
        assert rows[0] == found["columns"]
        assert rows[1][:2] == [NAME, "1"]
        async with client.post(url + "/sql", data={"sql": sql, "format": "html"}) as answer:
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script" not in page
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_the_page_says_what_was_wrong(tmp_path: Path) -> None:
    async with house(tmp_path, {"sql": True}) as (url, client):
        data = {"sql": "DROP TABLE studies -- <b>", "format": "html"}
        async with client.post(url + "/sql", data=data) as answer:
            assert answer.status == 400
            page = await answer.text()
        assert "only SELECT" in page
        assert "&lt;b&gt;" in page
        assert not re.search(r"\son\w+=|javascript:", page)


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("POST", "/sql", b"", 400),
        ("POST", "/sql", b"\xff\xfe", 400),
        ("POST", "/sql", b"SELECT 1; SELECT 2", 400),
        ("POST", "/sql", b"x" * 300_000, 413),
        ("POST", "/sql/more", b"SELECT 1", 404),
        ("PUT", "/sql", b"SELECT 1", 405),
        ("GET", "/sql?sql=SELECT%201", b"", 200),
    ],
)
async def test_what_is_no_statement_is_told_so(
    method: str, path: str, data: bytes, status: int, tmp_path: Path
) -> None:
    async with (
        house(tmp_path, {"sql": True}) as (url, client),
        client.request(method, url + path, data=data, headers=PLAIN) as answer,
    ):
        assert answer.status == status


async def test_neither_statement_nor_values_nor_errors_reach_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with house(tmp_path, {"sql": True, "log.level": "debug", "log.uids": True}) as (url, client):
        await store(url, client)
        for sql, status in (
            ("SELECT patient_name FROM studies WHERE patient_name LIKE '%alert%'", 200),
            ("SELECT patient_name::INTEGER FROM studies", 400),
            ("SELECT alert FROM nowhere", 400),
        ):
            async with client.post(url + "/sql", data=sql, headers=PLAIN) as answer:
                assert answer.status == status
    written = caplog.text + "".join(capfd.readouterr())
    assert "sql" in written
    assert "alert" not in written


async def test_a_statement_is_counted_as_an_operation(tmp_path: Path) -> None:
    async with house(tmp_path, {"sql": True}) as (url, client):
        async with client.post(url + "/sql", data="SELECT 1", headers=PLAIN) as answer:
            assert answer.status == 200
        async with client.get(url + "/metrics") as answer:
            assert 'dicomlake_requests_total{operation="sql",method="POST",status="200"} 1' in await answer.text()


def test_values_of_every_kind_are_written() -> None:
    odd = (1 << 100, float("nan"), b"\x01\xff", {"a": [1, None]}, {(1, 2): "x"}, None, True, 'a "b",\nc')
    answer = SqlAnswer(tuple("abcdefgh"), ("X",) * 8, [odd, odd], False, 3)
    rows = orjson.loads(b"".join(as_json(answer)))["rows"]
    assert rows[0][0] == str(1 << 100)
    assert rows[1][2] == "01ff"
    assert rows[1][7] == odd[7]
    read = list(csv.reader(io.StringIO(b"".join(as_csv(answer)).decode(), newline="")))
    assert read[1][:1] + read[1][5:] == [str(1 << 100), "", "true", odd[7]]


def test_nested_values_are_members_of_the_json_answer() -> None:
    class JsonText(str):
        __slots__ = ()

    nested = JsonText('{"a":[1,NaN,-Infinity],"b":"NaN"}')
    answer = SqlAnswer(("n", "t"), ("STRUCT", "VARCHAR"), [(nested, "[1]"), (JsonText("[2]"), None)], False, 3)

    rows = orjson.loads(b"".join(as_json(answer)))["rows"]

    assert rows == [[{"a": [1, None, None], "b": "NaN"}, "[1]"], [[2], None]]


async def test_an_answer_is_to_be_had_as_a_parquet_file(tmp_path: Path) -> None:
    async with house(tmp_path, {"sql": True}) as (url, client):
        await store(url, client)
        sql = "SELECT patient_name, instances, instances, [1, 2] AS list, NULL AS nothing, now() AS t FROM studies"
        async with client.post(url + "/sql", data={"sql": sql, "format": "parquet"}) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Disposition"] == 'attachment; filename="answer.parquet"'
            table = pq.read_table(io.BytesIO(await answer.read()))
        assert table.column_names == ["patient_name", "instances", "instances_3", "list", "nothing", "t"]
        assert list(table.to_pylist()[0].values())[:5] == [NAME, 1, 1, "[1,2]", None]
        accepted = {"Accept": "application/vnd.apache.parquet", **PLAIN}
        async with client.post(url + "/sql", data="SELECT 1 AS one WHERE false", headers=accepted) as answer:
            assert pq.read_table(io.BytesIO(await answer.read())).num_rows == 0


@pytest.mark.parametrize("told", [told for told, _ in EXAMPLES])
async def test_the_examples_of_the_page_are_answered(tmp_path: Path, told: str) -> None:
    async with house(tmp_path, {"sql": True}) as (url, client):
        await store(url, client)
        async with client.get(url + "/sql") as answer:
            assert told in await answer.text()
        async with client.post(url + "/sql", json={"sql": dict(EXAMPLES)[told]}) as answer:
            assert orjson.loads(await answer.read())["rows"]
