"""Bad requests over HTTP: each told with a status and a reason, nothing half stored, the next request fine.

What cannot be read as a request at all is an error object; a store request whose instances are bad is a Store
Instances Response Module (PS3.18 Annex I), also where none is stored.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.build.samples import SAMPLES, sample_files
from tests.clients.raw import ask
from tests.clients.servers import Server, stored_keys
from tests.conformance.test_store_bad_input import BAD
from tests.faults.checks import (
    AS_STORED,
    DICOM,
    RELATED,
    assert_alive,
    failures,
    fresh,
    leaves_nothing,
    part,
    path_of,
    related,
)

GOOD = fresh()[1]
CANNOT_UNDERSTAND = 0xC000


def type_of(content_type: str) -> dict[str, str]:
    """The header field."""
    return {"Content-Type": content_type}


def zipped(*files: bytes) -> bytes:
    """A zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(files):
            archive.writestr(f"{number}.dcm", data)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Bad:
    """A store request that stores nothing."""

    name: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: DICOM)
    path: str = "/studies"
    status: int = 400
    says: str = ""
    """Something of the error's message; without it the answer is a response module with reason C000."""


_TYPES = "the body's Content-Type must be one of"
_NESTED_JSON = b"[" * 100_000
_XML_ENTITY = b'<!DOCTYPE a [<!ENTITY x "y">]><NativeDicomModel/>'
_ENDLESS = b"--b\r\nX: " + b"y" * 20_000 + b"\r\n\r\nz\r\n--b--\r\n"

BAD_STORES = (
    *(Bad(name, data) for name, data in BAD.items()),
    Bad("no Content-Type", GOOD, {}, status=415, says=_TYPES),
    Bad("text", GOOD, type_of("text/plain"), status=415, says=_TYPES),
    Bad("a form", related(GOOD), type_of("multipart/form-data; boundary=b"), status=415, says=_TYPES),
    Bad("parts of HTML", related(GOOD), type_of('multipart/related; type="text/html"; boundary=b'), status=415,
        says=_TYPES),
    Bad("a Content-Type of nonsense", GOOD, type_of("/;;="), status=415, says=_TYPES),
    Bad("no boundary", related(GOOD), type_of('multipart/related; type="application/dicom"'), says="a boundary"),
    Bad("no part", b"--b--\r\n", RELATED, says="no instance"),
    Bad("an empty multipart body", b"", RELATED),
    Bad("another boundary", related(GOOD), type_of("multipart/related; type=application/dicom; boundary=c")),
    Bad("no closing boundary", part(GOOD)[:-2], RELATED),
    Bad("cut within the boundary", part(GOOD) + b"--", RELATED),
    Bad("cut within the part", part(GOOD)[:-100], RELATED),
    Bad("cut within the part's header", b"--b\r\nContent-Ty", RELATED),
    Bad("a part of text", part(b"hello", "text/plain") + b"--b--\r\n", RELATED),
    Bad("a part's header without a colon", b"--b\r\nnothing\r\n\r\n" + GOOD + b"\r\n--b--\r\n", RELATED),
    Bad("a part's header without end", _ENDLESS, RELATED, status=413, says="the headers of part 1"),
    Bad("not a zip", b"PK nothing" * 10, type_of("application/zip")),
    Bad("an empty zip", zipped(), type_of("application/zip"), says="no instance"),
    Bad("zeros for a zip", bytes(22), type_of("application/zip")),
    Bad("a zip cut short", zipped(GOOD)[:500], type_of("application/zip")),
    Bad("a zip that unpacks to very much", zipped(bytes(30_000_000)), type_of("application/zip"), status=413,
        says="larger than the limit"),
    Bad("JSON cut short", b'[{"0020', type_of("application/dicom+json")),
    Bad("JSON of something else", b"[1, 2]", type_of("application/dicom+json")),
    Bad("JSON nested 100 000 deep", _NESTED_JSON, type_of("application/dicom+json")),
    Bad("XML cut short", b"<NativeDicomModel>", type_of("application/dicom+xml")),
    Bad("XML with entities", _XML_ENTITY, type_of("application/dicom+xml")),
    Bad("a study UID too long", GOOD, path="/studies/1." + "2" * 70, says="a UID has 1 to 64"),
    Bad("a study UID of path characters", GOOD, path="/studies/..%2F..%2Fetc", status=404, says="no such"),
    Bad("a path that climbs out", GOOD, path="/studies/../../etc/passwd", status=404, says="no such"),
    Bad("a study UID of dots", GOOD, path="/studies/..", says="a UID has 1 to 64"),
)  # fmt: skip


