"""One instance on its way into the store: chunks to an object, and a candidate for the log.

A small instance is taken whole in memory, looked through in one go, and written only if the archive does not have
it already. A large one streams: its blocks are looked through and hashed in a thread while earlier ones are
uploaded, so that memory stays the same for 10 MB and for 10 GB. Nothing is visible before the log says so.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import zstandard

from dicomweb.encoding.head import Unreadable
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.outcome import Failure, Outcome, Reason, Receipt
from dicomweb.ports import Unavailable
from storage import layout
from storage.archive.budget import ByteBudget, Share
from storage.archive.committer import known_states
from storage.archive.identifiers import fresh_id
from storage.archive.inspect import Inspected, Inspector, Unidentified, inspect_whole
from storage.archive.judge import Candidate, Known, is_duplicate, known_as
from storage.archive.settings import ArchiveSettings
from storage.catalog.catalog import Catalog
from storage.log.events import StoredVersion
from storage.objects.contract import ObjectMissing, ObjectStore, StoreError, StoreFull, Upload

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_BLOCK = 4 << 20
_DISCARD_SECONDS = 10.0
_DISCARDED_AT_ONCE = 16


class _Stumbled(Exception):
    """Looking through an instance failed in a way that its bytes alone should not bring about."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where instances come from, and what they may be."""

    door: str
    peer: str
    expect: Scope | None


@dataclass(slots=True)
class Taken:
    """An instance whose bytes have all arrived: either refused, or a candidate."""

    candidate: Candidate | None
    refusal: Receipt | None = None
    keys: tuple[str, ...] = ()
    """Objects written for it."""


