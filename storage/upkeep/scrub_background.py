"""The scrub that goes on beside a serving node, on one node at a time.

A node looks at the state now and then. It does the next pass when the last one ended long enough ago, and goes on
with one that has stood still between two looks: whoever did it is gone.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import UTC, datetime

from storage import layout
from storage.archive.archive import LakeArchive
from storage.upkeep.scrub import ScrubSettings, SteppedBack, scrub
from storage.upkeep.scrub_state import ScrubState, begin_pass, read_state, write_state

_LOG = logging.getLogger(__name__)


class BackgroundScrub:
    """Reads all objects again every so many days."""

    def __init__(self, archive: LakeArchive, *, days: float, bytes_per_second: float) -> None:
        self.state: ScrubState | None = None
        """As last seen or made here."""
        self._archive = archive
        self._days = days
        self._settings = ScrubSettings(bytes_per_second)
        self._key = layout.scrub_key(archive.epoch)
        self._seen: ScrubState | None = None

    async def turn(self) -> None:
        """Look whether there is something to do, and do it: a whole pass, or what is left of one.

        Raises what `scrub` raises, SteppedBack apart.
        """
        found = await read_state(self._archive.store, self._key)
        self._tell(found)
        mine = found is not None and found.node == self._archive.node
        if found is not None and not found.finished and not mine and found != self._seen:
            self._seen = found
            return
        if found is None or (found.finished and self._is_due(found)):
            found = begin_pass(found)
        elif found.finished:
            return
        try:
            found.node = self._archive.node
            await write_state(self._archive.store, self._key, found)
            await scrub(self._archive, found, self._settings, self._save)
        except SteppedBack:
            _LOG.info("another node does the scrub")
        self._tell(found)

    def _is_due(self, state: ScrubState) -> bool:
        try:
            ended = datetime.fromisoformat(state.finished)
        except ValueError:
            return True
        return (datetime.now(UTC) - ended).total_seconds() >= self._days * 86_400

    async def _save(self, state: ScrubState) -> None:
        there = await read_state(self._archive.store, self._key)
        if there is not None and there.node != self._archive.node:
            raise SteppedBack
        await write_state(self._archive.store, self._key, state)
        self._tell(state)

    def _tell(self, state: ScrubState | None) -> None:
        """Let health and metrics know."""
        self.state = ScrubState(**asdict(state)) if state else None
        if state is None:
            return
        if wrong := state.standing:
            count = max(len(wrong), state.wrong)
            self._archive.warnings["scrub"] = (
                f"{count} stored object{'s are' if count > 1 else ' is'} not as stored, such as {min(wrong)}; "
                "`dicomlake scrub` names them"
            )
        else:
            self._archive.warnings.pop("scrub", None)
