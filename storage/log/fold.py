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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.layout import TABLE
from storage.log.delta import InstancesTable, Place, place_of, tidying_due
from storage.log.delta_log import Conflict, Unfamiliar, advance, encode_commit, place, with_token
from storage.log.errors import DamagedEntry, DamagedTable, FoldFailed
from storage.log.fold_step import FoldStep
from storage.log.gathering import FoldLimits
from storage.log.journal import Journal
from storage.log.snapshot import Folded, Snapshot, address_from_json
from storage.log.study_index import StudyIndex
from storage.objects.address import Address, Folder, open_store
from storage.objects.contract import ObjectStore

__all__ = ["FoldLimits", "discard", "erase", "fold"]

_Done = tuple[Folded, Snapshot]
_LOG = f"{TABLE}/_delta_log/"
_AT_ONCE = 16
"""Objects that are deleted side by side."""
_LOOK_SECONDS = 0.5
"""How soon a folding process notices that its node has gone."""
_ATTEMPTS = 8
"""How often a fold is computed again because another process was faster."""


async def fold(
    store: ObjectStore,
    address: Address,
    *,
    until: int | None = None,
    limits: FoldLimits | None = None,
    known: Snapshot | None = None,
    index_file: Path | None = None,
) -> tuple[Folded, Snapshot]:
    """Fold every entry up to `until`, or to the tail. The table is durable on return.

    `known`: a version of the table that was read before; `index_file`: where the index of studies is kept between
    folds. Both only spare requests.
    Raises FoldFailed if other processes were faster again and again; DamagedTable; DamagedEntry if the very first
    entry to be folded is damaged; the store's errors.
    """
    journal = await Journal.open(store, node="fold")
    table = _Table(store, address, journal.epoch, known)
    index, limits = await asyncio.to_thread(StudyIndex.load, index_file), limits or FoldLimits()
    done, conflicts = Folded(0), 0
    while True:
        try:
            snapshot = await table.now()
            done = replace(done, last=snapshot.last)
            entries = await _read(journal, snapshot.last, until, limits, more=done.entries > 0)
            if not entries:
                await asyncio.to_thread(index.save, index_file)
                return done, snapshot
            await index.learn(store, snapshot.files)
            after, rows = await FoldStep(store, snapshot, index, limits).run(entries)
        except Conflict as conflict:
            conflicts = _count(conflicts, conflict)
            table.look_again()
            continue
        await table.follow(after)
        conflicts = 0
        done = Folded(after.last, done.entries + len(entries), done.rows + rows, done.transactions + 1)


async def _read(
    journal: Journal, last: int, until: int | None, limits: FoldLimits, *, more: bool
) -> list[tuple[int, pa.RecordBatch]]:
    """What comes next; a damaged entry is the end if there was `more` before it."""
    if until is not None and last >= until:
        return []
    try:
        return await journal.read_rows(last, until=until, most_bytes=limits.chunk_bytes)
    except DamagedEntry:
        if not more:
            raise
        return []


def _count(conflicts: int, conflict: Conflict) -> int:
    if conflicts + 1 == _ATTEMPTS:
        raise FoldFailed(f"other processes wrote the table {_ATTEMPTS} times meanwhile") from conflict
    return conflicts + 1


class _Table:
    """The table as it is now, at few requests if it was known before."""

    def __init__(self, store: ObjectStore, address: Address, epoch: str, known: Snapshot | None) -> None:
        self._store = store
        self._address = address
        self._epoch = epoch
        usable = known is not None and known.epoch == epoch and known.token and known.complete
        self._known = known if usable else None
        self._fresh = False

    async def now(self) -> Snapshot:
        """Its newest version; a new table if there is none. Raises Conflict, DamagedTable, the store's errors."""
        if self._known is not None and not self._fresh:
            try:
                self._known = await advance(self._store, self._known)
            except Unfamiliar:
                self._known = None
        if self._known is None:
            self._known = await self._open()
        self._fresh = True
        return self._known

    def look_again(self) -> None:
        """Somebody else has written it."""
        self._fresh = False

    async def follow(self, snapshot: Snapshot) -> None:
        """A transaction of ours made this version of it. Tidies up, now and then."""
        self._known = snapshot
        if tidying_due(snapshot.version):
            await asyncio.to_thread(_tidy, place_of(self._address))
            await _settle_log(self._store, self._address, snapshot.version)
            self._fresh = False

    async def _open(self) -> Snapshot:
        snapshot = await asyncio.to_thread(_open, place_of(self._address), self._epoch)
        await _settle_log(self._store, self._address, snapshot.version)
        return await with_token(self._store, snapshot)


async def _settle_log(store: ObjectStore, address: Address, version: int) -> None:
    """Make the table's own log durable; delta-rs does not sync what it writes to a folder."""
    if not isinstance(address, Folder):
        return
    names = [f"{number:020d}.json" for number in {0, max(0, version - 1), version}]
    names += ["_last_checkpoint", f"{version:020d}.checkpoint.parquet"]
    path, keys = address.path, [f"{_LOG}{name}" for name in names]
    await store.settle([key for key in keys if (path / key).exists()])


