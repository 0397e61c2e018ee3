"""Retrieve frames (PS3.18 10.4.1.1.6): what a viewer asks for most, one request a frame.

So it does little: find the instance, look up what was negotiated for the same Accept before, read, and send the
frame between a head and a tail, with Content-Length. Many frames are streamed. Only where the stored form does not
do is it looked at what can be made of it, and the frames are converted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache

from dicomweb.model.instance import Instance
from dicomweb.ports import Archive, Compute
from dicomweb.services.choosing import explaining, likely
from dicomweb.services.conditional import caching, not_modified, see_commits
from dicomweb.services.conversions import kind_of, made_of_frames
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.frame_reading import read_frames
from dicomweb.services.handler import Handler
from dicomweb.services.limits import Limits
from dicomweb.services.streams import closing_stream
from dicomweb.wire.byte_ranges import asked_span, content_range
from dicomweb.wire.conditional import etag
from dicomweb.wire.exchange import Answer, Request, WebError
from dicomweb.wire.multipart import closing, new_boundary, part_head, related_type
from dicomweb.wire.negotiation import Offers, Representation, accept_texts, choose, parse_accepted
from dicomweb.wire.offers import Made, frame_offers
from dicomweb.wire.paths import instance_key_of

_GATHERED_BYTES = 2 << 20
"""Up to here several frames are read before the answer begins, which then has a Content-Length. Each client that
reads slowly holds as much."""
_NUMBER_DIGITS = 10
"""Longer numbers are beyond any instance (Number of Frames is an IS of at most 2^31 - 1)."""


class Frames:
    """`/frames/{list}` and `/frames`."""

    def __init__(
        self,
        archive: Archive,
        compute: Compute,
        limits: Limits | None = None,
        *,
        converter: FrameConverter | None = None,
        as_stored: bool = False,
    ) -> None:
        """`as_stored` is what clients get that name no transfer syntax (`default_transfer_syntax`)."""
        self._archive = archive
        self._compute = compute
        self._limits = limits or Limits()
        self._converter = converter or FrameConverter(archive, compute)
        self._as_stored = as_stored

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {"frames": self.frames, "frames_all": self.all_frames}

    async def frames(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """The frames of the list, in its order; a number may stand in it more than once."""
        key = instance_key_of(variables)
        numbers = parse_frame_list(variables["frames"], self._limits.frame_list)
        await see_commits(self._archive, request)
        instance = await self._archive.find_instance(key)
        return await self._answer(request, instance, numbers, variables["frames"])

    async def all_frames(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """Every frame, from the first to the last."""
        key = instance_key_of(variables)
        await see_commits(self._archive, request)
        instance = await self._archive.find_instance(key)
        count = await self._archive.frame_count(instance)
        if count == 0:
            raise WebError(404, "the instance has no frames")
        return await self._answer(request, instance, range(1, count + 1), "all")

    async def _answer(self, request: Request, instance: Instance, numbers: Sequence[int], named: str) -> Answer:
        asked = (*accept_texts(request), instance.transfer_syntax, len(numbers) == 1, self._as_stored)
        with explaining((kind_of(instance),)):
            chosen = stored_frames(*asked) or made_frames(*asked, made_of_frames(kind_of(instance)))
        tag = etag(self._archive.epoch, instance.revision, f"{named} {chosen}", weak=chosen.multipart)
        unchanged = not_modified(request, tag)
        if unchanged is not None:
            return unchanged
        frames: AsyncIterator[bytes]
        if chosen.converted:
            frames = self._converter.many(instance, numbers, chosen.transfer_syntax)
        else:
            frames = read_frames(self._archive, self._compute, instance, numbers, swapped=chosen.swapped)
        if chosen.multipart:
            return await _multipart(frames, chosen, tag)
        return await _single(request, frames, chosen, tag)


@lru_cache(maxsize=512)
def stored_frames(
    parameter: str, header: str, stored: str, single: bool, as_stored: bool
) -> Representation | None:
    """The stored form, if it is what is to be sent for the two Accept texts whatever else could be made."""

    def offers(made: Made) -> Offers:
        return frame_offers(stored, single_part=single, made=made, as_stored=as_stored)

    return likely(parse_accepted(parameter, header), offers)


@lru_cache(maxsize=512)
def made_frames(
    parameter: str, header: str, stored: str, single: bool, as_stored: bool, made: tuple[str, ...]
) -> Representation:
    """What to send of frames that can be had in the syntaxes `made` too. Raises NotAcceptable."""
    offers = frame_offers(stored, single_part=single, made=made, as_stored=as_stored)
    return choose(parse_accepted(parameter, header), offers)


def parse_frame_list(text: str, longest: int) -> list[int]:
    """Frame numbers of `/frames/1,2,3`.

    Raises WebError 400 for what is no list of numbers, or a longer one; 404 for numbers that no instance can have.
    """
    if text.count(",") >= longest:
        raise WebError(400, f"a frame list has at most {longest} numbers; split the request")
    numbers = []
    for item in text.split(","):
        digits = item.strip()
        if not (digits.isascii() and digits.isdigit()):
            raise WebError(400, "a frame list is numbers from 1 on, parted by commas: /frames/1,2,3")
        if len(digits.lstrip("0")) > _NUMBER_DIGITS:
            raise WebError(404, f"a frame number of {len(digits)} digits was asked for: no instance has that many")
        numbers.append(int(digits))
    return numbers


async def _single(request: Request, frames: AsyncIterator[bytes], chosen: Representation, tag: str) -> Answer:
    """One frame as the body, or the range of it that is asked for."""
    frame = b"".join([data async for data in frames])
    headers = (("Content-Type", chosen.content_type), ("Accept-Ranges", "bytes"), *caching(tag))
    span = asked_span(request.header("range"), request.header("if-range"), tag, len(frame))
    if span is None:
        return Answer(200, headers, frame)
    return Answer(
        206, (*headers, ("Content-Range", content_range(span, len(frame)))), frame[span.start : span.end]
    )


async def _multipart(frames: AsyncIterator[bytes], chosen: Representation, tag: str) -> Answer:
    """Each frame as a part. What is wrong shows before the answer begins, unless it is a long one."""
    boundary = new_boundary()
    headers = (("Content-Type", related_type(boundary, chosen.media)), *caching(tag))
    head = part_head(boundary, chosen.content_type, first=True)
    pieces: list[bytes] = []
    gathered = 0
    async for frame in frames:
        pieces += (head, frame)
        head = b"\r\n" + head if len(pieces) == 2 else head
        gathered += len(frame)
        if gathered > _GATHERED_BYTES:
            return Answer(200, headers, _streamed(pieces, frames, head, closing(boundary)))
    pieces.append(closing(boundary))
    return Answer(200, headers, pieces)


async def _streamed(
    pieces: list[bytes], frames: AsyncIterator[bytes], head: bytes, tail: bytes
) -> AsyncIterator[bytes]:
    async with closing_stream(frames) as stream:
        for piece in pieces:
            yield piece
        pieces.clear()
        async for frame in stream:
            yield head
            yield frame
    yield tail
