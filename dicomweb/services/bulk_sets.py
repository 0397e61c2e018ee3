"""All bulk values, or all pixel data, of an instance, series or study: which forms, and the parts in their order.

Each kind of value is chosen by itself (PS3.18 8.7.8.1): the pixel data of images, which may be converted, icons'
encapsulated ones as they are stored or not at all, and everything else, which is native.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dicomweb.encoding.image import PIXEL_DATA
from dicomweb.model.instance import Instance
from dicomweb.ports import Archive
from dicomweb.services.bulk_parts import BulkParts, Part, is_compressed, is_pixels
from dicomweb.services.bulk_reading import BulkPath
from dicomweb.services.choosing import choose_lazily
from dicomweb.services.conversions import Kind, kind_of, made_of_values
from dicomweb.wire.negotiation import Accepted, NotAcceptable, Offers, Representation, choose
from dicomweb.wire.offers import Made, value_offers
from dicomweb.wire.transfer_syntaxes import transfer_syntax


@dataclass(frozen=True, slots=True)
class Forms:
    """How the values of one kind of instance are sent."""

    pixels: Representation | None
    """Pixel data of the image, None if there is none."""
    native: Representation | None
    """All other values, None if only pixel data are sent."""
    nested: Representation | None
    """Encapsulated pixel data of icons, None if they are not accepted as they are stored."""


def choose_forms(
    accepted: Accepted, kinds: Sequence[Kind], *, pixels_only: bool, as_stored: bool
) -> dict[Kind, Forms]:
    """How each kind of instance is sent, multipart only. Raises NotAcceptable if any of it cannot be.

    What bulk values an instance has is not known here, so with `/bulkdata` native ones must be acceptable in any
    case.
    """
    forms = {}
    for kind in kinds:
        encapsulated = transfer_syntax(kind[0]).encapsulated
        pixels = partial(_offers, kind[0], encapsulated, as_stored)
        forms[kind] = Forms(
            choose_lazily(accepted, pixels, partial(made_of_values, kind)) if kind[2] else None,
            None if pixels_only else choose(accepted, _offers(kind[0], False, as_stored, ())),
            _if_accepted(accepted, pixels(())) if encapsulated else None,
        )
    return forms


def _offers(stored: str, compressed: bool, as_stored: bool, made: Made) -> Offers:
    return value_offers(stored, compressed=compressed, single_part=False, made=made, as_stored=as_stored)


def _if_accepted(accepted: Accepted, offers: Offers) -> Representation | None:
    try:
        return choose(accepted, offers)
    except NotAcceptable:
        return None


class BulkSets:
    """The parts of sets of instances."""

    def __init__(self, archive: Archive, parts: BulkParts) -> None:
        self._archive = archive
        self._parts = parts

    async def parts(
        self, root: str, instances: Sequence[Instance], forms: Mapping[Kind, Forms]
    ) -> AsyncIterator[Part]:
        """A part a value, or a frame where pixel data are compressed."""
        for instance in instances:
            form = forms[kind_of(instance)]
            for path, vr, length in await self._archive.bulk_paths(instance):
                if is_pixels(path) and form.pixels is not None:
                    async for part in self._pixels(root, instance, path, form.pixels, vr, length):
                        yield part
                elif not is_pixels(path) and (chosen := await self._form_of(instance, path, form)) is not None:
                    read = self._parts.reader(instance, path, chosen, vr, length)
                    yield self._parts.part(root, instance, path, chosen, read)

    async def _pixels(
        self, root: str, instance: Instance, path: BulkPath, chosen: Representation, vr: str, length: int
    ) -> AsyncIterator[Part]:
        """The image: a part a frame if it is sent compressed, else one."""
        frames = 1
        if chosen.converted or is_compressed(chosen):
            encapsulated = transfer_syntax(instance.transfer_syntax).encapsulated
            frames = await self._parts.frames_at(instance, path, encapsulated=encapsulated)
        if frames > 1 and is_compressed(chosen):
            async for part in self._parts.frame_parts(root, instance, frames, chosen):
                yield part
            return
        read = self._parts.reader(instance, path, chosen, vr, length)
        if chosen.converted:
            _, read = await self._parts.converted(instance, chosen, frames)
        yield self._parts.part(root, instance, path, chosen, read)

    async def _form_of(self, instance: Instance, path: BulkPath, form: Forms) -> Representation | None:
        """Of a value that is not the image: only an icon's pixel data can be encapsulated."""
        if form.native is None or path[-1] != PIXEL_DATA:
            return form.native
        if not transfer_syntax(instance.transfer_syntax).encapsulated:
            return form.native
        return form.nested if await self._archive.find_bulk(instance, path) is None else form.native
