"""Fold the log into the checkpoint table: a process of its own, never on the way to an answer.

    python -m storage.log.fold  < job.json  > result.json

    entries behind the last folded ─ plan ─┬─ new rows ──────────────┐
    rows they touch ───────────────────────┴─ changed and small files ┴─ new files ─ one transaction

A process, because delta-rs keeps threads that do not survive a fork and memory that a node need not carry; it is
spawned, works, and ends. Whatever goes wrong, the log is only read: the next fold begins where the last finished.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from storage.layout import TABLE
from storage.log.delta import Conflict, InstancesTable, NewFile, Place, place_of
from storage.log.errors import DamagedEntry, DamagedTable, FoldFailed
from storage.log.folding import KNOWN, FoldPlan, Touched, plan_fold, plan_touched
from storage.log.journal import Journal
from storage.log.parquet_reads import groups_holding_any, read_footer, read_groups
from storage.log.parquet_writes import stats_of, write_parquet
from storage.log.rows import SCHEMA, conformed, place_events
from storage.log.snapshot import Folded, Snapshot, TableFile, address_from_json
from storage.objects.address import Address, Folder, open_store
from storage.objects.contract import ObjectStore, StoreError

_LOOK_SECONDS = 0.5
"""How soon a folding process notices that its node has gone."""
_ATTEMPTS = 8
"""How often a fold is computed again because another process was faster."""


@dataclass(frozen=True, slots=True)
class FoldLimits:
    """Bounds of a fold's memory and of what it writes anew."""

    chunk_bytes: int = 24 << 20
    """Content of the entries folded in one transaction."""
    file_rows: int = 16_384
    """Rows of a file that is gathered from smaller ones."""
    file_bytes: int = 4 << 20
    """Bytes of it; headers are about fifteen times that when unpacked."""
    small_files: int = 24
    """Files under half of that size from which on they are gathered."""


async def fold(
    store: ObjectStore,
    address: Address,
    *,
    until: int | None = None,
    limits: FoldLimits | None = None,
) -> tuple[Folded, Snapshot]:
    """Fold every entry up to `until`, or to the tail. The table is durable on return.

    Raises FoldFailed if other processes were faster again and again; DamagedTable; DamagedEntry if the very first
    entry to be folded is damaged; the store's errors.
    """
    journal = await Journal.open(store, node="fold")
    place, limits = place_of(address), limits or FoldLimits()
    done, conflicts = Folded(0), 0
    while True:
        try:
            table = await asyncio.to_thread(_open, place, journal.epoch)
        except Conflict as conflict:
            conflicts = _count(conflicts, conflict)
            continue
        snapshot = table.snapshot()
        if done.transactions:
            await _settle_log(store, address, snapshot)
        done = replace(done, last=snapshot.last)
        try:
            entries = await journal.read_rows(snapshot.last, until=until, most_bytes=limits.chunk_bytes)
        except DamagedEntry:
            if not done.entries:
                raise
            entries = []
        if not entries:
            return done, snapshot
        try:
            rows = await _Fold(store, table, snapshot, limits).run(entries)
        except Conflict as conflict:
            conflicts = _count(conflicts, conflict)
            continue
        conflicts = 0
        done = Folded(done.last, done.entries + len(entries), done.rows + rows, done.transactions + 1)


def _count(conflicts: int, conflict: Conflict) -> int:
    if conflicts + 1 == _ATTEMPTS:
        raise FoldFailed(f"other processes wrote the table {_ATTEMPTS} times meanwhile") from conflict
    return conflicts + 1


