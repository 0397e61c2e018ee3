"""Stores that cannot be used, as somebody meets them who starts an archive: told in one line what is wrong and
what to do, with exit status 2, and nothing is made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.cli import main
from storage.log.delta import place_of
from storage.objects.address import located
from storage.objects.s3 import S3Store
from storage.objects.s3_settings import S3Settings
from storage.objects.s3_wire import Answer, Wire
from tests.build.certificates import make_certificate
from tests.build.odd_s3 import Said, answering, error, without_header
from tests.build.s3 import make_bucket
from tests.clients.servers import S3_CREDENTIALS

COMMANDS = ("serve", "ingest")


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Some, and no others of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "DICOMLAKE_"))]:
        monkeypatch.delenv(name)
    for name, value in S3_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def refused(
    capsys: pytest.CaptureFixture[str], folder: Path, store: str, *flags: str, command: str = "serve"
) -> str:
    """What a command says that is refused; that it makes nothing is seen to here."""
    node = folder / "node"
    words = [command, "--store", store, "--node-dir", str(node), *flags]
    if command == "serve":
        words += ["--http-port", "0", "--dicom-port", "0"]
    else:
        words.append(str(folder))
    status = main(words)
    told = capsys.readouterr().err
    assert status == 2, told
    assert not node.exists()
    lines = [line for line in told.splitlines() if not line.startswith("dicomlake: note: ")]
    assert len(lines) == 1, told
    return lines[0]


S3_ANSWERS = {
    "unknown access key": (
        error(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
        ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID", "s3.endpoint"),
    ),
    "wrong secret": (
        error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match."),
        ("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
    ),
    "no permission": (
        error(403, "AccessDenied", "Access Denied"),
        ("AccessDenied", "s3:ListBucket", "s3:PutObject"),
    ),
    "expired token": (
        error(400, "ExpiredToken", "The provided token has expired."),
        ("ExpiredToken", "AWS_SESSION_TOKEN"),
    ),
    "strange token": (
        error(400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
        ("InvalidToken", "AWS_SESSION_TOKEN"),
    ),
    "no such bucket": (
        error(404, "NoSuchBucket", "The specified bucket does not exist", BucketName="wanted"),
        ("NoSuchBucket", "make the bucket"),
    ),
    "another region, by its head": (
        error(301, "PermanentRedirect", "Use another endpoint.", {"x-amz-bucket-region": "eu-central-1"}),
        ("PermanentRedirect", "set s3.region to eu-central-1"),
    ),
    "another region, by its body": (
        error(400, "AuthorizationHeaderMalformed", "the region is wrong", Region="eu-central-1"),
        ("AuthorizationHeaderMalformed", "set s3.region to eu-central-1"),
    ),
    "wrong clock": (
        error(403, "RequestTimeTooSkewed", "The difference is too large.", ServerTime="2031-02-03T04:05:06Z"),
        ("RequestTimeTooSkewed", "set the clock", "2031-02-03T04:05:06Z"),
    ),
    "a web page": (Said(200, b"<html>Welcome</html>"), ("answered 200, but not as S3 does", "s3.endpoint")),
    "no page": (Said(404, b"<html>Not here</html>"), ("answered 404, but not as S3 does", "s3.endpoint")),
    "a page for people": (Said(302, b"", {"Location": "/login"}), ("answered 302, but not as S3 does",)),
}


@pytest.mark.parametrize("name", sorted(S3_ANSWERS))
def test_what_s3_refuses_is_told_with_what_to_do(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, words = S3_ANSWERS[name]
    with answering(said) as odd:
        told = refused(capsys, tmp_path, "s3://wanted/archive", "--s3-endpoint", odd.url)
    assert "wanted" in told
    for word in words:
        assert word in told
    # nothing was written, and what no second attempt mends was not tried again
    assert odd.methods == ["GET"]


def test_without_credentials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    told = refused(capsys, tmp_path, "s3://wanted", "--s3-endpoint", "http://127.0.0.1:9")
    assert "no credentials" in told
    assert "AWS_ACCESS_KEY_ID" in told


def test_a_profile_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "archive")
    assert "(archive)" in refused(capsys, tmp_path, "s3://wanted", "--s3-endpoint", "http://127.0.0.1:9")


async def test_a_bucket_in_another_region_is_followed_by_objects_and_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Answers as AWS gives them, which has no stand-in here: its host names lie in the wide world."""
    moved = error(301, "PermanentRedirect", "Use another endpoint.", {"x-amz-bucket-region": "eu-central-1"})
    answers = [Answer(301, moved.headers, moved.body), Answer(200, {}, b"<ListBucketResult/>")]

    async def send(wire: Wire, method: str, key: str, *, query: object = None) -> Answer:
        return answers.pop(0)

    monkeypatch.setattr(Wire, "send", send)
    address = S3Settings(bucket="wanted")
    async with S3Store(address) as store:
        found = located(address, store)
    assert isinstance(found, S3Settings)
    assert found.region == "eu-central-1"
    assert place_of(found).options["AWS_REGION"] == "eu-central-1"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bucket_without_conditional_writes(
    command: str, s3_endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = make_bucket(s3_endpoint)
    with without_header(s3_endpoint, "If-None-Match") as odd:
        store = f"s3://{bucket}/archive"
        told = refused(capsys, tmp_path, store, "--s3-endpoint", odd.url, command=command)
        assert "conditional writes" in told
        assert "If-None-Match" in told
        assert main(["doctor", "--store", store, "--s3-endpoint", odd.url, "--http-port", "0"]) == 1
        assert "of several creators of one key more than one succeeds" in capsys.readouterr().out
    listing = _listing(s3_endpoint, bucket)
    assert "<Contents>" not in listing


def _listing(endpoint: str, bucket: str) -> str:
    from urllib.request import urlopen

    with urlopen(f"{endpoint}/{bucket}?list-type=2", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://127.0.0.1:9", ("cannot connect to 127.0.0.1:9", "Connection refused")),
        ("http://nowhere.invalid", ("cannot connect to nowhere.invalid", "known")),
        ("localhost:9000", ("s3.endpoint: localhost:9000 is no URL", "https://HOST")),
        ("https:/store.example", ("is no URL",)),
    ],
    ids=["nothing listens", "no such name", "no scheme", "one slash"],
)
def test_an_endpoint_that_leads_nowhere(
    endpoint: str, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, tmp_path, "s3://wanted", "--s3-endpoint", endpoint)
    for word in words:
        assert word in told


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(Said(200, b""), tls=make_certificate(tmp_path)) as odd:
        told = refused(capsys, tmp_path, "s3://wanted", "--s3-endpoint", odd.url)
    assert "certificate" in told
    assert "AWS_CA_BUNDLE" in told


def test_https_where_http_is_spoken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(Said(200, b"")) as odd:
        told = refused(capsys, tmp_path, "s3://wanted", "--s3-endpoint", odd.url.replace("http:", "https:"))
    assert "https" in told


# folders


def test_a_store_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "is a file; expected a folder" in refused(capsys, tmp_path, str(tmp_path / "file"))
    told = refused(capsys, tmp_path, str(tmp_path / "file" / "archive"))
    assert f"{tmp_path / 'file'} is a file" in told


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system that must not be written, with an empty folder `new` and an archive in `old`."""
    folder, mount = tmp_path / "disk", shutil.which("mount")
    folder.mkdir()
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a file system")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        (folder / "new").mkdir()
        (folder / "old" / "log").mkdir(parents=True)
        (folder / "old" / "format.json").write_text(
            json.dumps({"archive": str(uuid4()), "epoch": str(uuid4()), "reader": 1, "writer": 1})
        )
        subprocess.run([mount, "-o", "remount,ro", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["new", "old"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_read_only(
    name: str, command: str, read_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, tmp_path, str(read_only / name), command=command)
    assert f"the folder {read_only / name} cannot be written: it is read-only" in told
