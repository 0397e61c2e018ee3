"""Fold the log into the checkpoint table: a process of its own, never on the way to an answer.

    python -m storage.log.fold  < job.json  > result.json

A process, because delta-rs keeps threads that do not survive a fork and memory that a node need not carry; it is
spawned, works, and ends. Whatever goes wrong, the log is only read: the next fold begins where the last finished.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from storage.layout import TABLE
from storage.log.delta import ROW_GROUP, Conflict, InstancesTable, Place, place_of
from storage.log.errors import DamagedEntry, DamagedTable, FoldFailed
from storage.log.folding import FoldPlan, apply_fates, plan_fold, plan_touched
from storage.log.journal import Journal
from storage.log.rows import place_events, sorted_batches, with_columns
from storage.log.snapshot import Folded, Snapshot, TableFile, address_from_json
from storage.objects.address import Address, Folder, open_store
from storage.objects.contract import ObjectStore

_ATTEMPTS = 8
"""How often a fold is computed again because another process was faster."""


@dataclass(frozen=True, slots=True)
class FoldLimits:
    """Bounds of a fold's memory and of what it writes anew."""

    chunk_bytes: int = 48 << 20
    """Content of the entries folded in one transaction."""
    era_rows: int = 20_000
    """Rows after which an era is full."""
    era_bytes: int = 8 << 20
    """Bytes of Parquet after which an era is full; headers are about fifteen times that when unpacked."""
    era_files: int = 24
    """Files of an era that are gathered into one."""


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
    table = await asyncio.to_thread(_open, place, journal.epoch)
    while True:
        snapshot = table.snapshot()
        done = replace(done, last=snapshot.last)
        try:
            entries = await journal.read_rows(snapshot.last, until=until, most_bytes=limits.chunk_bytes)
        except DamagedEntry:
            if not done.entries:
                raise
            return done, snapshot
        if not entries:
            return done, snapshot
        try:
            rows = await asyncio.to_thread(_fold_some, table, snapshot, entries, limits)
        except Conflict as conflict:
            conflicts += 1
            if conflicts == _ATTEMPTS:
                raise FoldFailed(f"other processes wrote the table {conflicts} times meanwhile") from conflict
            table = await asyncio.to_thread(_open, place, journal.epoch)
            continue
        conflicts = 0
        table = await asyncio.to_thread(_open, place, journal.epoch)
        await _settle(store, address, snapshot, table.snapshot())
        await asyncio.to_thread(table.vacuum_if_due)
        done = Folded(done.last, done.entries + len(entries), done.rows + rows, done.transactions + 1)


def _open(place: Place, epoch: str) -> InstancesTable:
    table = InstancesTable.open(place)
    if table is None:
        try:
            table = InstancesTable.create(place, epoch=epoch)
        except Conflict:
            table = InstancesTable.open(place)
    if table is None or table.snapshot().epoch != epoch:
        raise DamagedTable("the checkpoint table belongs to another epoch of the log")
    return table


def _fold_some(
    table: InstancesTable, snapshot: Snapshot, entries: list[tuple[int, pa.RecordBatch]], limits: FoldLimits
) -> int:
    """One transaction. Returns the number of new rows."""
    events = place_events(entries)
    plan = plan_fold(events, table.read_known(plan_touched(events)))
    era, crowded = plan_era(snapshot.files, limits)
    rows = with_columns(plan.rows, {"era": [era] * plan.rows.num_rows})
    if plan.changes or crowded:
        eras = {*plan.changes, era}
        table.replace(eras, _rewritten(table, eras, era, rows, plan), last=entries[-1][0])
    else:
        table.append(lambda: sorted_batches(rows, ROW_GROUP), last=entries[-1][0])
    return int(rows.num_rows)


def plan_era(files: Iterable[TableFile], limits: FoldLimits) -> tuple[int, bool]:
    """The era that new rows go to, and whether it has so many files that it is to be written anew."""
    files = tuple(files)
    era = max((file.era for file in files), default=0)
    youngest = [file for file in files if file.era == era]
    if sum(f.rows for f in youngest) >= limits.era_rows or sum(f.size for f in youngest) >= limits.era_bytes:
        return era + 1, False
    return era, len(youngest) >= limits.era_files


def _rewritten(
    table: InstancesTable, eras: Iterable[int], youngest: int, rows: pa.Table, plan: FoldPlan
) -> Callable[[], Iterator[pa.RecordBatch]]:
    """All rows of the eras, changed where the plan says so, and the new ones; one era in memory at a time."""

    def batches() -> Iterator[pa.RecordBatch]:
        for era in sorted(eras):
            whole = apply_fates(table.read_era(era), plan.changes.get(era, {}))
            if era == youngest:
                whole = pa.concat_tables([whole, rows])
            yield from sorted_batches(whole, ROW_GROUP)

    return batches


async def _settle(store: ObjectStore, address: Address, before: Snapshot, after: Snapshot) -> None:
    """Make the new version of the table durable; delta-rs does not sync what it writes to a folder."""
    if not isinstance(address, Folder):
        return
    keys = {file.key for file in after.files} - {file.key for file in before.files}
    versions = range(before.version + 1, after.version + 1)
    log = (f"{TABLE}/_delta_log/{version:020d}.json" for version in (0, *versions))
    keys.update(key for key in log if (address.path / key).exists())
    await store.settle(sorted(keys))


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


def main() -> int:
    """One job from standard input, one result to standard output."""
    os.nice(10)
    try:
        result = asyncio.run(run_job(json.load(sys.stdin)))
    except Exception as error:
        result = {"error": type(error).__name__, "message": str(error)}
    json.dump(result, sys.stdout)
    return 1 if "error" in result else 0


if __name__ == "__main__":
    sys.exit(main())
