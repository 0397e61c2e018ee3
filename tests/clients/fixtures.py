"""Servers shared by the tests of a folder, one a test run; its conftest imports what it needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.build.s3 import make_bucket
from tests.clients.servers import Server, serving_bucket, serving_folder


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a folder; tests that share it use studies of their own."""
    with serving_folder(tmp_path_factory.mktemp("archive")) as server:
        yield server
        assert server.complaints() == []


@pytest.fixture(scope="session")
def bucket_archive(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a bucket; tests that share it use studies of their own."""
    with serving_bucket(s3_endpoint, make_bucket(s3_endpoint), tmp_path_factory.mktemp("bucket")) as server:
        yield server
        assert server.complaints() == []
