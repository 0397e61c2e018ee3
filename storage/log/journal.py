"""The log on an object store: append the next entry, read one, follow them all.

Creating entry N, create-only, is the commit: it makes its events exist and puts all nodes in one order. Whether a
create has happened is told by its commit id alone, never by the answer to the request:

                    ┌─ it went through ───────────────────────────── settle ─▶ won
    create N ───────┤                              ┌─ own commit id ─ settle ─▶ won
                    └─ exists, or no answer ─ read ┼─ another's ──────────────▶ lost
                                              N    ├─ absent ─ create N again
                                                   └─ no answer for long ─────▶ OutcomeUnknown

No entry is told to anyone, and none is built upon, before it would survive a power cut: a writer settles N-1
before it creates N, unless it knows that to be durable, and a follower settles the last entry it reads. So of all
entries only the last one can be torn by a crash, and nobody has seen that one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import pyarrow as pa

from storage.layout import FORMAT, LOG, entry_key, parse_entry_key, torn_key
from storage.log.codec import decode_batch, decode_entry, encode_entry, writer_of
from storage.log.errors import DamagedEntry, EpochEnded, NeedsUpgrade, NewerVersion, OutcomeUnknown, TooNew
from storage.log.events import Entry, Event, Kind
from storage.log.following import Listed, looks_torn, plan_batches
from storage.log.format import FORMAT_VERSION, ArchiveFormat, check_kinds, open_format, parse_format, since
from storage.log.shelf import KEPT_SECONDS, Shelf
from storage.objects.contract import (
    ObjectExists,
    ObjectMissing,
    ObjectStore,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnavailable,
)

__all__ = ["Appended", "DamagedEntry", "Journal", "OutcomeUnknown", "TooNew"]

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_THREAD_BYTES = 256 << 10
"""Entries above this size are decoded in a thread: it takes more than some milliseconds."""
_THREAD_EVENTS = 200
"""Entries with so many events are encoded in a thread for the same reason."""
_LISTED_AT_ONCE = 100_000
"""Entries of a listing that a follower holds in memory."""
_AT_ONCE = 32
"""Entries read side by side."""
_FIRST_AT_ONCE = 4
"""Entries asked for before it is known how large they are; then as many as fit, and twice as many at most."""
_KNOWN_AT_ONCE = 8
"""The same where their size is not known."""
EPOCH_SECONDS = 10.0
"""How long a writer believes that its epoch goes on. A rebuild of an archive whose log is lost waits for longer
before it looks at what there is."""
_PROBES = 4
"""Entries a follower asks for one after the other before it lists the log."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of an append."""

    entry: Entry
    """The entry of that number: one's own, or the other writer's."""
    won: bool