def _open(place: Place, epoch: str) -> Snapshot:
    table = InstancesTable.open(place)
    if table is None:
        try:
            table = InstancesTable.create(place, epoch=epoch)
        except Conflict:
            table = InstancesTable.open(place)
    if table is None or table.snapshot().epoch != epoch:
        raise DamagedTable("the checkpoint table belongs to another epoch of the log")
    return table.widened().snapshot()


def _tidy(place: Place) -> None:
    table = InstancesTable.open(place)
    if table is not None:
        table.tidy_if_due()


async def discard(store: ObjectStore) -> None:
    """Delete the table: all of it can be folded from the log again."""
    # once more for what a fold placed meanwhile: it takes its own commit back if it sees that the table has gone
    while keys := [info.key async for info in store.list(f"{TABLE}/")]:
        # the table's own log first, so that nobody takes what is left for a table
        for key in sorted(keys, key=lambda key: (_LOG not in key, key)):
            await store.delete(key)


async def erase(
    store: ObjectStore,
    address: Address,
    *,
    limits: FoldLimits | None = None,
    known: Snapshot | None = None,
    index_file: Path | None = None,
) -> tuple[Folded, Snapshot]:
    """Fold, and delete what the table was before: what was purged is in none of its files then, nor in its log.

    The fold writes anew the files that hold what was purged, and no others. What a file that was replaced held,
    and the least and greatest values that the table's log tells of it, would be there for a week more. Whoever
    reads by an earlier version of the table has to open it again. Raises as `fold`.
    """
    folded, after, files = await _fold_and_bar(store, address, limits=limits, known=known, index_file=index_file)
    stay = {file.key for file in after.files}
    await _delete(store, [key for key in files if key not in stay])
    version = await asyncio.to_thread(_begin_log, place_of(address))
    await _settle_log(store, address, version)
    # Once more for what a fold placed meanwhile under a number that had become free: it takes its commit back if
    # it sees that what it builds on has gone. All names begin with the number of a version, but that of the last
    # checkpoint, which comes after them.
    while log := [info.key async for info in store.list(_LOG) if info.key < f"{_LOG}{version:020d}"]:
        await _delete(store, log)
    return folded, after


async def _fold_and_bar(
    store: ObjectStore, address: Address, **how: Any
) -> tuple[Folded, Snapshot, Sequence[str]]:
    """Fold, and place a commit of nothing; also the files that nobody can make part of the table from then on.

    They were there before that commit, so whoever wrote them meets it, and has to begin again.
    """
    conflicts = 0
    while True:
        folded, snapshot = await fold(store, address, **how)
        files = [info.key async for info in store.list(f"{TABLE}/") if not info.key.startswith(_LOG)]
        try:
            return folded, await place(store, snapshot, encode_commit((), (), last=snapshot.last)), files
        except Conflict as conflict:
            conflicts = _count(conflicts, conflict)


def _begin_log(place: Place) -> int:
    table = InstancesTable.open(place)
    if table is None:
        raise FoldFailed("the table was deleted meanwhile")
    return table.begin_log()


async def _delete(store: ObjectStore, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), _AT_ONCE):
        await asyncio.gather(*(store.delete(key) for key in keys[start : start + _AT_ONCE]))


async def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Do what a job says; see `Checkpoint`, which writes them."""
    address = address_from_json(job["address"])
    if job["action"] == "snapshot":
        table = await asyncio.to_thread(InstancesTable.open, place_of(address))
        return {"snapshot": table.snapshot().to_json() if table else None}
    known = Snapshot.from_json(job["known"]) if job.get("known") else None
    more: dict[str, Any] = {"index_file": Path(job["index"]) if job.get("index") else None}
    work: Callable[..., Awaitable[_Done]] = erase
    if job["action"] != "erase":
        work, more = fold, {**more, "until": job.get("until")}
    async with open_store(address) as store:
        if job["action"] == "rebuild":
            await discard(store)
            known = None
        try:
            folded, snapshot = await work(store, address, known=known, **more)
        except DamagedTable:
            folded, snapshot = await _look_anew(store, address, work, more)
    return {"folded": asdict(folded), "snapshot": snapshot.to_json()}


async def _look_anew(
    store: ObjectStore, address: Address, work: Callable[..., Awaitable[_Done]], more: dict[str, Any]
) -> _Done:
    """Do it once more: a file that is missing may have been erased while it was wanted, and the table be whole.

    A power cut can tear a table in a folder, which is then made anew; in a bucket it cannot, and others may be at
    it.
    """
    try:
        return await work(store, address, **more)
    except DamagedTable:
        if not isinstance(address, Folder):
            raise
    await discard(store)
    return await work(store, address, **more)


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
