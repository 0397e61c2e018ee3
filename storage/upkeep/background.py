"""Upkeep that runs beside a serving node: folding the log, ending retention, sweeping orphans, scrubbing.

Every node tries; nothing needs a leader. Two nodes folding at once leave one table, a version is purged once, an
object is deleted once. Whatever fails is tried again at the next turn: none of it is on the way of an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from dicomweb.ports import ArchiveError
from storage.archive.archive import LakeArchive
from storage.log.checkpoint import Checkpoint
from storage.log.errors import LogError
from storage.objects.contract import StoreError
from storage.upkeep.notes import mend_notes
from storage.upkeep.retention import expire
from storage.upkeep.scrub_background import BackgroundScrub
from storage.upkeep.sweep import sweep

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class UpkeepSettings:
    """How often what is done; 0 switches it off."""

    fold_seconds: float = 60.0
    """Longest time that entries wait to be folded into the table."""
    fold_entries: int = 2_000
    """Entries that are folded without waiting for that."""
    retention_days: float = 30.0
    """How long bytes of removed and replaced versions are kept."""
    retention_seconds: float = 3600.0
    """Between two looks at what retention has ended for."""
    sweep_seconds: float = 24 * 3600.0
    """Between two sweeps."""
    orphan_age_seconds: float = 24 * 3600.0
    """An object that no entry names is left alone for this long."""
    sweep_grace_seconds: float = 3600.0
    """Between condemning an object and deleting it."""
    notes_seconds: float = 3600.0
    """Between two looks at whether every removal is noted for a rebuild; the first is at the start."""
    scrub_days: float = 0.0
    """Days after which all objects are read again, to see that they are what was stored."""
    scrub_rate: float = 20.0
    """MB in a second that a scrub reads; 0 for as many as it can."""
    scrub_look_seconds: float = 300.0
    """Between two looks at whether a scrub is due, or one that another node did stands still."""


class Upkeep:
    """The background tasks of a node; an async context manager around an open archive."""

    def __init__(self, archive: LakeArchive, checkpoint: Checkpoint, settings: UpkeepSettings) -> None:
        self._archive = archive
        self._checkpoint = checkpoint
        self._settings = settings
        self._mark = FoldMark(archive.node_dir / "folded", archive.epoch)
        self._tasks: list[asyncio.Task[None]] = []
        self.scrub = BackgroundScrub(
            archive, days=settings.scrub_days, bytes_per_second=settings.scrub_rate * 1_000_000
        )

    async def __aenter__(self) -> Self:
        settings = self._settings
        if settings.notes_seconds:
            self._tasks.append(asyncio.create_task(_once("upkeep", self._mend_notes)))
        if settings.fold_seconds:
            self._tasks.append(asyncio.create_task(self._fold()))
        for seconds, work in (
            (settings.retention_seconds if settings.retention_days else 0, self._expire),
            (settings.sweep_seconds, self._sweep),
            (settings.notes_seconds, self._mend_notes),
            (settings.scrub_look_seconds if settings.scrub_days else 0, self.scrub.turn),
        ):
            if seconds:
                self._tasks.append(asyncio.create_task(_every(seconds, work)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fold(self) -> None:
        """Fold when entries have waited long enough, or are many; also what a node that ended left unfolded.

        A node at which nothing happened since it last folded starts no process.
        """
        settings = self._settings
        folded = await asyncio.to_thread(self._mark.read)
        since = time.monotonic()
        while True:
            await asyncio.sleep(min(_LOOK_SECONDS, settings.fold_seconds))
            behind = self._archive.revision - folded
            if not behind:
                since = time.monotonic()
                continue
            if behind >= settings.fold_entries or time.monotonic() - since >= settings.fold_seconds:
                target = self._archive.revision
                if await _attempt("folding the log", partial(self._checkpoint.fold, until=target)):
                    folded = target
                    await asyncio.to_thread(self._mark.write, target)
                since = time.monotonic()

    async def _expire(self) -> None:
        await expire(self._archive, timedelta(days=self._settings.retention_days))

    async def _mend_notes(self) -> None:
        if mended := await mend_notes(self._archive):
            _LOG.info("%d notes of removals were mended", mended)

    async def _sweep(self) -> None:
        settings = self._settings
        await sweep(
            self._archive, age_seconds=settings.orphan_age_seconds, grace_seconds=settings.sweep_grace_seconds
        )


class FoldMark:
    """Up to which entry this node has seen the log folded, in a file of its own. Losing it costs one fold."""

    def __init__(self, path: Path, epoch: str) -> None:
        self._path = path
        self._epoch = epoch

    def read(self) -> int:
        """Number of the entry, 0 if it is not known."""
        try:
            epoch, number = self._path.read_text("ascii").split()
            return int(number) if epoch == self._epoch else 0
        except (OSError, ValueError):
            return 0

    def write(self, number: int) -> None:
        """Remember the entry, if the disk lets us."""
        with contextlib.suppress(OSError):
            self._path.write_text(f"{self._epoch} {number}\n", "ascii")


async def _once(what: str, work: Callable[[], Awaitable[None]]) -> None:
    await _attempt(what, work)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await _attempt("upkeep", work)


async def _attempt(what: str, work: Callable[[], Awaitable[object]]) -> bool:
    """Whether it went well. Whatever goes wrong, the next turn comes."""
    try:
        await work()
    except (ArchiveError, LogError, StoreError, OSError) as error:
        _LOG.warning("%s failed and is tried again later: %s", what, error)
        return False
    except Exception:
        _LOG.exception("%s failed and is tried again later", what)
        return False
    return True
