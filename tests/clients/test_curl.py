"""`curl`, as in every how-to and every shell script of a hospital's integration engine."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from tests.build.dicom import ct_slice, multi_frame, pixels, uid
from tests.clients.servers import Server

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(CURL is None, reason="curl is not installed")


@dataclass(frozen=True, slots=True)
class Answer:
    """What curl was told."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    def json(self) -> list[dict[str, dict[str, list[object]]]]:
        """The body, as JSON."""
        found: list[dict[str, dict[str, list[object]]]] = json.loads(self.body)
        return found


@dataclass(frozen=True, slots=True)
class Curl:
    """Runs curl against a server, with a folder for the files that it sends."""

    root: str
    folder: Path

    def __call__(self, path: str, *arguments: str) -> Answer:
        """One request; the last of its answers where there are several (100 Continue)."""
        heads = self.folder / "heads"
        command = [CURL or "", "--silent", "--show-error", "--max-time", "60", "-D", str(heads), *arguments]
        done = subprocess.run([*command, self.root + path], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        head = heads.read_bytes().decode("latin-1").strip().split("\r\n\r\n")[-1].split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:])
        headers = {name.lower(): value for name, value in fields.items()}
        return Answer(int(head[0].split()[1]), headers, done.stdout)

    def file(self, name: str, data: bytes) -> str:
        """A file to send, as curl wants it named."""
        path = self.folder / name
        path.write_bytes(data)
        return f"@{path}"


@pytest.fixture
def curl(archive: Server, tmp_path: Path) -> Curl:
    return Curl(archive.dicomweb, tmp_path)


def path_of(name: str) -> str:
    """The instance whose three UIDs are made from one name."""
    return f"/studies/{uid(name)}/series/{uid(name)}/instances/{uid(name)}"


def make(name: str, *, study: str = "") -> bytes:
    """A slice of some kilobytes, its UIDs made from one name."""
    return ct_slice(rows=60, columns=60, study=study or name, series=name, instance=name)


def related(*files: bytes, boundary: str = "curl-boundary") -> bytes:
    """A multipart body as scripts write it."""
    mark = boundary.encode()
    parts = [b"--" + mark + b"\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n" for data in files]
    return b"".join(parts) + b"--" + mark + b"--\r\n"


QUOTED = 'multipart/related; type="application/dicom"; boundary="curl-boundary"'
UNQUOTED = "multipart/related; type=application/dicom; boundary=curl-boundary"
STORED = "Accept: application/dicom; transfer-syntax=*"


def stored(curl: Curl, name: str) -> bytes:
    """The instance as it comes back."""
    answer = curl(path_of(name), "-H", STORED)
    assert answer.status == 200
    return answer.body


@pytest.mark.parametrize("content_type", [QUOTED, UNQUOTED], ids=["quoted", "unquoted"])
def test_a_multipart_file_is_stored(curl: Curl, content_type: str) -> None:
    first, second = make(f"multipart 1 {content_type}"), make(f"multipart 2 {content_type}")
    body = curl.file("body", related(first, second))

    answer = curl("/studies", "-H", f"Content-Type: {content_type}", "--data-binary", body)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert len(json.loads(answer.body)["00081199"]["Value"]) == 2
    assert stored(curl, f"multipart 1 {content_type}") == first
    assert stored(curl, f"multipart 2 {content_type}") == second


def test_chunked_with_and_without_waiting_for_100_continue(curl: Curl) -> None:
    for expect in ("Expect:", "Expect: 100-continue"):
        data = make(f"chunked {expect}")
        answer = curl(
            "/studies",
            *("-H", f"Content-Type: {QUOTED}", "-H", "Transfer-Encoding: chunked", "-H", expect),
            *("--data-binary", curl.file("body", related(data))),
        )
        assert answer.status == 200
        assert stored(curl, f"chunked {expect}") == data


def test_chunked_from_standard_input_as_it_comes(curl: Curl) -> None:
    data = make("piped")
    (curl.folder / "body").write_bytes(related(data))
    pieces = "( head -c 5000 body; sleep 0.3; tail -c +5001 body )"
    script = f'{pieces} | {CURL} -s -X POST -T - -H "Content-Type: $TYPE" {curl.root}/studies'
    environment = {"TYPE": QUOTED, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script], cwd=curl.folder, env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout)["00081199"]["Value"][0]["00081155"]["Value"] == [uid("piped")]
    assert stored(curl, "piped") == data


def test_a_single_part_is_stored(curl: Curl) -> None:
    data = make("single")
    answer = curl("/studies", "-H", "Content-Type: application/dicom", "--data-binary", curl.file("one.dcm", data))
    assert answer.status == 200
    assert stored(curl, "single") == data


def test_a_zip_is_stored_and_fetched(curl: Curl) -> None:
    files = {name: make(name, study="zipped") for name in ("zip 1", "zip 2")}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"folder/{name}.dcm", data)
        archive.writestr("readme.txt", "no DICOM file")

    sent = curl(
        "/studies",
        *("-H", "Content-Type: application/zip", "--data-binary", curl.file("some.zip", buffer.getvalue())),
    )
    fetched = curl(f"/studies/{uid('zipped')}", "-H", "Accept: application/zip; transfer-syntax=*")

    assert sent.status == 200
    assert fetched.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(fetched.body)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.read(name) for name in archive.namelist()) == sorted(files.values())


@pytest.fixture
def known(curl: Curl) -> bytes:
    """An instance that is there."""
    data = make("known")
    answer = curl("/studies", "-H", "Content-Type: application/dicom", "--data-binary", curl.file("k", data))
    assert answer.status == 200
    return data


