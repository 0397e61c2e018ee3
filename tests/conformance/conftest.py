"""Fixtures of the conformance tests that go over HTTP."""

from tests.clients.fixtures import archive, bucket_archive

__all__ = ["archive", "bucket_archive"]
