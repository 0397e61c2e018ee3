"""HTTP itself (RFC 9110, 9112): HEAD, Expect, connections that are used again, and answers that come early."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from requests import Session

from tests.build.dicom import ct_slice, uid
from tests.clients.raw import ask, connected, head_of, read_answer
from tests.clients.servers import Server

NAME = "messages"
STUDY = f"/studies/{uid(NAME)}"
SERIES = f"{STUDY}/series/{uid(NAME)}"
INSTANCE = f"{SERIES}/instances/{uid(NAME)}"
DATA = ct_slice(rows=64, columns=64, study=NAME, series=NAME, instance=NAME)
DICOM = {"Content-Type": "application/dicom"}
READABLE = (
    "/", "/studies", "/series", "/instances", STUDY, f"{STUDY}/series", f"{STUDY}/instances", f"{STUDY}/metadata",
    f"{STUDY}/bulkdata", f"{STUDY}/pixeldata", SERIES, f"{SERIES}/instances", f"{SERIES}/metadata",
    f"{SERIES}/bulkdata", INSTANCE, f"{INSTANCE}/metadata", f"{INSTANCE}/frames", f"{INSTANCE}/frames/1",
    f"{INSTANCE}/bulkdata", f"{INSTANCE}/bulkdata/7FE00010", f"{INSTANCE}/pixeldata",
)  # fmt: skip


@pytest.fixture(scope="module")
def filled(archive: Server) -> Server:
    """The archive with an instance in it."""
    assert ask(archive, "/studies", DICOM, method="POST", body=DATA).status == 200
    return archive


@pytest.mark.parametrize("path", READABLE)
def test_9110_9_3_2_head_tells_what_get_does(filled: Server, path: str) -> None:
    get, head = ask(filled, path), ask(filled, path, method="HEAD")
    assert (get.status, head.status) == (200, 200)
    for name in ("etag", "vary", "cache-control", "accept-ranges", "content-length", "x-total-count"):
        assert head.header(name) == get.header(name), name
    # a boundary is new each time
    assert (
        head.header("content-type").partition("boundary=")[0]
        == get.header("content-type").partition("boundary=")[0]
    )


@pytest.mark.parametrize("path", READABLE)
def test_9112_9_3_a_connection_is_used_again_after_head_and_after_an_error(filled: Server, path: str) -> None:
    with connected(filled) as connection:
        for method, target, status in (("HEAD", path, 200), ("GET", "/nowhere", 404), ("GET", path, 200)):
            connection.sendall(head_of(filled, method, target))
            assert read_answer(connection, bodyless=method == "HEAD").status == status


def test_9110_10_1_1_a_client_that_waits_is_told_to_go_on(filled: Server) -> None:
    headers = {**DICOM, "Content-Length": str(len(DATA)), "Expect": "100-continue"}
    with connected(filled) as connection:
        connection.sendall(head_of(filled, "POST", "/studies", headers))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(DATA)
        assert read_answer(connection).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Type": "text/plain"}, 415), ({**DICOM, "Host": "evil.example"}, 421)],
)
def test_9110_10_1_1_a_client_that_waits_is_refused_before_it_sends(
    filled: Server, headers: dict[str, str], status: int
) -> None:
    with connected(filled) as connection:
        expecting = {**headers, "Content-Length": "1000000", "Expect": "100-continue"}
        connection.sendall(head_of(filled, "POST", "/studies", expecting))
        answer = read_answer(connection)
        assert answer.status == status
        assert answer.header("connection") == "close"


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain", 415),
        ("application/dicom", 400),
        ('multipart/related; type="application/dicom"; boundary=b', 400),
        ("application/zip", 400),
    ],
)
def test_9112_9_6_an_early_answer_reaches_a_client_that_is_still_sending(
    filled: Server, content_type: str, status: int, *, chunked: bool
) -> None:
    body = bytes(20_000_000)
    with Session() as session:
        answer = session.post(
            filled.dicomweb + "/studies",
            data=_pieces(body) if chunked else body,
            headers={"Content-Type": content_type},
        )
        assert answer.status_code == status
        assert session.get(filled.dicomweb + "/studies").status_code == 200
