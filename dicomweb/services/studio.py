"""What the services that show pictures have in common: one choice, one memory, one cache for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Archive, ArchiveError, Compute, DerivedCache
from dicomweb.services.drawing import Drawing, Order
from dicomweb.services.picture_limits import PictureLimits
from dicomweb.services.representative import Representatives
from dicomweb.services.sights import Sight, Sights
from dicomweb.services.state_images import StateImages
from dicomweb.wire.exchange import WebError

_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Passing:
    """A stored value that is sent as it is: a PDF, a video."""

    archive: Archive
    instance: Instance
    path: tuple[str, ...]
    length: int
    """Bytes to send: without the padding of the stored value."""

    def read(self, span: ByteRange | None) -> AsyncIterator[bytes]:
        """The value, or a span of it, in chunks."""
        return self.archive.bulk(self.instance, self.path, span or ByteRange(0, self.length))


class Studio:
    """Draws for whichever service asks."""

    def __init__(
        self, archive: Archive, compute: Compute, cache: DerivedCache, limits: PictureLimits | None = None
    ) -> None:
        self.archive = archive
        self.limits = limits or PictureLimits()
        self.sights = Sights(archive, compute)
        self.drawing = Drawing(archive, compute, cache, self.sights, self.limits)
        self.state_images = StateImages(archive, compute, self.sights)
        self.representatives = Representatives(archive, self.sights)
        self._passages: dict[tuple[str, str], tuple[tuple[str, ...], int] | None] = {}
        self._images_of_states: dict[str, tuple[InstanceKey, int]] = {}

    def moment(self, media: str) -> int:
        """Since when something of that media type may have become another one: text tells what else is stored."""
        return self.archive.revision if media.startswith("text/") else 0

    async def passage(self, order: Order, sight: Sight) -> Passing | None:
        """The stored value that is what is ordered; None where something has to be made."""
        if not sight.special or order.frames or order.media.startswith("image/"):
            return None
        key = order.instance.version, order.media
        if key not in self._passages:
            if len(self._passages) >= _REMEMBERED:
                self._passages.clear()
            self._passages[key] = await self._find_passage(order)
        found = self._passages[key]
        return Passing(self.archive, order.instance, *found) if found is not None else None

    async def _find_passage(self, order: Order) -> tuple[tuple[str, ...], int] | None:
        from dicomweb.pixels.objects.portrait import PortraitRequest, passage

        header = await self.sights.header(order.instance)
        found = passage(header, PortraitRequest(order.instance.transfer_syntax, order.media))
        if found is None or not found.path:
            return None
        path = tuple(found.path.split("/"))
        stored = next((n for each, _, n in await self.archive.bulk_paths(order.instance) if each == path), None)
        if stored is None:
            return None
        return path, stored if found.length is None else min(found.length, stored)

    async def subject_of(self, instance: Instance) -> tuple[Instance, Instance | None, int]:
        """What is drawn for an instance: image, presentation state, frame (0: as a whole).

        A presentation state shows the first of its images that is stored here (PS3.18 8.3.5); one of which none is
        gets a card that says what it is.
        """
        if not is_presentation_state(instance.sop_class):
            return instance, None, 0
        known = self._images_of_states.get(instance.version)
        if known is not None:
            try:
                return await self.archive.find_instance(known[0]), instance, known[1]
            except ArchiveError:
                del self._images_of_states[instance.version]
        found = await self.state_images.first_of(instance)
        if found is None:
            return instance, None, 0
        if len(self._images_of_states) >= _REMEMBERED:
            self._images_of_states.clear()
        self._images_of_states[instance.version] = found[0].key, found[1]
        return found[0], instance, found[1]


def is_presentation_state(sop_class: str) -> bool:
    """Whether the SOP class is one of presentation states (PS3.4 B.5)."""
    return sop_class.startswith("1.2.840.10008.5.1.4.1.1.11.")


def check_state(order: Order) -> None:
    """Refuse what must not be asked of a presentation state, which says it itself (PS3.18 8.3.5.1.3-4)."""
    if order.state is None:
        return
    settings = order.look.settings
    region = settings.viewport.region if settings.viewport is not None else None
    if settings.window is not None:
        raise WebError(400, "a window cannot be asked for together with a presentation state, which has its own")
    if region is not None and (region.left or region.top or region.width or region.height) and not region.relative:
        raise WebError(400, "a viewport has no source region where a presentation state says what is shown")
