"""Promises of a fold: it costs what is folded, however large the table has grown."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicomweb.model.keys import InstanceKey, Scope
from storage.log.events import Event, Kind
from storage.log.fold import erase, fold
from storage.log.gathering import FoldLimits
from storage.log.journal import Journal
from storage.log.snapshot import Snapshot
from storage.objects.address import Folder, open_store
from storage.objects.counting import CountingStore, Counts
from tests.storage.log.make import event, removed, stored

LIMITS = FoldLimits(chunk_bytes=1, file_rows=40)
"""Each entry has a file of its own, which is full: none are gathered."""
ROWS = 24
SIZES = (3, 24)
OPENING = 3
"""Of the log's format, of the table's commit that is known, of the next one."""


def instance(study: int, number: int) -> InstanceKey:
    """UIDs as several makers of scanners give them: those of a day lie anywhere among all."""
    chance = random.Random(study)
    uid = f"1.2.{chance.choice([124, 276, 392, 840])}.{chance.randrange(10**12)}"
    return InstanceKey(uid, f"{uid}.1", f"{uid}.1.{number}")


@dataclass(slots=True)
class Lake:
    """A table of some files, and a node that folded it last."""

    store: CountingStore
    address: Folder
    journal: Journal
    index: Path
    known: Snapshot | None = None
    entries: int = 0

    async def add(self, *events: Event) -> None:
        self.entries += 1
        await self.journal.append(self.entries, events, f"c{self.entries}")

    async def fold(self, limits: FoldLimits = LIMITS) -> None:
        _, self.known = await fold(
            self.store,
            self.address,
            until=self.entries,
            limits=limits,
            known=self.known,
            index_file=self.index,
        )

    async def cost(self, *entries: Sequence[Event]) -> tuple[int, int, int]:
        """Reads and writes of objects, and bytes read, of folding these entries in one transaction."""
        for events in entries:
            await self.add(*events)
        self.store.counts.clear()
        await self.fold(FoldLimits(file_rows=LIMITS.file_rows))
        counts = self.store.counts
        return counts.reads(), counts.writes(), counts.bytes_read


@contextlib.asynccontextmanager
async def lake(path: Path, files: int) -> AsyncIterator[Lake]:
    """A table of that many files, two studies in each."""
    address = Folder(path / f"lake{files}")
    async with CountingStore(open_store(address)) as store:
        made = Lake(store, address, await Journal.open(store, node="writer"), path / f"index{files}.npz")
        for file in range(files):
            await made.add(*(stored(instance(2 * file + n % 2, n), elements=20) for n in range(ROWS)))
        await made.fold()
        assert made.known is not None
        assert len(made.known.files) == files
        yield made


@pytest.fixture
async def lakes(tmp_path: Path) -> AsyncIterator[list[Lake]]:
    """A small table, and one of eight times as many files."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(lake(tmp_path, files)) for files in SIZES]


async def test_folding_new_studies_reads_their_entries_and_nothing_of_the_table(lakes: list[Lake]) -> None:
    entries = [[stored(instance(1000 + n, 1))] for n in range(5)]

    costs = [await lake.cost(*entries) for lake in lakes]

    assert [reads for reads, _, _ in costs] == [OPENING + len(entries) + 1] * 2
    assert [writes for _, writes, _ in costs] == [2] * 2
    assert costs[1][2] < 1.2 * costs[0][2]


async def test_a_study_that_goes_on_is_looked_for_in_the_files_that_hold_it(lakes: list[Lake]) -> None:
    entries = [[stored(instance(study, 100))] for study in (0, 5)]

    costs = [await lake.cost(*entries) for lake in lakes]

    # of two files the footer, and where it does not hold them anyway the columns of one row group
    assert costs[0][0] == costs[1][0] <= OPENING + len(entries) + 1 + 2 * 2
    assert costs[1][2] < 1.2 * costs[0][2]


async def test_a_removal_writes_the_files_that_hold_the_study(lakes: list[Lake]) -> None:
    costs = [await lake.cost([removed(Scope(instance(3, 0).study))]) for lake in lakes]

    assert costs[0][0] == costs[1][0] <= OPENING + 1 + 1 + 3
    # that file, one for the removal, the commit
    assert [writes for _, writes, _ in costs] == [3] * 2


async def test_an_erasure_reads_and_writes_the_files_that_hold_what_was_purged(lakes: list[Lake]) -> None:
    """However large the table; beside that its objects are listed, and its own log begins anew."""
    costs = [await erasure(lake, instance(3, 0).study) for lake in lakes]

    assert costs[0].reads() == costs[1].reads()
    # the table's commit that is known and the next one; that file; the commit the table is at, twice
    assert costs[0].reads("instances") <= 2 + 3 + 2
    # that file and its commit, and the commit behind which no former file can come back
    assert [cost.writes() for cost in costs] == [3] * 2
    assert costs[1].bytes_read < 1.2 * costs[0].bytes_read
    assert costs[1].bytes_written < 1.2 * costs[0].bytes_written


async def erasure(lake: Lake, study: str) -> Counts:
    """What it costs to purge a study and to have it erased from the table."""
    entries = [await lake.journal.read(number) for number in range(1, lake.entries + 1)]
    there = [event.stored for entry in entries if entry for event in entry.events if event.stored]
    await lake.add(
        *(event(Kind.PURGED, one.key.scope, version=one.version) for one in there if one.key.study == study)
    )
    lake.store.counts.clear()
    limits = FoldLimits(file_rows=LIMITS.file_rows)
    await erase(lake.store, lake.address, known=lake.known, index_file=lake.index, limits=limits)
    return lake.store.counts


async def test_a_node_that_folds_for_the_first_time_looks_into_each_file_once(lakes: list[Lake]) -> None:
    big = lakes[1]
    big.index.unlink()

    first, _, _ = await big.cost([stored(instance(2000, 1))])
    second, _, _ = await big.cost([stored(instance(2001, 1))])

    assert first == second + SIZES[1]
    assert second == OPENING + 1 + 1


async def test_a_fold_without_an_end_asks_for_few_entries_that_are_not_there(lakes: list[Lake]) -> None:
    lake = lakes[0]
    await lake.add(stored(instance(3000, 1)))
    lake.store.counts.clear()

    await fold(lake.store, lake.address, known=lake.known, index_file=lake.index)

    assert lake.store.counts.of("get", under="log") <= 1 + 3 + 4


async def test_tidying_the_log_of_the_table_keeps_what_a_reader_opens_short(tmp_path: Path) -> None:
    """Commits since the last checkpoint of the table's log, at most twenty, whatever has been folded."""
    async with lake(tmp_path, 25) as made:
        assert made.known is not None
        log = made.address.path / "instances" / "_delta_log"
        last = max(int(path.name.split(".")[0]) for path in log.glob("*.checkpoint.parquet"))

        assert made.known.version - last < 20
        assert (log / "_last_checkpoint").exists()
