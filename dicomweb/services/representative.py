"""Which picture stands for a study or a series: chosen from the catalog and headers, no object is opened.

    series   the middle image by Instance Number; of a slide its thumbnail or smallest level
    study    the first series by Series Number with images, localizers last

Images come before segmentations, dose and parametric maps, and those before what has no pixels at all: a report is
shown only where there is nothing else. A label of a slide, which may bear a name, is the very last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from dicomweb.model.instance import Instance
from dicomweb.model.keys import Scope
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Archive
from dicomweb.services.sights import Sights, values_of

_STORAGE = "1.2.840.10008.5.1.4.1.1."
SLIDE = _STORAGE + "77.1.6"
_DERIVED = frozenset(_STORAGE + end for end in ("66.4", "66.7", "30", "481.2"))
"""Segmentations, label maps, parametric maps, doses: they have pixels, but show something about other images."""
_COMPARED = 64
"""Series of a study, or instances of a slide, of which headers are looked at."""
_FLAVOURS = ("THUMBNAIL", "VOLUME", "OVERVIEW", "LABEL")
"""Of a slide's images, the third value of Image Type (PS3.3 C.8.12.4.1.1), the most telling first."""
_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class _Choice:
    """What was chosen, and when."""

    moment: int
    """Revision of the archive. While that is the same nothing has to be looked up."""
    revision: int
    """Revision of the scope: while that is the same the choice holds, whatever else is stored."""
    instance: Instance


class Representatives:
    """Chooses, and remembers what it chose until something changes."""

    def __init__(self, archive: Archive, sights: Sights) -> None:
        self._archive = archive
        self._sights = sights
        self._chosen: dict[Scope, _Choice] = {}

    async def of(self, scope: Scope) -> Instance:
        """The instance that stands for the scope. Raises NotStored, Gone."""
        # Read before the scope's own: it may be older than what comes with it, never newer.
        moment = self._archive.revision
        known = self._chosen.get(scope)
        if known is not None and known.moment == moment:
            return known.instance
        revision = await self._archive.series_revision(scope)
        if known is None or known.revision != revision:
            if len(self._chosen) >= _REMEMBERED:
                self._chosen.clear()
            known = _Choice(moment, revision, await self._choose(scope))
        self._chosen[scope] = replace(known, moment=moment)
        return known.instance

    async def _choose(self, scope: Scope) -> Instance:
        instances = await self._archive.find_instances(scope)
        if scope.instance is not None:
            return instances[0]
        best = candidates(instances)
        if len(best) == 1 and best[0].sop_class != SLIDE:
            return best[0]
        if all(one.sop_class == SLIDE for one in best):
            levels = smallest_levels([one for one in instances if one.key.series == best[0].key.series])
            return await self._least(levels, slide_order)
        return await self._least(best, series_order)

    async def _least(
        self, among: Sequence[Instance], order: Callable[[JsonAttributes], tuple[int, ...]]
    ) -> Instance:
        """The first of them by what their headers say."""
        headers = await self._sights.headers_of(among)
        return min(enumerate(among), key=lambda one: (*order(headers[one[1].version]), one[0]))[1]


def candidates(instances: Sequence[Instance]) -> list[Instance]:
    """Of each series (they lie together, in order of Instance Number) the middle one of its best kind.

    Only series of the best kind there is; at most as many as are worth comparing.
    """
    middles = []
    for _, group in groupby(instances, attrgetter("key.series")):
        series = list(group)
        best = min(map(rank, series))
        alike = [one for one in series if rank(one) == best]
        middles.append(alike[len(alike) // 2])
    best = min(map(rank, middles))
    return [one for one in middles if rank(one) == best][:_COMPARED]


def rank(instance: Instance) -> int:
    """How much of an image it is, 0 the most."""
    if instance.image is None:
        return 2
    return 1 if instance.sop_class in _DERIVED else 0


def smallest_levels(instances: Sequence[Instance]) -> list[Instance]:
    """The images of a slide with the fewest frames, which show the most of it in one."""
    images = [one for one in instances if one.image is not None]
    fewest = min(one.image.frames for one in images if one.image)
    return [one for one in images if one.image and one.image.frames == fewest][:_COMPARED]


def series_order(header: JsonAttributes) -> tuple[int, ...]:
    """By what the series of this instance are ordered: localizers last, then Series Number, none at the end."""
    number = next(iter(values_of(header, "00200011")), None)
    localizer = "LOCALIZER" in values_of(header, "00080008")
    return localizer, not isinstance(number, int), number if isinstance(number, int) else 0


def slide_order(header: JsonAttributes) -> tuple[int, ...]:
    """By what the images of a slide are ordered."""
    flavour = [*values_of(header, "00080008"), "", "", ""][2]
    return (_FLAVOURS.index(flavour) if flavour in _FLAVOURS else len(_FLAVOURS),)
