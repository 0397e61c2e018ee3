"""Reading every object again, slowly, to see that it is still what was stored.

Versions that were removed or replaced are read too, as long as their bytes are kept. What a rebuild left open is
told to the log on the way. A study is the step by which the position moves on: what was interrupted is read again
from the begin of its study.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dicomweb.model.instance import Instance
from dicomweb.model.keys import Scope
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.digesting import tell_digests
from storage.catalog.history import VersionRow
from storage.catalog.projection import Standing
from storage.upkeep.scrub_state import ScrubState, finish_pass
from storage.upkeep.verify import Verified, verify_instance

_AT_ONCE = 4
"""Objects read side by side."""
_STUDIES = 1000
"""Studies asked of the catalog at a time."""
_TOLD = 1000
"""Digests that are told together."""
_BURST_SECONDS = 0.5
_SAVE_SECONDS = 10.0
_GONE = (Standing.PURGED, Standing.VOIDED)


class SteppedBack(Exception):
    """Another node does the pass."""


@dataclass(frozen=True, slots=True)
class ScrubSettings:
    """How to scrub."""

    bytes_per_second: float = 0.0
    """0: as fast as it goes."""
    sample: float = 1.0
    """The share of the objects that is read, chosen by chance."""


class Throttle:
    """Lets so many bytes through in a second."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._free = time.monotonic()

    async def pace(self, count: int) -> None:
        """Wait until `count` bytes more are within the rate."""
        if not self._rate:
            return
        now = time.monotonic()
        self._free = max(self._free, now - _BURST_SECONDS) + count / self._rate
        if self._free > now:
            await asyncio.sleep(self._free - now)


Save = Callable[[ScrubState], Awaitable[None]]
"""Keeps the state. Raises SteppedBack, and the store's errors."""


async def scrub(
    archive: LakeArchive,
    state: ScrubState,
    settings: ScrubSettings,
    save: Save,
    tell: Callable[[ScrubState], None] = lambda _: None,
) -> None:
    """Go on with a pass to its end, saving it now and then; `tell` hears of it after each study.

    Raises SteppedBack, Unavailable, CatalogError and the store's errors.
    """
    work = _Pass(archive, state, settings, save)
    await archive.catch_up()
    await archive.catalog.flush()
    while studies := await archive.catalog.studies_after(state.position, _STUDIES):
        for study in studies:
            await work.read_study(study)
            state.position = layout.study_place(study)
            tell(state)
            await work.beat()
    await work.digests.tell()
    finish_pass(state)
    await save(state)


class _Pass:
    """A pass under way."""

    def __init__(self, archive: LakeArchive, state: ScrubState, settings: ScrubSettings, save: Save) -> None:
        self.digests = _OpenDigests(archive)
        self._archive = archive
        self._state = state
        self._sample = settings.sample
        self._throttle = Throttle(settings.bytes_per_second)
        self._save = save
        self._saved = time.monotonic()

    async def beat(self) -> None:
        """Keep the state, if it is time to."""
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            # before anything is awaited, since several objects are read side by side
            self._saved = time.monotonic()
            await self.digests.tell()
            await self._save(self._state)

    async def _pace(self, count: int) -> None:
        await self._throttle.pace(count)
        await self.beat()

    async def read_study(self, study: str) -> None:
        """Read the versions of a study that have bytes, or a sample of them."""
        versions = await self._archive.catalog.versions(Scope(study))
        chosen = [
            one.instance
            for one in versions
            if one.standing not in _GONE and (self._sample >= 1.0 or random.random() < self._sample)
        ]
        for start in range(0, len(chosen), _AT_ONCE):
            some = chosen[start : start + _AT_ONCE]
            reads = (verify_instance(self._archive.store, one, self._pace) for one in some)
            for found in await asyncio.gather(*reads):
                await self._take(found)

    async def _take(self, found: Verified) -> None:
        state, instance = self._state, found.instance
        state.checked += 1
        state.bytes += instance.size
        if found.digest:
            await self.digests.add(instance, found.digest)
        elif found.problem and await _is_still_there(self._archive, found):
            state.name(layout.object_key(instance.key, instance.version), found.problem)


async def _is_still_there(archive: LakeArchive, found: Verified) -> bool:
    """Whether the version has its bytes by now, by what the log says: retention may have ended meanwhile."""
    await archive.catch_up()
    now: Sequence[VersionRow] = await archive.catalog.versions(found.instance.key.scope)
    return any(one.instance.version == found.instance.version and one.standing not in _GONE for one in now)


class _OpenDigests:
    """Digests that were open, on their way to the log."""

    def __init__(self, archive: LakeArchive) -> None:
        self._archive = archive
        self._found: dict[Instance, bytes] = {}

    async def add(self, instance: Instance, digest: bytes) -> None:
        self._found[instance] = digest
        if len(self._found) >= _TOLD:
            await self.tell()

    async def tell(self) -> None:
        if self._found:
            await tell_digests(self._archive.committer, self._found, node=self._archive.node)
            self._found = {}
