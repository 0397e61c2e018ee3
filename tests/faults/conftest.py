"""Fixtures of the tests of faults."""

from tests.clients.fixtures import archive

__all__ = ["archive"]
