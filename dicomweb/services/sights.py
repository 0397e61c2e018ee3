"""What is known of an instance before it is drawn: its header while it is of use, and what it can be shown as.

A cine of 500 frames is asked for frame by frame: its header is read and parsed once for all. What it can be shown
as is a handful of words and is remembered long after the header is gone, so that a picture in the cache is
given without reading anything.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import orjson

from dicomweb.model.instance import Header, Instance
from dicomweb.model.keys import Scope
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Archive, Compute

_PARSED_BYTES = 8 << 20
"""Bytes of headers, as JSON, that are held parsed; parsed they take several times that."""
_AHEAD = 200
"""Headers held that nobody has asked for yet."""
_TOGETHER = 12
"""Headers read at once where one is asked for."""
_HELD_SECONDS = 30.0
"""How long headers are held at most."""
_INLINE_BYTES = 64 << 10
"""Up to here a header is parsed on the loop: handing it to a thread would cost as much."""
_REMEMBERED = 20_000
PICTURES = ("image/jpeg", "image/png", "image/gif", "image/jp2")
"""What any picture can be given as, the default first (PS3.18 Table 8.7.4-1)."""
VIDEO = "video/mp4"
_ANY_PICTURE = "image/*"


@dataclass(frozen=True, slots=True)
class Sight:
    """How an instance can be shown."""

    special: bool
    """Whether it is shown by a painter of its own (`pixels.objects`), not frame by frame."""
    media: tuple[str, ...]
    """Media types of the instance as a whole, the default first."""
    frames: int
    """Frames that can be asked for; 0 if it has none."""
    representative: int
    """The frame, from 1 on, that stands for all of them."""
    frames_per_second: float
    """Of an animation."""


class Sights:
    """Headers and sights of instances."""

    def __init__(self, archive: Archive, compute: Compute) -> None:
        self._archive = archive
        self._compute = compute
        self._ahead: OrderedDict[str, Header] = OrderedDict()
        """Headers of neighbours by version, not parsed yet."""
        self._parsed: OrderedDict[str, tuple[JsonAttributes, int]] = OrderedDict()
        self._parsed_bytes = 0
        self._clearing: asyncio.TimerHandle | None = None
        self._sights: dict[str, Sight] = {}

    async def of(self, instance: Instance) -> Sight:
        """How the instance can be shown."""
        known = self._sights.get(instance.version)
        if known is None:
            header = await self.header(instance)
            frames = await self._archive.frame_count(instance) if instance.image is not None else 0
            # in a thread, since the first time loads the words of portraits
            known = await self._compute.run(partial(sight_of, header, instance, frames))
            if len(self._sights) >= _REMEMBERED:
                self._sights.clear()
            self._sights[instance.version] = known
        return known

    async def header(self, instance: Instance) -> JsonAttributes:
        """The data set of the instance, bulk values by their paths."""
        held = self._parsed.get(instance.version)
        if held is not None:
            self._parsed.move_to_end(instance.version)
            return held[0]
        header = self._ahead.pop(instance.version, None) or await self._read(instance)
        return await self._parse(header)

    async def headers_of(self, instances: Sequence[Instance]) -> Mapping[str, JsonAttributes]:
        """The data sets of some instances by version, read together."""
        found = {}
        async for batch in self._archive.headers(instances):
            for header in batch:
                found[header.instance.version] = await self._parse(header)
        return found

    async def _read(self, instance: Instance) -> Header:
        """The header, and with it those of the instances that follow in the series: to look up a dozen costs
        hardly more than to look up one, and who asks for one picture of a series asks for the next."""
        together = [instance]
        if instance.image is not None and instance.image.frames == 1:
            series = await self._archive.find_instances(Scope(instance.key.study, instance.key.series))
            at = next((n for n, one in enumerate(series) if one.version == instance.version), len(series))
            following = islice(series, at + 1, at + _TOGETHER)
            together += [one for one in following if one.version not in self._parsed]
        headers = [header async for batch in self._archive.headers(together) for header in batch]
        for header in headers[1:]:
            if len(header.json) <= _INLINE_BYTES:
                self._ahead[header.instance.version] = header
        while len(self._ahead) > _AHEAD:
            self._ahead.popitem(last=False)
        return headers[0]

    async def _parse(self, header: Header) -> JsonAttributes:
        size = len(header.json)
        parse = partial(orjson.loads, header.json)
        attributes: JsonAttributes = parse() if size <= _INLINE_BYTES else await self._compute.run(parse)
        if header.instance.version not in self._parsed:
            self._parsed[header.instance.version] = attributes, size
            self._parsed_bytes += size
        while self._parsed_bytes > _PARSED_BYTES and len(self._parsed) > 1:
            self._parsed_bytes -= self._parsed.popitem(last=False)[1][1]
        if self._clearing is None:
            self._clearing = asyncio.get_running_loop().call_later(_HELD_SECONDS, self._clear)
        return attributes

    def _clear(self) -> None:
        """Let go of all headers: those in use are read again, every so many seconds one by one."""
        self._clearing = None
        self._ahead.clear()
        self._parsed.clear()
        self._parsed_bytes = 0


def sight_of(header: JsonAttributes, instance: Instance, frames: int) -> Sight:
    """How an instance of that header, with that many frames, can be shown."""
    from dicomweb.pixels.objects.portrait import offered_media, portrays

    special = portrays(header, instance.transfer_syntax)
    if special:
        media = tuple(
            each
            for one in offered_media(header, instance.transfer_syntax)
            for each in (PICTURES if one == _ANY_PICTURE else (one,))
        )
    else:
        media = (*PICTURES, VIDEO) if frames > 1 else PICTURES
    return Sight(special, media, frames, representative_frame(header, frames), frames_per_second(header))


def frames_per_second(header: JsonAttributes) -> float:
    """How fast the frames are to be shown: as the object says (PS3.3 C.7.6.5), within what a screen can do."""
    for tag in ("00082144", "00180040"):  # Recommended Display Frame Rate, Cine Rate
        rate = _number(header, tag)
        if rate > 0:
            return min(max(rate, 0.5), 60.0)
    milliseconds = _number(header, "00181063")  # Frame Time
    return min(max(1000.0 / milliseconds, 0.5), 60.0) if milliseconds > 0 else 10.0


def representative_frame(header: JsonAttributes, frames: int) -> int:
    """The frame that stands for all: as the object says (0028,6010), else the middle one; from 1 on."""
    said = next(iter(values_of(header, "00286010")), None)
    return said if isinstance(said, int) and 1 <= said <= frames else (max(frames, 1) + 1) // 2


def values_of(header: JsonAttributes, tag: str) -> list[Any]:
    """The values of an attribute, none if it is absent."""
    values = header.get(tag, {}).get("Value")
    return values if isinstance(values, list) else []


def _number(header: JsonAttributes, tag: str) -> float:
    first = next(iter(values_of(header, tag)), None)
    return float(first) if isinstance(first, int | float) else 0.0
