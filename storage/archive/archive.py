"""The one door of the room: an archive on an object store (fulfils `dicomweb.ports.Archive` and `TimeTravel`).

Opening it reads the log's format, brings the node's catalog up to the log's tail, and starts the two tasks that
keep it there: the committer and the follower. Everything else is in the files beside this one: intake and
submission, committer and judge, find, read, remove; `as_of` and `chronicler` for what was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from dicomweb.model.history import HistoryPage
from dicomweb.model.instance import Header, Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.labels import LabelCount, Labelled
from dicomweb.model.outcome import Removal
from dicomweb.model.query import Found, Query
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import IntakeTranscoder, Unavailable
from storage.archive.as_of import PastArchive
from storage.archive.chronicler import Chronicler
from storage.archive.committer import Committer
from storage.archive.conversion import ConversionCounts
from storage.archive.digesting import Recogniser
from storage.archive.find import Finder
from storage.archive.follower import Follower
from storage.archive.intake import Intake
from storage.archive.label import Labeller
from storage.archive.lost_log import check_log
from storage.archive.opening import load_checkpoint
from storage.archive.origin import LogOrigin
from storage.archive.overtaken import unless_overtaken
from storage.archive.read import Reader
from storage.archive.remove import Remover
from storage.archive.settings import ArchiveSettings
from storage.archive.siblings import Alone, Siblings
from storage.archive.submission import LakeSubmission
from storage.archive.taken import Origin
from storage.catalog.catalog import Catalog
from storage.frames.inflated import InflatedCopies
from storage.log.checkpoint import Checkpoint
from storage.log.errors import LogError
from storage.log.journal import Journal
from storage.log.shelf import Shelf
from storage.log.torn import set_aside_torn_tail
from storage.objects.contract import ObjectStore

_LOG = logging.getLogger(__name__)
_INSPECTING_THREADS = 2
_HEAR_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Health:
    """Whether this node can do its work."""

    ready: bool
    reason: str
    """What is wrong, what to look after though work goes on, or `ok`."""


class LakeArchive:
    """An archive on one object store; an async context manager. Use within one event loop."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        node: str,
        node_dir: Path,
        settings: ArchiveSettings | None = None,
        checkpoint: Checkpoint | None = None,
        transcoder: IntakeTranscoder | None = None,
        siblings: Siblings | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        """`node` names this process in the log; `node_dir` is its own folder; an archive without `checkpoint`
        reads the log alone; without `transcoder` instances are stored as they come; `siblings` are the other
        nodes of this machine, if they serve together; `told` is told how far a long start is."""
        self.store = store
        self.checkpoint = checkpoint
        self.node = node
        self.node_dir = node_dir
        self.settings = settings or ArchiveSettings()
        self._transcoder = transcoder
        self._siblings = siblings or Alone()
        self._told = told or (lambda _: None)
        self._closing = AsyncExitStack()
        self._follow_error = ""
        self._told_outgrown = False
        self.warnings: dict[str, str] = {}
        """What to look after though work goes on, for the health page; by what tells it."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._closing = stack.pop_all()
        return self

    async def _open(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        self.journal = await Journal.open(self.store, node=self.node)
        self.node_dir.mkdir(parents=True, exist_ok=True)
        if self._siblings.folder is not None:
            self.journal.shelf = Shelf(self._siblings.folder, self.node)
            await asyncio.to_thread(self.journal.shelf.clear)
        threads = stack.enter_context(ThreadPoolExecutor(_INSPECTING_THREADS, "intake"))
        origin = LogOrigin(self.store, self.journal, self.checkpoint)
        self.catalog = await stack.enter_async_context(
            Catalog(self.node_dir / "catalog", epoch=self.journal.epoch, origin=origin, settings=settings.catalog)
        )
        with contextlib.suppress(LogError):
            # A damaged entry is met again by the follower, which knows what to do about it.
            await load_checkpoint(
                self.journal, self.catalog, self.checkpoint, short_log=settings.short_log, told=self._told
            )
        if doubt := await check_log(self.store, self.journal, self.catalog.applied, self.checkpoint):
            _LOG.warning("%s", doubt)
            self.warnings["log"] = doubt
        await set_aside_torn_tail(self.journal, self.catalog.applied)
        self.follower = Follower(self.journal, self.catalog, self._siblings)
        self.committer = Committer(
            self.journal,
            self.catalog,
            self.follower,
            node=self.node,
            policy=settings.duplicates,
            siblings=self._siblings,
        )
        with contextlib.suppress(Unavailable):
            # A damaged entry leaves the archive readable as of the one before; `health` says so.
            await self.follower.catch_up()
        self._intake = Intake(self.store, self.catalog, settings, threads, self._transcoder)
        self._recogniser = (
            Recogniser(self.store, self.catalog, self.committer, node=self.node) if self.journal.rebuilt else None
        )
        self._finder = Finder(self.catalog, self.follower)
        inflated = await stack.enter_async_context(
            InflatedCopies(
                self.store,
                self.node_dir / "inflated",
                capacity_bytes=settings.inflated_bytes,
                ratio=settings.limits.inflate_ratio,
            )
        )
        self._chronicler = Chronicler(self.journal, self.catalog, self.follower)
        self._reader = Reader(self.store, self.catalog, inflated, settings)
        self._remover = Remover(self.store, self.catalog, self.committer, node=self.node, epoch=self.journal.epoch)
        self._labeller = Labeller(self.journal, self.catalog, self.committer, node=self.node)
        stack.push_async_callback(self._remover.close)
        stack.callback(self.committer.close)
        for work in (self.committer.run(), self._follow(), self._hear_siblings()):
            task = asyncio.create_task(work)
            stack.push_async_callback(_end, task)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    async def _follow(self) -> None:
        """Look at the log now and then for what other nodes committed."""
        while self.settings.poll_seconds > 0:
            await asyncio.sleep(self.settings.poll_seconds)
            try:
                await self.follower.catch_up()
                self._follow_error = ""
                self._tell_outgrown()
            except Unavailable as error:
                if not self._follow_error:
                    _LOG.warning("the log cannot be followed: %s", error)
                self._follow_error = str(error)
            except Exception as error:  # whatever it is, the next look may find it gone
                if not self._follow_error:
                    _LOG.exception("following the log failed")
                self._follow_error = f"following the log failed ({type(error).__name__})"

    def _tell_outgrown(self) -> None:
        if self.journal.outgrown is not None and not self._told_outgrown:
            _LOG.warning("%s; until then this node takes no writes", self.journal.outgrown)
            self._told_outgrown = True

    async def _hear_siblings(self) -> None:
        """Look at the board so often that a reader seldom has to wait for what a sibling committed."""
        while not isinstance(self._siblings, Alone):
            await asyncio.sleep(_HEAR_SECONDS)
            try:
                await self.follower.hear_siblings()
            except Exception:  # the follower meets it too, and tells of it
                await asyncio.sleep(self.settings.poll_seconds)

    def health(self) -> Health:
        """Whether this node follows the log and can write."""
        outgrown = self.journal.outgrown
        problem = self.follower.damage or self._follow_error or self.catalog.problem or str(outgrown or "")
        return Health(not problem, problem or "; ".join(self.warnings.values()) or "ok")

    @property
    def conversions(self) -> ConversionCounts | None:
        """What became of instances wanted in another transfer syntax; None if none ever is."""
        return self._intake.converter.counts if self._intake.converter else None

    @property
    def epoch(self) -> str:
        return self.journal.epoch

    @property
    def revision(self) -> int:
        return self.catalog.applied

    async def catch_up(self) -> None:
        await self.follower.catch_up()

    def submit(self, *, door: str, peer: str, expect: Scope | None) -> LakeSubmission:
        # before its objects are written for nothing
        self.follower.check_format()
        origin = Origin(door, peer, expect)
        return LakeSubmission(self._intake, self.committer, self.store, origin, recogniser=self._recogniser)

    async def search(self, query: Query) -> Found:
        await self.follower.hear_siblings()
        return await self._finder.search(query)

    async def find_instance(self, key: InstanceKey) -> Instance:
        await self.follower.hear_siblings()
        return await self._finder.instance(key)

    async def find_instances(self, scope: Scope) -> Sequence[Instance]:
        await self.follower.hear_siblings()
        return await self._finder.instances(scope)

    async def series_revision(self, scope: Scope) -> int:
        await self.follower.hear_siblings()
        return await self._finder.revision(scope)

    def headers(self, instances: Sequence[Instance]) -> AsyncIterator[Sequence[Header]]:
        return self.catalog.headers(instances)

    async def frame_count(self, instance: Instance) -> int:
        return await self._reader.frame_count(instance)

    def frames(self, instance: Instance, numbers: Sequence[int]) -> AsyncIterator[bytes]:
        return self._unless_overtaken(self._reader.frames(instance, numbers), instance)

    def read(self, instance: Instance, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        return self._unless_overtaken(self._reader.read(instance, span), instance)

    def _unless_overtaken(self, chunks: AsyncGenerator[bytes, None], instance: Instance) -> AsyncIterator[bytes]:
        return unless_overtaken(chunks, instance, self.catalog, self.catch_up)

    async def find_bulk(self, instance: Instance, path: Sequence[str]) -> ByteRange | None:
        return await self._reader.find_bulk(instance, path)

    def bulk(self, instance: Instance, path: Sequence[str], span: ByteRange | None = None) -> AsyncIterator[bytes]:
        return self._unless_overtaken(self._reader.bulk(instance, path, span), instance)

    async def bulk_paths(self, instance: Instance) -> Sequence[tuple[tuple[str, ...], str, int]]:
        return await self._reader.bulk_paths(instance)

    async def remove(self, scope: Scope, *, door: str, peer: str) -> Removal:
        return await self._remover.remove(scope, door, peer)

    async def restore(self, revision: int, *, door: str, peer: str) -> Removal:
        return await self._remover.restore(revision, door, peer)

    async def labels(self, scope: Scope) -> Sequence[str]:
        await self.follower.hear_siblings()
        await self._finder.revision(scope)
        return await self.catalog.labels.of(scope)

    async def label_counts(self) -> Sequence[LabelCount]:
        await self.follower.hear_siblings()
        return await self.catalog.labels.counts()

    async def add_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        return await self._labeller.add(scope, label, door, peer)

    async def drop_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        return await self._labeller.drop(scope, label, door, peer)

    async def revision_at(self, time: datetime) -> int:
        return await self._chronicler.revision_at(time)

    async def as_of(self, revision: int) -> PastArchive:
        return await self._chronicler.as_of(self, revision)

    async def history(self, scope: Scope, *, before: int | None, limit: int) -> HistoryPage:
        return await self._chronicler.history(scope, before=before, limit=limit)

    async def removed_scope(self, revision: int) -> Scope:
        return await self._chronicler.removed_scope(revision)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
