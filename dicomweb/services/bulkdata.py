"""Retrieve bulk data (PS3.18 10.4.1.1.5) and pixel data (10.4.1.1.6): the values that metadata only point to.

One attribute comes as a single part, with ranges, or as multipart; all of an instance, series or study as
multipart with the place of each in its Content-Location. Compressed pixel data of several frames come as these, a
part each: joined they could not be told apart (PS3.18 8.7.3.3.2).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dicomweb.encoding.image import PIXEL_DATA, PIXEL_TAGS
from dicomweb.model.instance import Instance
from dicomweb.model.keys import Scope
from dicomweb.ports import Archive, Compute, NoSuchBulkData
from dicomweb.services.bulk_reading import BulkPath, read_value, words_of
from dicomweb.services.conditional import caching, not_modified, see_commits, single_part
from dicomweb.services.handler import Handler
from dicomweb.services.streams import begun, chain
from dicomweb.wire.conditional import etag
from dicomweb.wire.exchange import Answer, Request, WebError
from dicomweb.wire.multipart import closing, new_boundary, part_head, related_type
from dicomweb.wire.negotiation import Accepted, Representation, accepted_by, choose
from dicomweb.wire.offers import value_offers
from dicomweb.wire.paths import bulkdata_url, frame_url, instance_key_of, scope_of
from dicomweb.wire.transfer_syntaxes import transfer_syntax

_PATH = re.compile(r"[0-9A-Fa-f]{8}(?:/[1-9][0-9]{0,8}/[0-9A-Fa-f]{8})*")
_HEAD_AND_DATA = 2


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a multipart answer."""

    chosen: Representation
    location: str
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class _Forms:
    """How the values of instances of one transfer syntax are sent."""

    native: Representation | None
    compressed: Representation | None
    """Encapsulated pixel data."""


