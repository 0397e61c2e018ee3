"""The table's own log as folds write and follow it: whoever reads it by the library sees the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.layout import TABLE
from storage.log.delta import InstancesTable, place_of
from storage.log.delta_log import (
    Conflict,
    NewFile,
    Unfamiliar,
    advance,
    commit_key,
    encode_commit,
    place,
    replay,
    token_of,
    with_token,
)
from storage.log.fold import discard, fold
from storage.log.gathering import FoldLimits
from storage.log.journal import Journal
from storage.log.snapshot import Snapshot, TableFile
from storage.objects.contract import ObjectExists, ObjectStore, StoreUnavailable
from storage.objects.memory import MemoryStore
from tests.storage.log.conftest import Place
from tests.storage.log.make import key, stored
from tests.storage.log.stores import Wrapped
from tests.storage.log.stories import Row, play, play_labels, random_log

SMALL = FoldLimits(chunk_bytes=1, file_rows=12, small_files=3)
STATS = {"numRecords": 3, "minValues": {"study": "1.2", "since_revision": 4}}
STATS |= {"maxValues": {"study": "1.3", "since_revision": 5}, "nullCount": {"study": 0}}


def new_file(name: str) -> NewFile:
    return NewFile(TableFile(f"{name}.parquet", 100, 3, ("1.2", "1.3"), (4, 5)), STATS)


def commit(*actions: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(action).encode() + b"\n" for action in actions)


async def base(store: ObjectStore) -> Snapshot:
    """Version 0 of a table without files."""
    made = commit({"commitInfo": {}})
    await store.put(commit_key(0), [made])
    return Snapshot("epoch", 0, 0, token=token_of(made), complete=True)


async def test_what_is_placed_is_what_the_next_one_finds() -> None:
    store = MemoryStore()
    start = await base(store)
    a, b = new_file("a"), new_file("b")
    first = await place(store, start, encode_commit([a, b], [], last=5))
    second = await place(store, first, encode_commit([], [a.file], last=6))

    assert (second.version, second.last, second.files) == (2, 6, (b.file,))
    assert await advance(store, start) == second
    assert await advance(store, second) == second


async def test_who_comes_second_has_a_conflict_and_nothing_of_theirs_stays() -> None:
    store = MemoryStore()
    start = await base(store)
    won = await place(store, start, encode_commit([new_file("a")], [], last=5))

    with pytest.raises(Conflict):
        await place(store, start, encode_commit([new_file("b")], [], last=5))

    assert await advance(store, start) == won


class Unsure(Wrapped):
    """A create's answer is lost; `done` says whether it was carried out."""

    done = True

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        if create and self.done:
            await self.inner.put(key, data, create=True)
        raise StoreUnavailable(key, "no answer")


async def test_a_commit_whose_answer_was_lost_is_told_by_what_lies_there() -> None:
    store = MemoryStore()
    start = await base(store)
    unsure: Any = Unsure(store)

    placed = await place(unsure, start, encode_commit([new_file("a")], [], last=5))
    unsure.done = False
    with pytest.raises(StoreUnavailable):
        await place(unsure, placed, encode_commit([new_file("b")], [], last=6))

    assert await advance(store, start) == placed


async def test_a_commit_that_an_earlier_attempt_placed_is_ones_own() -> None:
    store = MemoryStore()
    start = await base(store)
    ours = encode_commit([new_file("a")], [], last=5)
    await store.put(commit_key(1), [ours])

    with pytest.raises(ObjectExists):
        await store.put(commit_key(1), [b"again"], create=True)
    assert (await place(store, start, ours)).version == 1


async def test_a_table_made_anew_is_not_taken_for_the_one_that_was_known() -> None:
    store = MemoryStore()
    start = await base(store)
    known = await place(store, start, encode_commit([new_file("a")], [], last=5))
    await discard(store)
    with pytest.raises(Unfamiliar):
        await advance(store, known)

    again = await base(store)
    await place(store, again, encode_commit([new_file("b")], [], last=5))

    with pytest.raises(Unfamiliar):
        await advance(store, known)


