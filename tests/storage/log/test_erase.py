"""What was purged leaves the checkpoint table for good, and nothing else changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from dicomweb.model.keys import Scope
from storage.layout import TABLE
from storage.log.delta import place_of
from storage.log.delta_log import commit_key, encode_commit
from storage.log.errors import DamagedTable, FoldFailed
from storage.log.events import Event, Kind
from storage.log.fold import erase, fold, run_job
from storage.log.fold_step import FoldStep
from storage.log.gathering import FoldLimits
from storage.log.journal import Journal
from storage.log.snapshot import Snapshot, address_to_json
from storage.objects.contract import ObjectStore, StoreError
from tests.doubles import Around
from tests.storage.log.conftest import Place
from tests.storage.log.make import event, key, removed, stored
from tests.storage.log.stories import play, play_labels, random_log
from tests.storage.log.test_fold import SMALL, fates, write

FULL = FoldLimits(chunk_bytes=1, file_rows=2)
"""Each entry has a file of its own, which stays as it is."""


async def objects(store: ObjectStore) -> dict[str, bytes]:
    """All of the table, log and all."""
    return {info.key: await store.get(info.key) async for info in store.list(f"{TABLE}/")}


async def unpacked(store: ObjectStore) -> str:
    told = []
    for name, data in (await objects(store)).items():
        told.append(str(data))
        if name.endswith(".parquet"):
            told.append(str(pq.read_table(pa.BufferReader(data)).to_pylist()))
    return "".join(told)


async def test_only_the_files_that_hold_it_are_written_anew_and_those_they_replace_are_gone(place: Place) -> None:
    studies = [[stored(key(study=n, instance=i), f"v{n}.{i}", elements=9) for i in range(4)] for n in range(6)]
    await write(place, *studies)
    _, before = await fold(place.store, place.address, limits=FULL)
    there = await objects(place.store)
    await write(place, [event(Kind.PURGED, key(study=3, instance=1).scope, version="v3.1")], first=7)

    folded, after = await erase(place.store, place.address, known=before, limits=FULL)

    now = await objects(place.store)
    (gone,) = {file.key for file in before.files} - {file.key for file in after.files}
    assert (folded.last, after.last) == (7, 7)
    assert gone not in now
    assert {name for name in now if "/_delta_log/" not in name} == {file.key for file in after.files}
    assert all(now[file.key] == there[file.key] for file in before.files if file.key != gone)
    assert await fates(place) == play(
        [*studies, [event(Kind.PURGED, key(study=3, instance=1).scope, version="v3.1")]]
    )


async def test_neither_a_former_file_nor_the_log_of_the_table_tells_of_it_any_more(place: Place) -> None:
    secret = stored(key(), "v1")
    assert secret.stored is not None
    columns = {**secret.stored.columns, "patient_id": "SECRET"}
    secret = replace(secret, stored=replace(secret.stored, columns=columns))
    await write(place, [secret, stored(key(instance=2), "v2")])
    await fold(place.store, place.address, limits=SMALL)
    # as it comes into a second file, which is not part of the table any more either
    await write(place, [removed(key().scope)], first=2)
    await fold(place.store, place.address, limits=SMALL)
    assert "SECRET" in await unpacked(place.store)
    await write(place, [event(Kind.PURGED, key().scope, version="v1")], first=3)
    await fold(place.store, place.address, limits=SMALL)
    assert "SECRET" in await unpacked(place.store)

    await erase(place.store, place.address)

    assert "SECRET" not in await unpacked(place.store)
    where = place_of(place.address)
    opened = DeltaTable(where.uri, storage_options=where.options)
    assert opened.to_pyarrow_table().num_rows == 3


async def test_nodes_that_knew_the_table_go_on(folder: Place, tmp_path: Path) -> None:
    log = random_log(9, entries=30)
    await write(folder, *log[:20])
    known = [await _folded(folder, None, tmp_path / f"{n}.npz") for n in range(2)]

    await erase(folder.store, folder.address, known=known[0], index_file=tmp_path / "0.npz")
    await write(folder, *log[20:], first=21)
    await _folded(folder, known[1], tmp_path / "1.npz")

    assert await fates(folder) == {**play(log), **play_labels(log)}


async def _folded(place: Place, known: Snapshot | None, index: Path) -> Snapshot:
    _, snapshot = await fold(place.store, place.address, known=known, index_file=index, limits=SMALL)
    return snapshot


async def test_a_fold_that_is_under_way_meanwhile_does_not_bring_it_back(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the entries before they were blanked, and places its commit when all is erased."""
    log: list[Sequence[Event]] = [[stored(key(instance=n), f"v{n}", elements=9)] for n in range(4)]
    await write(folder, *log)
    read, go_on = asyncio.Event(), asyncio.Event()
    original = Journal.read_rows

    async def slow(*args: object, **kwargs: object) -> object:
        entries = await original(*args, **kwargs)  # type: ignore[arg-type]  # handed through
        if not read.is_set():
            read.set()
            await go_on.wait()
        return entries

    monkeypatch.setattr(Journal, "read_rows", slow)
    late = asyncio.create_task(fold(folder.store, folder.address))
    await read.wait()
    await write(folder, [event(Kind.PURGED, key(instance=0).scope, version="v0")], first=5)
    _, erased = await erase(folder.store, folder.address)
    go_on.set()
    _, after = await late

    assert after.files == erased.files
    assert await fates(folder) == play([*log, [event(Kind.PURGED, key(instance=0).scope, version="v0")]])


