"""`format.json`: created once, by whoever comes first."""

from __future__ import annotations

import asyncio
import json

import pytest

from storage.layout import FORMAT
from storage.log.errors import DamagedFormat, TooNew
from storage.log.format import FORMAT_VERSION, open_format
from storage.objects.contract import ObjectStore, StoreUnavailable
from storage.objects.memory import MemoryStore
from tests.storage.log.stores import DropsAnswers, Watched


async def test_nodes_that_open_an_empty_store_at_once_agree(store: ObjectStore) -> None:
    found = await asyncio.gather(*(open_format(store) for _ in range(8)))

    assert len(set(found)) == 1
    assert await open_format(store) == found[0]


async def test_a_create_without_an_answer_is_read_back() -> None:
    inner = MemoryStore()
    answers = iter(["written"])

    found = await open_format(DropsAnswers(inner, lambda: next(answers)))

    assert await open_format(inner) == found


async def test_a_create_that_is_lost_is_tried_again() -> None:
    answers = iter(["lost", "told"])

    found = await open_format(DropsAnswers(inner := MemoryStore(), lambda: next(answers)))

    assert await open_format(inner) == found


async def test_a_store_that_takes_nothing_is_an_error() -> None:
    with pytest.raises(StoreUnavailable):
        await open_format(DropsAnswers(MemoryStore(), lambda: "lost"))


async def test_a_format_somebody_else_created_is_made_durable_before_it_is_used() -> None:
    store = Watched(MemoryStore())
    await open_format(store)
    store.done.clear()

    await open_format(store)

    assert store.done == [("get", FORMAT), ("settle", FORMAT)]


@pytest.mark.parametrize("member", ["reader", "writer"])
async def test_a_later_format_is_refused(member: str) -> None:
    store = MemoryStore()
    await open_format(store)
    content = json.loads(await store.get(FORMAT)) | {member: FORMAT_VERSION + 1, "unknown": "is skipped"}
    await store.put(FORMAT, [json.dumps(content).encode()])

    with pytest.raises(TooNew):
        await open_format(store)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"archive": "x"}', b"\xff\xfe"])
async def test_what_is_no_format_is_damaged(content: bytes) -> None:
    store = MemoryStore()
    await store.put(FORMAT, [content])

    with pytest.raises(DamagedFormat):
        await open_format(store)