class BulkData:
    """`/bulkdata/{path}`, `/bulkdata` and `/pixeldata`."""

    def __init__(self, archive: Archive, compute: Compute) -> None:
        self._archive = archive
        self._compute = compute

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {
            "bulkdata_path": self.value,
            **dict.fromkeys(("bulkdata_study", "bulkdata_series", "bulkdata_instance"), self.all_values),
            **dict.fromkeys(("pixeldata_study", "pixeldata_series", "pixeldata_instance"), self.pixel_data),
        }

    async def value(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """The value of one attribute."""
        path = parse_bulk_path(variables["path"])
        key = instance_key_of(variables)
        await see_commits(self._archive, request)
        instance = await self._archive.find_instance(key)
        span = await self._archive.find_bulk(instance, path)
        frames = await self._frames_at(instance, path) if span is None else 0
        offers = value_offers(instance.transfer_syntax, compressed=span is None, single_part=frames < 2)
        chosen = choose(accepted_by(request), offers)
        tag = etag(self._archive.epoch, instance.revision, f"{'/'.join(path)} {chosen}", weak=chosen.multipart)
        unchanged = not_modified(request, tag)
        if unchanged is not None:
            return unchanged
        if frames > 1:
            parts = self._frame_parts(request.root, instance, frames, chosen)
            return await _multipart(parts, chosen, tag)
        vr, length = ("", span.length) if span and not chosen.swapped else await self._describe(instance, path)
        word = words_of(instance, path, vr) if chosen.swapped else 1
        read = partial(read_value, self._archive, self._compute, instance, path, length=length, word=word)
        if not chosen.multipart:
            return single_part(request, chosen.content_type, tag, length, read)
        part = _Part(chosen, bulkdata_url(request.root, key, path), read(None))
        return await _multipart(chain((part,)), chosen, tag)

    async def all_values(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """Every bulk value of the scope, pixel data among them."""
        return await self._all(request, scope_of(variables), pixels_only=False)

    async def pixel_data(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """The pixel data of every instance of the scope."""
        return await self._all(request, scope_of(variables), pixels_only=True)

    async def _all(self, request: Request, scope: Scope, *, pixels_only: bool) -> Answer:
        await see_commits(self._archive, request)
        revision = await self._archive.series_revision(scope)
        instances = await self._archive.find_instances(scope)
        if pixels_only:
            instances = [instance for instance in instances if instance.pixel_vr]
        forms = _choose_forms(accepted_by(request), instances, pixels_only=pixels_only)
        tag = etag(self._archive.epoch, revision, f"{pixels_only} {request.root} {sorted(forms.items(), key=str)}",
                   weak=True)  # fmt: skip
        unchanged = not_modified(request, tag)
        if unchanged is not None:
            return unchanged
        parts = self._parts(request.root, instances, forms, pixels_only=pixels_only)
        first = await anext(parts, None)
        if first is None:
            raise WebError(404, "there is no pixel data" if pixels_only else "there is no bulk data")
        return await _multipart(chain((first,), parts), first.chosen, tag)

    async def _parts(
        self, root: str, instances: Sequence[Instance], forms: Mapping[str, _Forms], *, pixels_only: bool
    ) -> AsyncIterator[_Part]:
        for instance in instances:
            form = forms[instance.transfer_syntax]
            for path, vr, length in await self._archive.bulk_paths(instance):
                if pixels_only and (len(path) > 1 or path[0] not in PIXEL_TAGS):
                    continue
                chosen = await self._form_of(instance, path, form)
                frames = await self._frames_at(instance, path) if chosen is form.compressed else 0
                if frames > 1:
                    async for part in self._frame_parts(root, instance, frames, chosen):
                        yield part
                    continue
                word = words_of(instance, path, vr) if chosen.swapped else 1
                chunks = read_value(self._archive, self._compute, instance, path, None, length=length, word=word)
                yield _Part(chosen, bulkdata_url(root, instance.key, path), chunks)

    async def _form_of(self, instance: Instance, path: BulkPath, form: _Forms) -> Representation:
        """Only pixel data can be encapsulated, of the top level or of an icon."""
        if form.native is None or (
            form.compressed and path[-1] == PIXEL_DATA and await self._archive.find_bulk(instance, path) is None
        ):
            assert form.compressed is not None
            return form.compressed
        return form.native

    async def _frame_parts(
        self, root: str, instance: Instance, frames: int, chosen: Representation
    ) -> AsyncIterator[_Part]:
        number = 0
        async for frame in self._archive.frames(instance, range(1, frames + 1)):
            number += 1
            yield _Part(chosen, frame_url(root, instance.key, number), chain((frame,)))

    async def _frames_at(self, instance: Instance, path: BulkPath) -> int:
        """How many frames the encapsulated value can be divided into; an icon is one."""
        return await self._archive.frame_count(instance) if path == (PIXEL_DATA,) else 1

    async def _describe(self, instance: Instance, path: BulkPath) -> tuple[str, int]:
        """VR and length of the value."""
        for known, vr, length in await self._archive.bulk_paths(instance):
            if tuple(known) == path:
                return vr, length
        raise NoSuchBulkData("the instance has no bulk data at this path")


def parse_bulk_path(text: str) -> BulkPath:
    """Tags and item numbers of `/bulkdata/{path}`. Raises WebError 400 if it is no such path."""
    if not _PATH.fullmatch(text):
        raise WebError(
            400,
            "bulk data are at /bulkdata/{tag} or /bulkdata/{tag}/{item}/{tag}, tags of eight hexadecimal digits",
        )
    return tuple(text.upper().split("/"))


def _choose_forms(accepted: Accepted, instances: Sequence[Instance], *, pixels_only: bool) -> dict[str, _Forms]:
    """How each transfer syntax is sent, multipart only. Raises NotAcceptable if any of it cannot be.

    Each kind of value is chosen by itself (PS3.18 8.7.8.1). What bulk values an instance has is not known here, so
    with `/bulkdata` native ones must be acceptable in any case.
    """

    def pick(stored: str, *, compressed: bool) -> Representation:
        return choose(accepted, value_offers(stored, compressed=compressed, single_part=False))

    forms = {}
    for stored in {instance.transfer_syntax for instance in instances}:
        encapsulated = transfer_syntax(stored).encapsulated
        forms[stored] = _Forms(
            None if pixels_only and encapsulated else pick(stored, compressed=False),
            pick(stored, compressed=True) if encapsulated else None,
        )
    return forms


async def _multipart(parts: AsyncIterator[_Part], chosen: Representation, tag: str) -> Answer:
    boundary = new_boundary()
    headers = (("Content-Type", related_type(boundary, chosen.media)), *caching(tag))
    return Answer(200, headers, await begun(_join(parts, boundary), chunks=_HEAD_AND_DATA))


async def _join(parts: AsyncIterator[_Part], boundary: str) -> AsyncIterator[bytes]:
    first = True
    async for part in parts:
        yield part_head(boundary, part.chosen.content_type, first=first, location=part.location)
        first = False
        async for chunk in part.chunks:
            yield chunk
    yield closing(boundary)
