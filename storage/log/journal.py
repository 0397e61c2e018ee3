"""The log on an object store: append the next entry. How it is read is told in `storage/log/reader.py`.

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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from storage.layout import FORMAT, entry_key
from storage.log.codec import encode_entry
from storage.log.errors import (
    DamagedEntry,
    EpochEnded,
    LogError,
    NeedsUpgrade,
    NewerVersion,
    OutcomeUnknown,
    TooNew,
)
from storage.log.events import Entry, Event, Kind
from storage.log.format import FORMAT_VERSION, ArchiveFormat, check_kinds, open_format, parse_format, since
from storage.log.lookout import Lookout
from storage.log.reader import LogReader
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
_THREAD_EVENTS = 200
"""Entries with so many events are encoded in a thread: it takes more than some milliseconds."""
EPOCH_SECONDS = 10.0
"""How long a writer believes that its epoch goes on. A rebuild of an archive whose log is lost waits for longer
before it looks at what there is."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of an append."""

    entry: Entry
    """The entry of that number: one's own, or the other writer's."""
    won: bool


@dataclass(frozen=True, slots=True)
class Contest:
    """What a writer knows of others that write at the same time."""

    lost: int = 0
    """Numbers it has lost to them with what it has to write."""
    waits: str = ""
    """What the entry is to tell of a writer that waits."""
    request_seconds: float = 0.0
    """How long a request takes; 0 if no others are known, and an append need not look out for them."""


ALONE = Contest()


class Journal(LogReader):
    """The log of one epoch. Any number of tasks may read; one task at a time appends."""

    def __init__(
        self,
        store: ObjectStore,
        archive: ArchiveFormat,
        *,
        node: str,
        patience_seconds: float,
        listing: bool,
    ) -> None:
        super().__init__(store, archive.epoch, format=archive.writer, listing=listing)
        self.archive_id = archive.archive_id
        self.rebuilt = archive.rebuilt
        self._release = archive.release
        self.node = node
        self._patience = patience_seconds
        self._ended = bool(archive.rebuild)
        self._looked = time.monotonic()
        self._lookout = Lookout(self.fetch_bytes, self._decode)

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

    async def news(self, after: int, *, request_seconds: float, far: bool = False) -> Sequence[Entry]:
        """Wait for entries behind `after`, to be the first to know; one task at a time, none while it appends.

        All that are there in a row, and durable. May be cancelled. Raises DamagedEntry, TooNew and, from making
        them durable, the store's errors; a store that does not answer is no news.
        """
        entries = self._lookout.seen(after) or await self._lookout.news(
            after, request_seconds=request_seconds, far=far
        )
        return await self._settled(entries)

    @property
    def behind(self) -> bool:
        """Whether there is probably more in the log than `news` has given."""
        return self._lookout.behind

    async def seen(self, after: int) -> Sequence[Entry]:
        """The same of what has been read already; none if nothing has."""
        return await self._settled(self._lookout.seen(after))

    async def _settled(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        if entries and entries[-1].number > self._durable:
            await self._settle(entries[-1].number)
        return entries

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._lookout.close()

    async def append(
        self, number: int, events: Sequence[Event], commit: str, contest: Contest = ALONE
    ) -> Appended:
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
        now = datetime.now(UTC)
        facts = (number, self.epoch, commit, self.node, now, tuple(events), self.format)
        entry = Entry(*facts, lost=contest.lost, waits=contest.waits)
        if len(events) < _THREAD_EVENTS:
            return await self._place(entry, encode_entry(entry), contest)
        return await self._place(entry, await asyncio.to_thread(encode_entry, entry), contest)

    async def _place(self, entry: Entry, data: bytes, contest: Contest) -> Appended:
        """Create the entry, or find out who has."""
        until = time.monotonic() + self._patience
        pause, doubt = _FIRST_PAUSE, False
        while True:
            found: Entry | None = None
            refusal: StoreError | None = None
            cause: StoreError | None = None
            try:
                found = await self._create(entry, data, contest)
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

    async def _create(self, entry: Entry, data: bytes, contest: Contest) -> Entry:
        """Put the entry in its place; in a contest another's may be seen there before the store has answered.

        That one's being there is the answer: entries stay, so the create that is under way can only fail.
        """
        put = self.store.put(entry_key(self.epoch, entry.number), [data], create=True)
        if not contest.request_seconds:
            await put
            return entry
        putting = asyncio.create_task(put)
        news = asyncio.create_task(self._lookout.news(entry.number - 1, request_seconds=contest.request_seconds))
        try:
            await asyncio.wait((putting, news), return_when=asyncio.FIRST_COMPLETED)
            # a damaged entry may be one's own, badly read
            if not putting.done() and news.exception() is None:
                seen = news.result()[0]
                if seen.commit != entry.commit:
                    self._lookout.keep(_forget(putting))
                    return seen
            await putting
        except ObjectExists:
            with suppress(TimeoutError, LogError):
                return (await asyncio.wait_for(news, 2 * contest.request_seconds))[0]
            raise
        except asyncio.CancelledError:
            putting.cancel()
            raise
        finally:
            news.cancel()
        return entry

    async def _show(self, shelf: Shelf, number: int, data: bytes) -> None:
        await asyncio.to_thread(shelf.put, self.epoch, number, data)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, shelf.drop, number)


async def _forget(work: asyncio.Task[None]) -> None:
    """See a request to its end whose outcome is known already."""
    try:
        with suppress(StoreError):
            await work
    finally:
        work.cancel()
