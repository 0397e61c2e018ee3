"""What every request meets: ids, errors, limits, streams."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import ClientError, ClientPayloadError, web

from app.access import AccessLog
from dicomweb.model.pixel_errors import Undecodable
from dicomweb.ports import Damaged, Gone, NotStored, Unavailable
from dicomweb.wire.exchange import Answer, Request, WebError
from tests.app.serving import Served, serving
from tests.build.asking import whole_body

STUDIES = "/dicom-web/studies"
BIG = bytes(range(256)) * 4096


def raising(error: Exception):  # type: ignore[no-untyped-def]  # a handler of the shape the door wants
    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        raise error

    return handler


def answering(answer: Answer):  # type: ignore[no-untyped-def]  # as above
    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        return answer

    return handler


async def count_body(request: Request, variables: Mapping[str, str]) -> Answer:
    """Reads the body and tells its length."""
    length = 0
    async for chunk in request.body:
        length += len(chunk)
    return Answer(200, (), str(length).encode())


async def exchange(server: Served, request: bytes) -> bytes:
    """Everything the server sends on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.bound.port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_every_answer_carries_a_request_id() -> None:
    async with serving() as server:
        async with server.client.get(server.url + STUDIES, headers={"X-Request-Id": "abc-1.2"}) as answer:
            assert answer.headers["X-Request-Id"] == "abc-1.2"
        made = []
        for brought in ("", "a b", "x" * 65, 'a"b'):
            async with server.client.get(server.url + STUDIES, headers={"X-Request-Id": brought}) as answer:
                made.append(answer.headers["X-Request-Id"])
        assert len(set(made)) == 4
        assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", one) for one in made)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotStored("no such study"), 404),
        (Gone("deleted"), 410),
        (WebError(406, "offered: nothing"), 406),
        (Unavailable("the store is away", retry_after=7), 503),
        (Damaged("a frame is missing"), 500),
        (ValueError("a secret of ours"), 500),
    ],
)
async def test_errors_have_one_shape(error: Exception, status: int) -> None:
    async with (
        serving({"search_studies": raising(error)}) as server,
        server.client.get(server.url + STUDIES + "?PatientName=Doe") as answer,
    ):
        told = await answer.json()
        assert answer.status == told["HttpStatus"] == status
        assert set(told) >= {"HttpStatus", "HttpError", "Message", "Method", "Uri", "Details", "OrthancStatus"}
        assert told["Details"]["RequestId"] == answer.headers["X-Request-Id"]
        assert told["Uri"] == STUDIES
        assert "secret" not in json.dumps(told)
        assert "Doe" not in json.dumps(told)
        assert answer.headers.get("Retry-After") == ("7" if status == 503 else None)
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_wrong_path_is_404_and_a_wrong_method_405_naming_the_right_ones() -> None:
    async with serving() as server:
        async with server.client.get(server.dicomweb + "/patients") as answer:
            assert answer.status == 404
        async with server.client.get(server.url + "/elsewhere") as answer:
            assert answer.status == 404
        async with server.client.put(server.url + STUDIES, data=b"") as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
        async with server.client.options(server.url + STUDIES) as answer:
            assert answer.status == 204
            assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


async def test_a_trailing_slash_and_empty_parameters_are_let_pass() -> None:
    async with serving() as server:
        async with server.client.get(server.url + STUDIES + "/?&limit=1&&PatientName=a%20b+c&") as answer:
            assert answer.status == 200
        assert server.asked[0].query == [("limit", "1"), ("PatientName", "a b c")]


@pytest.mark.parametrize("target", ["/dicom-web/studies?PatientName=%ff", "/dicom-web/studies/%ff", "/%ff"])
async def test_what_is_not_utf8_is_an_error_of_the_client(target: str) -> None:
    async with serving() as server:
        raw = await exchange(
            server, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )

        assert raw.split()[1] in (b"400", b"404")


