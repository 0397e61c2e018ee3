"""One instance on its way into the store: chunks to an object, and a candidate for the log.

A small instance is taken whole in memory, looked through in one go, and written only if the archive does not have
it already, in the transfer syntax that is wanted of it (`conversion`). A large one streams: its blocks are looked
through and hashed in a thread while earlier ones are uploaded, so that memory stays the same for 10 MB and for
10 GB. Nothing is visible before the log says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

import zstandard

from dicomweb.encoding.head import Unreadable
from dicomweb.model.instance import Original
from dicomweb.model.keys import InstanceKey
from dicomweb.ports import IntakeTranscoder, Unavailable
from storage import layout
from storage.archive.attempt import known_states
from storage.archive.budget import ByteBudget, Share
from storage.archive.conversion import Converted, Converter
from storage.archive.identifiers import converted_id, fresh_id, later_id
from storage.archive.inspect import Inspected, Unidentified, inspect_whole
from storage.archive.judge import Candidate, Known, is_duplicate, known_as
from storage.archive.settings import ArchiveSettings
from storage.archive.streamed import StreamedInstance
from storage.archive.taken import Origin, Stumbled, Taken, out_of_room, outside, refused, stumbled_over
from storage.catalog.catalog import Catalog
from storage.log.events import StoredVersion
from storage.objects.contract import ObjectMissing, ObjectStore, StoreError, StoreFull

_Result = TypeVar("_Result")
_DISCARD_SECONDS = 10.0
_DISCARDED_AT_ONCE = 16


class Intake:
    """Takes instances in; shared by all submissions of an archive."""

    def __init__(
        self,
        store: ObjectStore,
        catalog: Catalog,
        settings: ArchiveSettings,
        threads: ThreadPoolExecutor,
        transcoder: IntakeTranscoder | None,
    ) -> None:
        self.settings = settings
        self.budget = ByteBudget(settings.budget_bytes)
        self.store = store
        self._catalog = catalog
        self._threads = threads
        self.converter: Converter | None = None
        if transcoder is not None:
            self.converter = Converter(
                transcoder,
                look_through=self.look_through,
                limits=settings.limits,
                most_bytes=settings.conversion_bytes,
                name_uids=settings.name_uids,
            )

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Look through bytes in a thread. What it raises beside Unreadable and Unidentified becomes Stumbled."""
        try:
            found = asyncio.get_running_loop().run_in_executor(self._threads, _guarded, work)
        except RuntimeError as error:  # the threads have ended
            raise Unavailable("the archive is closing") from error
        return await found

    async def receive(
        self,
        chunks: AsyncIterable[bytes],
        origin: Origin,
        *,
        leap: float = 0.0,
        again: StoredVersion | None = None,
    ) -> Taken | WholeInstance:
        """Read an instance to its end. A small one comes back as it is, to be taken in beside the next.

        `leap`: as `later_id` has it; `again`: what the bytes were stored as before.
        """
        pieces: list[bytes] = []
        share, handed_on, bound = Share(self.budget), False, self.settings.small_bytes
        iterator = aiter(chunks)
        try:
            async for chunk in iterator:
                await share.grow(len(chunk))
                pieces.append(chunk)
                if share.held > bound:
                    bound = await self._bound(pieces, bound)
                if share.held > bound:
                    share.enough()
                    return await StreamedInstance(self, origin, leap=leap, again=again).take(pieces, iterator)
            share.enough()
            data = b"".join(pieces) if len(pieces) != 1 else pieces[0]
            whole = WholeInstance(self, data, share, origin, leap=leap)
            handed_on = True
            return whole
        finally:
            if not handed_on:
                share.give()

    async def _bound(self, pieces: Sequence[bytes], bound: int) -> int:
        """Bytes of an instance that are taken in memory, given how it begins: more if it is to be converted."""
        converter = self.converter
        if converter is None or converter.most_bytes <= bound:  # the latter also when it was asked before
            return bound
        with suppress(Stumbled):
            if await self.run(partial(converter.foresee, pieces)):
                return converter.most_bytes
        return bound

    async def look_through(self, data: bytes, version: str) -> Inspected:
        """What there is to know of a whole instance. Raises Unreadable, Unidentified, Stumbled."""
        return await self.run(lambda: inspect_whole(data, version, self.settings.limits))

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

    async def take_again(self, candidate: Candidate, origin: Origin, *, leap: float) -> Taken | None:
        """Take in an instance once more under a later id, from stored bytes: its own, or those it repeats.

        None if those bytes are gone. `leap` as `later_id` has it. Raises StoreError.
        """
        came, own = candidate.stored, candidate.stored if candidate.written else None
        source = layout.object_key(came.key, came.version) if candidate.written else candidate.copy_of
        try:
            async with aclosing(self.store.stream(source)) as chunks:
                received = await self.receive(chunks, origin, leap=leap, again=own)
        except ObjectMissing:
            return None
        taken = await received.take(again=came) if isinstance(received, WholeInstance) else received
        if taken.candidate is not None and candidate.written:
            again = taken.candidate
            again.warnings, again.warned_tags = candidate.warnings, candidate.warned_tags
            again.as_it_came = candidate.as_it_came
        return taken

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


