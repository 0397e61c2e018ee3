"""What was condemned is remembered for as long as somebody here might name it, and no longer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.model.keys import InstanceKey
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.committer import Committer
from storage.archive.condemned import Condemned
from storage.archive.identifiers import fresh_id
from storage.archive.works import StoreResult
from storage.log.events import Event
from storage.objects.memory import MemoryStore
from storage.upkeep.sweep import sweep
from tests.build.dicom import ct_slice, uid
from tests.build.lake import chunks, open_lake, store_files


class Somebody:
    """Who has instances on their way in."""


@given(st.lists(st.one_of(st.just("begin"), st.just("condemn"), st.integers(0, 5)), max_size=40))
def test_all_that_was_condemned_since_somebody_began_is_known_and_what_nobody_can_name_is_not(
    steps: list[str | int],
) -> None:
    condemned, there, keys = Condemned(), list[tuple[Somebody, int]](), list[str]()
    for step in steps:
        if step == "begin":
            there.append((Somebody(), len(keys)))
            condemned.begin(there[-1][0])
        elif step == "condemn":
            keys.append(f"k{len(keys)}")
            condemned.add([keys[-1]])
            first = min((begun for _, begun in there), default=len(keys))
            assert set(condemned) == set(keys[first:])
        elif isinstance(step, int) and step < len(there):
            del there[step]
        assert all(key in condemned for _, begun in there for key in keys[begun:])


async def test_a_node_that_serves_for_long_does_not_remember_every_sweep(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path) as archive:
        await store_files(archive, ct_slice())
        for number in range(5):
            key = InstanceKey(uid("study"), uid("series"), uid(f"orphan {number}"))
            await store.put(layout.object_key(key, fresh_id()), [b"left behind"])
            assert (await sweep(archive, age_seconds=-60, grace_seconds=0)).deleted == 1
            await store_files(archive, ct_slice(instance=f"{number}"))
        gc.collect()
        assert len(archive.follower.condemned) <= 1


async def test_what_waits_for_a_commit_of_which_nobody_wants_to_hear_any_more_names_nothing_condemned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, waiting, submit = MemoryStore(), asyncio.Event(), Committer.submit

    def submitted(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, StoreResult]:
        asyncio.get_running_loop().call_soon(waiting.set)
        return submit(*args, **kwargs)

    async def come_and_go(archive: LakeArchive) -> None:
        async with archive.submit(door="stow", peer="", expect=None) as submission:
            await submission.add(chunks(ct_slice()))
            await submission.finish()

    monkeypatch.setattr(Committer, "submit", submitted)
    async with open_lake(store, tmp_path) as archive:
        async with archive.follower.lock:
            coming = asyncio.create_task(come_and_go(archive))
            await waiting.wait()
            coming.cancel()
            await asyncio.wait([coming])
            del coming
            gc.collect()
            archive.follower.condemned.add([info.key async for info in store.list(layout.DICOM)])
        await archive.committer.change(_nothing)

        assert await archive.journal.read(1) is None


async def _nothing(number: int) -> Sequence[Event]:
    return []