class Journal:
    """The entries of one epoch. Any number of tasks may read; one task at a time appends."""

    def __init__(
        self,
        store: ObjectStore,
        archive: ArchiveFormat,
        *,
        node: str,
        patience_seconds: float,
        listing: bool,
    ) -> None:
        self.store = store
        self.archive_id = archive.archive_id
        self.epoch = archive.epoch
        self.rebuilt = archive.rebuilt
        self.format = archive.writer
        """Format version of the archive, by `format.json` and the entries read so far."""
        self._release = archive.release
        self.node = node
        self._patience = patience_seconds
        self._listing = listing
        self._listed = False
        self._durable = 0
        self._ended = bool(archive.rebuild)
        self._looked = time.monotonic()
        self.shelf: Shelf | None = None
        """Where siblings find what this node wrote, and this one what they did."""

    @classmethod
    async def open(
        cls, store: ObjectStore, *, node: str, patience_seconds: float = 10.0, listing: bool = False
    ) -> Self:
        """Open the log of an archive; an empty store becomes an archive.

        `patience_seconds`: how long an append tries to find out what became of it.
        `listing`: find the tail by listing only, for folders shared by machines, whose clients remember for a
        while that a file is not there.
        Raises TooNew, DamagedFormat and the store's errors.
        """
        archive = await open_format(store)
        return cls(store, archive, node=node, patience_seconds=patience_seconds, listing=listing)

    async def check_epoch(self) -> None:
        """See now and then that the archive still goes by this epoch. Raises EpochEnded and the store's errors.

        Whoever applies the entry with which a rebuild ended the epoch knows it from that. This is for the rebuild
        of an archive whose log is lost, where no entry can be placed that every writer has to pass.
        """
        if not self._ended and time.monotonic() - self._looked > EPOCH_SECONDS:
            with suppress(ObjectMissing):
                now = parse_format(await self.store.get(FORMAT), writing=False)
                self._ended = now.epoch != self.epoch or bool(now.rebuild)
                self.format, self._release = max(self.format, now.writer), now.release
            # not after a failure: what cannot be read, or is too new, holds writers up until it is mended
            self._looked = time.monotonic()
        if self._ended:
            raise EpochEnded

    @property
    def outgrown(self) -> NewerVersion | None:
        """Why this program may not write to the archive, though it may read it; None if it may."""
        if self.format <= FORMAT_VERSION:
            return None
        return NewerVersion("the archive", self.format, FORMAT_VERSION, self._release)

    def require(self, kind: Kind) -> None:
        """See that the archive's format has this kind of event. Raises NeedsUpgrade."""
        if since(kind) > self.format:
            raise NeedsUpgrade(kind, self.format, since(kind))

    async def append(self, number: int, events: Sequence[Event], commit: str) -> Appended:
        """Write entry `number`; the caller has applied every entry below it.

        On return the entry is durable, whoever wrote it. `commit` is a random id of this content; the same call
        may be repeated after OutcomeUnknown or after a cancellation, which leaves the outcome open too.
        Raises OutcomeUnknown; StoreFull, StoreDenied if nothing was written; StoreUnavailable if nothing was
        tried; DamagedEntry; NewerVersion if the archive was upgraded to a format that this program does not know.
        """
        if number < 1 or not events:
            raise ValueError("an entry has a number from 1 and at least one event")
        if self.outgrown is not None:
            raise self.outgrown
        check_kinds((event.kind for event in events), self.format)
        if number - 1 > self._durable:
            try:
                await self._settle(number - 1)
            except ObjectMissing as error:
                raise DamagedEntry(number - 1, "it is missing") from error
        entry = Entry(number, self.epoch, commit, self.node, datetime.now(UTC), tuple(events), self.format)
        if len(events) < _THREAD_EVENTS:
            return await self._place(entry, encode_entry(entry))
        return await self._place(entry, await asyncio.to_thread(encode_entry, entry))

    async def _place(self, entry: Entry, data: bytes) -> Appended:
        """Create the entry, or find out who has."""
        until = time.monotonic() + self._patience
        pause, doubt = _FIRST_PAUSE, False
        while True:
            found: Entry | None = None
            refusal: StoreError | None = None
            cause: StoreError | None = None
            try:
                await self.store.put(entry_key(self.epoch, entry.number), [data], create=True)
                found = entry
            except ObjectExists as error:
                cause = error
            except (StoreFull, StoreDenied) as error:
                cause = refusal = error
            except StoreUnavailable as error:
                doubt, cause = True, error
            try:
                found = found or await self._fetch(entry.number)
                if found is not None:
                    doubt = True
                    await self._settle(entry.number)
                    if self.shelf is not None and found is entry:
                        await self._show(self.shelf, entry.number, data)
                    return Appended(found, found.commit == entry.commit)
            except (StoreUnavailable, StoreFull, StoreDenied) as error:
                doubt, cause = doubt or refusal is None, error
            if refusal is not None and not doubt:
                raise refusal
            if time.monotonic() + pause > until:
                raise OutcomeUnknown(entry.number, entry.commit) from cause
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _show(self, shelf: Shelf, number: int, data: bytes) -> None:
        await asyncio.to_thread(shelf.put, self.epoch, number, data)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, shelf.drop, number)

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
