"""The store in a folder: the contract, and what is particular to files."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dicomweb.model.ranges import ByteRange
from storage.objects import placing, syncing
from storage.objects.contract import (
    IllegalKey,
    ObjectMissing,
    ObjectStore,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from storage.objects.faults import read_fault, write_fault
from storage.objects.local import LocalStore
from tests.contracts.object_store import MIB, ObjectStoreContract, listed, streamed


class TestLocalStore(ObjectStoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        async with LocalStore(tmp_path / "store") as store:
            yield store


class TestLocalStoreWhereOnlyLinksNeverReplace(ObjectStoreContract):
    """File systems without RENAME_NOREPLACE, such as NFS."""

    @pytest.fixture
    async def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ObjectStore]:
        monkeypatch.setattr(placing, "_renameat2", lambda: lambda source, target: errno.EINVAL)
        async with LocalStore(tmp_path / "store") as store:
            yield store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    async with LocalStore(tmp_path / "store") as store:
        yield store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def passing(root: Path) -> list[Path]:
    """The files being written."""
    return list((root / ".tmp").iterdir())


class TestFolder:
    async def test_objects_are_files_of_their_keys(self, store: LocalStore, root: Path) -> None:
        await store.put("dicom/ab/1.2~v.dcm", [b"one ", b"two"])

        assert (root / "dicom/ab/1.2~v.dcm").read_bytes() == b"one two"
        assert passing(root) == []

    async def test_what_others_keep_in_the_folder_is_no_object(self, store: LocalStore, root: Path) -> None:
        (root / ".node").mkdir()
        (root / ".node/catalog.duckdb").write_bytes(b"x")
        (root / ".tmp/passing").write_bytes(b"x")
        (root / "empty/folder").mkdir(parents=True)
        await store.put("a/.tmp/k", [b"x"])

        assert await listed(store) == ["a/.tmp/k"]

    async def test_links_are_not_objects(self, store: LocalStore, root: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/secret").write_bytes(b"secret")
        (root / "link").symlink_to(tmp_path / "outside/secret")
        (root / "folder").symlink_to(tmp_path / "outside")

        span = ByteRange(0, 1)
        for read in (store.get("link"), store.get("link", span), store.head("link"), streamed(store, "link")):
            with pytest.raises(ObjectMissing):
                await read
        assert await listed(store) == []

    async def test_a_put_replaces_a_link_and_not_what_it_leads_to(
        self, store: LocalStore, root: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "outside").write_bytes(b"outside")
        (root / "link").symlink_to(tmp_path / "outside")

        await store.put("link", [b"new"])

        assert await store.get("link") == b"new"
        assert (tmp_path / "outside").read_bytes() == b"outside"

    async def test_a_name_is_an_object_or_a_folder(self, store: LocalStore, root: Path) -> None:
        await store.put("a", [b"x"])
        await store.put("b/c", [b"x"])

        for key in ("a/below", "a/far/below", "b"):
            for create in (True, False):
                with pytest.raises((IllegalKey, StoreError)):
                    await store.put(key, [b"y"], create=create)

        assert await listed(store) == ["a", "b/c"]
        assert passing(root) == []

    async def test_folders_that_fall_empty_go(self, store: LocalStore, root: Path) -> None:
        await store.put("dicom/ab/study/series/1", [b"x"])
        await store.put("dicom/cd/study/series/1", [b"x"])

        await store.delete("dicom/ab/study/series/1")

        assert [path.name for path in (root / "dicom").iterdir()] == ["cd"]

    async def test_a_folder_taken_away_is_made_again(self, store: LocalStore, root: Path) -> None:
        await store.put("a/b/1", [b"x"])
        await store.settle(["a/b/1"])
        (root / "a/b/1").unlink()
        (root / "a/b").rmdir()
        (root / "a").rmdir()

        await store.put("a/b/2", [b"y"], create=True)
        await store.settle(["a/b/2"])

        assert await store.get("a/b/2") == b"y"

    async def test_a_store_whose_root_went_away_is_unavailable(self, store: LocalStore, root: Path) -> None:
        _take_away(root)

        with pytest.raises(StoreUnavailable):
            await store.put("a/b", [b"x"])


class TestEnds:
    """What stays when something ends before its time."""

    async def test_old_leftovers_are_swept_and_young_ones_stay(self, root: Path) -> None:
        (root / ".tmp").mkdir(parents=True)
        for name, age in (("old", 90_000), ("young", 3600)):
            (root / ".tmp" / name).write_bytes(b"x")
            os.utime(root / ".tmp" / name, times=(time.time() - age,) * 2)

        async with LocalStore(root):
            assert [path.name for path in passing(root)] == ["young"]

    async def test_a_killed_process_leaves_whole_objects_only(self, root: Path) -> None:
        program = f"""
