"""Buckets for tests."""

from __future__ import annotations

import itertools
from urllib.request import Request, urlopen
from uuid import uuid4

from storage.objects.s3_settings import S3Settings

_numbers = itertools.count()


def make_bucket(endpoint: str) -> str:
    """A new, empty bucket; its name."""
    name = f"bucket-{uuid4().hex[:8]}-{next(_numbers)}"
    # the server asks for no signature, and a client of boto3 takes longer to make than the bucket
    with urlopen(Request(f"{endpoint}/{name}", method="PUT"), timeout=10):
        pass
    return name


def s3_settings(endpoint: str, bucket: str, *, prefix: str = "", attempts: int = 5) -> S3Settings:
    """The way to a bucket of the tests' server."""
    return S3Settings(
        bucket=bucket,
        prefix=prefix,
        endpoint_url=endpoint,
        region="us-east-1",
        access_key_id="testing",
        secret_access_key="testing",
        connect_timeout=2.0,
        read_timeout=10.0,
        attempts=attempts,
    )
