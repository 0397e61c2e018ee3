"""Retrieve bulk data (PS3.18 10.4.1.1.5) and pixel data (10.4.1.1.6): the values that metadata only point to.

One attribute comes as a single part, with ranges, or as multipart; all of an instance, series or study as
multipart with the place of each in its Content-Location. Compressed pixel data of several frames come as these, a
part each: joined they could not be told apart (PS3.18 8.7.3.3.2). Pixel data of images are converted where the
client takes none of the stored forms.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial

from dicomweb.model.instance import Instance
from dicomweb.model.keys import Scope
from dicomweb.ports import Archive, Compute, NoSuchBulkData
from dicomweb.services.bulk_parts import BulkParts, is_compressed, is_pixels, multipart
from dicomweb.services.bulk_reading import BulkPath
from dicomweb.services.bulk_sets import BulkSets, choose_forms
from dicomweb.services.choosing import choose_lazily, explaining
from dicomweb.services.conditional import not_modified, see_commits, single_part
from dicomweb.services.conversions import kind_of, made_of_values
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.handler import Handler
from dicomweb.services.streams import begun, chain
from dicomweb.wire.conditional import etag
from dicomweb.wire.exchange import Answer, Request, WebError
from dicomweb.wire.negotiation import Accepted, Offers, Representation, accepted_by, choose
from dicomweb.wire.offers import Made, value_offers
from dicomweb.wire.paths import instance_key_of, scope_of

_PATH = re.compile(r"[0-9A-Fa-f]{8}(?:/[1-9][0-9]{0,8}/[0-9A-Fa-f]{8})*")


class BulkData:
    """`/bulkdata/{path}`, `/bulkdata` and `/pixeldata`."""

    def __init__(
        self,
        archive: Archive,
        compute: Compute,
        *,
        converter: FrameConverter | None = None,
        as_stored: bool = False,
    ) -> None:
        """`as_stored` is what clients get that name no transfer syntax (`default_transfer_syntax`)."""
        self._archive = archive
        self._parts = BulkParts(archive, compute, converter or FrameConverter(archive, compute))
        self._sets = BulkSets(archive, self._parts)
        self._as_stored = as_stored

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
        frames = await self._parts.frames_at(instance, path, encapsulated=span is None)
        with explaining((kind_of(instance),) if is_pixels(path) else ()):
            chosen = self._choose(accepted_by(request), instance, path, encapsulated=span is None, frames=frames)
        tag = etag(self._archive.epoch, instance.revision, f"{'/'.join(path)} {chosen}", weak=chosen.multipart)
        unchanged = not_modified(request, tag)
        if unchanged is not None:
            return unchanged
        if frames > 1 and is_compressed(chosen):
            return await multipart(self._parts.frame_parts(request.root, instance, frames, chosen), chosen, tag)
        if chosen.converted:
            length, read = await self._parts.converted(instance, chosen, frames)
        else:
            vr, length = ("", span.length) if span and not chosen.swapped else await self._describe(instance, path)
            read = self._parts.reader(instance, path, chosen, vr, length)
        if not chosen.multipart:
            answer = single_part(request, chosen.content_type, tag, length, read)
            return await _begun(answer) if chosen.converted else answer
        part = self._parts.part(request.root, instance, path, chosen, read)
        return await multipart(chain((part,)), chosen, tag)

    def _choose(
        self, accepted: Accepted, instance: Instance, path: BulkPath, *, encapsulated: bool, frames: int
    ) -> Representation:
        """The form of one value. Several compressed frames do not fit into a single part."""

        def offers(made: Made) -> Offers:
            found = value_offers(
                instance.transfer_syntax, compressed=encapsulated, made=made, as_stored=self._as_stored
            )
            return [one for one in found if one.multipart or frames < 2 or not is_compressed(one)]

        if not is_pixels(path):
            return choose(accepted, offers(()))
        return choose_lazily(accepted, offers, partial(made_of_values, kind_of(instance)))

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
        kinds = list(dict.fromkeys(map(kind_of, instances)))
        with explaining(kinds):
            forms = choose_forms(accepted_by(request), kinds, pixels_only=pixels_only, as_stored=self._as_stored)
        named = f"{pixels_only} {request.root} {sorted(map(str, forms.items()))}"
        tag = etag(self._archive.epoch, revision, named, weak=True)
        unchanged = not_modified(request, tag)
        if unchanged is not None:
            return unchanged
        parts = self._sets.parts(request.root, instances, forms)
        first = await anext(parts, None)
        if first is None:
            raise WebError(404, "there is no pixel data" if pixels_only else "there is no bulk data")
        return await multipart(chain((first,), parts), first.chosen, tag)

    async def _describe(self, instance: Instance, path: BulkPath) -> tuple[str, int]:
        """VR and length of the value."""
        for known, vr, length in await self._archive.bulk_paths(instance):
            if tuple(known) == path:
                return vr, length
        raise NoSuchBulkData("the instance has no bulk data at this path")


async def _begun(answer: Answer) -> Answer:
    """The same answer, so that a first frame that cannot be decoded is told with a status."""
    assert isinstance(answer.body, AsyncIterator)
    return replace(answer, body=await begun(answer.body, chunks=1))


def parse_bulk_path(text: str) -> BulkPath:
    """Tags and item numbers of `/bulkdata/{path}`. Raises WebError 400 if it is no such path."""
    if not _PATH.fullmatch(text):
        raise WebError(
            400,
            "bulk data are at /bulkdata/{tag} or /bulkdata/{tag}/{item}/{tag}, tags of eight hexadecimal digits",
        )
    return tuple(text.upper().split("/"))
