"""The explicit upgrade of an archive's format, and the notes by which nodes say that they are there."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dicomweb.ports import Unavailable
from storage.layout import FORMAT, NODES
from storage.log import format as formats
from storage.log.checkpoint import Checkpoint
from storage.log.errors import EpochEnded, NeedsUpgrade, NewerVersion
from storage.log.events import Kind
from storage.log.format import FORMAT_VERSION, READERS, parse_format, since
from storage.log.journal import Journal
from storage.objects.address import Memory
from storage.objects.contract import ObjectStore
from storage.objects.local import LocalStore
from storage.objects.memory import MemoryStore
from storage.upkeep.attendance import GONE_SECONDS, Attendance, present
from storage.upkeep.upgrade import NodesTooOld, Upgraded, look, upgrade
from tests.build.dicom import ct_slice
from tests.build.lake import open_lake, store_files
from tests.storage.log.make import event, key, stored

FIRST = {
    "archive": "5f0c9f2e-0000-4000-8000-000000000001",
    "epoch": "5f0c9f2e-0000-4000-8000-000000000002",
    "reader": 1,
    "writer": 1,
}


@pytest.fixture
async def store() -> MemoryStore:
    """An archive of the first format."""
    made = MemoryStore()
    await write_format(made)
    return made


async def write_format(store: ObjectStore, **members: Any) -> None:
    await store.put(FORMAT, [json.dumps(FIRST | members).encode()])


async def content(store: ObjectStore) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await store.get(FORMAT))
    return found


async def upgraded(store: ObjectStore, *, force: bool = False) -> Upgraded:
    state = await look(store, node="upgrade")
    checkpoint = Checkpoint(store, Memory())
    return await upgrade(store, checkpoint, state, node="upgrade", release="9.1", force=force)


def test_every_version_names_its_readers_and_every_kind_a_version() -> None:
    assert set(READERS) == set(range(1, FORMAT_VERSION + 1))
    assert all(READERS[version] <= version for version in READERS)
    assert {since(kind) for kind in Kind} <= set(READERS)


async def test_nothing_of_a_format_is_written_before_the_upgrade(store: MemoryStore) -> None:
    journal = await Journal.open(store, node="a")
    for kind in Kind:
        if since(kind) > 1:
            with pytest.raises(NeedsUpgrade, match="dicomlake upgrade"):
                journal.require(kind)
            with pytest.raises(ValueError, match="no event of format 1"):
                await journal.append(1, [event(kind, None)], "c1")
    appended = await journal.append(1, [stored(key())], "c1")
    assert appended.entry.format == 1
    data = await journal.fetch_bytes(1)
    assert data is not None
    assert b"dicomlake.writer" not in data


async def test_an_upgrade_says_what_it_did_in_format_and_log(store: MemoryStore, tmp_path: Path) -> None:
    async with open_lake(store, tmp_path) as archive:
        await store_files(archive, ct_slice())
        done = await upgraded(store)
        assert done == Upgraded(1, FORMAT_VERSION, 2)
        await archive.catch_up()
        archive.journal.require(Kind.UPGRADED)
        await store_files(archive, ct_slice(instance="another"))
        entries = [entry async for entry in archive.journal.follow(0)]

    assert [entry.format for entry in entries] == [1, FORMAT_VERSION, FORMAT_VERSION]
    (told,) = entries[1].events
    assert (told.kind, told.target, told.detail, told.door) == (Kind.UPGRADED, FORMAT_VERSION, "9.1", "upgrade")
    assert await content(store) == FIRST | {
        "reader": READERS[FORMAT_VERSION],
        "writer": FORMAT_VERSION,
        "release": "9.1",
    }


async def test_an_upgrade_done_again_has_nothing_to_do(store: MemoryStore) -> None:
    assert (await look(store, node="a")).due
    await upgraded(store)
    assert not (await look(store, node="a")).due


async def test_an_upgrade_that_was_interrupted_behind_the_format_holds(store: MemoryStore, tmp_path: Path) -> None:
    """No entry says so; nodes that start write the new format, and those that run find out from `format.json`."""
    await write_format(store, writer=FORMAT_VERSION, reader=READERS[FORMAT_VERSION])
    async with open_lake(store, tmp_path) as archive:
        await store_files(archive, ct_slice())
        entry = await archive.journal.read(1)
    assert entry is not None
    assert entry.format == FORMAT_VERSION


async def test_members_that_others_wrote_stay(store: MemoryStore) -> None:
    await write_format(store, rebuilt="2026-01-01T00:00:00+00:00", unknown=[1])
    await upgraded(store)
    found = await content(store)
    assert (found["rebuilt"], found["unknown"]) == ("2026-01-01T00:00:00+00:00", [1])


async def test_an_archive_that_is_being_rebuilt_is_not_upgraded(store: MemoryStore) -> None:
    await write_format(store, rebuild="5f0c9f2e-0000-4000-8000-000000000003")
    with pytest.raises(EpochEnded):
        await upgraded(store)
    assert (await content(store))["writer"] == 1


async def test_two_upgrades_at_once_do_no_harm(store: MemoryStore, tmp_path: Path) -> None:
    await asyncio.gather(upgraded(store), upgraded(store))
    async with open_lake(store, tmp_path) as archive:
        await store_files(archive, ct_slice())
        assert archive.revision == 3


async def test_a_node_that_is_too_old_reads_on_and_says_why_it_does_not_write(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here with a format of which the older release knows the kinds; `tests/faults` plays it with a real one."""
    async with open_lake(store, tmp_path) as archive:
        await store_files(archive, ct_slice())
        await upgraded(store)
        await archive.journal.append(3, [stored(key())], "c3")
        monkeypatch.setattr("storage.log.journal.FORMAT_VERSION", 1)
        await archive.catch_up()

        assert archive.revision == 3
        health = archive.health()
        assert not health.ready
        assert "format 2" in health.reason
        with pytest.raises(Unavailable, match="this node takes no writes"):
            await store_files(archive, ct_slice(instance="another"))
        with pytest.raises(Unavailable, match="knows formats up to 1"):
            await archive.remove(key().scope, door="stow", peer="")
        assert archive.revision == 3