@pytest.mark.parametrize("bad", BAD_STORES, ids=[bad.name for bad in BAD_STORES])
def test_a_bad_store_request_leaves_nothing(archive: Server, bad: Bad) -> None:
    with leaves_nothing(archive):
        answer = ask(archive, bad.path, bad.headers, method="POST", body=bad.body)
        assert answer.status == bad.status
        if bad.says:
            assert bad.says in answer.error()["Message"]
        else:
            assert answer.header("content-type") == "application/dicom+json"
            assert failures(answer) == [CANNOT_UNDERSTAND]


def test_a_study_mismatch_is_told_with_its_reason(archive: Server) -> None:
    with leaves_nothing(archive):
        answer = ask(archive, "/studies/1.2.3", DICOM, method="POST", body=fresh()[1])
        assert answer.status == 409
        assert failures(answer) == [0xA900]


def test_whole_parts_before_a_cut_one_are_stored_and_the_cut_one_is_not(archive: Server) -> None:
    (whole, first), (cut, second) = fresh(), fresh()
    answer = ask(archive, "/studies", RELATED, method="POST", body=part(first) + part(second)[:-300])
    assert answer.status == 202
    assert failures(answer) == [CANNOT_UNDERSTAND]
    assert ask(archive, path_of(whole), AS_STORED).body == first
    assert ask(archive, path_of(cut), AS_STORED).status == 404


def test_instances_are_stored_though_the_answer_cannot_be_told_as_wanted(
    archive: Server,
) -> None:
    name, data = fresh()
    answer = ask(archive, "/studies", {**DICOM, "Accept": "image/png"}, method="POST", body=data)
    assert (answer.status, answer.header("content-type")) == (200, "application/dicom+json")
    assert ask(archive, path_of(name), AS_STORED).body == data


@pytest.mark.skipif(SAMPLES is None, reason="no sample data beside the checkout")
def test_malformed_samples_one_by_one_leave_nothing_or_a_whole_instance(archive: Server) -> None:
    for path in sample_files("malformed"):
        before = stored_keys(archive)
        answer = ask(archive, "/studies", DICOM, method="POST", body=path.read_bytes())
        if answer.status not in (200, 202):
            assert answer.status == 400, path.name
            assert failures(answer) == [CANNOT_UNDERSTAND]
            assert stored_keys(archive) == before
    assert_alive(archive)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/studies"), ("PATCH", "/studies"), ("DELETE", "/studies")])
def test_other_methods_are_405_naming_what_there_is(archive: Server, method: str, path: str) -> None:
    with leaves_nothing(archive):
        answer = ask(archive, path, DICOM, method=method, body=GOOD)
        assert answer.status == 405
        assert answer.header("allow") == "GET, HEAD, OPTIONS, POST"
        assert answer.error()["Method"] == method


@pytest.fixture(scope="module")
def known(archive: Server) -> str:
    """Path of a single-frame instance that is there."""
    name, data = fresh()
    assert ask(archive, "/studies", DICOM, method="POST", body=data).status == 200
    return path_of(name)


BAD_QUERIES = (
    "Foo=1", "0010001=1", "00gg0010=1", "limit=-1", "limit=x", "limit=1.5", "limit=99999999999999999999999",
    "offset=-1", "offset=x", "StudyDate=2024-13", "StudyDate=20249999", "StudyDate=a-b", "fuzzymatching=maybe",
    "emptyvaluematching=perhaps", "PatientName=%FF", "accept=%FF", "includefield=Foo", "includefield=00gg0010",
    "orderby=Foo", "StudyInstanceUID=abc/..", "=x", "NumberOfFrames=x", "SeriesNumber=1.5",
    "00100010.00100020=x", "PixelData=1", "charset=latin-1",
)  # fmt: skip


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_malformed_query_is_400_and_says_what_was_expected(archive: Server, query: str) -> None:
    message = ask(archive, f"/studies?{query}").error()["Message"]
    assert ask(archive, f"/studies?{query}").status == 400
    name = query.partition("=")[0]
    assert "%FF" in query or f"'{name}'" in message


def test_a_query_of_too_much_is_400(archive: Server) -> None:
    uids = ",".join(f"1.2.{number}" for number in range(6000))
    keys = "&".join(f"PatientID={number}" for number in range(2000))
    for query in (f"StudyInstanceUID={uids}", keys, "&".join(f"0010{n:04X}=x" for n in range(16, 160))):
        assert ask(archive, f"/studies?{query}").status == 400
    assert_alive(archive)


