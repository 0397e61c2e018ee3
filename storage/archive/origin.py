"""Where headers come from when the node has no copy: the log entry that stored them, or the checkpoint table.

A series that came in a few commits is read from their entries; one that came in many is read from the table, which
keeps a series together. What neither the table nor memory holds is read from its entry.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from dicomweb.model.instance import Instance
from dicomweb.ports import Damaged, Unavailable
from storage import layout
from storage.log.checkpoint import Checkpoint
from storage.log.codec import decode_batch, entry_of
from storage.log.errors import LogError
from storage.log.events import Entry, Kind, StoredVersion
from storage.log.journal import DamagedEntry, Journal
from storage.objects.contract import ObjectMissing, ObjectStore, StoreError

_LOG = logging.getLogger(__name__)
_AT_ONCE = 8
_FEW_ENTRIES = 2
"""Up to so many entries are read themselves rather than the table."""


class LogOrigin:
    """Fulfils `storage.catalog.catalog.HeaderOrigin`."""

    def __init__(self, store: ObjectStore, journal: Journal, checkpoint: Checkpoint | None) -> None:
        self._store = store
        self._checkpoint = checkpoint
        self._journal = journal
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, instances: Sequence[Instance]) -> Sequence[bytes]:
        """Headers in the same order. Raises Damaged, Unavailable."""
        try:
            return await self._fetch(instances)
        except (StoreError, LogError) as error:
            raise Unavailable("the object store cannot be reached") from error

    async def _fetch(self, instances: Sequence[Instance]) -> Sequence[bytes]:
        wanted: dict[int, set[str]] = {}
        for instance in instances:
            wanted.setdefault(instance.revision, set()).add(instance.version)
        found = await self._from_table(instances) if len(wanted) > _FEW_ENTRIES else {}
        wanted = {number: rest for number, versions in wanted.items() if (rest := versions - found.keys())}
        for part in await asyncio.gather(*(self._entry(number, versions) for number, versions in wanted.items())):
            found.update(part)
        lost = [instance for instance in instances if instance.version not in found]
        if lost:
            raise Damaged(f"the log has no header for {len(lost)} of {len(instances)} instances")
        return [found[instance.version] for instance in instances]

    async def _from_table(self, instances: Sequence[Instance]) -> dict[str, bytes]:
        """What the table has of them; a table that cannot be read is passed over, since the log has everything."""
        found: dict[str, bytes] = {}
        if self._checkpoint is None:
            return found
        wanted: dict[tuple[str, str], set[int]] = {}
        for one in instances:
            wanted.setdefault((one.key.study, one.key.series), set()).add(one.revision)
        try:
            for (study, series), revisions in sorted(wanted.items()):
                found |= await self._checkpoint.read_series_headers(study, series, revisions=revisions)
        except (LogError, StoreError, OSError) as error:
            _LOG.warning("the checkpoint table could not be read: %s", error)
        return found

    async def _entry(self, number: int, versions: set[str]) -> dict[str, bytes]:
        async with self._turns:
            data = await self._journal.fetch_bytes(number)
            if data is None:
                raise Damaged(f"log entry {number} is missing")
            try:
                entry = await asyncio.to_thread(_entry_with, data, number, self._journal.epoch, versions)
            except DamagedEntry as error:
                raise Damaged(f"log entry {number} is damaged") from error
        stored = [event.stored for event in entry.events if event.kind is Kind.STORED and event.stored]
        return {one.version: await self._header(one) for one in stored}

    async def _header(self, stored: StoredVersion) -> bytes:
        if stored.header or not stored.header_size:
            return stored.header
        try:
            packed = await self._store.get(layout.header_key(stored.key, stored.version))
        except ObjectMissing as error:
            raise Damaged("the object that holds a large header is missing") from error
        return await asyncio.to_thread(zstandard.decompress, packed)


def _entry_with(data: bytes, number: int, epoch: str, versions: Collection[str]) -> Entry:
    """What an entry says of some versions: of the hundreds it may hold, only these are made of its columns."""
    batch = decode_batch(data, number=number, epoch=epoch)
    return entry_of(batch.filter(pc.is_in(batch["version"], pa.array(sorted(versions), pa.utf8()))), number=number)
