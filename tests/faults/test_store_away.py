"""An S3 that is away for a while, or does what it is asked and loses the answer: told as 503 with Retry-After, and
nothing is lost or stored twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.build.dicom import uid
from tests.build.s3 import make_bucket
from tests.clients.raw import RawAnswer, ask
from tests.clients.servers import S3_CREDENTIALS, Server, serving_bucket
from tests.faults.checks import AS_STORED, DICOM, RELATED, fresh, path_of, related, until
from tests.faults.link import Link, link_to


@pytest.fixture(scope="module")
def bucket_name(s3_endpoint: str) -> str:
    return make_bucket(s3_endpoint)


@pytest.fixture(scope="module")
def link(s3_endpoint: str) -> Iterator[Link]:
    """The way of the server below to its bucket."""
    with link_to(s3_endpoint) as made:
        yield made


@pytest.fixture(scope="module")
def linked(link: Link, bucket_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose bucket lies behind the link."""
    with serving_bucket(link.url, bucket_name, tmp_path_factory.mktemp("linked")) as server:
        yield server


def keys(endpoint: str, bucket: str, under: str) -> list[str]:
    """Objects of the archive whose keys begin so."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=S3_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=S3_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"archive/{under}")
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def send(server: Server, *files: bytes) -> RawAnswer:
    """A store request."""
    return ask(server, "/studies", RELATED, method="POST", body=related(*files))


def found(server: Server, name: str) -> int:
    """How many instances a search for a name's SOP Instance UID finds."""
    answer = ask(server, f"/instances?SOPInstanceUID={uid(name)}")
    return int(answer.header("x-total-count"))


def test_a_store_that_is_away_is_503_and_comes_back(
    linked: Server, link: Link, s3_endpoint: str, bucket_name: str
) -> None:
    known, data = fresh()
    assert send(linked, data).status == 200
    name, new = fresh()

    link.cut()
    try:
        for answer in (
            send(linked, new),
            ask(linked, path_of(known), AS_STORED),
            ask(linked, path_of(known) + "/frames/1"),
            ask(linked, path_of(name)),
            ask(linked, "/studies", {"Cache-Control": "no-cache"}),
            ask(linked, path_of(known), method="DELETE"),
        ):
            assert answer.status == 503, answer
            assert int(answer.header("retry-after")) > 0
            assert answer.error()["OrthancStatus"] == 36
        # what needs no store is served
        assert ask(linked, path_of(known) + "/metadata").status == 200
        assert ask(linked, f"/studies?StudyInstanceUID={uid(known)}").status == 200
        assert ask(linked, "/health/live", root="").status == 200
        until(lambda: ask(linked, "/health/ready", root="").status == 503, 15)
        assert ask(linked, "/health/ready", root="").status == 503
    finally:
        link.mend()

    until(lambda: ask(linked, "/health/ready", root="").status == 200, 20)
    assert ask(linked, "/health/ready", root="").status == 200
    assert ask(linked, path_of(name)).status == 404
    assert send(linked, new).status == 200
    assert ask(linked, path_of(name), AS_STORED).body == new
    assert ask(linked, path_of(known), AS_STORED).body == data
    stored = [key for key in keys(s3_endpoint, bucket_name, "dicom/") if uid(name) in key]
    assert len(stored) == 1


@pytest.mark.parametrize("times", [1, 3])
def test_a_log_write_whose_answer_is_lost_is_neither_lost_nor_doubled(
    linked: Server, link: Link, s3_endpoint: str, bucket_name: str, times: int
) -> None:
    before = len(keys(s3_endpoint, bucket_name, "log/"))
    instances = [fresh() for _ in range(3)]
    link.lost.clear()
    link.lose += [("PUT", "/log/")] * times

    answer = send(linked, *(data for _, data in instances))

    assert link.lost
    link.lose.clear()
    assert answer.status == 200
    assert len(keys(s3_endpoint, bucket_name, "log/")) == before + 1
    for name, data in instances:
        assert found(linked, name) == 1
        assert ask(linked, path_of(name), AS_STORED).body == data
        assert len([key for key in keys(s3_endpoint, bucket_name, "dicom/") if uid(name) in key]) == 1


def test_an_object_write_whose_answer_is_lost_is_done_once(
    linked: Server, link: Link, s3_endpoint: str, bucket_name: str
) -> None:
    name, data = fresh()
    link.lost.clear()
    link.lose.append(("PUT", "/dicom/"))
    answer = ask(linked, "/studies", DICOM, method="POST", body=data)
    assert len(link.lost) == 1
    assert answer.status == 200
    assert ask(linked, path_of(name), AS_STORED).body == data
    assert len([key for key in keys(s3_endpoint, bucket_name, "dicom/") if uid(name) in key]) == 1


def test_another_server_sees_the_same_after_all_this(
    linked: Server, s3_endpoint: str, bucket_name: str, tmp_path: Path
) -> None:
    with serving_bucket(s3_endpoint, bucket_name, tmp_path) as second:
        first, other = (ask(one, "/instances?includefield=all&orderby=SOPInstanceUID") for one in (linked, second))
        assert first.status == other.status
        assert first.body.replace(linked.url.encode(), b"") == other.body.replace(second.url.encode(), b"")


def test_a_server_started_without_its_store_says_so(
    bucket_name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with link_to("http://127.0.0.1:9") as nowhere:
        nowhere.cut()
        with (
            pytest.raises(AssertionError, match="did not get ready") as caught,
            serving_bucket(nowhere.url, bucket_name, tmp_path_factory.mktemp("nowhere")),
        ):
            pass
    assert "Traceback" not in str(caught.value)