def test_a_request_line_without_end_is_refused(archive: Server) -> None:
    answer = ask(archive, "/studies?PatientName=" + "x" * 200_000)
    assert answer.status in (400, 414)
    assert_alive(archive)


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ("0", 404),
        ("2", 404),
        ("1,0", 404),
        ("1,1,2", 404),
        ("99999999999999999999", 404),
        ("abc", 400),
        ("1,,1", 400),
        ("1,", 400),
        ("-1", 400),
        ("1.5", 400),
        ("1%FF", 400),
        ("1" + ",1" * 10_000, 400),
    ],
)
def test_frames_that_are_not_there(archive: Server, known: str, numbers: str, status: int) -> None:
    answer = ask(archive, f"{known}/frames/{numbers}")
    assert answer.status == status
    assert "frame" in answer.error()["Message"] or "UTF-8" in answer.error()["Message"]


@pytest.mark.parametrize("asked", ["bytes=abc", "bytes=5-2", "lines=1-2", "bytes=", "bytes=0-1,5-6", "bytes"])
def test_a_range_that_is_none_is_ignored(archive: Server, known: str, asked: str) -> None:
    """RFC 9110 14.2: an invalid one, or of a unit unknown; several at a time are not served either."""
    answer = ask(archive, known, {**AS_STORED, "Range": asked})
    assert answer.status == 200
    assert answer.body == ask(archive, known, AS_STORED).body


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
@pytest.mark.parametrize("below", ["", "/frames/1", "/bulkdata/7FE00010"])
def test_a_range_outside_is_416(archive: Server, known: str, below: str, asked: str) -> None:
    accept = "application/octet-stream" if below else AS_STORED["Accept"]
    length = len(ask(archive, known + below, {"Accept": accept}).body)
    answer = ask(archive, known + below, {"Accept": accept, "Range": asked})
    assert answer.status == 416
    assert answer.header("content-range") == f"bytes */{length}"
    assert answer.error()


@pytest.mark.parametrize(
    ("below", "accept", "offered"),
    [
        ("", "image/webp", "application/dicom, application/zip with transfer-syntax "),
        ("", "application/dicom; transfer-syntax=1.2.3", "application/zip"),
        ("", "application/dicom+json", "Explicit VR Little Endian (1.2.840.10008.1.2.1)"),
        (
            "/frames/1",
            "image/webp",
            "application/octet-stream with transfer-syntax Explicit VR Little Endian (1.2.840.10008.1.2.1)",
        ),
        (
            "/frames/1",
            "multipart/related; type=video/mp4; transfer-syntax=1.2.840.10008.1.2.4.102",
            "application/octet-stream",
        ),
        ("/metadata", "text/html", "application/dicom+json"),
        ("/bulkdata/7FE00010", "image/png", "application/octet-stream"),
        ("/bulkdata", "text/html", "all in multipart/related"),
    ],
)
def test_an_accept_that_cannot_be_met_is_406_naming_what_is_offered(
    archive: Server, known: str, below: str, accept: str, offered: str
) -> None:
    answer = ask(archive, known + below, {"Accept": accept})
    assert answer.status == 406
    assert offered in answer.error()["Message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/bulkdata/xyz", 400),
        ("/bulkdata/00100010", 404),
        ("/bulkdata/..%2F..%2Fetc", 400),
        ("/bulkdata/7FE00010/0/00280010", 400),
        ("/frames/1/nothing", 404),
    ],
)
def test_resources_below_an_instance_that_are_not_there(
    archive: Server, known: str, path: str, status: int
) -> None:
    answer = ask(archive, known + path)
    assert (answer.status, answer.error()["HttpStatus"]) == (status, status)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/1.2.3", 404),
        ("/studies/1.2.3/metadata", 404),
        ("/studies/..%2f..%2fformat.json", 404),
        ("/studies/1.2.3%00", 404),
        ("/studies/1..2", 400),
        ("/studies/%2e%2e", 400),
        ("/studies/1.2%20.3/metadata", 400),
        ("/nowhere", 404),
        ("/studies/1.2.3/series/4/instances/5/frames", 404),
    ],
)
def test_what_was_never_stored_and_what_could_not_be(archive: Server, path: str, status: int) -> None:
    answer = ask(archive, path)
    assert answer.status == status
    assert answer.error()["Uri"].startswith("/dicom-web")


@pytest.mark.parametrize("path", ["/studies", "/health/live", "/"])
def test_a_foreign_host_name_is_refused(archive: Server, path: str) -> None:
    answer = ask(archive, path, {"Host": "evil.example"}, root="/dicom-web" if path == "/studies" else "")
    assert answer.status == (200 if path == "/health/live" else 421)
