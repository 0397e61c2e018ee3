"""The log on an object store, read: one entry, all behind another, the tail, columns for a fold.

No entry is told to anyone before it would survive a power cut: a follower settles the last one it reads, and the
writer of each has settled the one before it. So of all entries only the last can be torn by a crash, and nobody
has seen that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import pyarrow as pa

from storage.layout import LOG, entry_key, parse_entry_key, torn_key
from storage.log.codec import decode_batch, decode_entry, writer_of
from storage.log.errors import DamagedEntry, NewerVersion, TooNew
from storage.log.events import Entry
from storage.log.following import Listed, looks_torn, plan_batches
from storage.log.format import FORMAT_VERSION
from storage.log.shelf import Shelf
from storage.objects.contract import ObjectMissing, ObjectStore

_THREAD_BYTES = 256 << 10
"""Entries above this size are decoded in a thread: it takes more than some milliseconds."""
_LISTED_AT_ONCE = 100_000
"""Entries of a listing that a follower holds in memory."""
_AT_ONCE = 32
"""Entries read side by side."""
_FIRST_AT_ONCE = 4
"""Entries asked for before it is known how large they are; then as many as fit, and twice as many at most."""
_KNOWN_AT_ONCE = 8
"""The same where their size is not known."""
_PROBES = 4
"""Entries a follower asks for one after the other before it lists the log."""


class LogReader:
    """The entries of one epoch, for any number of tasks that read."""

    def __init__(self, store: ObjectStore, epoch: str, *, format: int, listing: bool) -> None:
        """`format` is the archive's format version as far as is known; `listing` as for `Journal.open`."""
        self.store = store
        self.epoch = epoch
        self.format = format
        """Format version of the archive, by `format.json` and the entries read so far."""
        self._listing = listing
        self._listed = False
        self._durable = 0
        self.shelf: Shelf | None = None
        """Where siblings find what this node wrote, and this one what they did."""

    async def read(self, number: int) -> Entry | None:
        """The entry, None if it is not there yet. Raises DamagedEntry, TooNew and the store's errors."""
        entry = await self._fetch(number)
        if entry is not None and number > self._durable:
            await self._settle(number)
        return entry

    async def tail(self, after: int) -> int:
        """Number of the last entry, `after` if none follows it. Raises DamagedEntry at a gap."""
        if not self._listing and self._listed:
            try:
                await self.store.head(entry_key(self.epoch, after + 1))
            except ObjectMissing:
                return after
        listed, gap = await self._survey(after)
        if gap is not None:
            raise gap
        return listed[-1].number if listed else after

    async def follow(self, after: int) -> AsyncIterator[Entry]:
        """The entries from `after` + 1 to the tail as it is now, in order.

        A follower that is far behind lists the log and reads many entries at a time. Raises DamagedEntry, also
        where one is missing; what lies before it has been given then.
        """
        number = after
        if self._listed and not self._listing:
            for _ in range(_PROBES):
                entry = await self.read(number + 1)
                if entry is None:
                    return
                number += 1
                yield entry
        while True:
            listed, gap = await self._survey(number, most=_LISTED_AT_ONCE)
            if listed and listed[-1].number > self._durable:
                await self._settle(listed[-1].number)
            for batch in plan_batches(listed):
                entries, fault = await self._read_all(batch, self._fetch)
                for entry in entries:
                    yield entry
                if fault is not None:
                    raise fault
            if gap is not None:
                raise gap
            if len(listed) < _LISTED_AT_ONCE:
                return
            number = listed[-1].number

    async def read_known(self, after: int, until: int) -> AsyncIterator[Entry]:
        """The entries from `after` + 1 to `until`, which another node has told to be there and durable.

        Raises DamagedEntry, TooNew and the store's errors.
        """
        self._durable = max(self._durable, until)
        for first in range(after + 1, until + 1, _KNOWN_AT_ONCE):
            numbers = range(first, min(first + _KNOWN_AT_ONCE, until + 1))
            entries, fault = await self._read_all(numbers, self._fetch_known)
            for entry in entries:
                yield entry
            if fault is not None:
                raise fault

    async def _survey(self, after: int, *, most: int | None = None) -> tuple[list[Listed], DamagedEntry | None]:
        """The entries behind `after` without reading them, up to the first gap; and that gap."""
        listed: list[Listed] = []
        expected = after + 1
        async for info in self.store.list(f"{LOG}{self.epoch}/", after=entry_key(self.epoch, after)):
            if (name := parse_entry_key(info.key)) is None:
                continue
            while expected < name[1]:
                # A listing made while entries come may leave one out that is older than another it has.
                try:
                    left_out = await self.store.head(entry_key(self.epoch, expected))
                except ObjectMissing:
                    return listed, DamagedEntry(expected, "it is missing, but later entries are there")
                listed.append(Listed(expected, left_out.size))
                expected += 1
            listed.append(Listed(name[1], info.size))
            expected += 1
            if len(listed) == most:
                break
        self._listed = True
        return listed, None

    async def _read_all(
        self, numbers: Sequence[int], fetch: Callable[[int], Awaitable[Entry | None]]
    ) -> tuple[list[Entry], BaseException | None]:
        """These entries, read side by side, up to the first that cannot be read; and why it cannot."""
        results = await asyncio.gather(*map(fetch, numbers), return_exceptions=True)
        entries: list[Entry] = []
        for number, result in zip(numbers, results, strict=True):
            if isinstance(result, BaseException):
                return entries, result
            if result is None:
                return entries, DamagedEntry(number, "it was listed, but is missing")
            entries.append(result)
        return entries, None

    async def read_rows(
        self, after: int, *, until: int | None, most_bytes: int
    ) -> list[tuple[int, pa.RecordBatch]]:
        """The rows of the entries behind `after`, for whoever wants columns, not events.

        Ends at the tail, at `until`, or when their content has reached `most_bytes`. The last entry is durable.
        Columns are for those who write what they make of them: entries behind an upgrade to a format that this
        program does not know are TooNew, even if they can be read.
        Raises DamagedEntry, TooNew if not even the first can be read.
        """
        found: list[tuple[int, pa.RecordBatch]] = []
        size, at_once = 0, _FIRST_AT_ONCE
        while size < most_bytes:
            first = after + len(found) + 1
            numbers = range(first, first + at_once if until is None else min(first + at_once, until + 1))
            for number, data in zip(numbers, await asyncio.gather(*map(self.fetch_bytes, numbers)), strict=True):
                if data is None or size >= most_bytes:
                    break
                try:
                    batch = await asyncio.to_thread(decode_batch, data, number=number, epoch=self.epoch)
                    if (writer := writer_of(batch)) > FORMAT_VERSION:
                        raise NewerVersion(f"log entry {number}", writer, FORMAT_VERSION)
                except (DamagedEntry, TooNew):
                    if found:
                        break
                    raise
                found.append((number, batch))
                size += batch.nbytes
            fit = (most_bytes - size) * len(found) // max(size, 1)
            at_once = max(1, min(2 * at_once, _AT_ONCE, fit))
            if not numbers or len(found) < first + len(numbers) - after - 1:
                break
        if found and found[-1][0] > self._durable:
            await self._settle(found[-1][0])
        return found

    async def fetch_bytes(self, number: int) -> bytes | None:
        """The object of an entry as it is stored, or the one in its place if a crash tore it (see `torn`).

        None if it is not there.
        """
        try:
            data = await self.store.get(entry_key(self.epoch, number))
        except ObjectMissing:
            return None
        if looks_torn(data):
            with suppress(ObjectMissing):
                return await self.store.get(torn_key(self.epoch, number))
        return data

    async def _fetch_known(self, number: int) -> Entry | None:
        if self.shelf is not None and (data := await asyncio.to_thread(self.shelf.get, self.epoch, number)):
            with suppress(DamagedEntry):
                return await self._decode(number, data)
        return await self._fetch(number)

    async def _fetch(self, number: int) -> Entry | None:
        data = await self.fetch_bytes(number)
        return None if data is None else await self._decode(number, data)

    async def _decode(self, number: int, data: bytes) -> Entry:
        if len(data) > _THREAD_BYTES:
            entry = await asyncio.to_thread(decode_entry, data, number=number, epoch=self.epoch)
        else:
            entry = decode_entry(data, number=number, epoch=self.epoch)
        self.format = max(self.format, entry.format)
        return entry

    async def _settle(self, number: int) -> None:
        """Make an entry that is there durable."""
        await self.store.settle([entry_key(self.epoch, number)])
        self._durable = max(self._durable, number)
