"""One commit after another: the only place that appends to the log.

Works that arrive while a commit is under way form the next one (group commit). Three rules keep all nodes in one
order: number N is tried only after every entry below it has been applied; whoever loses N applies the winner's
entry, judges its own works again and tries the next number; a write whose outcome is unknown is settled before
anything else is written.

        works ──▶ gather ──▶ judge at N-1 ──▶ append N ──┬─ won ──▶ apply, answer
                              ▲                          └─ lost ─▶ apply the winner's ─┐
                              └──────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dicomweb.ports import Unavailable
from storage.archive.attempt import Attempt, make_attempt
from storage.archive.follower import Follower
from storage.archive.identifiers import fresh_id
from storage.archive.judge import Candidate
from storage.archive.settings import Duplicates
from storage.archive.siblings import Siblings
from storage.archive.works import ChangeResult, ChangeWork, StoreResult, StoreWork, Work
from storage.catalog.catalog import Catalog
from storage.log.errors import LogError, OutcomeUnknown
from storage.log.events import Event
from storage.log.journal import Journal
from storage.objects.contract import StoreError, StoreFull

_LOG = logging.getLogger(__name__)
_ENTRY_ROWS = 2000
_CLOSING = "the archive is closing"


@dataclass(frozen=True, slots=True)
class _Unknown:
    """An append whose outcome the store did not tell."""

    number: int
    commit: str
    events: tuple[Event, ...]


class Committer:
    """Commits works in the order they come."""

    def __init__(
        self,
        journal: Journal,
        catalog: Catalog,
        follower: Follower,
        *,
        node: str,
        policy: Duplicates,
        siblings: Siblings,
    ) -> None:
        self._siblings = siblings
        self.follower = follower
        self._journal = journal
        self._catalog = catalog
        self._node = node
        self._policy = policy
        self._waiting: deque[Work] = deque()
        self._arrived = asyncio.Event()
        self._unknown: _Unknown | None = None
        self._closed = False

    async def submit(self, candidates: Sequence[Candidate]) -> StoreResult:
        """Have candidates judged and committed. Raises Unavailable, and StoreFull if nothing was written."""
        done: asyncio.Future[StoreResult] = asyncio.get_running_loop().create_future()
        self._enqueue(StoreWork(candidates, done))
        return await done

    async def change(self, plan: Callable[[int], Awaitable[Sequence[Event]]]) -> ChangeResult:
        """Have a change committed. Raises what its plan raises, Unavailable."""
        done: asyncio.Future[ChangeResult] = asyncio.get_running_loop().create_future()
        self._enqueue(ChangeWork(plan, done))
        try:
            return await done
        except StoreFull as error:
            raise Unavailable("the archive's store is full", 60) from error

    def _enqueue(self, work: Work) -> None:
        if self._closed:
            raise Unavailable(_CLOSING)
        self._waiting.append(work)
        self._arrived.set()

    async def run(self) -> None:
        """Commit for as long as the archive is open; whoever waits when it closes is told so."""
        batch: list[Work] = []
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    await self.follower.let_the_catalog_follow()
                    async with self._siblings.turn(), self.follower.lock:
                        # what came while siblings had their turns goes with it
                        batch = self._next_batch()
                        await self._commit_or_fail(batch)
        finally:
            _fail(batch, Unavailable(_CLOSING))
            self.close()

    def close(self) -> None:
        """Take no more works; those that wait are told."""
        self._closed = True
        _fail(list(self._waiting), Unavailable(_CLOSING))
        self._waiting.clear()

    def _next_batch(self) -> list[Work]:
        """Stores go together; a change goes alone, since a store beside a removal would be judged without it."""
        rows = 0
        batch: list[Work] = []
        while self._waiting and rows < _ENTRY_ROWS:
            if batch and isinstance(self._waiting[0], ChangeWork):
                break
            work = self._waiting.popleft()
            batch.append(work)
            if isinstance(work, ChangeWork):
                break
            rows += len(work.candidates)
        return batch

    async def _commit_or_fail(self, batch: list[Work]) -> None:
        try:
            await self._settle_unknown()
            await self.follower.follow_siblings()
            await self._commit(batch)
        except asyncio.CancelledError:
            _fail(batch, Unavailable(_CLOSING))
            raise
        except StoreFull:
            _fail(batch, StoreFull("log", "no room for the log entry"))
        except (StoreError, OutcomeUnknown) as error:
            _fail(batch, Unavailable("the object store does not take the log entry for now"), cause=error)
        except LogError as error:
            _fail(batch, self.follower.read_only(error), cause=error)
        except Exception as error:
            if not isinstance(error, Unavailable):
                _LOG.exception("a commit failed")
            _fail(batch, error)

    async def _settle_unknown(self) -> None:
        """Find out about the append that went unanswered: its entry is tried again as it was (rule 2)."""
        if self._unknown is None:
            return
        unknown = self._unknown
        if unknown.number == self._catalog.applied + 1:
            appended = await self._journal.append(unknown.number, unknown.events, unknown.commit)
            self.follower.apply(appended.entry)
        self._unknown = None

    async def _commit(self, batch: list[Work]) -> None:
        if self.follower.damage:
            await self.follower.follow()
        commit, checked = fresh_id(), False
        while True:
            attempt = await make_attempt(
                batch,
                self._catalog,
                node=self._node,
                policy=self._policy,
                condemned=self.follower.condemned,
            )
            if not attempt.events and not checked:
                # Nothing to write, by what this node knows: the log's tail may know better.
                checked = True
                if await self.follower.follow():
                    continue
            if not attempt.events or await self._append(attempt, commit):
                break
            # The log may have gone on by more than the entry that won. Step by step, a step being a number lost,
            # its tail is hardly ever reached while others write.
            await self.follower.follow()
        attempt.answer()

    async def _append(self, attempt: Attempt, commit: str) -> bool:
        """Whether this attempt's entry is the one of its number."""
        self.follower.check_format()
        try:
            appended = await self._journal.append(attempt.number, attempt.events, commit)
        except OutcomeUnknown:
            self._unknown = _Unknown(attempt.number, commit, tuple(attempt.events))
            raise
        self.follower.apply(appended.entry)
        # one that stood still for long must not answer for an entry of a log that has been given up meanwhile
        await self._journal.check_epoch()
        return appended.won


def _fail(batch: Sequence[Work], error: BaseException, cause: BaseException | None = None) -> None:
    if cause is not None:
        error.__cause__ = cause
    for work in batch:
        if not work.done.done():
            work.done.set_exception(error)
