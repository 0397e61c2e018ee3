"""A store that has lost its log is not taken for an empty archive."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from storage.archive.archive import LakeArchive
from storage.archive.lost_log import DOUBT, check_log
from storage.layout import DICOM, LOG
from storage.log.checkpoint import Checkpoint
from storage.log.errors import LogLost
from storage.log.format import FORMAT_VERSION
from storage.log.reader import LogReader
from storage.objects.address import Folder, open_store
from storage.objects.contract import ObjectStore
from storage.objects.memory import MemoryStore
from tests.build.dicom import ct_slice
from tests.build.lake import open_lake, store_files


async def lose(store: MemoryStore, prefix: str) -> None:
    for key in [info.key async for info in store.list(prefix)]:
        await store.delete(key)


async def test_a_node_that_knows_entries_which_are_gone_does_not_start(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path) as archive:
        await store_files(archive, ct_slice())
    await lose(store, LOG)

    with pytest.raises(LogLost, match=r"entry 1 is missing.*dicomlake rebuild"):
        async with open_lake(store, tmp_path):
            pass


async def folded_and_lost(tmp_path: Path, store: ObjectStore, address: Folder) -> None:
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, ct_slice())
    await Checkpoint(store, address).fold()
    shutil.rmtree(address.path / "log")


async def test_a_new_node_sees_by_the_table_that_entries_are_gone(tmp_path: Path) -> None:
    address = Folder(tmp_path / "store")
    async with open_store(address) as store:
        await folded_and_lost(tmp_path, store, address)

        with pytest.raises(LogLost, match="the table has them up to 1"):
            async with LakeArchive(
                store, node="b", node_dir=tmp_path / "b", checkpoint=Checkpoint(store, address)
            ):
                pass


async def test_the_table_of_an_earlier_epoch_says_nothing_of_an_empty_log(tmp_path: Path) -> None:
    address = Folder(tmp_path / "store")
    async with open_store(address) as store:
        await folded_and_lost(tmp_path, store, address)
        log = LogReader(store, "another", format=FORMAT_VERSION, listing=False)

        assert await check_log(store, log, 0, Checkpoint(store, address)) == DOUBT


async def test_objects_beside_an_empty_log_are_told_of_and_what_comes_is_stored(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive:
        assert archive.health().reason == "ok"
        await store_files(archive, ct_slice())
    await lose(store, LOG)

    async with open_lake(store, tmp_path / "b") as archive:
        assert archive.health().reason == DOUBT
        assert archive.health().ready
        await store_files(archive, ct_slice(seed=2, instance="another"))
        assert len([info.key async for info in store.list(DICOM)]) == 2
