"""A node that has not heard of an erasure by another, asked for what was erased."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey
from dicomweb.ports import Damaged, Gone, Unavailable
from storage import layout
from storage.archive.archive import LakeArchive
from storage.objects.memory import MemoryStore
from storage.upkeep.purge import purge
from tests.build.dicom import ct_slice, uid
from tests.build.lake import open_lake, read_frames, read_whole, store_files

KEY = InstanceKey(uid("study"), uid("series"), uid("sop"))


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[LakeArchive, LakeArchive]]:
    """Two on one store, the second of which knows the instance and follows nobody unless it has to."""
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as one, open_lake(store, tmp_path / "b", node="b") as behind:
        await store_files(one, a_file(1))
        await behind.catch_up()
        yield one, behind


def a_file(seed: int) -> bytes:
    return ct_slice(study="study", series="series", instance="sop", seed=seed)


async def known_at(node: LakeArchive) -> Instance:
    found = await node.catalog.find(KEY)
    assert found is not None
    return found


async def test_what_another_node_erased_is_gone_and_no_fault(nodes: tuple[LakeArchive, LakeArchive]) -> None:
    one, behind = nodes
    await purge(one, KEY.scope)
    instance = await known_at(behind)
    with pytest.raises(Gone):
        await read_whole(behind, instance)
    with pytest.raises(Gone):
        await read_frames(behind, instance, 1)


async def test_what_was_erased_and_stored_again_is_to_be_asked_for_again(
    nodes: tuple[LakeArchive, LakeArchive],
) -> None:
    one, behind = nodes
    await purge(one, KEY.scope)
    await store_files(one, a_file(2))
    with pytest.raises(Unavailable, match="ask again"):
        await read_whole(behind, await known_at(behind))
    assert await read_whole(behind, await known_at(behind)) == a_file(2)


async def test_an_object_that_is_missing_though_the_log_names_it_is_a_fault(
    nodes: tuple[LakeArchive, LakeArchive],
) -> None:
    _, behind = nodes
    instance = await known_at(behind)
    await behind.store.delete(layout.object_key(KEY, instance.version))
    with pytest.raises(Damaged):
        await read_whole(behind, instance)
