"""The checkpoint table as a node uses it: have the log folded into it, and read it on an empty disk.

Folding, and finding out which files make up the table, is done by a process of its own (`storage.log.fold`); the
files themselves are read here, by ranges through the object store. Nothing here is on the way of an answer but
`read_series_headers`, for a series whose headers this node has not kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.layout import TABLE
from storage.log.errors import DamagedTable, FoldFailed
from storage.log.parquet_reads import Footer, groups_holding, plan_parts, read_footer, read_groups
from storage.log.reading_ahead import read_ahead
from storage.log.rows import SCHEMA, conformed
from storage.log.snapshot import Folded, Snapshot, TableFile, address_to_json
from storage.objects.address import Address, Memory
from storage.objects.contract import ObjectStore

_ROWS_AT_ONCE = 16_384
_BYTES_AT_ONCE = 24 << 20
"""Rows and their bytes unpacked in one read of all rows."""
_READS_AHEAD = 2
"""Reads of all rows that are under way while one is worked on."""
_FOOTERS_AHEAD = 4
_HEADER_COLUMNS = ("study", "series", "version", "header")
WITHOUT_HEADERS = tuple(name for name in SCHEMA.names if name != "header")
"""The columns that a node on an empty disk needs."""

_FOOTERS_KEPT = 64
"""Footers in memory, those used last: a table of millions of rows has thousands, of some 200 kB each."""


class Checkpoint:
    """The table `instances/` of an archive. An archive in memory has none: nothing is folded, nothing found."""

    def __init__(self, store: ObjectStore, address: Address, *, index_file: Path | None = None) -> None:
        """`address` says to other processes where `store` is.

        `index_file`: where folds keep what they have learned of the table's files; it may be deleted.
        """
        self._store = store
        self._address = address
        self._index_file = index_file
        self._snapshot: Snapshot | None = None
        self._looking = asyncio.Lock()
        self._footers: dict[str, Footer] = {}

    async def fold(self, *, until: int | None = None) -> Folded:
        """Fold what the log has behind the table, up to entry `until`. Another node may do the same.

        A damaged table in a folder is built anew. Raises FoldFailed, DamagedTable; the log is unharmed then.
        """
        return await self._folded({"action": "fold", "until": until})

    async def rebuild(self) -> Folded:
        """Delete the table and fold the whole log into a new one. Raises as `fold`."""
        return await self._folded({"action": "rebuild"})

    async def erase(self) -> Folded:
        """Fold, and leave nothing of what the table was before: of what was purged it then tells no more than the
        log does. Raises as `fold`."""
        return await self._folded({"action": "erase"})

    async def _folded(self, job: dict[str, Any]) -> Folded:
        if isinstance(self._address, Memory):
            return Folded(0)
        known = self._snapshot.to_json() if self._snapshot else None
        index = str(self._index_file.absolute()) if self._index_file else None
        result = await self._run(job | {"known": known, "index": index})
        self._keep(Snapshot.from_json(result["snapshot"]))
        return Folded(**result["folded"])

    async def snapshot(self, *, fresh: bool = False) -> Snapshot | None:
        """The version of the table that is read here; with `fresh` the newest. None if there is no table."""
        async with self._looking:
            if fresh or self._snapshot is None:
                if isinstance(self._address, Memory) or not await self._exists():
                    return None
                found = (await self._run({"action": "snapshot"}))["snapshot"]
                if found is not None:
                    self._keep(Snapshot.from_json(found))
            return self._snapshot

    async def last_folded(self) -> int:
        """Number of the last entry in the table as it is read here, 0 if there is none."""
        snapshot = await self.snapshot()
        return snapshot.last if snapshot else 0

    async def read_rows(
        self, snapshot: Snapshot, columns: Sequence[str] = WITHOUT_HEADERS
    ) -> AsyncGenerator[pa.RecordBatch, None]:
        """All rows of a version of the table, removals and undeletes too; roughly in the order they came.

        Some thousand are read ahead of those that are worked on. To be closed by who leaves off early.

        Raises DamagedTable and the store's errors.
        """
        async with (
            aclosing(self._parts(snapshot, columns)) as parts,
            aclosing(read_ahead(parts, partial(self._read_part, columns=columns), ahead=_READS_AHEAD)) as reads,
        ):
            async for batches in reads:
                for batch in batches:
                    yield batch

    async def _parts(
        self, snapshot: Snapshot, columns: Sequence[str]
    ) -> AsyncGenerator[tuple[Footer, range], None]:
        """The files of a version of the table, a part at a time."""

        async def files() -> AsyncIterator[TableFile]:
            for file in sorted(snapshot.files, key=lambda file: (file.revisions, file.path)):
                yield file

        async def footer_of(file: TableFile) -> Footer:
            return await read_footer(self._store, file.key, file.size)

        async with aclosing(read_ahead(files(), footer_of, ahead=_FOOTERS_AHEAD)) as footers:
            async for footer in footers:
                limits = {"most_rows": _ROWS_AT_ONCE, "most_bytes": _BYTES_AT_ONCE}
                for groups in plan_parts(footer.metadata, columns, **limits):
                    yield footer, groups

    async def _read_part(self, part: tuple[Footer, range], columns: Sequence[str]) -> list[pa.RecordBatch]:
        footer, groups = part
        table = await read_groups(self._store, footer, groups, columns)
        return await asyncio.to_thread(_joined_batches, table, columns)

    async def read_series_headers(
        self, study: str, series: str, *, revisions: Collection[int]
    ) -> dict[str, bytes]:
        """Headers of the versions of a series that are in the table, by version; DICOM JSON.

        `revisions`: those of the versions wanted. No file is looked into that holds none of them.
        Versions with a header in an object of its own, or purged, are left out. Raises DamagedTable and the
        store's errors.
        """
        snapshot = await self.snapshot()
        if snapshot is None:
            return {}
        try:
            parts = await asyncio.gather(
                *(self._series_in(file, study, series) for file in files_holding(snapshot, study, revisions))
            )
        except DamagedTable:
            # files go a while after a newer version of the table has done without them, at once after a purge
            self._snapshot = None
            raise
        return {version: header for part in parts for version, header in part}

    async def _series_in(self, file: TableFile, study: str, series: str) -> list[tuple[str, bytes]]:
        footer = self._footers.pop(file.path, None) or await read_footer(self._store, file.key, file.size)
        self._footers[file.path] = footer
        while len(self._footers) > _FOOTERS_KEPT:
            del self._footers[next(iter(self._footers))]
        groups = groups_holding(footer.metadata, {"study": study, "series": series})
        if not groups:
            return []
        table = await read_groups(self._store, footer, groups, _HEADER_COLUMNS)
        return await asyncio.to_thread(_headers_of, table, study, series)

    def _keep(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        paths = {file.path for file in snapshot.files}
        self._footers = {path: footer for path, footer in self._footers.items() if path in paths}

    async def _exists(self) -> bool:
        return await anext(aiter(self._store.list(f"{TABLE}/_delta_log/")), None) is not None

    async def _run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Have a process do a job; see `storage.log.fold`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "storage.log.fold"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            told = job | {"address": address_to_json(self._address), "parent": os.getpid()}
            output, complaints = await process.communicate(json.dumps(told).encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            result: dict[str, Any] = json.loads(output)
        except ValueError as error:
            last = complaints.decode(errors="replace").strip().rpartition("\n")[2]
            raise FoldFailed(f"the folding process ended with {process.returncode}: {last}") from error
        if "error" in result:
            kind = DamagedTable if result["error"] == DamagedTable.__name__ else FoldFailed
            raise kind(f"{result['error']}: {result['message']}")
        return result


def _joined_batches(table: pa.Table, columns: Sequence[str]) -> list[pa.RecordBatch]:
    """The rows as `conformed` gives them, in few batches."""
    batches: list[pa.RecordBatch] = conformed(table, columns).combine_chunks().to_batches()
    return batches


def files_holding(snapshot: Snapshot, study: str, revisions: Collection[int]) -> Iterator[TableFile]:
    """The files that can hold versions of a study, stored by these entries."""
    wanted = sorted(revisions)
    for file in snapshot.files:
        first = bisect_left(wanted, file.revisions[0])
        stored = first < len(wanted) and wanted[first] <= file.revisions[1]
        if stored and file.studies[0] <= study <= file.studies[1]:
            yield file


def _headers_of(table: pa.Table, study: str, series: str) -> list[tuple[str, bytes]]:
    wanted = pc.and_(pc.equal(table["study"], study), pc.equal(table["series"], series))
    rows = table.filter(pc.and_(wanted, pc.is_valid(table["header"])))
    headers = pc.cast(rows["header"], pa.large_binary()).to_pylist()
    return list(zip(rows["version"].to_pylist(), headers, strict=True))
