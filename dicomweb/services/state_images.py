"""Which image a presentation state shows: of those it is for, the first that is stored here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from dicomweb.model.instance import Instance
from dicomweb.model.keys import IllegalUid, InstanceKey, Scope, parse_uid
from dicomweb.ports import Archive, ArchiveError, Compute
from dicomweb.services.drawing_work import images_of_state
from dicomweb.services.sights import Sights

if TYPE_CHECKING:
    from dicomweb.pixels.presentation.model import ImageReference


class StateImages:
    """Looks up the images of presentation states."""

    def __init__(self, archive: Archive, compute: Compute, sights: Sights) -> None:
        self._archive = archive
        self._compute = compute
        self._sights = sights

    async def references_of(self, state: Instance) -> Sequence[ImageReference]:
        """The images that a presentation state is for."""
        return await self._compute.run(partial(images_of_state, await self._sights.header(state)))

    async def first_of(self, state: Instance) -> tuple[Instance, int] | None:
        """The first image, and its frame (0 for all), that a presentation state is for and that is stored here."""
        for reference in await self.references_of(state):
            found = await self._find(state, reference.study, reference.series, reference.sop_instance)
            if found is not None and found.image is not None:
                return found, min(reference.frames, default=0)
        return None

    async def _find(self, state: Instance, study: str, series: str, sop: str) -> Instance | None:
        try:
            if series:
                key = InstanceKey(parse_uid(study or state.key.study), parse_uid(series), parse_uid(sop))
                return await self._archive.find_instance(key)
            among = await self._archive.find_instances(Scope(study or state.key.study))
            return next((one for one in among if one.key.instance == sop), None)
        except (IllegalUid, ArchiveError):
            return None
