"""A node on an empty disk reads the table, then the log behind it, and knows what the others know."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.ports import Gone
from storage.archive.archive import LakeArchive
from storage.archive.settings import ArchiveSettings
from storage.log.checkpoint import Checkpoint
from storage.objects.address import Folder
from storage.objects.counting import CountingStore
from storage.objects.local import LocalStore
from tests.build.dicom import ct_slice, uid
from tests.build.lake import store_files

SETTINGS = ArchiveSettings(poll_seconds=0, short_log=2)


def slice_of(number: int) -> bytes:
    return ct_slice(seed=number, instance=f"sop {number}", InstanceNumber=number)


async def test_the_table_comes_first_and_only_the_log_behind_it_is_read(tmp_path: Path) -> None:
    root = tmp_path / "store"
    async with CountingStore(LocalStore(root)) as store:
        checkpoint = Checkpoint(store, Folder(root))
        async with LakeArchive(
            store, node="a", node_dir=tmp_path / "a", settings=SETTINGS, checkpoint=checkpoint
        ) as first:
            for number in range(1, 7):
                await store_files(first, slice_of(number))
            await first.remove(Scope(uid("study"), uid("series"), uid("sop 6")), door="dicomweb", peer="")
            await checkpoint.fold()
            await store_files(first, slice_of(7))
            expected = await first.find_instances(Scope(uid("study")))
            store.counts.clear()
            async with LakeArchive(
                store,
                node="b",
                node_dir=tmp_path / "b",
                settings=SETTINGS,
                checkpoint=Checkpoint(store, Folder(root)),
            ) as second:
                # one to see whether the log is short, one whether it is there as far as the table, the last twice
                # (is it whole?), one that is not there yet
                assert store.counts.of("get", "stream", under="log") <= 5
                assert second.revision == first.revision
                assert await second.find_instances(Scope(uid("study"))) == expected
                with pytest.raises(Gone):
                    await second.find_instance(InstanceKey(uid("study"), uid("series"), uid("sop 6")))
                batches = [batch async for batch in second.headers(expected)]
                assert sum(map(len, batches)) == 6


async def test_a_start_on_an_empty_disk_says_how_far_it_is(tmp_path: Path) -> None:
    root, told = tmp_path / "store", list[str]()
    async with LocalStore(root) as store:
        checkpoint = Checkpoint(store, Folder(root))
        async with LakeArchive(
            store, node="a", node_dir=tmp_path / "a", settings=SETTINGS, checkpoint=checkpoint
        ) as first:
            for number in range(1, 7):
                await store_files(first, slice_of(number))
            await checkpoint.fold()

        async with LakeArchive(
            store, node="b", node_dir=tmp_path / "b", settings=SETTINGS, checkpoint=checkpoint, told=told.append
        ):
            pass

    assert told == ["catching up: 6 of 6 instances"]