async def test_an_absolute_request_target_is_understood() -> None:
    async with serving() as server:
        raw = await exchange(
            server,
            b"GET http://localhost/dicom-web/studies?a=b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )

        assert raw.startswith(b"HTTP/1.1 200")
        assert server.asked[0].query == [("a", "b")]


async def test_bytes_that_are_no_http_are_400_and_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        raw = await exchange(server, b"\x16\x03\x01 not http\r\n\r\n")

        assert raw.startswith(b"HTTP/1.0 400")


BODIES = [
    ("whole", Answer(200, (("Content-Type", "text/plain"),), BIG)),
    ("small pieces", Answer(200, (), [b"a" * 100, b"", b"b" * 100])),
    ("large pieces", Answer(200, (), [b"head", BIG, b"tail"])),
    ("empty", Answer(200, (), b"")),
]


@pytest.mark.parametrize("answer_", [case[1] for case in BODIES], ids=[case[0] for case in BODIES])
async def test_a_body_arrives_as_it_was_given_with_its_length(answer_: Answer) -> None:
    expected = await whole_body(answer_)
    async with serving({"search_studies": answering(answer_)}) as server:
        async with server.client.get(server.url + STUDIES) as answer:
            assert await answer.read() == expected
            assert answer.headers["Content-Length"] == str(len(expected))
        async with server.client.head(server.url + STUDIES) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Length"] == str(len(expected))
            assert await answer.read() == b""


@pytest.mark.parametrize("length", [None, 3 * len(BIG)])
async def test_a_stream_arrives_whole(length: int | None) -> None:
    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield BIG
                yield b""

        return Answer(200, (("Content-Type", "text/plain"),), chunks(), length=length)

    async with serving({"search_studies": handler}) as server:
        async with server.client.get(server.url + STUDIES) as answer:
            assert await answer.read() == BIG * 3
            assert answer.headers.get("Content-Length") == (str(length) if length else None)
        async with server.client.head(server.url + STUDIES) as answer:
            assert answer.status == 200


async def test_204_and_304_have_no_body() -> None:
    async with serving(
        {"search_studies": answering(Answer(204)), "search_series": answering(Answer(304))}
    ) as server:
        for path, status in ((STUDIES, 204), ("/dicom-web/series", 304)):
            async with server.client.get(server.url + path) as answer:
                assert answer.status == status
                assert await answer.read() == b""


def failing_stream(after: int, length: int | None = None):  # type: ignore[no-untyped-def]  # a handler
    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(after):
                yield b"x" * 1000
            raise Damaged("the rest is missing")

        return Answer(200, (), chunks(), length=length)

    return handler


async def test_a_stream_that_fails_before_its_first_byte_is_an_error_like_any_other() -> None:
    async with (
        serving({"search_studies": failing_stream(0)}) as server,
        server.client.get(server.url + STUDIES) as answer,
    ):
        assert answer.status == 500
        assert (await answer.json())["HttpStatus"] == 500


@pytest.mark.parametrize("length", [None, 5000])
async def test_a_stream_that_fails_midway_never_ends_cleanly(length: int | None) -> None:
    async with serving({"search_studies": failing_stream(3, length)}) as server:
        with pytest.raises((ClientPayloadError, ClientError, ConnectionError)):
            async with server.client.get(server.url + STUDIES) as answer:
                await answer.read()
        raw = b""
        with pytest.raises(ConnectionResetError):
            raw = await exchange(server, b"GET /dicom-web/studies HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b"0\r\n\r\n" not in raw
        async with server.client.get(server.url + "/health/live") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(("error", "level"), [(Undecodable("frame 3"), "WARNING"), (RuntimeError(), "ERROR")])
async def test_only_faults_of_ours_are_told_as_errors_when_a_stream_fails_midway(
    error: Exception, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"first"
        raise error

    async def failing(request: Request, variables: Mapping[str, str]) -> Answer:
        return Answer(200, (), stream())

    async with serving({"search_studies": failing}) as server:
        with pytest.raises((ClientPayloadError, ClientError, ConnectionError)):
            async with server.client.get(server.url + STUDIES) as answer:
                await answer.read()
    broken = [record for record in caplog.records if "broke off" in record.getMessage()]
    assert [(record.levelname, bool(record.exc_info)) for record in broken] == [(level, level == "ERROR")]


async def test_a_stream_shorter_than_promised_never_ends_cleanly() -> None:
    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"x" * 10

        return Answer(200, (), chunks(), length=20)

    async with serving({"search_studies": handler}) as server:
        with pytest.raises((ClientPayloadError, ClientError, ConnectionError)):
            async with server.client.get(server.url + STUDIES) as answer:
                await answer.read()


async def test_a_stream_is_closed_when_its_client_leaves() -> None:
    closed = asyncio.Event()

    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 100_000
                    await asyncio.sleep(0.001)
            finally:
                closed.set()

        return Answer(200, (), chunks())

    async with serving({"search_studies": handler}) as server:
        answer = await server.client.get(server.url + STUDIES)
        await answer.content.readany()
        answer.close()

        await asyncio.wait_for(closed.wait(), 10)


async def test_a_body_is_read_as_it_comes_whether_its_length_is_told_or_not() -> None:
    async def chunked() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield BIG

    async with serving({"store": count_body}) as server:
        async with server.client.post(server.url + STUDIES, data=BIG) as answer:
            assert await answer.read() == str(len(BIG)).encode()
        async with server.client.post(server.url + STUDIES, data=chunked()) as answer:
            assert await answer.read() == str(20 * len(BIG)).encode()


async def test_a_body_over_the_limit_is_413_whether_its_length_is_told_or_not() -> None:
    async def chunked() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 600

    async with serving({"store": count_body}, {"limits.body_bytes": "1000"}) as server:
        for data in (b"x" * 1001, chunked()):
            async with server.client.post(server.url + STUDIES, data=data) as answer:
                assert answer.status == 413
                assert "limits.body_bytes" in (await answer.json())["Message"]
        async with server.client.post(server.url + STUDIES, data=b"x" * 1000) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Length: 1000\r\n\r\nonly this",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_a_body_that_breaks_off_is_never_taken_for_whole(sent: bytes) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        try:
            async for _ in request.body:
                pass
        except BaseException as error:
            ended.set_result(type(error).__name__)
            raise
        ended.set_result("whole")
        return Answer(200)

    async with serving({"store": handler}) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.bound.port)
        writer.write(b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\n" + sent)
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()

        assert await asyncio.wait_for(ended, 10) == "ClientGone"


async def test_a_chunked_body_that_is_wrongly_framed_is_400_or_dropped() -> None:
    async with serving({"store": count_body}) as server:
        raw = await exchange(
            server,
            b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        )

        assert raw == b"" or raw.split()[1] == b"400"


async def test_a_client_that_waits_is_told_to_go_on_only_if_its_body_is_wanted() -> None:
    head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with serving({"store": count_body}) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.bound.port)
        writer.write(head % b"localhost")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 200")
        writer.close()

        reader, writer = await asyncio.open_connection("127.0.0.1", server.bound.port)
        writer.write(head % b"evil.example")
        refused = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert refused.startswith(b"HTTP/1.1 421")
        assert b"Connection: close" in refused
        writer.close()


async def test_more_requests_than_allowed_are_told_to_come_back() -> None:
    release, both = asyncio.Event(), asyncio.Event()
    begun = []

    async def slow(request: Request, variables: Mapping[str, str]) -> Answer:
        begun.append(request)
        if len(begun) == 2:
            both.set()
        await release.wait()
        return Answer(200)

    async with serving({"search_studies": slow}, {"limits.parallel_requests": "2"}) as server:
        waiting = [asyncio.create_task(server.client.get(server.url + STUDIES)) for _ in range(2)]
        await asyncio.wait_for(both.wait(), 10)
        async with server.client.get(server.url + STUDIES) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
        async with server.client.get(server.url + "/health/live") as answer:
            assert answer.status == 200, "a busy server lives"
        release.set()
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [200, 200]


async def test_a_client_that_sends_nothing_is_dropped_and_so_is_one_that_stops_midway() -> None:
    values = {"limits.idle_seconds": "0.2", "limits.stall_seconds": "0.2"}
    async with serving({"store": count_body}, values) as server:
        for begun in (
            b"",
            b"GET /dicom-web/stu",
            b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.bound.port)
            writer.write(begun)
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()


async def test_a_client_that_takes_nothing_is_dropped() -> None:
    ended = asyncio.Event()

    async def endless(request: Request, variables: Mapping[str, str]) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield BIG
            finally:
                ended.set()

        return Answer(200, (), chunks())

    async with serving({"search_studies": endless}, {"limits.stall_seconds": "0.3"}) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.bound.port)
        writer.write(b"GET /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\n\r\n")

        await asyncio.wait_for(ended.wait(), 20)
        writer.close()


async def test_a_slow_service_is_our_time_and_no_stall() -> None:
    async def slow(request: Request, variables: Mapping[str, str]) -> Answer:
        await asyncio.sleep(2.5)
        return Answer(200)

    values = {"limits.idle_seconds": "0.2", "limits.stall_seconds": "0.2"}
    async with (
        serving({"search_studies": slow}, values) as server,
        server.client.get(server.url + STUDIES) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "operation", "given_up"), [("GET", "search_studies", True), ("POST", "store", False)]
)
async def test_what_nobody_waits_for_any_more_is_given_up_unless_it_changes_something(
    method: str, operation: str, given_up: bool
) -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def slow(request: Request, variables: Mapping[str, str]) -> Answer:
        begun.set()
        try:
            await release.wait()
        except asyncio.CancelledError:
            ended.set_result(True)
            raise
        ended.set_result(False)
        return Answer(200)

    async with serving({operation: slow}) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.bound.port)
        head = f"{method} {STUDIES} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode())
        await asyncio.wait_for(begun.wait(), 10)
        writer.close()
        if not given_up:
            await asyncio.sleep(2.2)  # twice as long as it takes to notice
            release.set()
        assert await asyncio.wait_for(ended, 10) == given_up


