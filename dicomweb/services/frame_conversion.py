"""Frames of stored instances in other transfer syntaxes, made when they are asked for.

    archive.frames ─▶ read ahead ─▶ Compute, a thread a core ─▶ in the order asked for
                                        └─ DerivedCache: one conversion a key, however many wait

One frame of a long object reads and decodes that frame alone. Of many frames only a few are under way at a time,
so memory is flat; when whoever reads them goes away, what has not begun is dropped.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from dicomweb.model.instance import Instance
from dicomweb.model.pixel_errors import PixelError, Undecodable
from dicomweb.pixels.limits import PixelLimits
from dicomweb.ports import Archive, Compute, DerivedCache
from dicomweb.services.byte_cache import ByteCache
from dicomweb.services.conversions import conversion_of, frame_bytes, native_frame_bits, work_bytes
from dicomweb.services.frame_reading import read_frames
from dicomweb.services.room import Room
from dicomweb.wire.transfer_syntaxes import EXPLICIT_BIG, transfer_syntax

if TYPE_CHECKING:
    from dicomweb.pixels.transcode import Conversion

_CACHE_BYTES = 64 << 20
_KEPT_FRAMES = 32
"""A longer list is not kept: it would drive out everything else for frames that are rarely asked for again."""
_AHEAD_BYTES = 64 << 20
"""Decoded bytes of frames that are made before their turn, of all answers together: slow readers hold them."""
_ROOM_BYTES = 256 << 20
"""Bytes of single frames, stored and decoded, that are in hand together."""
_MAKING = "1"
"""Part of every key: to be raised when the same conversion would give other bytes."""


class FrameConverter:
    """Converts frames. One for all services, so that they share what they make."""

    def __init__(
        self,
        archive: Archive,
        compute: Compute,
        cache: DerivedCache | None = None,
        *,
        limits: PixelLimits | None = None,
        threads: int | None = None,
    ) -> None:
        """`threads` is how many frames `compute` works on at once: the cores, if it is not said."""
        self._archive = archive
        self._compute = compute
        self._cache = cache or ByteCache(_CACHE_BYTES)
        self._limits = limits or PixelLimits()
        self._threads = threads or os.cpu_count() or 1
        self._ahead_bytes = 0
        self._room = Room(_ROOM_BYTES)

    async def one(self, instance: Instance, number: int, target: str) -> bytes:
        """The frame of that number (1-based) in the transfer syntax `target`.

        Raises NoSuchFrame, Damaged, Undecodable, UnsupportedSyntax, TooLarge.
        """
        conversion = conversion_of(instance, target)

        async def make() -> bytes:
            async with self._room.take(work_bytes(instance)):
                data = b"".join([piece async for piece in self._read(instance, (number,))])
                return await self._convert(data, number, conversion)

        if not _computes(conversion):
            return await make()
        return await self._cache.get_or_make(_key(instance, number, target), make)

    async def many(self, instance: Instance, numbers: Sequence[int], target: str) -> AsyncGenerator[bytes, None]:
        """The frames in the order asked for. Raises as `one` does, each error when its frame's turn has come."""
        if len(numbers) == 1:
            yield await self.one(instance, numbers[0], target)
            return
        conversion = conversion_of(instance, target)
        if not _computes(conversion):
            async for data in self._read(instance, numbers):
                yield data
            return
        kept = len(numbers) <= _KEPT_FRAMES
        size = frame_bytes(instance)
        under_way: deque[asyncio.Task[bytes]] = deque()
        ahead = 0
        try:
            async with aclosing(self._read(instance, numbers)) as frames:
                asked = iter(numbers)
                async for data in frames:
                    number = next(asked)
                    work = partial(self._convert, data, number, conversion)
                    key = _key(instance, number, target)
                    making = self._cache.get_or_make(key, work) if kept else work()
                    under_way.append(asyncio.ensure_future(making))
                    if ahead < self._threads and self._ahead_bytes + size <= _AHEAD_BYTES:
                        ahead += 1
                        self._ahead_bytes += size
                    elif len(under_way) > ahead:
                        yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            self._ahead_bytes -= ahead * size
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _read(self, instance: Instance, numbers: Sequence[int]) -> AsyncGenerator[bytes, None]:
        swapped = instance.transfer_syntax == EXPLICIT_BIG
        async for data in read_frames(self._archive, self._compute, instance, numbers, swapped=swapped):
            yield data

    async def _convert(self, data: bytes, number: int, conversion: Conversion) -> bytes:
        if not _computes(conversion):
            return data
        return await self._compute.run(partial(_converted, data, number, conversion, self._limits))


def _computes(conversion: Conversion) -> bool:
    """Whether frames come out other than they went in."""
    return conversion.changes_bytes or not transfer_syntax(conversion.target).encapsulated


def _converted(data: bytes, number: int, conversion: Conversion, limits: PixelLimits) -> bytes:
    from dicomweb.pixels.transcode import convert_frame

    try:
        frame = convert_frame(data, conversion, limits=limits)
    except PixelError as error:
        raise type(error)(f"frame {number}: {error}") from error
    return frame if transfer_syntax(conversion.target).encapsulated else _fitted(frame, number, conversion)


def _fitted(frame: bytes, number: int, conversion: Conversion) -> bytes:
    """An uncompressed frame of just the bytes it is to have: a fragment of uncompressed samples may be padded."""
    expected = -(-native_frame_bits(conversion.spec) // 8)
    if len(frame) < expected:
        raise Undecodable(f"frame {number}: {len(frame)} bytes, {expected} expected")
    return frame[:expected]


def _key(instance: Instance, number: int, target: str) -> str:
    """What is made, of exactly which stored bytes: versions are never used twice for an instance."""
    key = instance.key
    return f"frame/{_MAKING}/{key.study}/{key.series}/{key.instance}/{instance.version}/{number}/{target}"
