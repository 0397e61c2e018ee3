"""Stores around stores: each keeps the whole contract, and does what it is for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import ObjectMissing, ObjectStore, StoreFull, StoreUnavailable
from storage.objects.counting import CountingStore
from storage.objects.memory import MemoryStore
from tests.contracts.object_store import ObjectStoreContract, listed, streamed
from tests.doubles import Delays, DropsAnswers, Fails, Fills, creates_in, of_kind, writes_in


class TestCountingStore(ObjectStoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        async with CountingStore(MemoryStore()) as store:
            yield store


class TestDelays(ObjectStoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        async with Delays(MemoryStore(), when=of_kind("get", "create")) as store:
            yield store


class TestCounting:
    async def test_operations_are_told_apart_by_kind_and_first_name(self) -> None:
        store = CountingStore(MemoryStore())
        await store.put("dicom/a", [b"12", b"345"])
        await store.put("log/1", [b"1"], create=True)
        await store.get("dicom/a", ByteRange(1, 3))
        await streamed(store, "dicom/a")
        await store.settle(["dicom/a", "log/1"])
        await store.head("log/1")
        await listed(store, "log/")
        await store.delete("log/1")

        counts = store.counts

        assert counts.operations == {
            ("put", "dicom"): 1,
            ("create", "log"): 1,
            ("get", "dicom"): 1,
            ("stream", "dicom"): 1,
            ("settle", "dicom"): 1,
            ("head", "log"): 1,
            ("list", "log"): 1,
            ("delete", "log"): 1,
        }
        assert (counts.reads(), counts.reads("log"), counts.writes(), counts.of()) == (2, 0, 2, 8)
        assert (counts.bytes_written, counts.bytes_read) == (6, 7)

    async def test_an_upload_is_one_write(self) -> None:
        store = CountingStore(MemoryStore())

        async with store.upload("dicom/a") as upload:
            for _ in range(5):
                await upload.write(b"1234")
            await upload.complete()

        assert store.counts.writes("dicom") == store.counts.of() == 1
        assert store.counts.bytes_written == 20

    async def test_failures_are_counted_by_class(self) -> None:
        store = CountingStore(Fails(MemoryStore(), StoreUnavailable, when=writes_in("")))
        with pytest.raises(ObjectMissing):
            await store.get("a")
        with pytest.raises(StoreUnavailable):
            await store.put("a", [b""])

        assert store.counts.failures == {"ObjectMissing": 1, "StoreUnavailable": 1}

    async def test_counting_begins_again_when_cleared(self) -> None:
        store = CountingStore(MemoryStore())
        await store.put("a", [b"1"])

        store.counts.clear()

        assert store.counts.of() == store.counts.bytes_written == 0


class TestDoubles:
    async def test_a_dropped_answer_leaves_the_object(self) -> None:
        store = DropsAnswers(MemoryStore(), when=creates_in("log/"), times=1)
        await store.put("dicom/a", [b"x"], create=True)

        with pytest.raises(StoreUnavailable):
            await store.put("log/1", [b"mine"], create=True)

        assert await store.get("log/1") == b"mine"
        assert store.touched == [("create", "log/1")]
        await store.put("log/2", [b"x"], create=True)

    async def test_a_failed_write_leaves_nothing(self) -> None:
        store = Fails(MemoryStore(), times=2, when=writes_in(""))

        for create in (True, False):
            with pytest.raises(StoreUnavailable):
                await store.put("k", [b"x"], create=create)

        assert await listed(store) == []
        await store.put("k", [b"x"])

    async def test_a_full_store_takes_no_more_and_still_reads(self) -> None:
        store = Fills(MemoryStore(), 10)
        await store.put("a", [b"12345"])

        with pytest.raises(StoreFull):
            await store.put("b", [b"123456"])
        with pytest.raises(StoreFull):
            await self._upload(store)

        assert await listed(store) == ["a"]

    async def _upload(self, store: ObjectStore) -> None:
        async with store.upload("c") as upload:
            await upload.write(b"123")
            await upload.write(b"456")
            await upload.complete()

    async def test_an_upload_whose_answer_is_dropped_exists(self) -> None:
        store = DropsAnswers(MemoryStore(), when=of_kind("upload"))

        with pytest.raises(StoreUnavailable):
            await self._upload(store)

        assert await store.get("c") == b"123456"

    async def test_a_delayed_operation_waits_for_its_gate(self) -> None:
        gate = asyncio.Event()
        store = Delays(MemoryStore(), gate=gate, when=writes_in(""))
        writing = asyncio.create_task(store.put("k", [b"x"]))
        await asyncio.sleep(0.01)
        assert await listed(store) == []

        gate.set()
        await writing

        assert await listed(store) == ["k"]