async def test_health_tells_of_the_archive() -> None:
    async with serving() as server:
        async with server.client.get(server.url + "/health/ready") as answer:
            assert (answer.status, await answer.json()) == (200, {"ready": True, "reason": "ok"})
        server.health.ready, server.health.reason = False, "log entry 7 is damaged"
        async with server.client.get(server.url + "/health/ready") as answer:
            assert (answer.status, await answer.json()) == (
                503,
                {"ready": False, "reason": "log entry 7 is damaged"},
            )
        async with server.client.get(server.url + "/health/live") as answer:
            assert answer.status == 200


async def test_metrics_count_by_operation_and_status_and_name_nobody() -> None:
    async with serving({"search_series": raising(NotStored("x"))}) as server:
        for path in (STUDIES + "?PatientName=Doe", "/dicom-web/series", "/nothing/1.2.3"):
            async with server.client.get(server.url + path):
                pass
        async with server.client.get(server.url + "/metrics") as answer:
            text = await answer.text()
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")

    assert 'dicomlake_requests_total{operation="search_studies",method="GET",status="200"} 1' in text
    assert 'dicomlake_requests_total{operation="search_series",method="GET",status="404"} 1' in text
    assert 'dicomlake_requests_total{operation="none",method="GET",status="404"} 1' in text
    assert 'dicomlake_request_duration_seconds_count{operation="search_studies"} 1' in text
    assert 'dicomlake_request_duration_seconds_bucket{operation="search_studies",le="+Inf"} 1' in text
    assert "dicomlake_requests_at_work 1" in text, "the one that asks"
    assert "dicomlake_process_cpu_seconds_total " in text
    assert "dicomlake_process_resident_memory_bytes " in text
    assert "Doe" not in text
    assert "1.2.3" not in text
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) dicomlake_\w+ .+|dicomlake_\w+(\{.*\})? [0-9.e+-]+", line), line


