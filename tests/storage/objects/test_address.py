"""The address of a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.objects.address import BadAddress, Folder, Memory, open_store, parse_address
from storage.objects.local import LocalStore
from storage.objects.memory import MemoryStore
from storage.objects.s3 import S3Store
from storage.objects.s3_settings import S3Settings


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("dicomlake-data", "dicomlake-data"),
        ("/var/lib/archive", "/var/lib/archive"),
        ("./with blank", "with blank"),
        ("file:///var/lib/with%20blank", "/var/lib/with blank"),
        ("file://localhost/var", "/var"),
    ],
)
def test_a_path_is_a_folder(text: str, path: str) -> None:
    assert parse_address(text) == Folder(Path(path))


def test_a_tilde_is_the_home_folder() -> None:
    assert parse_address("~/archive") == Folder(Path.home() / "archive")


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://archive", "archive", ""),
        ("s3://archive/", "archive", ""),
        ("s3://my.bucket-1/a/b", "my.bucket-1", "a/b"),
        ("S3://archive/a/b/", "archive", "a/b"),
    ],
)
def test_a_bucket_may_have_a_prefix(text: str, bucket: str, prefix: str) -> None:
    assert parse_address(text) == S3Settings(bucket=bucket, prefix=prefix)


def test_the_way_to_the_bucket_is_kept() -> None:
    way = S3Settings(endpoint_url="http://localhost:9000", region="eu-central-1")

    assert parse_address("s3://b-1/p", s3=way) == S3Settings(
        bucket="b-1", prefix="p", endpoint_url="http://localhost:9000", region="eu-central-1"
    )


NO_ADDRESSES = [
    "",
    " ",
    "s3://",
    "s3:///prefix",
    "s3://b/x",
    "s3://bucket/../x",
    "s3://bucket/a b",
    "s3://user@host/x",
    "gs://bucket",
    "http://host/",
    "file://host/path",
    "file://",
    "file:///a?b",
]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_address(text)


def test_each_address_has_its_store(tmp_path: Path) -> None:
    assert isinstance(open_store(Folder(tmp_path)), LocalStore)
    assert isinstance(open_store(Memory()), MemoryStore)
    assert isinstance(open_store(S3Settings(bucket="bucket")), S3Store)
    assert parse_address("memory://") == Memory()


def test_secrets_are_not_shown() -> None:
    settings = S3Settings(bucket="b", access_key_id="AKIA", secret_access_key="very secret", session_token="token")

    assert "secret" not in repr(settings)
    assert "AKIA" not in repr(settings)
    assert "token" not in repr(settings)