async def test_a_commit_behind_a_table_that_was_thrown_away_meanwhile_is_taken_back() -> None:
    store = MemoryStore()
    known = await place(store, await base(store), encode_commit([new_file("a")], [], last=5))
    await discard(store)
    await base(store)

    with pytest.raises(Conflict):
        await place(store, known, encode_commit([new_file("b")], [], last=6))

    assert [info.key async for info in store.list(f"{TABLE}/")] == [commit_key(0)]


@pytest.mark.parametrize(
    "action",
    [
        {"metaData": {"id": "x"}},
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7}},
        {"add": {"path": "x", "partitionValues": {}, "size": 1, "stats": None}},
        {"add": {"path": "x", "partitionValues": {"day": "1"}, "size": 1, "stats": json.dumps(STATS)}},
        {
            "add": {
                "path": "x",
                "partitionValues": {},
                "size": 1,
                "stats": json.dumps(STATS),
                "deletionVector": {"storageType": "u"},
            }
        },
        {"remove": {"path": "nobody-knows.parquet"}},
        {"domainMetadata": {"domain": "x"}},
        {"txn": {"appId": "another", "version": 1}},
    ],
    ids=["schema", "protocol", "no-stats", "partition", "deletion-vector", "unknown-file", "domain", "writer"],
)
def test_what_no_fold_writes_is_left_to_the_library(action: dict[str, Any]) -> None:
    with pytest.raises(Unfamiliar):
        replay(Snapshot("epoch", 0, 0), commit({"commitInfo": {}}, action))


@pytest.mark.parametrize("damaged", [b"{", b"[]\n", b'{"add": 1, "remove": 2}\n', b"\xff\xfe\n"])
def test_what_is_no_commit_is_left_to_the_library(damaged: bytes) -> None:
    with pytest.raises(Unfamiliar):
        replay(Snapshot("epoch", 0, 0), damaged)


async def library(of: Place) -> Snapshot:
    table = await asyncio.to_thread(InstancesTable.open, place_of(of.address))
    assert table is not None
    return await with_token(of.store, table.snapshot())


async def test_following_folds_and_opening_the_table_lead_to_the_same_snapshot(place: Place) -> None:
    log = random_log(31, entries=12)
    journal = await Journal.open(place.store, node="writer")
    known: Snapshot | None = None
    for number, events in enumerate(log, 1):
        await journal.append(number, events, f"c{number}")
        if number % 4 == 0:
            _, known = await fold(place.store, place.address, until=number, limits=SMALL, known=known)
            assert _sorted(known) == _sorted(await library(place))


async def test_nodes_that_take_turns_follow_one_another_and_leave_one_table(folder: Place, tmp_path: Path) -> None:
    """Each with a snapshot and an index of its own, one of them thrown away and made anew midway."""
    from tests.storage.log.test_fold import fates

    log = random_log(41, entries=20)
    journal = await Journal.open(folder.store, node="writer")
    known: dict[int, Snapshot | None] = dict.fromkeys(range(3))
    for number, events in enumerate(log, 1):
        await journal.append(number, events, f"c{number}")
        node = number * 7 // 3 % 3
        if number == 11:
            await discard(folder.store)
        given = {"known": known[node], "index_file": tmp_path / f"{node}.npz"}
        _, known[node] = await fold(folder.store, folder.address, until=number, limits=SMALL, **given)  # type: ignore[arg-type]  # two keywords of different types

    expected: dict[str, Row] = {**play(log), **play_labels(log)}
    assert await fates(folder) == expected


async def test_a_change_of_the_table_by_another_program_is_taken_up(folder: Place) -> None:
    journal = await Journal.open(folder.store, node="writer")
    for number in range(1, 4):
        await journal.append(number, [stored(key(instance=number))], f"c{number}")
    _, known = await fold(folder.store, folder.address, until=2, limits=SMALL)
    from deltalake import DeltaTable

    await asyncio.to_thread(lambda: DeltaTable(place_of(folder.address).uri).optimize.compact())

    folded, after = await fold(folder.store, folder.address, known=known, limits=SMALL)

    assert folded.entries == 1
    assert sum(file.rows for file in after.files) == 3


def _sorted(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, files=tuple(sorted(snapshot.files, key=lambda file: file.path)))