@pytest.mark.parametrize("least", [{"writer": FORMAT_VERSION + 1}, {"reader": FORMAT_VERSION + 1}])
def test_a_later_format_names_the_release_that_is_needed(least: dict[str, int]) -> None:
    data = json.dumps(FIRST | least | {"release": "9.1"}).encode()
    with pytest.raises(
        NewerVersion, match=rf"format {FORMAT_VERSION + 1} \(dicomlake 9.1\).* dicomlake 9.1 or later"
    ):
        parse_format(data)


def test_what_may_be_skipped_stands_behind_all_others() -> None:
    formats.check_kinds([Kind.STORED, Kind.UPGRADED], FORMAT_VERSION)
    with pytest.raises(ValueError, match="behind all others"):
        formats.check_kinds([Kind.UPGRADED, Kind.STORED], FORMAT_VERSION)


# who is there


async def test_a_node_is_there_for_as_long_as_it_serves(store: MemoryStore) -> None:
    async with Attendance(store, node="host-1", release="9.1"):
        await asyncio.sleep(0)
        (found,) = await present(store, node="asks")
        assert (found.node, found.release, found.format) == ("host-1", "9.1", FORMAT_VERSION)
        assert found.seen < timedelta(seconds=60)
    assert await present(store, node="asks") == []
    assert [info.key async for info in store.list(NODES)] == []


async def test_a_node_that_was_killed_is_there_no_more_after_a_while(tmp_path: Path) -> None:
    async with LocalStore(tmp_path) as store:
        await note(store, "killed", {"release": "0.1", "format": 1})
        assert [one.node for one in await present(store, node="asks")] == ["killed"]
        age(tmp_path / f"{NODES}killed.json", seconds=GONE_SECONDS + 1)
        assert await present(store, node="asks") == []


async def test_notes_of_long_ago_are_tidied_by_whoever_starts(tmp_path: Path) -> None:
    async with LocalStore(tmp_path) as store:
        await note(store, "killed", {"release": "0.1", "format": 1})
        age(tmp_path / f"{NODES}killed.json", seconds=100_000)
        async with Attendance(store, node="host-1", release="9.1"):
            names: list[str] = []
            while names != [f"{NODES}host-1.json"]:
                await asyncio.sleep(0.01)
                names = [info.key async for info in store.list(NODES)]


async def test_an_upgrade_waits_for_nodes_that_are_too_old(store: MemoryStore) -> None:
    await note(store, "older", {"release": "0.1", "format": 1})
    await note(store, "newer", {"release": "9.1", "format": FORMAT_VERSION})
    await note(store, "strange", [])
    with pytest.raises(NodesTooOld) as caught:
        await upgraded(store)
    assert [(one.node, one.release) for one in caught.value.nodes] == [("older", "0.1"), ("strange", "unknown")]
    assert await content(store) == FIRST
    assert (await upgraded(store, force=True)).now == FORMAT_VERSION


async def note(store: ObjectStore, node: str, told: object) -> None:
    await store.put(f"{NODES}{node}.json", [json.dumps(told).encode()])


def age(path: Path, *, seconds: float) -> None:
    """Let the note have been written so long ago."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))
