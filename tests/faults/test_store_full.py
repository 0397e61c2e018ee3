"""A store without room: A700 for each instance that finds none, 507 if none does (PS3.18 10.5.3, Table I.2-2),
nothing half stored, reads go on, and all is well once there is room again."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import orjson
import pytest

from app.assembly import service_handlers
from app.compute import ThreadCompute
from storage.archive.archive import LakeArchive
from storage.objects.memory import MemoryStore
from tests.app.serving import Served, serving, settings_of
from tests.build.dicom import native_frames, uid
from tests.build.lake import open_lake
from tests.clients.raw import RawAnswer, ask
from tests.clients.servers import Server, serving_folder, stored_keys
from tests.doubles import Fills, writes_in
from tests.faults.checks import AS_STORED, DICOM, RELATED, failures, fresh, path_of, related

OUT_OF_RESOURCES = 0xA700


class Quota:
    """An archive on a store with room for some objects, served over HTTP in this process."""

    def __init__(self, store: Fills, archive: LakeArchive, served: Served) -> None:
        self.store = store
        self.archive = archive
        self.served = served

    async def send(self, *files: bytes) -> tuple[int, list[str], list[int]]:
        """Store files: status, names of the SOP instances stored, reasons of those refused."""
        async with self.served.client.post(
            self.served.dicomweb + "/studies", data=related(*files), headers=RELATED
        ) as answer:
            told = orjson.loads(await answer.read())
            stored = [item["00081155"]["Value"][0] for item in told.get("00081199", {}).get("Value", [])]
            refused = [item["00081197"]["Value"][0] for item in told.get("00081198", {}).get("Value", [])]
            return answer.status, stored, refused

    async def read(self, name: str) -> tuple[int, bytes]:
        """Status and bytes of an instance."""
        url = self.served.dicomweb + path_of(name)
        async with self.served.client.get(url, headers=AS_STORED) as answer:
            return answer.status, await answer.read()

    async def objects(self) -> list[str]:
        """Keys of stored DICOM objects."""
        return [info.key async for info in self.store.store.list("dicom/")]


@contextlib.asynccontextmanager
async def open_quota(folder: Path, store: Fills) -> AsyncIterator[Quota]:
    """The archive on that store, served."""
    settings = settings_of({"store": str(folder)})
    async with open_lake(store, folder) as archive, ThreadCompute(2) as compute:
        handlers = service_handlers(archive, compute, settings)
        async with serving(handlers) as served:
            yield Quota(store, archive, served)


@pytest.fixture
async def quota(tmp_path: Path) -> AsyncIterator[Quota]:
    """Room for three instances of the tests; log entries always have some."""
    size = len(fresh()[1])
    async with open_quota(tmp_path, Fills(MemoryStore(), 3 * size + 100, when=writes_in("dicom/"))) as opened:
        yield opened


async def test_those_that_find_room_are_stored_the_others_are_told_a700(quota: Quota) -> None:
    instances = [fresh() for _ in range(5)]
    status, stored, refused = await quota.send(*(data for _, data in instances))
    assert status == 202
    assert len(stored) == 3
    assert refused == [OUT_OF_RESOURCES] * 2
    assert len(await quota.objects()) == 3
    for name, data in instances:
        assert await quota.read(name) == (200, data) if uid(name) in stored else (await quota.read(name))[0] == 404


async def test_when_none_finds_room_it_is_507_and_reads_go_on(quota: Quota) -> None:
    kept = [fresh() for _ in range(3)]
    assert (await quota.send(*(data for _, data in kept)))[0] == 200
    revision = quota.archive.revision

    status, stored, refused = await quota.send(*(fresh()[1] for _ in range(4)))

    assert (status, stored, refused) == (507, [], [OUT_OF_RESOURCES] * 4)
    assert quota.archive.revision == revision
    assert len(await quota.objects()) == 3
    assert await quota.read(kept[0][0]) == (200, kept[0][1])
    quota.store.room = 10_000
    assert (await quota.send(fresh()[1]))[0] == 200


async def test_a_duplicate_needs_no_room(quota: Quota) -> None:
    instances = [fresh() for _ in range(3)]
    assert (await quota.send(*(data for _, data in instances)))[0] == 200
    quota.store.room = 0
    assert (await quota.send(*(data for _, data in instances)))[0] == 200


async def test_a_large_one_that_fills_the_store_midway_leaves_nothing(quota: Quota) -> None:
    name, _ = fresh()
    large = native_frames(12, rows=1024, columns=1024, study=name, series=name, instance=name)
    quota.store.room = 9 << 20
    url = quota.served.dicomweb + "/studies"
    async with quota.served.client.post(url, data=BytesIO(large), headers=DICOM) as answer:
        assert answer.status == 507
    assert await quota.objects() == []
    assert (await quota.read(name))[0] == 404


async def test_no_room_for_the_log_entry_is_507_and_the_objects_go_again(tmp_path: Path) -> None:
    async with open_quota(tmp_path, Fills(MemoryStore(), 1 << 20)) as quota:
        instances = [fresh() for _ in range(2)]
        quota.store.room = sum(len(data) for _, data in instances) + 10
        status, stored, refused = await quota.send(*(data for _, data in instances))
        assert (status, stored, refused) == (507, [], [OUT_OF_RESOURCES] * 2)
        for name, _ in instances:
            assert (await quota.read(name))[0] == 404
        quota.store.room = 1 << 20
        assert (await quota.send(*(data for _, data in instances)))[0] == 200
        assert len(await quota.objects()) in (2, 4)  # what was written before may be left to the sweep


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path_factory.mktemp("disk")
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a small file system")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def cramped(small_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose store lies on it; what the node keeps for itself lies elsewhere."""
    elsewhere = tmp_path_factory.mktemp("cramped")
    (elsewhere / "store").symlink_to(small_disk / "store")
    (small_disk / "store").mkdir()
    with serving_folder(elsewhere) as server:
        yield server


def test_a_full_disk(cramped: Server) -> None:
    def send(*files: bytes) -> RawAnswer:
        return ask(cramped, "/studies", RELATED, method="POST", body=related(*files))

    kept: list[tuple[str, bytes]] = []
    answers: list[RawAnswer] = []
    for _ in range(12):
        batch = [fresh(400) for _ in range(4)]
        answers.append(send(*(data for _, data in batch)))
        told = orjson.loads(answers[-1].body)
        stored = {item["00081155"]["Value"][0] for item in told.get("00081199", {}).get("Value", [])}
        kept += [one for one in batch if uid(one[0]) in stored]
        if answers[-1].status == 507:
            break

    assert [answer.status for answer in answers[:2]] == [200, 200]
    assert answers[-1].status == 507
    assert failures(answers[-1]) == [OUT_OF_RESOURCES] * 4
    assert all(answer.status in (200, 202, 507) for answer in answers)
    keys = stored_keys(cramped)
    assert sum(key.startswith("dicom/") for key in keys) == len(kept)
    assert not [key for key in keys if key.startswith(".tmp/")]
    for name, data in kept:
        assert ask(cramped, path_of(name), AS_STORED).body == data

    # deleting does not free bytes before retention ends, but it must work on a full disk, or say that it cannot
    assert ask(cramped, path_of(kept[0][0]), method="DELETE").status in (204, 503, 507)
    assert ask(cramped, "/studies").status == 200
