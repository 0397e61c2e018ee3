"""One transaction of a fold: the rows of some entries come into the table, and what they touch is changed.

    entries ─ events ─┬─ plan ─┬─ new rows ──────────────┐
    rows they touch ──┘        └─ changed and small files ┴─ new files ─ one commit

Which files hold rows of the studies concerned is told by the index of studies; only those are looked into.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from storage.log.delta_log import Conflict, NewFile, encode_commit, place
from storage.log.folding import KNOWN, FoldPlan, Touched, plan_fold, plan_touched
from storage.log.gathering import FoldLimits, Rewriting, plan_rewriting
from storage.log.parquet_reads import Footer, groups_holding_any, read_footer, read_groups
from storage.log.parquet_writes import stats_of, write_parquet
from storage.log.rows import SCHEMA, conformed, place_events
from storage.log.snapshot import Snapshot, TableFile
from storage.log.study_index import Hashes, StudyIndex, hashes_of, metadata_of, studies_in
from storage.objects.contract import ObjectStore, StoreError

_AT_ONCE = 8
"""Files that are looked into side by side."""
_KNOWN_SCHEMA: pa.Schema = pa.schema([*(SCHEMA.field(name) for name in KNOWN), ("file", pa.utf8())])


class FoldStep:
    """The transaction that follows a version of the table."""

    def __init__(self, store: ObjectStore, snapshot: Snapshot, index: StudyIndex, limits: FoldLimits) -> None:
        """`index` knows what is in the files of the snapshot, and afterwards those that came."""
        self._store = store
        self._snapshot = snapshot
        self._index = index
        self._limits = limits
        self._footers: dict[str, Footer] = {}
        self._studies: dict[str, Hashes] = {}

    async def run(self, entries: Sequence[tuple[int, pa.RecordBatch]]) -> tuple[Snapshot, int]:
        """The version that comes of it, and the number of new rows.

        Raises Conflict, and then nothing has happened; DamagedTable and the store's errors.
        """
        events = await asyncio.to_thread(place_events, entries)
        known = await self._read_known(plan_touched(events))
        plan = await asyncio.to_thread(plan_fold, events, known)
        del events, known
        rewriting = plan_rewriting(self._snapshot.files, plan.files, self._limits)
        come = await self._write(plan, rewriting)
        await self._store.settle([new.file.key for new in come])
        go = (*rewriting.gathered, *rewriting.alone)
        try:
            after = await place(self._store, self._snapshot, encode_commit(come, go, last=entries[-1][0]))
        except Conflict:
            await self._give_up(come)
            raise
        self._index.add(list(self._studies.items()))
        return after, int(plan.rows.num_rows)

    async def _read_known(self, touched: Touched) -> pa.Table:
        """What the plan needs to know of the rows that are there, and the files they are in."""
        studies = defaultdict(list)
        for study in touched.studies.to_pylist():
            studies[int(hashes_of([study])[0])].append(study)
        where = self._index.files_with(studies)
        looked = [file for file in self._snapshot.files if file.path in where]
        parts = [_KNOWN_SCHEMA.empty_table()]
        for start in range(0, len(looked), _AT_ONCE):
            some = looked[start : start + _AT_ONCE]
            wanted = [sorted(study for one in where[file.path] for study in studies[one]) for file in some]
            parts.extend(await asyncio.gather(*map(self._known_of, some, wanted, [touched] * len(some))))
        return pa.concat_tables(parts)

    async def _known_of(self, file: TableFile, studies: Sequence[str], touched: Touched) -> pa.Table:
        footer = await self._footer(file)
        groups = groups_holding_any(footer.metadata, "study", studies)
        if not groups:
            return _KNOWN_SCHEMA.empty_table()
        rows = touched.matching(conformed(await read_groups(self._store, footer, groups, KNOWN), KNOWN))
        return rows.append_column("file", pa.repeat(file.path, rows.num_rows))

    async def _footer(self, file: TableFile) -> Footer:
        if file.path not in self._footers:
            self._footers[file.path] = await read_footer(self._store, file.key, file.size)
        return self._footers[file.path]

    async def _write(self, plan: FoldPlan, rewriting: Rewriting) -> list[NewFile]:
        """The files that come, one set of rows in memory at a time."""
        come = []
        for file in rewriting.alone:
            come.append(await self._write_file(await self._read_file(file, plan)))
        parts = [await self._read_file(file, plan) for file in rewriting.gathered]
        rows = pa.concat_tables([*parts, plan.rows])
        del parts
        for part in _divided(rows, self._limits.file_rows):
            come.append(await self._write_file(part))
        return come

    async def _read_file(self, file: TableFile, plan: FoldPlan) -> pa.Table:
        footer = await self._footer(file)
        groups = range(footer.metadata.num_row_groups)
        rows = conformed(await read_groups(self._store, footer, groups, SCHEMA.names), SCHEMA.names)
        return plan.changed(file.path, rows)

    async def _write_file(self, rows: pa.Table) -> NewFile:
        studies = studies_in(rows)
        data = await asyncio.to_thread(write_parquet, rows, metadata_of(studies))
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
        self._studies[file.path] = studies
        return NewFile(file, stats)

    async def _give_up(self, come: Iterable[NewFile]) -> None:
        """Delete what no transaction names; what is left behind goes with the next vacuum."""
        for new in come:
            try:
                await self._store.delete(new.file.key)
            except StoreError:
                return


def _divided(rows: pa.Table, file_rows: int) -> Iterator[pa.Table]:
    """The rows in the order they came, in parts of about that many."""
    count = -(-rows.num_rows * 4 // (file_rows * 5))
    for part in range(count):
        start, end = (rows.num_rows * at // count for at in (part, part + 1))
        yield rows.slice(start, end - start)
