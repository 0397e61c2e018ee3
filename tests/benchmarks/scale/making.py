"""Makes a synthetic archive: entries of the real log, folded into the real table.

    FOLDER/scale.json    which studies are in which entries
    FOLDER/store/        the archive, as any node reads it

Entries are what a node writes, in form (`storage.log.codec` reads them) and in place; only that they hold some
thousand rows is unlike most. An archive can be made larger later, and making it goes on where it was ended: blocks
of studies are the same whenever they are made. No DICOM object is written for the rows.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import zstandard

from storage.layout import LOG, entry_key, parse_entry_key
from storage.log.fold import fold
from storage.log.format import FORMAT_VERSION
from storage.log.journal import Journal
from storage.log.schema import META
from storage.log.snapshot import Snapshot
from storage.objects.address import Folder
from storage.objects.local import LocalStore
from tests.benchmarks.scale.batches import batches
from tests.benchmarks.scale.population import INSTANCES_A_STUDY, Study, block
from tests.benchmarks.scale.progress import Progress

BLOCK = 1000
"""Studies made together."""
ENTRY = 4000
"""Rows of an entry."""
NODE = "synthetic"
_TOLD_EACH = 60
"""Entries folded between two words on how far it is."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Studies that lie in entries one behind the other."""

    first_study: int
    studies: int
    first_entry: int

    def blocks(self) -> Iterator[_Block]:
        """What is made together."""
        entry = self.first_entry
        for first in range(self.first_study, self.first_study + self.studies, BLOCK):
            studies = min(BLOCK, self.first_study + self.studies - first)
            entries = -(-studies * INSTANCES_A_STUDY // ENTRY)
            yield _Block(first, studies, range(entry, entry + entries))
            entry += entries

    @property
    def end(self) -> int:
        """Number of the entry behind the last."""
        return max(block.entries.stop for block in self.blocks())


@dataclass(frozen=True, slots=True)
class _Block:
    first: int
    studies: int
    entries: range


@dataclass(frozen=True, slots=True)
class Synthetic:
    """What `scale.json` says."""

    stretches: tuple[Stretch, ...] = field(default=())

    @property
    def studies(self) -> int:
        """Synthetic studies."""
        return sum(stretch.studies for stretch in self.stretches)

    @property
    def instances(self) -> int:
        """Synthetic instances."""
        return self.studies * INSTANCES_A_STUDY

    def some_studies(self, blocks: int) -> list[Study]:
        """The studies of so many blocks, spread over all of them."""
        every = [one for stretch in self.stretches for one in stretch.blocks()]
        step = max(1, len(every) // blocks)
        return [study for one in every[::step] for study in block(one.first, one.studies).studies]

    @classmethod
    def read(cls, folder: Path) -> Synthetic:
        """Of the archive in a folder; nothing if there is none."""
        try:
            told = json.loads((folder / "scale.json").read_text())
        except FileNotFoundError:
            return cls()
        return cls(tuple(Stretch(**stretch) for stretch in told["stretches"]))

    def write(self, folder: Path) -> None:
        """Keep it."""
        (folder / "scale.json").write_text(json.dumps(asdict(self), indent=1))


@dataclass(frozen=True, slots=True)
class Made:
    """What making or folding took."""

    rows: int
    seconds: float


async def grow(folder: Path, studies: int, *, processes: int) -> Made:
    """Write entries until the archive has so many synthetic studies; those that are there are kept."""
    begun = time.perf_counter()
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with LocalStore(folder / "store") as store:
        journal = await Journal.open(store, node=NODE)
        there = Synthetic.read(folder)
        if there.studies < studies:
            last = await journal.tail(0)
            there = replace(
                there,
                stretches=(*there.stretches, Stretch(there.studies, studies - there.studies, last + 1)),
            )
            there.write(folder)
        found = {parse_entry_key(info.key) async for info in store.list(f"{LOG}{journal.epoch}/")}
        epoch = journal.epoch
    numbers = {name[1] for name in found if name}
    missing = [
        one for stretch in there.stretches for one in stretch.blocks() if not numbers.issuperset(one.entries)
    ]
    await asyncio.to_thread(_make_all, folder / "store", epoch, missing, processes)
    return Made(sum(one.studies for one in missing) * INSTANCES_A_STUDY, time.perf_counter() - begun)


def _make_all(root: Path, epoch: str, missing: Sequence[_Block], processes: int) -> None:
    progress = Progress("instances made", sum(one.studies for one in missing) * INSTANCES_A_STUDY)
    if len(missing) <= 1 or processes <= 1:
        for one in missing:
            progress.advance(_make(root, epoch, one))
        return
    # spawned: Arrow keeps threads that do not survive a fork
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_make, root, epoch, one) for one in missing]):
            progress.advance(done.result())


def _make(root: Path, epoch: str, one: _Block) -> int:
    """The entries of a block; the number of rows."""
    return asyncio.run(_write(root, epoch, one))


async def _write(root: Path, epoch: str, one: _Block) -> int:
    rows = 0
    async with LocalStore(root) as store:
        keys = []
        for number, batch in zip(one.entries, batches(block(one.first, one.studies), ENTRY), strict=True):
            keys.append(entry_key(epoch, number))
            # create-only: an entry that is there belongs to a block whose making was ended
            if not (root / keys[-1]).exists():
                await store.put(keys[-1], [encode_batch(batch, number=number, epoch=epoch)], create=True)
            rows += batch.num_rows
        await store.settle(keys)
    return rows


def encode_batch(batch: pa.RecordBatch, *, number: int, epoch: str) -> bytes:
    """The object of an entry with these rows, as `storage.log.codec` describes it."""
    facts = {
        META.FORMAT: str(FORMAT_VERSION),
        META.NUMBER: str(number),
        META.EPOCH: epoch,
        META.COMMIT: f"{number:028x}",
        META.NODE: NODE,
        META.WRITTEN: datetime.now(UTC).isoformat(),
        META.ROWS: str(batch.num_rows),
    }
    schema = batch.schema.with_metadata(facts)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(sink.getvalue())


async def fold_all(folder: Path) -> tuple[Made, Snapshot]:
    """Fold what is not folded, as nodes do."""
    begun, rows = time.perf_counter(), 0
    root = folder / "store"
    async with LocalStore(root) as store:
        journal = await Journal.open(store, node=NODE)
        last = await journal.tail(0)
        progress = Progress("entries folded", last)
        until, snapshot = 0, None
        while True:
            until = min(until + _TOLD_EACH, last)
            known, index = snapshot, folder / "studies.index"
            done, snapshot = await fold(store, Folder(root), until=until, known=known, index_file=index)
            rows += done.rows
            progress.reach(snapshot.last)
            if snapshot.last >= last:
                return Made(rows, time.perf_counter() - begun), snapshot
            until = max(until, snapshot.last)
