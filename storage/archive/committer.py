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
from storage.log.journal import Contest, Journal
from storage.objects.contract import StoreError, StoreFull

_LOG = logging.getLogger(__name__)
_ENTRY_ROWS = 2000
_LOOK_REQUESTS = 1.5
"""How long a node that is behind looks before it tries a number, of a request's time."""
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
        self._courtesy = follower.courtesy
        self._journal = journal
        self._catalog = catalog
        self._node = node
        self._policy = policy
        self._waiting: deque[Work] = deque()
        self._arrived = asyncio.Event()
        self._unknown: _Unknown | None = None
        self._closed = False

    async def submit(self, candidates: Sequence[Candidate], *, by: object) -> StoreResult:
        """Have candidates judged and committed. Raises Unavailable, and StoreFull if nothing was written.

        `by`: who made them, as `Condemned.begin` was told.
        """
        done: asyncio.Future[StoreResult] = asyncio.get_running_loop().create_future()
        self._enqueue(StoreWork(candidates, done, by))
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
                    if not await self._has_room():
                        continue
                    async with self._siblings.turn(), self.follower.lock:
                        # what came while siblings had their turns goes with it
                        batch = []
                        self._gather(batch)
                        await self._commit_or_fail(batch)
                        # whose they were need not be remembered until more comes
                        batch = []
        finally:
            _fail(batch, Unavailable(_CLOSING))
            self.close()
            await self.follower.deference.close()
            await self._journal.close()

    async def _has_room(self) -> bool:
        """Whether more can be applied; if not, whoever waits is told so."""
        try:
            await self.follower.let_the_catalog_follow()
        except Unavailable as error:
            _fail(list(self._waiting), error)
            self._waiting.clear()
            return False
        return True

    def close(self) -> None:
        """Take no more works; those that wait are told."""
        self._closed = True
        _fail(list(self._waiting), Unavailable(_CLOSING))
        self._waiting.clear()

    def _gather(self, batch: list[Work]) -> None:
        """Add to a batch what has come since.

        Stores go together; a change goes alone, since a store beside a removal would be judged without it.
        """
        rows = sum(len(work.candidates) for work in batch if isinstance(work, StoreWork))
        while self._waiting and rows < _ENTRY_ROWS:
            if batch and ChangeWork in (type(batch[0]), type(self._waiting[0])):
                break
            batch.append(work := self._waiting.popleft())
            rows += len(work.candidates) if isinstance(work, StoreWork) else 0

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
        commit, checked, lost = fresh_id(), False, 0
        while True:
            if passed := await self._hold_back(lost):
                lost += passed
                continue
            self._gather(batch)
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
            deference = self.follower.deference
            contest = Contest(
                lost,
                deference.telling(),
                self._courtesy.request_seconds(lost),
            )
            if not attempt.events or await self._append(attempt, commit, contest):
                break
            lost += 1
            if not contest.request_seconds:
                # The log may have gone on by more than the entry that won. Step by step, a step being a number
                # lost, its tail is hardly ever reached while others write.
                await self.follower.follow()
        attempt.answer()

    async def _hold_back(self, lost: int) -> int:
        """Let others go first for as long as courtesy wants; how many did, and were followed."""
        courtesy, deference = self._courtesy, self.follower.deference
        request = courtesy.request_seconds(lost)
        if request:
            deference.consider(lost, courtesy.usual, request)
        elif courtesy.busy:
            # somebody may wait who has never won, so that no entry tells of it
            deference.look()
        seconds = max(courtesy.wait_seconds(lost), deference.wait_seconds())
        if not request and not seconds:
            return 0
        far = bool(request) and (self._journal.behind or deference.in_need or courtesy.outpaced)
        if far and not deference.invited:
            # what it tried without looking would be lost
            seconds = max(seconds, _LOOK_REQUESTS * request)
        applied = self._catalog.applied
        try:
            if seconds:
                entries = await asyncio.wait_for(
                    self._journal.news(applied, request_seconds=request, far=far), seconds
                )
            else:
                entries = await self._journal.seen(applied)
        except TimeoutError:
            return 0
        for entry in entries:
            self.follower.apply(entry)
        return len(entries)

    async def _append(self, attempt: Attempt, commit: str, contest: Contest) -> bool:
        """Whether this attempt's entry is the one of its number."""
        self.follower.check_format()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            appended = await self._journal.append(attempt.number, attempt.events, commit, contest)
        except OutcomeUnknown:
            self._unknown = _Unknown(attempt.number, commit, tuple(attempt.events))
            raise
        self.follower.apply(appended.entry)
        if appended.won or not contest.request_seconds:
            # whoever lost has read the winner's entry as well
            self._courtesy.took((loop.time() - begun) / (1 if appended.won else 2))
        # one that stood still for long must not answer for an entry of a log that has been given up meanwhile
        await self._journal.check_epoch()
        return appended.won


def _fail(batch: Sequence[Work], error: BaseException, cause: BaseException | None = None) -> None:
    if cause is not None:
        error.__cause__ = cause
    for work in batch:
        if not work.done.done():
            work.done.set_exception(error)
