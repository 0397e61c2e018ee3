"""Fixtures for the whole suite; what is particular to a part lies beside its tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.build.moto_server import moto_server
from tests.build.s3 import make_bucket


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """URL of an S3 server for this test run; any credentials do."""
    with moto_server() as url:
        yield url


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """Name of an empty bucket on that server."""
    return make_bucket(s3_endpoint)
