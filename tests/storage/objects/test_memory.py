"""The store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.objects.contract import ObjectStore
from storage.objects.memory import MemoryStore
from tests.contracts.object_store import ObjectStoreContract


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        async with MemoryStore() as store:
            yield store