import asyncio
from pathlib import Path
from storage.objects.local import LocalStore
async def main():
    async with LocalStore(Path({str(root)!r})) as store:
        async def write(letter):
            for number in range(100000):
                await store.put(f"a/{{letter}}/{{number}}", [bytes([letter]) * 1000] * 300, create=True)
                if number == 5: print("going", flush=True)
        await asyncio.gather(*map(write, b"abc"))
asyncio.run(main())
"""
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
        )
        assert writer.stdout is not None
        await writer.stdout.readline()
        writer.kill()
        await writer.communicate()

        async with LocalStore(root) as store:
            infos = [info async for info in store.list()]
            assert len(infos) > 5
            for info in infos:
                letter = int(info.key.split("/")[1])
                assert await store.get(info.key) == bytes([letter]) * 300_000

    async def test_a_reader_that_is_cancelled_leaves_no_file_open(self, store: LocalStore) -> None:
        await store.put("k", [bytes(3 * MIB)])
        open_before = _open_files()

        async def read() -> None:
            async for _ in store.stream("k"):
                await asyncio.sleep(0)

        for turns in range(12):
            task = asyncio.create_task(read())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await store.get("k")
        gc.collect()

        assert _open_files() <= open_before

    async def test_an_upload_that_is_cancelled_leaves_no_file(self, store: LocalStore, root: Path) -> None:
        open_before = _open_files()

        async def write() -> None:
            async with store.upload("k") as upload:
                while True:
                    await upload.write(bytes(MIB))

        for turns in range(1, 8):
            task = asyncio.create_task(write())
            await asyncio.sleep(0.001 * turns)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await listed(store)

        assert passing(root) == []
        assert _open_files() <= open_before

    async def test_a_store_opened_and_closed_fifty_times_leaks_nothing(self, root: Path) -> None:
        async def once() -> None:
            async with LocalStore(root) as store:
                await asyncio.gather(*(store.put(f"a/{number}", [b"x"]) for number in range(3)))
                await store.settle(["a/0", "a/1"])

        await once()
        before = _open_files()

        for _ in range(50):
            await once()

        assert _open_files() <= before
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("store-")] == []

    async def test_a_closed_store_refuses(self, root: Path) -> None:
        async with LocalStore(root) as store:
            pass

        with pytest.raises(RuntimeError):
            await store.get("k")

    async def test_a_root_that_cannot_be_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")

        with pytest.raises(StoreDenied):
            await LocalStore(tmp_path / "file" / "store").__aenter__()


class TestFaults:
    @pytest.mark.parametrize(
        ("number", "reading", "writing"),
        [
            (errno.ENOSPC, StoreFull, StoreFull),
            (errno.EDQUOT, StoreFull, StoreFull),
            (errno.EACCES, StoreDenied, StoreDenied),
            (errno.EROFS, StoreDenied, StoreDenied),
            (errno.ENOENT, ObjectMissing, StoreUnavailable),
            (errno.EISDIR, ObjectMissing, IllegalKey),
            (errno.EIO, StoreUnavailable, StoreUnavailable),
            (errno.EMFILE, StoreUnavailable, StoreUnavailable),
            (errno.ESTALE, StoreUnavailable, StoreUnavailable),
        ],
    )
    def test_errors_of_the_system_have_their_classes(
        self, number: int, reading: type[StoreError], writing: type[StoreError]
    ) -> None:
        error = OSError(number, os.strerror(number))

        assert type(read_fault("k", error)) is reading
        assert type(write_fault("k", error)) is writing

    async def test_a_full_disk_leaves_nothing(self, store: LocalStore, root: Path) -> None:
        # the limit on the size of a file stands for the disk: it too takes some bytes and then no more
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
        try:
            with pytest.raises(StoreFull):
                await store.put("k", [bytes(2 * MIB)], create=True)
            with pytest.raises(StoreFull):
                await self._upload(store)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        assert await listed(store) == []
        assert passing(root) == []
        await store.put("k", [bytes(2 * MIB)], create=True)

    async def _upload(self, store: LocalStore) -> None:
        async with store.upload("k") as upload:
            for _ in range(5):
                await upload.write(bytes(MIB))
            await upload.complete()


class TestSettling:
    @pytest.fixture
    def synced(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> list[str]:
        """Keys of the files and folders that were synced."""
        names: list[str] = []

        def note(descriptor: int) -> None:
            names.append(str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(root)))
            os.fdatasync(descriptor)

        monkeypatch.setattr(syncing, "sync_data", note)
        return names

    async def test_a_new_object_is_synced_with_every_folder_that_leads_to_it(
        self, store: LocalStore, synced: list[str]
    ) -> None:
        await store.put("dicom/ab/study/series/1", [b"x"])

        await store.settle(["dicom/ab/study/series/1"])

        folders = [".", "dicom", "dicom/ab", "dicom/ab/study", "dicom/ab/study/series"]
        assert sorted(synced) == [*folders, "dicom/ab/study/series/1"]

    async def test_a_folder_is_synced_once_for_many_objects(self, store: LocalStore, synced: list[str]) -> None:
        keys = [f"a/{number}" for number in range(30)]
        await asyncio.gather(*(store.put(key, [b"x"]) for key in keys))

        await store.settle(keys)

        assert sorted(synced) == sorted([".", "a", *keys])

    async def test_folders_known_to_be_durable_are_not_synced_for_their_parents(
        self, store: LocalStore, synced: list[str]
    ) -> None:
        await store.put("a/b/1", [b"x"])
        await store.settle(["a/b/1"])
        synced.clear()

        await store.put("a/b/2", [b"x"])
        await store.settle(["a/b/2"])

        assert sorted(synced) == ["a/b", "a/b/2"]

    async def test_a_folder_made_by_another_process_is_synced_too(
        self, store: LocalStore, root: Path, synced: list[str]
    ) -> None:
        async with LocalStore(root) as other:
            await other.put("a/b/1", [b"x"])
        await store.put("a/b/2", [b"x"])

        await store.settle(["a/b/2"])

        assert sorted(synced) == [".", "a", "a/b", "a/b/2"]

    async def test_a_folder_made_again_is_synced_again(self, store: LocalStore, synced: list[str]) -> None:
        await store.put("a/b/1", [b"x"])
        await store.settle(["a/b/1"])
        await store.delete("a/b/1")
        await store.put("a/b/2", [b"x"])
        synced.clear()

        await store.settle(["a/b/2"])

        assert sorted(synced) == [".", "a", "a/b", "a/b/2"]

    async def test_settling_what_is_not_there_is_an_error(self, store: LocalStore) -> None:
        await store.put("a/1", [b"x"])

        with pytest.raises(ObjectMissing):
            await store.settle(["a/1", "a/2"])


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _take_away(root: Path) -> None:
    (root / ".tmp").rmdir()
    root.rmdir()
