"""Every object is read again: what is damaged is named, a pass goes on where it stopped, one node at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.storage_metrics import scrub_samples
from dicomweb.model.keys import InstanceKey, Scope
from storage import layout
from storage.archive.archive import LakeArchive
from storage.log.checkpoint import Checkpoint
from storage.log.unread import is_unread
from storage.objects.address import Folder, Memory
from storage.objects.contract import ObjectStore
from storage.objects.local import LocalStore
from storage.objects.memory import MemoryStore
from storage.upkeep.background import Upkeep, UpkeepSettings
from storage.upkeep.purge import purge
from storage.upkeep.rebuild import RebuildSettings
from storage.upkeep.rebuild_epoch import look
from storage.upkeep.rebuild_run import rebuild
from storage.upkeep.scrub import ScrubSettings, Throttle, scrub
from storage.upkeep.scrub_background import BackgroundScrub
from storage.upkeep.scrub_state import ScrubState, begin_pass, read_state, write_state
from storage.upkeep.verify import verify_instance
from tests.build.dicom import ct_slice, native_frames, uid
from tests.build.lake import open_lake, store_files
from tests.doubles import Around

FAST = ScrubSettings()


def slice_of(number: int, *, study: str = "study", **attributes: Any) -> bytes:
    return ct_slice(seed=number, study=study, instance=f"sop {number}", InstanceNumber=number, **attributes)


def key_of(number: int, *, study: str = "study") -> InstanceKey:
    return InstanceKey(uid(study), uid("series"), uid(f"sop {number}"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def archive(store: MemoryStore, tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(store, tmp_path / "a") as opened:
        yield opened


async def nowhere(_: ScrubState) -> None:
    """A state that nobody keeps."""


async def whole_pass(archive: LakeArchive, settings: ScrubSettings = FAST) -> ScrubState:
    state = begin_pass(None)
    await scrub(archive, state, settings, nowhere)
    return state


async def name_of(archive: LakeArchive, key: InstanceKey) -> str:
    found = await archive.find_instance(key)
    return layout.object_key(found.key, found.version)


async def test_what_differs_is_missing_or_cut_short_is_named(archive: LakeArchive, store: MemoryStore) -> None:
    await store_files(archive, *(slice_of(number, study=f"study {number % 3}") for number in range(1, 8)))
    names = {number: await name_of(archive, key_of(number, study=f"study {number % 3}")) for number in range(1, 8)}
    state = await whole_pass(archive)
    assert (state.checked, state.wrong, bool(state.finished)) == (7, 0, True)
    data = await store.get(names[1])
    await store.put(names[1], [data[:-1] + bytes([data[-1] ^ 1])])
    await store.put(names[2], [data[:-1]])
    await store.delete(names[3])
    state = await whole_pass(archive)
    assert set(state.problems) == {names[1], names[2], names[3]}
    for number, word in ((1, "digest"), (2, "bytes"), (3, "missing")):
        assert word in state.problems[names[number]]


async def test_removed_and_replaced_versions_are_read_and_purged_ones_are_not(
    archive: LakeArchive, store: MemoryStore
) -> None:
    await store_files(archive, slice_of(1), slice_of(2), slice_of(3))
    former = await name_of(archive, key_of(1))
    await store_files(archive, slice_of(1, PatientID="new"))
    removed = await name_of(archive, key_of(2))
    await archive.remove(key_of(2).scope, door="", peer="")
    await purge(archive, key_of(3).scope)
    await store.delete(former)
    await store.delete(removed)
    state = await whole_pass(archive)
    assert (state.checked, set(state.problems)) == (3, {former, removed})


async def test_a_version_purged_while_it_was_looked_for_is_no_loss(tmp_path: Path) -> None:
    truth = MemoryStore()

    class PurgesMeanwhile(Around):
        archive: LakeArchive | None = None

        async def before(self, kind: str, key: str, size: int) -> None:
            if kind == "stream" and self.archive is not None:
                archive, self.archive = self.archive, None
                await purge(archive, key_of(1).scope)

    store = PurgesMeanwhile(truth)
    async with open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
        store.archive = archive
        state = await whole_pass(archive)
        assert (state.checked, state.problems) == (1, {})


async def test_a_pass_that_was_interrupted_goes_on_behind_the_last_study(
    archive: LakeArchive, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.upkeep.scrub._SAVE_SECONDS", 0.0)
    monkeypatch.setattr("storage.upkeep.scrub._STUDIES", 3)
    await store_files(archive, *(slice_of(number, study=f"study {number}") for number in range(10)))
    for number in range(10):
        await store.delete(await name_of(archive, key_of(number, study=f"study {number}")))
    kept: list[ScrubState] = []

    async def save(state: ScrubState) -> None:
        await write_state(store, "scrub/test.json", state)
        kept.append(state)
        if len(kept) == 4:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await scrub(archive, begin_pass(None), FAST, save)
    state = await read_state(store, "scrub/test.json")
    assert state is not None
    assert (state.checked, state.finished) == (4, "")
    await scrub(archive, state, FAST, nowhere)
    assert (state.checked, state.wrong, len(state.problems)) == (10, 10, 10)


async def test_a_sample_reads_about_that_share(archive: LakeArchive) -> None:
    await store_files(archive, *(slice_of(number) for number in range(200)))
    state = await whole_pass(archive, ScrubSettings(sample=0.25))
    assert 20 < state.checked < 90


async def test_no_more_is_read_than_the_rate_lets() -> None:
    throttle = Throttle(1_000_000)
    started = time.monotonic()
    for _ in range(10):
        await throttle.pace(100_000)
    # half a second's worth may come in a burst
    assert 0.4 < time.monotonic() - started < 1.5


async def rebuilt(store: ObjectStore, checkpoint: Checkpoint) -> None:
    for info in [info async for info in store.list(layout.LOG)]:
        await store.delete(info.key)
    await rebuild(
        store,
        checkpoint,
        await look(store, node="x"),
        RebuildSettings(),
        node="x",
        wait_seconds=0,
        tell=lambda found, share: None,
    )


async def test_digests_that_a_rebuild_left_open_are_filled_in_log_and_table(tmp_path: Path) -> None:
    root = tmp_path / "store"
    async with LocalStore(root) as store:
        checkpoint = Checkpoint(store, Folder(root))
        large = [slice_of(number, rows=600, columns=600) for number in range(3)]
        async with LakeArchive(store, node="a", node_dir=tmp_path / "a", checkpoint=checkpoint) as archive:
            await store_files(archive, *large)
            before = {one.key: one.digest for one in await archive.find_instances(Scope(uid("study")))}
            gone = await archive.find_instance(key_of(2))
            await archive.remove(key_of(2).scope, door="", peer="")
        await rebuilt(store, checkpoint)
        async with LakeArchive(store, node="b", node_dir=tmp_path / "b", checkpoint=checkpoint) as archive:
            opened = await archive.find_instance(key_of(1))
            assert is_unread(opened.digest)
            assert (await verify_instance(store, opened)).digest == before[key_of(1)]
            assert (await whole_pass(archive)).wrong == 0
            rows = await archive.catalog.versions(Scope(uid("study")))
            assert {one.instance.key: one.instance.digest for one in rows} == before
            revision = archive.revision
            await checkpoint.fold()
            assert (await whole_pass(archive)).wrong == 0
            assert archive.revision == revision
            data = large[1]
            await store.put(
                layout.object_key(opened.key, opened.version), [data[:-1] + bytes([data[-1] ^ 1])]
            )  # fmt: skip
            assert (await whole_pass(archive)).wrong == 1
        snapshot = await checkpoint.snapshot(fresh=True)
        assert snapshot is not None
        told = {}
        async for batch in checkpoint.read_rows(snapshot):
            for row in batch.select(["kind", "instance", "digest"]).to_pylist():
                if row["kind"] == "stored":
                    told[row["instance"]] = bytes.fromhex(row["digest"])
        assert told == {key.instance: digest for key, digest in before.items()}
        assert gone.key.instance in told


def background(archive: LakeArchive, days: float = 30.0) -> BackgroundScrub:
    return BackgroundScrub(archive, days=days, bytes_per_second=0)


async def test_what_the_background_finds_is_told_as_a_warning_and_in_numbers(
    archive: LakeArchive, store: MemoryStore
) -> None:
    await store_files(archive, slice_of(1), slice_of(2))
    one = background(archive)
    await one.turn()
    assert archive.health().reason == "ok"
    name = await name_of(archive, key_of(1))
    await store.delete(name)
    await one.turn()
    assert archive.health().reason == "ok", "the next pass is not due"
    again = background(archive, days=0)
    await again.turn()
    assert archive.health().ready
    assert name in archive.health().reason
    told = {sample.name: sample.value for sample in scrub_samples(again.state)}
    assert told["scrub_damaged"] == 1
    assert told["scrub_objects"] == 2
    assert told["scrub_share"] == 1.0
    await store.put(name, [slice_of(1)])
    await again.turn()
    assert archive.health().reason == "ok"


async def test_every_node_tells_what_one_of_them_found(
    archive: LakeArchive, store: MemoryStore, tmp_path: Path
) -> None:
    await store_files(archive, slice_of(1))
    await store.delete(await name_of(archive, key_of(1)))
    await background(archive).turn()
    async with open_lake(store, tmp_path / "b", node="b") as other:
        await background(other).turn()
        assert "not as stored" in other.health().reason
        assert other.health().ready


async def test_a_pass_that_stands_still_is_taken_over_and_one_that_moves_is_not(
    archive: LakeArchive, store: MemoryStore, tmp_path: Path
) -> None:
    await store_files(archive, *(slice_of(number, study=f"study {number}") for number in range(4)))
    key = layout.scrub_key(archive.epoch)
    places = sorted(layout.study_place(uid(f"study {number}")) for number in range(4))
    state = begin_pass(None)
    state.node, state.checked, state.position = "gone", 1, places[0]
    await write_state(store, key, state)
    one = background(archive)
    await one.turn()
    assert (await read_state(store, key)) == state, "it may be at work"
    state.checked, state.position = 2, places[1]
    await write_state(store, key, state)
    await one.turn()
    assert (await read_state(store, key)) == state, "it has moved"
    await one.turn()
    done = await read_state(store, key)
    assert done is not None
    assert (done.node, done.checked, bool(done.finished)) == (archive.node, 4, True)


async def test_a_node_whose_pass_was_taken_over_steps_back(
    archive: LakeArchive, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.upkeep.scrub._SAVE_SECONDS", 0.0)
    await store_files(archive, *(slice_of(number, study=f"study {number}") for number in range(4)))
    key = layout.scrub_key(archive.epoch)
    other = begin_pass(None)
    other.node = "another"

    class TakenOver(Around):
        async def before(self, kind: str, key: str, size: int) -> None:
            if kind == "stream":
                await write_state(store, layout.scrub_key(archive.epoch), other)

    archive.store = TakenOver(store)
    await background(archive).turn()
    assert await read_state(store, key) == other


async def test_a_pass_is_due_after_the_days_that_are_set(archive: LakeArchive, store: MemoryStore) -> None:
    await store_files(archive, slice_of(1))
    state = ScrubState(finished=(datetime.now(UTC) - timedelta(days=8)).isoformat(), node="b", checked=5)
    key = layout.scrub_key(archive.epoch)
    await write_state(store, key, state)
    await background(archive, days=9).turn()
    assert await read_state(store, key) == state
    await background(archive, days=7).turn()
    done = await read_state(store, key)
    assert done is not None
    assert (done.checked, done.last["checked"]) == (1, 5)


async def test_a_damaged_state_begins_a_pass_anew(archive: LakeArchive, store: MemoryStore) -> None:
    await store_files(archive, slice_of(1))
    await store.put(layout.scrub_key(archive.epoch), [b"{'"])
    one = background(archive)
    await one.turn()
    assert one.state is not None
    assert one.state.checked == 1


async def test_somebody_is_seen_at_work_while_one_large_object_is_read(
    archive: LakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.upkeep.scrub._SAVE_SECONDS", 0.02)
    await store_files(archive, native_frames(30, rows=600, columns=600))
    beats: list[str] = []

    async def save(state: ScrubState) -> None:
        beats.append(state.finished)

    await scrub(archive, begin_pass(None), ScrubSettings(30_000_000), save)
    assert len([one for one in beats if not one]) > 2


async def test_upkeep_scrubs_beside_a_node(archive: LakeArchive, store: MemoryStore) -> None:
    await store_files(archive, slice_of(1))
    settings = UpkeepSettings(scrub_days=1, scrub_look_seconds=0.02)
    async with Upkeep(archive, Checkpoint(store, Memory()), settings) as upkeep:
        for _ in range(200):
            if upkeep.scrub.state is not None and upkeep.scrub.state.finished:
                break
            await asyncio.sleep(0.02)
        assert upkeep.scrub.state is not None
        assert upkeep.scrub.state.checked == 1
