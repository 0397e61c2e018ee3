"""Pictures of frames and instances: from the cache, or fetched, computed in a thread and kept.

    Drawing order ──key──▶ cache ──no──▶ header, frame, LUTs ──▶ one turn of Compute ──▶ bytes, kept

A picture that is held costs no header, no frame and no thread. However many clients wait for one that is being
made, it is made once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dicomweb.model.instance import Instance
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import PixelError, Undecodable, UnsupportedSyntax
from dicomweb.pixels.render.settings import BadRenderRequest
from dicomweb.ports import Archive, Compute, DerivedCache, NoSuchFrame
from dicomweb.services.conversions import work_bytes
from dicomweb.services.drawing_work import (
    Cine,
    Subject,
    draw_card,
    draw_frame,
    draw_special,
    in_charset,
    needed_of,
    note_of,
    values_of_state,
)
from dicomweb.services.picture_limits import PictureLimits
from dicomweb.services.picture_sources import (
    LARGEST_VALUE,
    StoredFrame,
    beginning_of,
    bulk_values,
    rendering_uris,
    stored_frames,
)
from dicomweb.services.references import missing
from dicomweb.services.rendered_parameters import Look
from dicomweb.services.room import Room
from dicomweb.services.sights import Sight, Sights
from dicomweb.wire.exchange import WebError

if TYPE_CHECKING:
    from dicomweb.pixels.objects.contract import Needs

ANIMATIONS = frozenset(("image/gif", "video/mp4"))
"""Media types that show many frames in one."""
_BATCH_BYTES = 2 << 20
"""Stored bytes of an animation's frames that are rendered in one turn of a thread."""
_BATCH_FRAMES = 8
_ANIMATIONS = 2
"""Animations made at a time: an encoder holds some dozens of pictures, and takes a core for seconds."""
_ROOM_BYTES = 256 << 20
"""Bytes of frames and values, stored and decoded, that are in hand together."""
_FEW_FRAMES = 16
"""Up to here a header is looked through on the loop for what the frames need."""
_PLAIN_BITS = 8
"""Up to here every frame is seen through the same window anyway: that of all values."""
_MAKING = "2"
"""Part of every key: to be raised when the same order would give another picture. What is kept on disk, and what
browsers keep by ETag, outlives a version of this software."""


@dataclass(frozen=True, slots=True)
class Order:
    """One picture, animation or text that is wanted."""

    instance: Instance
    look: Look
    media: str
    frames: tuple[int, ...] = ()
    """1-based; empty: the instance as a whole."""
    state: Instance | None = None
    """The presentation state to be applied."""
    root: str = ""
    """DICOMweb root, for links in text."""
    moment: int = 0
    """Revision of the archive, where it counts what else is stored."""
    animated: bool = True
    """Whether a media type that can show many frames is to."""
    card: bool = False
    """Whether a card will do where there is no frame or no decoder: of thumbnails, and among many parts."""

    @property
    def key(self) -> str:
        """Names the bytes: never the same for two that differ."""
        frames = ",".join(map(str, self.frames)) or "whole"
        state = self.state.version if self.state is not None else ""
        root = self.root if self.media.startswith("text/") else ""
        return (
            f"picture/{_MAKING} {self.instance.version} {frames} {self.media} {self.animated:d}{self.card:d} "
            f"{self.look.text()} {state} {root} {self.moment}"
        )

    @property
    def content_type(self) -> str:
        """Of the bytes."""
        charset = in_charset(b"", self.media, self.look.charset)[1]
        return f"{self.media}; charset={charset}" if charset else self.media