def _open(place: Place, epoch: str) -> InstancesTable:
    table = InstancesTable.open(place)
    if table is None:
        try:
            table = InstancesTable.create(place, epoch=epoch)
        except Conflict:
            table = InstancesTable.open(place)
    if table is None or table.snapshot().epoch != epoch:
        raise DamagedTable("the checkpoint table belongs to another epoch of the log")
    return table.widened()


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Which files are written anew, beside what new rows need."""

    gathered: tuple[TableFile, ...] = ()
    """Together with the new rows, into one."""
    alone: tuple[TableFile, ...] = ()
    """Each for itself, because rows in it have changed."""


def plan_rewriting(files: Iterable[TableFile], changed: Iterable[str], limits: FoldLimits) -> Rewriting:
    """Files whose rows have changed, and small ones once there are many; `changed` names paths."""
    files, changed = sorted(files, key=lambda file: (file.revisions, file.path)), set(changed)
    small = [f for f in files if f.rows < limits.file_rows // 2 and f.size < limits.file_bytes // 2]
    gathered: list[TableFile] = []
    for file in small if len(small) >= limits.small_files else ():
        together = [*gathered, file]
        if sum(f.rows for f in together) > limits.file_rows or sum(f.size for f in together) > limits.file_bytes:
            break
        gathered = together
    return Rewriting(tuple(gathered), tuple(f for f in files if f.path in changed and f not in gathered))


class _Fold:
    """One transaction."""

    def __init__(self, store: ObjectStore, table: InstancesTable, snapshot: Snapshot, limits: FoldLimits) -> None:
        self._store = store
        self._table = table
        self._snapshot = snapshot
        self._limits = limits

    async def run(self, entries: Sequence[tuple[int, pa.RecordBatch]]) -> int:
        """Returns the number of new rows. Raises Conflict, DamagedTable and the store's errors."""
        events = await asyncio.to_thread(place_events, entries)
        plan = plan_fold(events, await self._read_known(plan_touched(events)))
        rewriting = plan_rewriting(self._snapshot.files, plan.files, self._limits)
        come = await self._write(plan, rewriting)
        try:
            await self._store.settle([new.file.key for new in come])
            go = (*rewriting.gathered, *rewriting.alone)
            await asyncio.to_thread(self._table.commit, come, go, last=entries[-1][0])
            await asyncio.to_thread(self._table.vacuum_if_due)
        except Conflict:
            await self._give_up(come)
            raise
        return int(plan.rows.num_rows)

    async def _read_known(self, touched: Touched) -> pa.Table:
        """What the plan needs to know of the rows that are there, and the files they are in."""
        studies = sorted(touched.studies.to_pylist())
        parts = [_KNOWN_SCHEMA.empty_table()]
        for file in self._snapshot.files:
            if not any(file.studies[0] <= study <= file.studies[1] for study in studies):
                continue
            footer = await read_footer(self._store, file.key, file.size)
            if groups := groups_holding_any(footer.metadata, "study", studies):
                rows = conformed(await read_groups(self._store, footer, groups, KNOWN), KNOWN)
                rows = touched.matching(rows)
                parts.append(rows.append_column("file", pa.repeat(file.path, rows.num_rows)))
        return pa.concat_tables(parts)

    async def _write(self, plan: FoldPlan, rewriting: Rewriting) -> list[NewFile]:
        """The files that come, one set of rows in memory at a time."""
        come = []
        for file in rewriting.alone:
            come.append(await self._write_file(await self._read_file(file, plan)))
        parts = [await self._read_file(file, plan) for file in rewriting.gathered]
        rows = pa.concat_tables([*parts, plan.rows])
        del parts
        if rows.num_rows:
            come.append(await self._write_file(rows))
        return come

    async def _read_file(self, file: TableFile, plan: FoldPlan) -> pa.Table:
        footer = await read_footer(self._store, file.key, file.size)
        groups = range(footer.metadata.num_row_groups)
        rows = conformed(await read_groups(self._store, footer, groups, SCHEMA.names), SCHEMA.names)
        return plan.changed(file.path, rows)

    async def _write_file(self, rows: pa.Table) -> NewFile:
        data = await asyncio.to_thread(write_parquet, rows)
        stats = stats_of(rows)
        least, greatest = stats["minValues"], stats["maxValues"]
        file = TableFile(
            path=f"part-{uuid.uuid4()}.zstd.parquet",
            size=data.size,
            rows=rows.num_rows,
            studies=(least["study"], greatest["study"]),
            revisions=(least["since_revision"], greatest["since_revision"]),
        )
        await self._store.put(file.key, [memoryview(data)])
        return NewFile(file, stats)

    async def _give_up(self, come: Iterable[NewFile]) -> None:
        """Delete what no transaction names; what is left behind goes with the next vacuum."""
        for new in come:
            try:
                await self._store.delete(new.file.key)
            except StoreError:
                return


_KNOWN_SCHEMA: pa.Schema = pa.schema([*(SCHEMA.field(name) for name in KNOWN), ("file", pa.utf8())])


async def _settle_log(store: ObjectStore, address: Address, snapshot: Snapshot) -> None:
    """Make the table's own log durable; delta-rs does not sync what it writes to a folder."""
    if not isinstance(address, Folder):
        return
    version = snapshot.version
    names = [f"{number:020d}.json" for number in {0, max(0, version - 1), version}]
    names += ["_last_checkpoint", f"{version:020d}.checkpoint.parquet"]
    keys = [f"{TABLE}/_delta_log/{name}" for name in names]
    await store.settle([key for key in keys if (address.path / key).exists()])


async def discard(store: ObjectStore) -> None:
    """Delete the table: all of it can be folded from the log again."""
    keys = [info.key async for info in store.list(f"{TABLE}/")]
    # the table's own log first, so that nobody takes what is left for a table
    for key in sorted(keys, key=lambda key: (f"{TABLE}/_delta_log/" not in key, key)):
        await store.delete(key)


async def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Do what a job says; see `Checkpoint`, which writes them."""
    address = address_from_json(job["address"])
    if job["action"] == "snapshot":
        table = await asyncio.to_thread(InstancesTable.open, place_of(address))
        return {"snapshot": table.snapshot().to_json() if table else None}
    async with open_store(address) as store:
        if job["action"] == "rebuild":
            await discard(store)
        try:
            folded, snapshot = await fold(store, address, until=job.get("until"))
        except DamagedTable:
            # A power cut can tear a table in a folder; in a bucket it cannot, and other nodes may be at it.
            if not isinstance(address, Folder):
                raise
            await discard(store)
            folded, snapshot = await fold(store, address, until=job.get("until"))
    return {"folded": asdict(folded), "snapshot": snapshot.to_json()}


def _end_with(parent: int) -> None:
    """End when the process that gave the job has gone, at any point: that harms a table as little as a crash.

    A node that dies again and again would leave more of them behind each time than the machine can hold.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    # elsewhere the parent of a process may be a launcher, and it keeps that parent's number for life
    if os.name == "posix":
        threading.Thread(target=watch, name="parent", daemon=True).start()


def main() -> int:
    """One job from standard input, one result to standard output."""
    os.nice(10)
    # gives memory back, where the usual pool keeps what the largest step needed
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        job = json.load(sys.stdin)
        _end_with(job["parent"])
        result = asyncio.run(run_job(job))
    except Exception as error:
        result = {"error": type(error).__name__, "message": str(error)}
    json.dump(result, sys.stdout)
    return 1 if "error" in result else 0


if __name__ == "__main__":
    sys.exit(main())
