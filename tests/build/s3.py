"""Buckets for tests."""

from __future__ import annotations

import itertools
from uuid import uuid4

import boto3

from storage.objects.s3_settings import S3Settings

_numbers = itertools.count()


def make_bucket(endpoint: str) -> str:
    """A new, empty bucket; its name."""
    name = f"bucket-{uuid4().hex[:8]}-{next(_numbers)}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket=name)
    client.close()
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