class Drawing:
    """Draws what is ordered."""

    def __init__(
        self, archive: Archive, compute: Compute, cache: DerivedCache, sights: Sights, limits: PictureLimits
    ) -> None:
        self._archive = archive
        self._compute = compute
        self._cache = cache
        self._sights = sights
        self._limits = limits
        self._room = Room(_ROOM_BYTES)
        self._animations = asyncio.Semaphore(_ANIMATIONS)

    def check(self, order: Order, sight: Sight) -> None:
        """Raises NoSuchFrame if a frame is wanted that the instance does not have."""
        for number in order.frames:
            if not 1 <= number <= sight.frames:
                raise NoSuchFrame(number, sight.frames)

    async def draw(self, order: Order, sight: Sight) -> bytes:
        """The bytes of the order, whose instance can be shown as `sight` says.

        Raises NoSuchFrame, PixelError, WebError, Damaged, Unavailable.
        """
        self.check(order, sight)
        try:
            return await self._cache.get_or_make(order.key, partial(self._make, order, sight))
        except PixelError as error:
            told = as_told(error)
            if told is error:
                raise
            raise told from error

    async def _make(self, order: Order, sight: Sight) -> bytes:
        if sight.special:
            return await self._special(order)
        numbers = order.frames or tuple(range(1, sight.frames + 1))
        if order.animated and order.media in ANIMATIONS and len(numbers) > 1:
            return await self._animation(order, sight, numbers)
        number = order.frames[0] if order.frames else sight.representative
        return await self._frame(order, number, sight.frames)

    async def _frame(self, order: Order, number: int, frames: int) -> bytes:
        if not frames:
            return await self.card(order, "")
        subject = await self._subject(order, (number,))
        try:
            async with self._room.take(work_bytes(order.instance)):
                stored = stored_frames(self._archive, self._compute, order.instance, (number,))
                (frame,) = [frame async for frame in stored]
                return await self._compute.run(partial(draw_frame, frame, subject, order.media))
        except UnsupportedSyntax as error:
            if not order.card:
                raise
            return await self.card(order, note_of(error))
        except Undecodable as error:
            raise Undecodable(f"frame {number}: {error}") from error

    async def card(self, order: Order, note: str) -> bytes:
        """A card that says what the instance is, in place of a picture of it, and with a `note` why.

        Without one it is an image that has no frame: its pixel data are missing, or too short for any.
        """
        header = await self._sights.header(order.instance)
        note = note or ("damaged pixel data" if order.instance.pixel_vr else "no pixel data")
        syntax = order.instance.transfer_syntax
        return await self._compute.run(partial(draw_card, header, order.look, syntax, order.media, note))

    async def _subject(self, order: Order, numbers: Sequence[int]) -> Subject:
        header = await self._sights.header(order.instance)
        find = partial(rendering_uris, header, numbers)
        uris = find() if len(numbers) <= _FEW_FRAMES else await self._compute.run(find)
        values = await self._values(order.instance, uris)
        if order.state is None:
            return Subject(header, values, order.look)
        state = await self._sights.header(order.state)
        uris = await self._compute.run(partial(values_of_state, state))
        return Subject(header, values, order.look, state, await self._values(order.state, uris))

    async def _values(self, instance: Instance, uris: Sequence[str]) -> dict[str, bytes]:
        return await bulk_values(self._archive, self._compute, instance, uris)

    async def _animation(self, order: Order, sight: Sight, numbers: Sequence[int]) -> bytes:
        """All frames in one file, rendered and encoded some at a time: between them others have their turn, and a
        client that has gone is noticed."""
        if len(numbers) > self._limits.animation_frames:
            raise WebError(
                400,
                f"an animation has at most {self._limits.animation_frames} frames, not {len(numbers)}; "
                "ask for some of them by /frames/{list}/rendered (setting pixels.animation_frames)",
            )
        image = order.instance.image
        assert image is not None
        async with self._animations:
            subject = await self._subject(order, numbers)
            begin = partial(
                Cine,
                subject,
                order.media,
                image,
                numbers=numbers,
                frames_per_second=sight.frames_per_second,
                most_bytes=self._limits.animation_bytes,
            )
            cine = await self._compute.run(begin)
            if (
                order.look.settings.window is None
                and image.samples_per_pixel == 1
                and image.bits_stored > _PLAIN_BITS
            ):
                middle = numbers[len(numbers) // 2]
                async for frame in stored_frames(self._archive, self._compute, order.instance, (middle,)):
                    await self._compute.run(partial(cine.steady, frame))
            frames = stored_frames(self._archive, self._compute, order.instance, numbers)
            async for batch in _batches(frames):
                await self._compute.run(partial(cine.add, batch))
            return await self._compute.run(cine.finish)

    async def _special(self, order: Order) -> bytes:
        """An object with a painter of its own: what it needs is fetched first."""
        from dicomweb.pixels.objects.contract import PortraitRequest

        instance, header = order.instance, await self._sights.header(order.instance)
        frame = order.frames[0] if order.frames else None
        syntax = instance.transfer_syntax
        wanted = PortraitRequest(syntax, order.media, frame, order.look.settings, order.root)
        needed = await self._compute.run(partial(needed_of, header, wanted))
        unstored = (
            await missing(self._archive, self._compute, header, wanted)
            if order.media.startswith("text/")
            else frozenset()
        )
        largest = min(instance.size, LARGEST_VALUE)
        values = sum(need.length or largest for need in needed.bulk)
        async with self._room.take(values + len(needed.frames) * work_bytes(instance)):
            return await self._portrait(order, header, needed, unstored)

    async def _portrait(
        self, order: Order, header: JsonAttributes, needed: Needs, unstored: frozenset[str]
    ) -> bytes:
        instance = order.instance
        values = {}
        for need in needed.bulk:
            value = await beginning_of(self._archive, instance, need.path, need.length)
            if value is not None:
                values[need.path] = value
        frames = await self._readable(instance, needed.frames)
        work = partial(
            draw_special,
            *(header, frames, values, order.look),
            transfer_syntax=instance.transfer_syntax,
            media=order.media,
            frame=order.frames[0] if order.frames else None,
            root=order.root,
            missing=unstored,
        )
        return await self._compute.run(work)

    async def _readable(self, instance: Instance, numbers: Sequence[int]) -> list[StoredFrame]:
        """Those of the frames that there are."""
        if instance.image is None or not numbers:
            return []
        count = await self._archive.frame_count(instance)
        there = [number for number in numbers if 1 <= number <= count]
        if not there:
            return []
        return [frame async for frame in stored_frames(self._archive, self._compute, instance, there)]


def as_told(error: PixelError) -> Exception:
    """What the client is told of what is wrong with a picture: 400 where the request has no meaning for the image,
    406 where the presentation state cannot be shown; the others stand in the table of all errors."""
    from dicomweb.pixels.presentation.model import BadPresentation

    if isinstance(error, BadRenderRequest):
        return WebError(400, str(error))
    if isinstance(error, BadPresentation):
        return WebError(406, str(error))
    return error


async def _batches(frames: AsyncIterator[StoredFrame]) -> AsyncIterator[list[StoredFrame]]:
    """Frames, some at a time."""
    batch: list[StoredFrame] = []
    size = 0
    async for frame in frames:
        batch.append(frame)
        size += len(frame.data)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_FRAMES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
