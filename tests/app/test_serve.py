"""The server process: it starts, serves, follows orders to end, and never runs twice on one node folder."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import time
from pathlib import Path

import aiohttp
import pytest

from tests.app.archives import RELATED, related
from tests.app.processes import run, server
from tests.build.certificates import make_certificate
from tests.build.dicom import ct_slice, uid

END_SECONDS = 10


async def store(client: aiohttp.ClientSession, dicomweb: str, *instances: bytes) -> int:
    """Store instances; the status."""
    async with client.post(
        dicomweb + "/studies", data=related(instances), headers={"Content-Type": RELATED}
    ) as answer:
        return answer.status


async def get(
    client: aiohttp.ClientSession, url: str, accept: str = "application/dicom+json"
) -> tuple[int, bytes]:
    """Status and body."""
    async with client.get(url, headers={"Accept": accept}) as answer:
        return answer.status, await answer.read()


async def test_what_is_stored_survives_kill_9_and_comes_back_bit_for_bit(tmp_path: Path) -> None:
    data = ct_slice(SOPInstanceUID=uid("kept"))
    async with aiohttp.ClientSession() as client:
        async with server(tmp_path / "store") as first:
            assert await store(client, first.dicomweb, data) == 200
            await first.end(signal.SIGKILL)
        async with server(tmp_path / "store") as second:
            _, found = await get(client, f"{second.dicomweb}/instances?SOPInstanceUID={uid('kept')}")
            (match,) = json.loads(found)
            status, body = await get(client, match["00081190"]["Value"][0], "application/dicom; transfer-syntax=*")
            assert (status, body) == (200, data)


async def test_told_to_end_it_finishes_what_is_at_work_and_ends_in_time(tmp_path: Path) -> None:
    data = ct_slice(SOPInstanceUID=uid("in flight"))
    body = related([data])
    sent = asyncio.Event()

    async def slowly():  # type: ignore[no-untyped-def]  # an async generator of bytes
        yield body[:300]
        sent.set()
        await asyncio.sleep(1.5)
        yield body[300:]

    async with server(tmp_path / "store") as running, aiohttp.ClientSession() as client:
        storing = asyncio.create_task(
            client.post(running.dicomweb + "/studies", data=slowly(), headers={"Content-Type": RELATED})
        )
        await sent.wait()
        await asyncio.sleep(0.3)
        began = time.monotonic()
        ending = asyncio.create_task(running.end())
        async with await storing as answer:
            assert answer.status == 200
        assert await ending == 0
        assert time.monotonic() - began < END_SECONDS


async def test_a_request_that_never_ends_does_not_keep_it(tmp_path: Path) -> None:
    async def endless():  # type: ignore[no-untyped-def]  # an async generator of bytes
        yield related([ct_slice()])[:300]
        await asyncio.sleep(60)

    async with server(tmp_path / "store") as running, aiohttp.ClientSession() as client:
        storing = asyncio.create_task(
            client.post(running.dicomweb + "/studies", data=endless(), headers={"Content-Type": RELATED})
        )
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await running.end()
        assert time.monotonic() - began < END_SECONDS + 1
        storing.cancel()
        await asyncio.gather(storing, return_exceptions=True)


async def test_ctrl_c_ends_it_too(tmp_path: Path) -> None:
    async with server(tmp_path / "store") as running:
        assert await running.end(signal.SIGINT) == 0


async def test_a_port_that_is_taken_and_a_node_folder_in_use_are_said_in_a_sentence(tmp_path: Path) -> None:
    async with server(tmp_path / "store") as running:
        port = running.url.rpartition(":")[2]

        same_port = await run("serve", "--store", str(tmp_path / "other"), "--http-port", port)
        same_folder = await run("serve", "--store", str(tmp_path / "store"), "--http-port", "0")

    assert same_port.status == 2
    assert f"cannot listen on 127.0.0.1:{port}" in same_port.err
    assert same_folder.status == 2
    assert "another dicomlake process uses the node folder" in same_folder.err
    assert "Traceback" not in same_port.err + same_folder.err
    assert not (tmp_path / "other").exists()


async def test_a_start_that_begins_an_archive_says_so(tmp_path: Path) -> None:
    for new in (True, False):
        async with server(tmp_path / "store") as running:
            assert (f"new archive in {tmp_path / 'store'}\n" in running.told) is new


async def test_an_open_address_without_credentials_is_refused_at_the_start(tmp_path: Path) -> None:
    ended = await run("serve", "--store", str(tmp_path), "--host", "0.0.0.0", "--http-port", "0")

    assert ended.status == 2
    assert "--allow-anonymous" in ended.err


async def test_the_start_says_who_can_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with server(tmp_path / "store", log=log):
        pass
    async with server(tmp_path / "store", log=tmp_path / "log2", extra={"DICOMLAKE_AUTH_TOKENS": "robot:t0ken"}):
        pass

    assert "any web page opened on this machine can read the archive" in log.read_text(encoding="utf-8")
    assert "note:" not in (tmp_path / "log2").read_text(encoding="utf-8")


async def test_ingest_beside_a_running_server_is_seen_by_it(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(ct_slice(SOPInstanceUID=uid("beside")))
    async with server(tmp_path / "store") as running, aiohttp.ClientSession() as client:
        ended = await run("ingest", "--store", str(tmp_path / "store"), str(tmp_path / "one.dcm"))
        assert ended.status == 0, ended.err

        # a search for a UID reads the log to its tail before it says there is nothing
        status, _ = await get(client, f"{running.dicomweb}/instances?SOPInstanceUID={uid('beside')}")
        assert status == 200


async def test_what_was_deleted_comes_back_by_its_revision(tmp_path: Path) -> None:
    study = uid("deleted study")
    async with server(tmp_path / "store") as running, aiohttp.ClientSession() as client:
        assert await store(client, running.dicomweb, ct_slice(StudyInstanceUID=study)) == 200
        url = f"{running.dicomweb}/studies/{study}"
        async with client.delete(url) as answer:
            assert answer.status == 204
            revision = answer.headers["X-Dicomlake-Revision"]
        assert (await get(client, url, "*/*"))[0] == 410

        ended = await run("undelete", revision, "--store", str(tmp_path / "store"))

        assert ended.status == 0, ended.err
        assert "brought back 1 instances" in ended.out
        for _ in range(100):
            if (await get(client, url, "*/*"))[0] == 200:
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("the server does not show what was brought back")


async def test_samples_are_stored_once(tmp_path: Path) -> None:
    for _ in range(2):
        async with server(tmp_path / "store", "--samples") as running, aiohttp.ClientSession() as client:
            _, found = await get(client, running.dicomweb + "/studies")
            assert len(json.loads(found)) >= 6
            _, found = await get(client, running.dicomweb + "/studies?PatientID=SAMPLE")
            (study,) = json.loads(found)
            assert study["00201208"]["Value"] == [24]


async def test_samples_that_were_deleted_do_not_come_back(tmp_path: Path) -> None:
    async with server(tmp_path / "store", "--samples") as running, aiohttp.ClientSession() as client:
        _, found = await get(client, running.dicomweb + "/studies")
        assert len(json.loads(found)) == 7
        for study in json.loads(found):
            async with client.delete(f"{running.dicomweb}/studies/{study['0020000D']['Value'][0]}") as answer:
                assert answer.status == 204
    async with server(tmp_path / "store", "--samples") as running, aiohttp.ClientSession() as client:
        assert json.loads((await get(client, running.dicomweb + "/studies"))[1] or b"[]") == []


async def test_the_same_on_a_bucket(tmp_path: Path, s3_endpoint: str, bucket: str) -> None:
    data = ct_slice(SOPInstanceUID=uid("in a bucket"))
    (tmp_path / "one.dcm").write_bytes(data)
    extra = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "DICOMLAKE_S3_ENDPOINT": s3_endpoint,
        "DICOMLAKE_S3_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    store = f"s3://{bucket}/archive"

    checked = await run("doctor", "--store", store, "--http-port", "0", "--dicom-port", "0", extra=extra)
    assert checked.status == 0, checked.out + checked.err
    assert (await run("ingest", "--store", store, str(tmp_path / "one.dcm"), extra=extra)).status == 0
    async with server(store, extra=extra) as running, aiohttp.ClientSession() as client:
        _, found = await get(client, f"{running.dicomweb}/instances?SOPInstanceUID={uid('in a bucket')}")
        (match,) = json.loads(found)
        url = match["00081190"]["Value"][0]
        assert await get(client, url, "application/dicom; transfer-syntax=*") == (200, data)
        async with client.get(running.url + "/metrics") as answer:
            assert 'dicomlake_store_operations_total{kind="' in await answer.text()
        assert await running.end() == 0
    assert (await run("verify", "--store", store, extra=extra)).status == 0


async def test_a_store_that_cannot_be_reached_is_said_in_a_sentence(tmp_path: Path) -> None:
    extra = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "DICOMLAKE_S3_ENDPOINT": "http://127.0.0.1:9",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }

    ended = await run("verify", "--store", "s3://bucket/archive", extra=extra)

    assert ended.status == 2
    assert (
        ended.err == "dicomlake: the bucket bucket: no answer: cannot connect to 127.0.0.1:9: Connection refused\n"
    )


async def test_it_serves_https_with_a_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    arguments = ("--web-tls-certificate", str(certificate), "--web-tls-key", str(key))
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with server(tmp_path / "store", *arguments) as running, aiohttp.ClientSession() as client:
        assert running.url.startswith("https://127.0.0.1:")
        async with client.get(running.url, ssl=trusting) as answer:
            assert (await answer.json())["dicomweb"] == running.dicomweb


async def test_the_access_log_goes_to_stderr_and_names_no_patient(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with (
        server(tmp_path / "store", "--log-format", "json", log=log) as running,
        aiohttp.ClientSession() as client,
    ):
        await store(client, running.dicomweb, ct_slice(PatientName="Secret^Name", PatientID="4711X"))
        await get(client, running.dicomweb + "/studies?PatientName=Secret*&PatientID=4711X")
        await running.end()

    text = log.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line["operation"] for line in lines if "request_id" in line] == ["store", "search_studies"]
    assert "Secret" not in text
    assert "4711X" not in text


async def test_a_certificate_that_cannot_be_used_is_named_before_anything_is_begun(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path)
    arguments = ("--web-tls-certificate", str(certificate), "--web-tls-key", str(certificate))

    ended = await run("serve", "--store", str(tmp_path / "store"), "--http-port", "0", *arguments)

    assert ended.status == 2
    assert f"web.tls_key: {certificate} has no private key" in ended.err
    assert not (tmp_path / "store").exists()