async def test_a_commit_that_is_placed_where_one_was_just_deleted_goes_as_well(folder: Place) -> None:
    """A fold that was far behind finds the next number free, and is done before what it builds on goes too."""
    await write(folder, *[[stored(key(instance=n), f"v{n}", elements=9)] for n in range(3)])
    await fold(folder.store, folder.address, limits=SMALL)
    late = LateCommit(folder.store, when=lambda kind, key: kind == "delete" and key == commit_key(2), times=1)

    await erase(late, folder.address)

    assert late.touched
    assert commit_key(2) not in await objects(folder.store)


class LateCommit(Around):
    """Puts a commit where one has been deleted."""

    async def after(self, kind: str, key: str) -> None:
        await self.store.put(key, [encode_commit((), (), last=1)], create=True)


@pytest.mark.parametrize("action", ["fold", "erase"])
async def test_a_table_of_which_a_file_was_erased_while_it_was_read_is_not_made_anew(
    folder: Place, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    log = [[stored(key(instance=n), f"v{n}", elements=9)] for n in range(3)]
    await write(folder, *log)
    _, before = await fold(folder.store, folder.address, limits=FULL)
    await write(folder, [event(Kind.PURGED, key(instance=0).scope, version="v0")], first=4)
    run, missed = FoldStep.run, []

    async def miss_a_file_once(self: FoldStep, *args: Any) -> tuple[Snapshot, int]:
        if not missed:
            missed.append(True)
            raise DamagedTable("a file is missing")
        return await run(self, *args)

    monkeypatch.setattr(FoldStep, "run", miss_a_file_once)
    job = {"action": action, "address": address_to_json(folder.address), "known": before.to_json()}
    after = Snapshot.from_json((await run_job(job))["snapshot"])

    assert missed
    assert after.last == 4
    assert len({file.key for file in before.files} & {file.key for file in after.files}) == 2


async def test_folds_side_by_side_lose_and_double_nothing(folder: Place) -> None:
    log = random_log(6, entries=12)
    await write(folder, *log)

    async def fold_on() -> None:
        for until in range(1, 13):
            try:
                await fold(folder.store, folder.address, limits=SMALL, until=until)
            except (FoldFailed, DamagedTable, StoreError):
                # its files were taken for leftovers, or the table was opened while its log was made shorter
                continue

    await asyncio.gather(fold_on(), fold_on(), *(erase(folder.store, folder.address) for _ in range(2)))
    await fold(folder.store, folder.address)

    assert await fates(folder) == {**play(log), **play_labels(log)}


async def test_an_archive_that_nobody_folded_gets_a_table_without_it(folder: Place) -> None:
    await write(folder, [stored(key(), "v1")], [event(Kind.PURGED, Scope(key().study), version="v1")])
    await erase(folder.store, folder.address)
    assert await fates(folder) == play([[stored(key(), "v1")], [event(Kind.PURGED, key().scope, version="v1")]])
