"""The store in a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.objects.contract import ObjectStore
from storage.objects.s3 import S3Store
from tests.build.s3 import s3_settings
from tests.contracts.object_store import ObjectStoreContract


class TestS3Store(ObjectStoreContract):
    @pytest.fixture
    async def store(self, s3_endpoint: str, bucket: str) -> AsyncIterator[ObjectStore]:
        async with S3Store(s3_settings(s3_endpoint, bucket)) as store:
            yield store
