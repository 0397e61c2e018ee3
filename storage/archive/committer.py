"""One commit after another: the only place that appends to the log and applies it to the catalog.

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
from contextlib import suppress
from dataclasses import dataclass

from dicomweb.model.keys import InstanceKey
from dicomweb.model.outcome import Failure, Outcome, Reason
from dicomweb.ports import Unavailable
from storage import layout
from storage.archive.identifiers import fresh_id
from storage.archive.judge import Bench, Candidate, Known, Verdict, known_as
from storage.archive.settings import Duplicates
from storage.archive.siblings import Siblings
from storage.archive.works import ChangeResult, ChangeWork, StoreResult, StoreWork, Work, stored_event
from storage.catalog.catalog import Catalog
from storage.catalog.database import CatalogError
from storage.log.errors import EpochEnded, LogError, OutcomeUnknown, TooNew
from storage.log.events import Entry, Event, Kind
from storage.log.journal import Journal
from storage.objects.contract import StoreError, StoreFull

_LOG = logging.getLogger(__name__)
_ENTRY_ROWS = 2000
_CLOSING = "the archive is closing"


@dataclass(slots=True)
class _Attempt:
    """An entry as it would be at one number."""

    number: int
    events: list[Event]
    answers: list[tuple[Work, StoreResult | ChangeResult | BaseException]]


@dataclass(frozen=True, slots=True)
class _Unknown:
    """An append whose outcome the store did not tell."""

    number: int
    commit: str
    events: tuple[Event, ...]


class Committer:
    """Commits works in the order they come, and follows what other nodes commit."""

    def __init__(
        self, journal: Journal, catalog: Catalog, *, node: str, policy: Duplicates, siblings: Siblings
    ) -> None:
        self._siblings = siblings
        self._journal = journal
        self._catalog = catalog
        self._node = node
        self._policy = policy
        self._lock = asyncio.Lock()
        self._waiting: deque[Work] = deque()
        self._arrived = asyncio.Event()
        self._unknown: _Unknown | None = None
        self._condemned: set[str] = set()
        self._closed = False
        self.damage: str = ""
        """What keeps the log from being followed, for the health page; empty if nothing does."""

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
                    await self._let_the_catalog_follow()
                    async with self._siblings.turn(), self._lock:
                        # what came while siblings had their turns goes with it
                        batch = self._next_batch()
                        await self._commit_or_fail(batch)
        finally:
            _fail(batch, Unavailable(_CLOSING))
            self.close()

    async def _let_the_catalog_follow(self) -> None:
        """Wait while the catalog is far behind, so that neither memory nor the wait of a search grows with it.

        A catalog that cannot be written holds nobody up: it says so itself.
        """
        if self._catalog.crowded and not self._catalog.problem:
            with suppress(CatalogError):
                await self._catalog.flush()

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

    async def catch_up(self) -> None:
        """Apply every entry that is in the log by now. Raises Unavailable."""
        async with self._lock:
            await self._follow()
            self._siblings.tell(self._catalog.applied)

    async def hear_siblings(self) -> None:
        """Apply what any sibling has applied, so that no client finds this node behind what it saw at another.

        A log that cannot be read leaves this node where it is, and `health` says so.
        """
        if self._siblings.latest <= self._catalog.applied:
            return
        with suppress(Unavailable):
            async with self._lock:
                await self._follow_siblings()

    async def _follow_siblings(self) -> None:
        if self._siblings.latest > self._catalog.applied:
            await self._follow(until=self._siblings.latest)

    async def _follow(self, until: int | None = None) -> bool:
        """Whether anything new came. `until` is an entry that is known to be there, and durable."""
        before = self._catalog.applied
        try:
            await self._journal.check_epoch()
            journal = self._journal
            async for entry in journal.follow(before) if until is None else journal.read_known(before, until):
                self._apply(entry)
                await self._let_the_catalog_follow()
                await asyncio.sleep(0)  # many entries that were read together must not hold up everybody else
        except LogError as error:
            raise self._read_only(error) from error
        except StoreError as error:
            raise Unavailable("the object store cannot be reached") from error
        self.damage = ""
        return self._catalog.applied > before

    def _read_only(self, error: LogError) -> Unavailable:
        """An entry that is there cannot be read: the archive stands at the one before it (rule 6)."""
        if str(error) != self.damage:
            self.damage = str(error)
            _LOG.error("%s; serving revision %d, and no writes", error, self._catalog.applied)
        if isinstance(error, TooNew):
            return Unavailable(f"{error}; until then this node takes no writes", 60)
        return Unavailable(f"{error}: the archive is read-only until that is mended", 60)

    def check_format(self) -> None:
        """See that this program may write to the archive, which may have been upgraded. Raises Unavailable."""
        if self._journal.outgrown is not None:
            raise Unavailable(f"{self._journal.outgrown}; until then this node takes no writes", 60)

    def _apply(self, entry: Entry) -> None:
        if any(event.kind is Kind.ENDED for event in entry.events):
            raise EpochEnded
        self._catalog.apply(entry)
        self._siblings.tell(entry.number)
        self._condemned.update(event.object_key for event in entry.events if event.kind is Kind.CONDEMNED)

    async def _commit_or_fail(self, batch: list[Work]) -> None:
        try:
            await self._settle_unknown()
            await self._follow_siblings()
            await self._commit(batch)
        except asyncio.CancelledError:
            _fail(batch, Unavailable(_CLOSING))
            raise
        except StoreFull:
            _fail(batch, StoreFull("log", "no room for the log entry"))
        except (StoreError, OutcomeUnknown) as error:
            _fail(batch, Unavailable("the object store does not take the log entry for now"), cause=error)
        except LogError as error:
            _fail(batch, self._read_only(error), cause=error)
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
            self._apply(appended.entry)
        self._unknown = None

    async def _commit(self, batch: list[Work]) -> None:
        if self.damage:
            await self._follow()
        commit, checked = fresh_id(), False
        while True:
            attempt = await self._attempt(batch)
            if not attempt.events and not checked:
                # Nothing to write, by what this node knows: the log's tail may know better.
                checked = True
                if await self._follow():
                    continue
            if not attempt.events or await self._append(attempt, commit):
                break
            # The log may have gone on by more than the entry that won. Step by step, a step being a number lost,
            # its tail is hardly ever reached while others write.
            await self._follow()
        for work, answer in attempt.answers:
            if work.done.done():
                continue
            if isinstance(answer, BaseException):
                work.done.set_exception(answer)
            else:
                work.done.set_result(answer)  # type: ignore[arg-type]  # each work is paired with its own kind

    async def _append(self, attempt: _Attempt, commit: str) -> bool:
        """Whether this attempt's entry is the one of its number."""
        self.check_format()
        try:
            appended = await self._journal.append(attempt.number, attempt.events, commit)
        except OutcomeUnknown:
            self._unknown = _Unknown(attempt.number, commit, tuple(attempt.events))
            raise
        self._apply(appended.entry)
        # one that stood still for long must not answer for an entry of a log that has been given up meanwhile
        await self._journal.check_epoch()
        return appended.won

    async def _attempt(self, batch: list[Work]) -> _Attempt:
        number = self._catalog.applied + 1
        attempt = _Attempt(number, [], [])
        bench = Bench(self._policy, await self._known(batch))
        for work in batch:
            if isinstance(work, StoreWork):
                attempt.answers.append((work, self._judge(work, bench, attempt)))
                continue
            try:
                events = await work.plan(number)
            except Exception as error:
                attempt.answers.append((work, error))
                continue
            attempt.answers.append(
                (work, ChangeResult(number if events else number - 1, len(attempt.events), events))
            )
            attempt.events.extend(events)
        return attempt

    async def _known(self, batch: list[Work]) -> dict[InstanceKey, Known]:
        keys = {c.stored.key for work in batch if isinstance(work, StoreWork) for c in work.candidates}
        return await known_states(self._catalog, keys)

    def _judge(self, work: StoreWork, bench: Bench, attempt: _Attempt) -> StoreResult:
        verdicts = []
        for candidate in work.candidates:
            if self._is_condemned(candidate):
                verdicts.append(_CONDEMNED)
                continue
            verdict = bench.judge(candidate)
            verdicts.append(verdict)
            if verdict.makes_row:
                current = verdict.outcome is not Outcome.KEPT
                attempt.events.append(stored_event(candidate, current=current, node=self._node))
        # a duplicate may be one of what another work of the same entry stores
        return StoreResult(attempt.number if attempt.events else attempt.number - 1, verdicts)

    def _is_condemned(self, candidate: Candidate) -> bool:
        if not self._condemned or not candidate.written:
            return False
        stored = candidate.stored
        names = (layout.object_key(stored.key, stored.version), layout.header_key(stored.key, stored.version))
        return not self._condemned.isdisjoint(names)


_CONDEMNED = Verdict(
    Outcome.REFUSED,
    failure=Failure(
        Reason.PROCESSING_FAILURE,
        "the archive took so long over this instance that its bytes were given up; send it again",
    ),
)


async def known_states(catalog: Catalog, keys: set[InstanceKey]) -> dict[InstanceKey, Known]:
    """What the catalog says of keys, in the judge's words."""
    states = await catalog.known(keys) if keys else {}
    known = {}
    for key, state in states.items():
        current = state.current
        others = (known_as(one) for one in state.visible if one is not current)
        kept = frozenset(name for names in others for name in names)
        known[key] = Known(known_as(current) if current else None, kept, state.elsewhere)
    return known


def _fail(batch: Sequence[Work], error: BaseException, cause: BaseException | None = None) -> None:
    if cause is not None:
        error.__cause__ = cause
    for work in batch:
        if not work.done.done():
            work.done.set_exception(error)
