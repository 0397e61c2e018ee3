"""The checks a store must pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.objects.checks import check_conditional_writes, check_shared_folder, require_creates
from storage.objects.contract import StoreDenied, StoreUnavailable
from storage.objects.local import LocalStore
from storage.objects.memory import MemoryStore
from storage.objects.s3 import S3Store
from tests.build.s3 import s3_settings
from tests.contracts.object_store import listed
from tests.doubles import Around, DropsAnswers, Fails, creates_in


class Careless(MemoryStore):
    """Takes no notice of the condition, as some S3 look-alikes do."""

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        await super().put(key, data)


async def test_a_folder_passes(tmp_path: Path) -> None:
    async with LocalStore(tmp_path) as store:
        assert await check_conditional_writes(store)
        assert await listed(store) == []


async def test_a_bucket_passes(s3_endpoint: str, bucket: str) -> None:
    async with S3Store(s3_settings(s3_endpoint, bucket)) as store:
        assert await check_conditional_writes(store)
        assert await listed(store) == []


async def test_a_store_that_ignores_the_condition_fails() -> None:
    store = Careless()

    assert not await check_conditional_writes(store)
    assert await listed(store) == []


@pytest.mark.parametrize("error", [StoreDenied, StoreUnavailable])
async def test_a_store_that_cannot_be_written_is_an_error(error: type[StoreDenied | StoreUnavailable]) -> None:
    with pytest.raises(error):
        await check_conditional_writes(Fails(MemoryStore(), error, when=creates_in("")))


@pytest.mark.parametrize("weather", [Fails, DropsAnswers])
async def test_creates_that_go_unanswered_are_no_reason_not_to_start(weather: type[Around]) -> None:
    truth = MemoryStore()
    store = weather(truth, when=creates_in(""), times=3)

    await require_creates(store, "the store")

    assert await listed(truth) == []


async def test_a_store_that_never_answers_or_ignores_the_condition_is_refused_at_the_start() -> None:
    with pytest.raises(StoreUnavailable):
        await require_creates(Fails(MemoryStore(), StoreUnavailable, when=creates_in("")), "the store")
    with pytest.raises(StoreDenied, match="conditional writes"):
        await require_creates(Careless(), "the store")


async def test_processes_racing_in_a_folder_get_each_key_once(tmp_path: Path) -> None:
    assert await check_shared_folder(tmp_path / "store")

    async with LocalStore(tmp_path / "store") as store:
        assert await listed(store) == []


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises((StoreDenied, StoreUnavailable)):
        await check_shared_folder(tmp_path / "file" / "store")