def _guarded(work: Callable[[], _Result]) -> _Result:
    try:
        return work()
    except (Unreadable, Unidentified):
        raise
    except Exception as error:
        raise Stumbled from error


class WholeInstance:
    """A small instance in memory; its bytes count against the budget until it is written or refused."""

    def __init__(self, intake: Intake, data: bytes, share: Share, origin: Origin, *, leap: float) -> None:
        """`share` is what the data take of the budget; `leap` as `later_id` has it."""
        self._intake = intake
        self._leap = leap
        self._data = data
        self._share = share
        self._origin = origin

    async def take(self, *, again: StoredVersion | None = None) -> Taken:
        """Look through it and write it, unless it is there already. Raises StoreError.

        `again` is what came, if these are the stored bytes that it repeats: they are written in any case, as they
        are.
        """
        try:
            return await self._take(again)
        finally:
            self._data = b""
            self._share.give()

    async def _take(self, again: StoredVersion | None) -> Taken:
        intake, version = self._intake, fresh_id()
        try:
            found = await intake.look_through(self._data, version)
        except (Unreadable, Unidentified) as error:
            return refused(error)
        except Stumbled as error:
            return stumbled_over(error)
        if refusal := outside(found.version, self._origin.expect):
            return refusal
        known = await intake.known(found.version.key)
        version = later_id(version, known.latest, leap=self._leap)
        stored = replace(found.version, version=version)
        found = replace(found, version=stored)
        candidate = Candidate(stored, self._origin.door, self._origin.peer, found.warnings, found.warned_tags)
        if again is not None:
            original = _came_as(again, stored)
            version = converted_id(version) if original else version
            candidate.stored = replace(stored, version=version, original=original)
        elif await self._is_there(candidate, known):
            return Taken(candidate)
        elif intake.converter:
            converted = await intake.converter.convert(self._data, found)
            if not isinstance(converted, Converted):
                candidate.as_it_came = converted
                return await self._write(candidate)
            self._data = converted.data
            candidate.stored = replace(converted.version, version=converted_id(version))
            if await self._is_there(candidate, await intake.known(stored.key)):
                return Taken(candidate)
        return await self._write(candidate)

    async def _is_there(self, candidate: Candidate, known: Known) -> bool:
        """Whether the archive has the same data set; the candidate then says where."""
        intake, stored = self._intake, candidate.stored
        if not is_duplicate(known_as(stored), known, intake.settings.duplicates):
            return False
        candidate.written, candidate.copy_of = False, await intake.copy_of(stored)
        return True

    async def _write(self, candidate: Candidate) -> Taken:
        intake, stored = self._intake, candidate.stored
        written: list[str] = []
        try:
            candidate.stored = await intake.put_header(stored, written)
            written.append(layout.object_key(stored.key, stored.version))
            await intake.store.put(written[-1], [self._data])
        except StoreFull:
            await intake.discard(written)
            return out_of_room(stored)
        return Taken(candidate, keys=tuple(written))


def _came_as(came: StoredVersion, stored: StoredVersion) -> Original | None:
    """What an instance was when it came, if it is stored otherwise."""
    original = came.original or Original(came.digest, came.size, came.transfer_syntax)
    same = (original.digest, original.transfer_syntax) == (stored.digest, stored.transfer_syntax)
    return None if same else original
