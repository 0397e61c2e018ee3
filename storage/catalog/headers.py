"""Headers of instances: those that wait in memory, those on the local disk, and the rest from the log.

What the local disk does not have is asked for together, through `HeaderOrigin`, and kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Protocol

from dicomweb.model.instance import Header, Instance
from storage.catalog.database import Database
from storage.catalog.lookup import HeaderRow, header_rows, instances_of_rows
from storage.catalog.pending import Pending
from storage.catalog.segments import HeaderSegments
from storage.catalog.writer import Writer

_TOGETHER = 200
"""Headers read at a time."""


class HeaderOrigin(Protocol):
    """Where headers come from when this node has no copy."""

    async def fetch(self, instances: Sequence[Instance]) -> Sequence[bytes]:
        """Their headers in the same order, from log entries or the checkpoint table."""


class HeaderReader:
    """Reads headers, the nearest copy first."""

    def __init__(
        self, database: Database, segments: HeaderSegments, writer: Writer, origin: HeaderOrigin, pending: Pending
    ) -> None:
        self._database = database
        self._segments = segments
        self._writer = writer
        self._origin = origin
        self._pending = pending
        self._keeping: set[asyncio.Task[None]] = set()

    async def read(self, instances: Sequence[Instance]) -> AsyncIterator[list[Header]]:
        """The headers in the same order, some at a time."""
        rows: dict[str, HeaderRow] | None = None
        for start in range(0, len(instances), _TOGETHER):
            group = instances[start : start + _TOGETHER]
            found = [self._waiting(one) for one in group]
            if not all(found):
                if rows is None:
                    rows = await self._database.read(partial(header_rows, instances=instances))
                await self._fill(group, found, rows)
            yield [Header(one, header or b"{}") for one, header in zip(group, found, strict=True)]

    def _waiting(self, instance: Instance) -> bytes | None:
        stored = self._pending.stored(instance.version)
        return stored.header if stored is not None and stored.header else None

    async def _fill(
        self, group: Sequence[Instance], found: list[bytes | None], rows: dict[str, HeaderRow]
    ) -> None:
        absent = [at for at, header in enumerate(found) if header is None]
        places = [row.place if (row := rows.get(group[at].version)) else None for at in absent]
        local = await self._database.read(lambda _: self._segments.read(places))
        for at, header in zip(absent, local, strict=True):
            found[at] = header
        missing = [at for at in absent if found[at] is None]
        if missing:
            fetched = await self._origin.fetch([group[at] for at in missing])
            for at, header in zip(missing, fetched, strict=True):
                found[at] = header
            self._keep(
                [(row.row, h) for at in missing if (row := rows.get(group[at].version)) and (h := found[at])]
            )

    async def of_rows(self, rows: Sequence[HeaderRow], *, slow: bool) -> list[bytes]:
        """The headers of versions in DuckDB, in the same order; `slow`: in the lane for long searches."""
        lane = self._database.slow if slow else self._database.read
        places = [row.place for row in rows]
        found = await lane(lambda _: self._segments.read(places))
        missing = [row.row for row, header in zip(rows, found, strict=True) if header is None]
        if missing:
            instances = await lane(partial(instances_of_rows, rows=missing))
            known = [row for row in missing if row in instances]
            fetched = await self._origin.fetch([instances[row] for row in known])
            again = dict(zip(known, fetched, strict=True))
            # The same search may want them again to tell them, so this waits until they are there.
            await self._database.write(partial(self._writer.keep_headers, headers=list(again.items())))
            found = [
                again.get(row.row) if header is None else header for row, header in zip(rows, found, strict=True)
            ]
        return [header or b"{}" for header in found]

    def _keep(self, headers: list[tuple[int, bytes]]) -> None:
        if headers:
            keep = self._database.write(partial(self._writer.keep_headers, headers=headers))
            task = asyncio.ensure_future(keep)
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    async def close(self) -> None:
        """Wait for what is being kept."""
        await asyncio.gather(*self._keeping, return_exceptions=True)
