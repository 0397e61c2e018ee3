"""Purge, retention, sweep and verify: what goes, and that nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.outcome import Outcome
from dicomweb.ports import Gone, NotStored
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.identifiers import fresh_id
from storage.log.checkpoint import Checkpoint
from storage.objects.address import Folder
from storage.objects.contract import ObjectStore
from storage.objects.local import LocalStore
from storage.objects.memory import MemoryStore
from storage.upkeep.purge import purge
from storage.upkeep.retention import expire
from storage.upkeep.sweep import sweep
from storage.upkeep.verify import verify_instance
from tests.build.dicom import ct_slice, uid
from tests.build.lake import chunks, open_lake, read_whole, store_files

SECRET = "Geheim^Name"


def slice_of(number: int, **attributes: object) -> bytes:
    return ct_slice(seed=number, instance=f"sop {number}", InstanceNumber=number, **attributes)


def key_of(number: int) -> InstanceKey:
    return InstanceKey(uid("study"), uid("series"), uid(f"sop {number}"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def archive(store: MemoryStore, tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(store, tmp_path / "a") as opened:
        yield opened


async def keys(store: MemoryStore, prefix: str = layout.DICOM) -> list[str]:
    return [info.key async for info in store.list(prefix)]


async def test_a_purge_takes_bytes_and_names_from_the_store_and_leaves_the_rest(
    archive: LakeArchive, store: MemoryStore, tmp_path: Path
) -> None:
    await store_files(archive, slice_of(1, PatientName=SECRET), slice_of(2))
    await store_files(archive, slice_of(1, PatientName=SECRET + "^Second"))
    assert SECRET.encode() in await everything(store)
    purged = await purge(archive, key_of(1).scope)
    assert purged.versions == 2
    assert len(await keys(store)) == 1
    assert SECRET.encode() not in await everything(store)
    with pytest.raises(Gone):
        await archive.find_instance(key_of(1))
    assert await read_whole(archive, await archive.find_instance(key_of(2))) == slice_of(2)
    async with open_lake(store, tmp_path / "b", node="b") as fresh:
        with pytest.raises(Gone):
            await fresh.find_instance(key_of(1))
        assert len(await fresh.find_instances(Scope(uid("study")))) == 1


async def test_a_purge_leaves_nothing_in_the_table_either(tmp_path: Path) -> None:
    root = tmp_path / "store"
    async with LocalStore(root) as store:
        checkpoint = Checkpoint(store, Folder(root))
        async with LakeArchive(store, node="a", node_dir=tmp_path / "a", checkpoint=checkpoint) as archive:
            await store_files(archive, slice_of(1, PatientName=SECRET), slice_of(2))
            await checkpoint.fold()
            assert SECRET.encode() in await everything(store)
            await purge(archive, key_of(1).scope)
            assert SECRET.encode() not in await everything(store)
            assert (await checkpoint.last_folded()) == archive.revision


async def everything(store: ObjectStore) -> bytes:
    """All objects, tables with their columns unpacked."""
    found = []
    async for info in store.list():
        data = await store.get(info.key)
        found.append(data)
        if info.key.endswith(".parquet"):
            found.append(str(pq.read_table(pa.BufferReader(data)).to_pylist()).encode())
        elif info.key.endswith(".arrow"):
            found.append(zstandard.decompress(data))
    return b"".join(found)


async def test_a_purged_instance_can_be_stored_again(archive: LakeArchive) -> None:
    await store_files(archive, slice_of(1))
    await purge(archive, Scope(uid("study")))
    (receipt,) = await store_files(archive, slice_of(1))
    assert receipt.outcome is Outcome.STORED
    assert await read_whole(archive, await archive.find_instance(key_of(1))) == slice_of(1)


async def test_a_second_purge_finishes_what_the_first_left(archive: LakeArchive, store: MemoryStore) -> None:
    await store_files(archive, slice_of(1))
    instance = await archive.find_instance(key_of(1))
    await purge(archive, Scope(uid("study")))
    await store.put(layout.object_key(instance.key, instance.version), [b"as if the deletion had not come so far"])
    again = await purge(archive, Scope(uid("study")))
    assert again.revision == 0
    assert await keys(store) == []


async def test_purging_what_was_never_stored_says_so(archive: LakeArchive) -> None:
    with pytest.raises(NotStored):
        await purge(archive, Scope("1.2.3"))


async def test_retention_takes_what_was_replaced_or_removed_and_nothing_visible(
    archive: LakeArchive, store: MemoryStore
) -> None:
    await store_files(archive, slice_of(1), slice_of(2), slice_of(3))
    await store_files(archive, slice_of(1, PatientID="other"))
    removal = await archive.remove(key_of(2).scope, door="stow", peer="")
    assert await expire(archive, timedelta(days=30)) == 0
    assert len(await keys(store)) == 4
    assert await expire(archive, timedelta(0)) == 2
    assert len(await keys(store)) == 2
    assert await read_whole(archive, await archive.find_instance(key_of(3))) == slice_of(3)
    with pytest.raises(NotStored):
        await archive.restore(removal.revision, door="stow", peer="")


async def test_a_sweep_deletes_orphans_only_and_says_so_in_the_log_first(
    archive: LakeArchive, store: MemoryStore
) -> None:
    await store_files(archive, slice_of(1), slice_of(2))
    await archive.remove(key_of(2).scope, door="stow", peer="")
    orphan = layout.object_key(key_of(9), fresh_id())
    await store.put(orphan, [b"left behind"])
    before = archive.revision
    young = await sweep(archive, age_seconds=3600, grace_seconds=0)
    assert (young.seen, young.deleted, archive.revision) == (3, 0, before)
    swept = await sweep(archive, age_seconds=-60, grace_seconds=0)
    assert swept.deleted == 1
    assert archive.revision == before + 1
    assert orphan not in await keys(store)
    assert len(await keys(store)) == 2


async def test_an_entry_never_names_an_object_that_was_condemned(archive: LakeArchive, store: MemoryStore) -> None:
    """A writer that stood still between writing its object and committing it is stopped, not believed."""
    await store_files(archive, ct_slice(study="first", instance="first"))
    submission = archive.submit(door="stow", peer="", expect=None)
    held: list[str] = []
    settle = store.settle

    async def sweep_meanwhile(wanted: object) -> None:
        await settle(wanted)  # type: ignore[arg-type]  # handed through
        if not held:
            held.append("once")
            assert (await sweep(archive, age_seconds=-60, grace_seconds=0)).deleted == 1

    store.settle = sweep_meanwhile  # type: ignore[method-assign]  # the moment at which the writer stands still
    async with submission:
        await submission.add(chunks(slice_of(1)))
        (receipt,) = await submission.finish()
    assert receipt.outcome is Outcome.REFUSED
    with pytest.raises(NotStored):
        await archive.find_instance(key_of(1))
    (again,) = await store_files(archive, slice_of(1))
    assert again.outcome is Outcome.STORED
    assert await read_whole(archive, await archive.find_instance(key_of(1))) == slice_of(1)


async def test_verify_finds_damage_loss_and_truncation(archive: LakeArchive, store: MemoryStore) -> None:
    await store_files(archive, slice_of(1))
    instance = await archive.find_instance(key_of(1))
    key = layout.object_key(instance.key, instance.version)
    assert (await verify_instance(store, instance)).problem == ""
    data = slice_of(1)
    await store.put(key, [data[:-1] + bytes([data[-1] ^ 1])])
    assert "digest" in (await verify_instance(store, instance)).problem
    await store.put(key, [data[:-1]])
    assert "bytes" in (await verify_instance(store, instance)).problem
    await store.delete(key)
    assert "missing" in (await verify_instance(store, instance)).problem