@pytest.mark.parametrize("as_json", [False, True])
async def test_the_access_line_has_no_patient_data(as_json: bool) -> None:
    out = io.StringIO()
    access = AccessLog(out, as_json=as_json)
    async with (
        serving(access=access) as server,
        server.client.get(server.dicomweb + "/studies/1.2.3/series?PatientName=Doe") as answer,
    ):
        made = answer.headers["X-Request-Id"]
    access.flush()

    line = out.getvalue()
    assert line.count("\n") == 1
    for part in (made, "GET", "search_study_series", "200", "127.0.0.1"):
        assert part in line
    assert "Doe" not in line
    assert "1.2.3" not in line


async def test_uids_stand_in_the_access_line_only_if_wanted_and_only_if_they_are_some() -> None:
    out = io.StringIO()
    access = AccessLog(out, as_json=False)
    async with serving(values={"log.uids": True}, access=access) as server:
        for study in ("1.2.3", "forged%0Aline"):
            async with server.client.get(f"{server.dicomweb}/studies/{study}/series"):
                pass
    access.flush()

    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert "1.2.3" in lines[0]
    assert "forged" not in lines[1]


async def test_a_handler_never_meets_web_exceptions_of_the_framework() -> None:
    async with (
        serving({"search_studies": raising(web.HTTPFound("/elsewhere"))}) as server,
        server.client.get(server.url + STUDIES, allow_redirects=False) as answer,
    ):
        assert answer.status == 500


async def test_parameters_that_only_get_past_caches_do_not_reach_the_services() -> None:
    async with serving() as server:
        async with server.client.get(server.dicomweb + "/studies?_=17&PatientID=a_b&_ts=5") as answer:
            assert answer.status == 200
        assert list(server.asked[0].query) == [("PatientID", "a_b")]


@pytest.mark.parametrize("path", ["/wado", "/wado/", "/dicom-web/wado", "/dicomweb/wado"])
async def test_wado_uri_is_at_the_root_of_the_server_and_at_that_of_dicomweb(path: str) -> None:
    async with serving() as server:
        async with server.client.get(f"{server.url}{path}?&requestType=WADO&objectUID=1.2") as answer:
            assert answer.status == 200
            assert (await answer.text()).endswith("/dicom-web" if "dicomweb" not in path else "/dicomweb")
        assert list(server.asked[0].query) == [("requestType", "WADO"), ("objectUID", "1.2")]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/wado/x", 404), ("POST", "/wado", 405)])
async def test_wado_uri_is_one_resource_that_is_got(method: str, path: str, status: int) -> None:
    async with serving() as server, server.client.request(method, server.url + path) as answer:
        assert answer.status == status
