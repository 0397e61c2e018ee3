"""The store in a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.objects.contract import ObjectStore
from storage.objects.local import LocalStore
from tests.contracts.object_store import ObjectStoreContract


class TestLocalStore(ObjectStoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        async with LocalStore(tmp_path / "store") as store:
            yield store
