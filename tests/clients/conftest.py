"""Fixtures of the tests with real clients."""

from tests.clients.fixtures import archive, bucket_archive

__all__ = ["archive", "bucket_archive"]