class Intake:
    """Takes instances in; shared by all submissions of an archive."""

    def __init__(
        self, store: ObjectStore, catalog: Catalog, settings: ArchiveSettings, threads: ThreadPoolExecutor
    ) -> None:
        self.settings = settings
        self.budget = ByteBudget(settings.budget_bytes)
        self.store = store
        self._catalog = catalog
        self._threads = threads

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Look through bytes in a thread. What it raises beside Unreadable and Unidentified becomes _Stumbled."""
        try:
            found = asyncio.get_running_loop().run_in_executor(self._threads, _guarded, work)
        except RuntimeError as error:  # the threads have ended
            raise Unavailable("the archive is closing") from error
        return await found

    async def receive(self, chunks: AsyncIterable[bytes], origin: Origin) -> Taken | WholeInstance:
        """Read an instance to its end. A small one comes back as it is, to be taken in beside the next."""
        pieces: list[bytes] = []
        share, handed_on = Share(self.budget), False
        iterator = aiter(chunks)
        try:
            async for chunk in iterator:
                await share.grow(len(chunk))
                pieces.append(chunk)
                if share.held > self.settings.small_bytes:
                    share.enough()
                    return await _Streamed(self, origin).take(pieces, iterator)
            share.enough()
            whole = WholeInstance(self, b"".join(pieces) if len(pieces) != 1 else pieces[0], share, origin)
            handed_on = True
            return whole
        finally:
            if not handed_on:
                share.give()

    async def known(self, key: InstanceKey) -> Known:
        """What the log says of a key by now."""
        return (await known_states(self._catalog, {key})).get(key, Known())

    async def copy_of(self, stored: StoredVersion) -> str:
        """Key of the visible object that holds the same data set, empty if there is none any more."""
        states = await self._catalog.known({stored.key})
        for one in states[stored.key].visible:
            if not known_as(one).isdisjoint(known_as(stored)):
                return layout.object_key(stored.key, one.version)
        return ""

    async def take_again(self, candidate: Candidate, origin: Origin) -> Taken | None:
        """Take in, from the stored bytes it repeats, an instance that has ceased to be a duplicate since it came.

        None if those bytes are gone. Raises StoreError.
        """
        share = Share(self.budget)
        try:
            await share.grow(candidate.stored.size)
            share.enough()
            data = await self.store.get(candidate.copy_of)
        except ObjectMissing:
            share.give()
            return None
        except BaseException:
            share.give()
            raise
        return await WholeInstance(self, data, share, origin).take(look=False)

    async def put_header(self, stored: StoredVersion, written: list[str]) -> StoredVersion:
        """A header too large for a row goes to an object of its own."""
        if len(stored.header) <= self.settings.large_header_bytes:
            return stored
        key = layout.header_key(stored.key, stored.version)
        written.append(key)
        packed = await self.run(partial(zstandard.compress, stored.header))
        await self.store.put(key, [packed])
        return replace(stored, header=b"")

    async def discard(self, keys: Sequence[str]) -> None:
        """Delete objects that no entry will ever name; what cannot be deleted soon is left to the sweep."""
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                for start in range(0, len(keys), _DISCARDED_AT_ONCE):
                    some = keys[start : start + _DISCARDED_AT_ONCE]
                    await asyncio.gather(*(self.store.delete(key) for key in some))


def refused(error: Unreadable | Unidentified) -> Taken:
    """Bytes that are not an instance."""
    return Taken(None, Receipt(Outcome.REFUSED, None, failure=Failure(Reason.CANNOT_UNDERSTAND, str(error))))


def out_of_room(stored: StoredVersion | None) -> Taken:
    """An instance for which the store has no room."""
    failure = Failure(Reason.OUT_OF_RESOURCES, "the archive's store is full")
    if stored is None:
        return Taken(None, Receipt(Outcome.REFUSED, None, failure=failure))
    return Taken(
        None, Receipt(Outcome.REFUSED, stored.key, stored.sop_class, stored.transfer_syntax, failure=failure)
    )


def _guarded(work: Callable[[], _Result]) -> _Result:
    try:
        return work()
    except (Unreadable, Unidentified):
        raise
    except Exception as error:
        raise _Stumbled from error


def stumbled_over(error: _Stumbled) -> Taken:
    """Bytes that the reader should have understood or refused, and did neither: a fault of ours, told as one."""
    cause = error.__cause__
    if cause is not None:  # without its message, which may hold what stands in the instance
        where = "".join(traceback.format_tb(cause.__traceback__))
        _LOG.error("an instance could not be looked through: %s\n%s", type(cause).__name__, where)
    failure = Failure(Reason.PROCESSING_FAILURE, "the archive could not look through this instance")
    return Taken(None, Receipt(Outcome.REFUSED, None, failure=failure))


def outside(stored: StoredVersion, expect: Scope | None) -> Taken | None:
    """The refusal of an instance that does not belong where it was sent."""
    if expect is None or expect.covers(stored.key):
        return None
    failure = Failure(
        Reason.DATA_SET_MISMATCH, "the instance belongs to another study than the one it was sent to"
    )
    return Taken(
        None, Receipt(Outcome.REFUSED, stored.key, stored.sop_class, stored.transfer_syntax, failure=failure)
    )


class WholeInstance:
    """A small instance in memory; its bytes count against the budget until it is written or refused."""

    def __init__(self, intake: Intake, data: bytes, share: Share, origin: Origin) -> None:
        """`share` is what the data take of the budget."""
        self._intake = intake
        self._data = data
        self._share = share
        self._origin = origin

    async def take(self, *, look: bool = True) -> Taken:
        """Look through it and write it, with `look` unless it is there already. Raises StoreError."""
        try:
            return await self._take(look)
        finally:
            self._data = b""
            self._share.give()

    async def _take(self, look: bool) -> Taken:
        intake, data, version = self._intake, self._data, fresh_id()
        try:
            found: Inspected = await intake.run(lambda: inspect_whole(data, version, intake.settings.limits))
        except (Unreadable, Unidentified) as error:
            return refused(error)
        except _Stumbled as error:
            return stumbled_over(error)
        stored = found.version
        if refusal := outside(stored, self._origin.expect):
            return refusal
        candidate = Candidate(stored, self._origin.door, self._origin.peer, found.warnings, found.warned_tags)
        if look and is_duplicate(known_as(stored), await intake.known(stored.key), intake.settings.duplicates):
            candidate.written, candidate.copy_of = False, await intake.copy_of(stored)
            return Taken(candidate)
        written: list[str] = []
        try:
            candidate.stored = await intake.put_header(stored, written)
            written.append(layout.object_key(stored.key, version))
            await intake.store.put(written[-1], [data])
        except StoreFull:
            await intake.discard(written)
            return out_of_room(stored)
        return Taken(candidate, keys=tuple(written))


class _Streamed:
    """A large instance: inspected and uploaded block by block."""

    def __init__(self, intake: Intake, origin: Origin) -> None:
        self._intake = intake
        self._origin = origin
        self._inspector = Inspector(intake.settings.limits)
        self._version = fresh_id()

    async def take(self, pieces: list[bytes], rest: AsyncIterable[bytes]) -> Taken:
        """Everything to the end of `rest`. The caller holds and gives back the budget of `pieces`."""
        try:
            return await self._take(pieces, rest)
        except (Unreadable, Unidentified) as error:
            async for _ in rest:
                pass
            return refused(error)
        except _Stumbled as error:
            async for _ in rest:
                pass
            return stumbled_over(error)

    async def _take(self, pieces: list[bytes], rest: AsyncIterable[bytes]) -> Taken:
        intake = self._intake
        head, key = [b"".join(pieces)], None
        pieces.clear()
        blocks = _blocks(rest)
        await intake.run(lambda: self._inspector.feed(head[0]))
        held = len(head[0])
        while (key := self._inspector.key()) is None:
            block = await anext(blocks, None)
            if block is None:
                return refused(Unidentified("the file ends before its UIDs are told"))
            held += len(block)
            if held > intake.settings.most_without_uids:
                raise Unidentified(f"its UIDs are not told within {intake.settings.most_without_uids} bytes")
            head.append(block)
            await intake.run(partial(self._inspector.feed, block))
        return await self._upload(key, head, blocks)

    async def _upload(self, key: InstanceKey, head: list[bytes], blocks: AsyncIterator[bytes]) -> Taken:
        intake = self._intake
        written = [layout.object_key(key, self._version)]
        try:
            async with intake.store.upload(written[0]) as upload:
                for block in head:
                    await upload.write(block)
                head.clear()
                async for block in blocks:
                    await self._feed_and_write(block, upload)
                found = await intake.run(lambda: self._inspector.finish(self._version))
                if found.version.key != key:
                    raise Unidentified("its UIDs stand in it twice and differ")
                if refusal := outside(found.version, self._origin.expect):
                    return refusal
                await upload.complete()
            stored = await intake.put_header(found.version, written)
        except StoreFull:
            async for _ in blocks:
                pass
            await intake.discard(written)
            return out_of_room(None)
        return Taken(
            Candidate(stored, self._origin.door, self._origin.peer, found.warnings, found.warned_tags),
            keys=tuple(written),
        )

    async def _feed_and_write(self, block: bytes, upload: Upload) -> None:
        """Side by side; when one fails the other is waited for, so that nothing writes to an upload given up."""
        fed = self._intake.run(partial(self._inspector.feed, block))
        for result in await asyncio.gather(fed, upload.write(block), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result


async def _blocks(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Chunks joined to blocks of about 4 MB, so that each costs one turn in a thread."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size >= _BLOCK:
            yield b"".join(pieces)
            pieces.clear()
            size = 0
    if pieces:
        yield b"".join(pieces)
