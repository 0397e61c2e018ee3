"""Instances handed in together: taken in side by side, made durable, committed, answered in order.

A long submission is committed in parts as it comes. What has been handed to the committer is out of the
submission's hands: giving up afterwards deletes nothing that an entry may name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from types import TracebackType
from typing import Self

from dicomweb.model.outcome import Failure, Outcome, Reason, Receipt
from dicomweb.ports import Unavailable
from storage.archive.committer import Committer
from storage.archive.digesting import Recogniser
from storage.archive.intake import Intake, WholeInstance
from storage.archive.judge import Verdict
from storage.archive.taken import Origin, Taken, out_of_room
from storage.archive.works import StoreResult
from storage.objects.contract import ObjectStore, StoreError, StoreFull

_LEAPS = (0.0, 0.25, 1.0, 4.0)
"""Seconds by which an instance that was overtaken is named after all that is known, attempt by attempt: so much
time whoever is overtaken again and again leaves to those who store the same instance meanwhile."""


class LakeSubmission:
    """Fulfils `dicomweb.ports.Submission`."""

    def __init__(
        self,
        intake: Intake,
        committer: Committer,
        store: ObjectStore,
        origin: Origin,
        *,
        recogniser: Recogniser | None = None,
    ) -> None:
        """`recogniser`: for an archive some of whose digests may be open."""
        self._intake = intake
        self._committer = committer
        self._store = store
        self._origin = origin
        self._recogniser = recogniser
        self._open: list[asyncio.Task[Taken]] = []
        self._parts: list[asyncio.Task[Sequence[Receipt]]] = []
        committer.follower.condemned.begin(self)

    async def add(self, chunks: AsyncIterable[bytes]) -> None:
        """Take one instance; see the port. Raises Unavailable, and what `chunks` raises."""
        try:
            taken = await self._intake.receive(chunks, self._origin)
        except StoreError as error:
            raise Unavailable("the object store cannot be reached") from error
        work = taken.take() if isinstance(taken, WholeInstance) else _ready(taken)
        self._open.append(asyncio.create_task(work))
        if len(self._open) >= self._intake.settings.commit_rows:
            self._close_part()

    def _close_part(self) -> None:
        part, self._open = self._open, []
        self._parts.append(asyncio.create_task(self._commit(part)))

    async def finish(self) -> Sequence[Receipt]:
        """Commit what is open; see the port. Raises Unavailable."""
        if self._open:
            self._close_part()
        try:
            done = await asyncio.gather(*self._parts)
        except StoreError as error:
            raise Unavailable("the object store cannot be reached") from error
        return [receipt for part in done for receipt in part]

    async def _commit(self, part: list[asyncio.Task[Taken]]) -> Sequence[Receipt]:
        results = await asyncio.gather(*part, return_exceptions=True)
        taken = [one for one in results if isinstance(one, Taken)]
        keys = [key for one in taken for key in one.keys]
        candidates = [one.candidate for one in taken if one.candidate]
        try:
            for failure in results:
                if isinstance(failure, BaseException):
                    raise failure
            await self._store.settle(keys)
            if self._recogniser and candidates:
                await self._recogniser.prepare(candidates)
        except StoreFull:
            await self._intake.discard(keys)
            return [_no_room(one) for one in taken]
        except Exception:
            await self._intake.discard(keys)
            raise
        try:
            result = await self._committer.submit(candidates, by=self) if candidates else None
        except StoreFull:
            # only where no entry was written: where that is in doubt, it is Unavailable, and nothing is deleted
            await self._intake.discard(keys)
            return [_no_room(one) for one in taken]
        return await self._answers(taken, result)

    async def _answers(self, taken: Sequence[Taken], result: StoreResult | None) -> Sequence[Receipt]:
        """A receipt each; what was written for nothing is deleted."""
        verdicts = iter(result.verdicts if result else ())
        receipts: list[Receipt] = []
        unwanted: list[str] = []
        for one in taken:
            if one.candidate is None:
                receipts.append(one.refusal or _nothing())
                continue
            verdict = next(verdicts)
            if verdict.overtaken or (verdict.outcome is Outcome.REFUSED and one.candidate.copy_of):
                receipts.append(await self._once_more(one, verdict))
                continue
            receipts.append(_receipt(one, verdict, result.revision if result else 0))
            if not verdict.makes_row:
                unwanted.extend(one.keys)
            elif self._intake.converter:
                self._intake.converter.counts.count(one.candidate)
        await self._intake.discard(unwanted)
        return receipts

    async def _once_more(self, taken: Taken, refusal: Verdict) -> Receipt:
        """Store an instance from stored bytes under a later id: its own bytes if another version overtook it, or
        those it repeats if it was a duplicate when it came and is none any more.

        The latter is so when one request holds two versions of an instance and the archive the second, or when
        another sender replaces or removes what this one repeats.
        """
        assert taken.candidate is not None
        verdict, revision = refusal, 0
        for leap in _LEAPS:
            again = await self._intake.take_again(taken.candidate, self._origin, leap=leap)
            await self._intake.discard(taken.keys)
            if again is None or again.candidate is None:
                return _receipt(taken, verdict, revision)
            taken = again
            assert taken.candidate is not None
            await self._store.settle(taken.keys)
            try:
                result = await self._committer.submit([taken.candidate], by=self)
            except StoreFull:
                await self._intake.discard(taken.keys)
                return _no_room(taken)
            verdict, revision = result.verdicts[0], result.revision
            if not verdict.overtaken:
                break
        if not verdict.makes_row:
            await self._intake.discard(taken.keys)
        elif self._intake.converter and taken.candidate:
            self._intake.converter.counts.count(taken.candidate)
        return _receipt(taken, verdict, revision)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._open:
            return
        # Given up: what was not handed to the committer yet leaves nothing behind.
        # Writes under way are waited for, so that it is known what there is to delete.
        given_up, self._open = self._open, []
        done = await asyncio.gather(*given_up, return_exceptions=True)
        await self._intake.discard([key for one in done if isinstance(one, Taken) for key in one.keys])
        await asyncio.gather(*self._parts, return_exceptions=True)


async def _ready(taken: Taken) -> Taken:
    return taken


def _receipt(taken: Taken, verdict: Verdict, revision: int) -> Receipt:
    assert taken.candidate is not None
    stored = taken.candidate.stored
    size = stored.size if verdict.makes_row else 0
    return Receipt(
        outcome=verdict.outcome,
        key=stored.key,
        sop_class=stored.sop_class,
        transfer_syntax=stored.transfer_syntax,
        revision=0 if verdict.outcome is Outcome.REFUSED else revision,
        failure=verdict.failure,
        warnings=verdict.warnings,
        warned_tags=taken.candidate.warned_tags if verdict.outcome is not Outcome.REFUSED else (),
        size=size,
        original_size=stored.original.size if size and stored.original else 0,
        as_it_came=taken.candidate.as_it_came if verdict.makes_row else None,
    )


def _no_room(taken: Taken) -> Receipt:
    refusal = taken.refusal or out_of_room(taken.candidate.stored if taken.candidate else None).refusal
    return refusal or _nothing()


def _nothing() -> Receipt:
    return Receipt(
        Outcome.REFUSED, None, failure=Failure(Reason.PROCESSING_FAILURE, "the instance was not taken in")
    )