@pytest.mark.parametrize(
    ("asked", "span"), [("0-131", slice(0, 132)), ("1000-1999", slice(1000, 2000)), ("-100", slice(-100, None))]
)
def test_a_range_of_an_instance(curl: Curl, known: bytes, asked: str, span: slice) -> None:
    answer = curl(path_of("known"), "-H", STORED, "-r", asked)

    positions = range(len(known))[span]
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {positions[0]}-{positions[-1]}/{len(known)}"
    assert answer.body == known[span]


def test_a_broken_off_download_is_resumed(curl: Curl, known: bytes) -> None:
    (curl.folder / "out.dcm").write_bytes(known[:3000])
    answer = curl(path_of("known"), "-H", STORED, "-C", "-", "-o", str(curl.folder / "out.dcm"))
    assert answer.status == 206
    assert (curl.folder / "out.dcm").read_bytes() == known


def test_a_range_of_multipart_is_ignored(curl: Curl, known: bytes) -> None:
    accept = 'Accept: multipart/related; type="application/dicom"; transfer-syntax=*'
    answer = curl(path_of("known"), "-H", accept, "-r", "0-99")
    assert answer.status == 200
    assert known in answer.body


def test_a_range_beyond_the_end_is_416_with_the_length(curl: Curl, known: bytes) -> None:
    answer = curl(path_of("known"), "-H", STORED, "-r", f"{len(known)}-")
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(known)}"


def test_head_tells_what_get_would(curl: Curl, known: bytes) -> None:
    head = curl(path_of("known"), "-H", STORED, "--head")
    get = curl(path_of("known"), "-H", STORED)
    assert head.status == 200
    assert head.body.strip().startswith(b"HTTP/1.1 200")  # curl prints the head in place of a body
    assert head.headers["content-length"] == str(len(known))
    for name in ("content-type", "etag", "accept-ranges", "content-length"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_metadata_are_compressed_for_those_who_ask(curl: Curl, known: bytes, encoding: str) -> None:
    path = path_of("known") + "/metadata"
    plain = curl(path)
    packed = curl(path, "-H", f"Accept-Encoding: {encoding}")

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == encoding
    assert "Accept-Encoding" in packed.headers["vary"]
    assert len(packed.body) < len(plain.body) / 2
    if encoding == "gzip":
        assert gzip.decompress(packed.body) == plain.body
    assert known


def test_curl_itself_unpacks_what_it_asked_for(curl: Curl, known: bytes) -> None:
    path = path_of("known") + "/metadata"
    assert curl(path, "--compressed").body == curl(path).body
    assert known


def test_pixels_are_never_compressed(curl: Curl, known: bytes) -> None:
    for path in (path_of("known"), path_of("known") + "/frames/1"):
        answer = curl(path, "-H", "Accept-Encoding: gzip, zstd, br")
        assert answer.status == 200
        assert "content-encoding" not in answer.headers
    assert known


@pytest.mark.parametrize("below", ["", "/metadata", "/frames/1", "/bulkdata/7FE00010"])
def test_who_has_it_is_told_304(curl: Curl, known: bytes, below: str) -> None:
    path = path_of("known") + below
    first = curl(path)
    tag = first.headers["etag"]

    again = curl(path, "-H", f"If-None-Match: {tag}")
    other = curl(path, "-H", 'If-None-Match: "something else"')

    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == tag
    assert other.status == 200
    assert known


def test_a_study_that_changed_has_another_etag(curl: Curl) -> None:
    def send(name: str) -> None:
        data = ct_slice(study="changing", series="changing", instance=name)
        curl("/studies", "-H", "Content-Type: application/dicom", "--data-binary", curl.file("f", data))

    path = f"/studies/{uid('changing')}/metadata"
    send("one")
    tag = curl(path).headers["etag"]
    send("two")
    changed = curl(path, "-H", f"If-None-Match: {tag}")
    assert changed.status == 200
    assert len(changed.json()) == 2


def test_searches_as_xml_csv_and_json(curl: Curl, known: bytes) -> None:
    path = f"/studies?StudyInstanceUID={uid('known')}"
    found = curl(path, "-H", "Accept: application/dicom+json")
    assert found.json()[0]["0020000D"]["Value"] == [uid("known")]
    assert curl(path, "-H", "Accept: text/csv").body.count(uid("known").encode()) >= 1
    assert b"<NativeDicomModel" in curl(path, "-H", 'Accept: multipart/related; type="application/dicom+xml"').body
    assert known


def test_a_frame_as_a_file(curl: Curl) -> None:
    tiles = [[pixels(500, seed=number)] for number in range(3)]
    data = multi_frame(tiles, study="tile", series="tile", instance="tile")
    curl("/studies", "-H", "Content-Type: application/dicom", "--data-binary", curl.file("f", data))
    answer = curl(path_of("tile") + "/frames/2", "-H", "Accept: image/jpeg")
    assert answer.headers["content-type"].startswith("image/jpeg")
    assert answer.body == tiles[1][0]


def test_delete_and_ask_again(curl: Curl) -> None:
    data = make("curl deleted")
    curl("/studies", "-H", "Content-Type: application/dicom", "--data-binary", curl.file("f", data))
    assert curl(path_of("curl deleted"), "-X", "DELETE").status == 204
    gone = curl(path_of("curl deleted"))
    assert gone.status == 410
    assert json.loads(gone.body)["HttpStatus"] == 410
