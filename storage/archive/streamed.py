"""A large instance on its way into the store: looked through and uploaded block by block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dicomweb.encoding.head import Unreadable
from dicomweb.model.keys import InstanceKey
from storage import layout
from storage.archive.identifiers import converted_id, fresh_id, later_id
from storage.archive.inspect import Inspector, Unidentified
from storage.archive.judge import Candidate
from storage.archive.taken import Origin, Stumbled, Taken, out_of_room, outside, refused, stumbled_over
from storage.log.events import StoredVersion
from storage.objects.contract import StoreFull, Upload

if TYPE_CHECKING:
    from storage.archive.intake import Intake

_BLOCK = 4 << 20


class StreamedInstance:
    """A large instance: inspected and uploaded block by block."""

    def __init__(self, intake: Intake, origin: Origin, *, leap: float, again: StoredVersion | None) -> None:
        """`leap` as `later_id` has it; `again` is what the bytes were stored as before."""
        self._intake = intake
        self._leap = leap
        self._original = again.original if again is not None else None
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
        except Stumbled as error:
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
        known = await intake.known(key)
        self._version = later_id(self._version, known.latest, leap=self._leap)
        if self._original is not None:
            self._version = converted_id(self._version)
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
            stored = await intake.put_header(replace(found.version, original=self._original), written)
        except StoreFull:
            async for _ in blocks:
                pass
            await intake.discard(written)
            return out_of_room(None)
        candidate = Candidate(stored, self._origin.door, self._origin.peer, found.warnings, found.warned_tags)
        if intake.converter:
            candidate.as_it_came = intake.converter.passed_over(found)
        return Taken(candidate, keys=tuple(written))

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
