"""Stores what lies on media into an archive: several submissions at a time, with a report at the end.

find (a thread) → skip what an earlier run stored and the archive still shows → gather into batches
→ submit → note and count
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.media import Candidate, CannotRead, Finding, PassedOver, Unusable, find_candidates, read_chunks
from app.resume import Done
from dicomweb.model.outcome import AsItCame, Outcome, Receipt, Unconverted
from dicomweb.ports import Archive, Gone, NotStored

_BATCH_FILES = 100
_BATCH_BYTES = 32 << 20
_BATCHES_AT_ONCE = 3
_FOUND_AHEAD = 500
_REASONS = 100


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was not stored."""

    name: str
    reason: str


@dataclass(slots=True)
class Report:
    """What became of all that was found."""

    stored: int = 0
    """Instances that were not there before."""
    already: int = 0
    """Instances that were there, and files done by an earlier run whose instances still are."""
    bytes_read: int = 0
    converted: int = 0
    """Instances among the stored, replaced and kept ones that are in another transfer syntax than they came in."""
    bytes_before: int = 0
    """Bytes of the converted ones as they came."""
    bytes_after: int = 0
    """Bytes of the converted ones as they are stored."""
    as_they_came: Counter[Unconverted] = field(default_factory=Counter)
    """Instances among them of which another transfer syntax was wanted and that were not converted, by reason."""
    why: Counter[str] = field(default_factory=Counter)
    """More of that in words: instances by reason, `_REASONS` of them at most."""
    replaced: list[str] = field(default_factory=list)
    """Files with other bytes for a known instance, current now."""
    kept: list[str] = field(default_factory=list)
    """Files with other bytes for a known instance, kept beside the current ones."""
    passed_over: list[str] = field(default_factory=list)
    """Files that are surely no instance."""
    dicomdirs: list[str] = field(default_factory=list)
    """Indexes of media, which are not stored."""
    refused: list[Refused] = field(default_factory=list)
    """Files that look like instances and were not taken, and files named by the user that are none."""
    warned: list[Refused] = field(default_factory=list)
    """Stored, but odd."""

    @property
    def files(self) -> int:
        """Files dealt with."""
        named = len(self.replaced) + len(self.kept) + len(self.passed_over) + len(self.dicomdirs)
        return self.stored + self.already + named + len(self.refused)


class Ingest:
    """One run over some paths."""

    def __init__(self, archive: Archive, done: Done, *, zip_ratio: int, tell: Callable[[Report], None]) -> None:
        self._archive = archive
        self._done = done
        self._zip_ratio = zip_ratio
        self._tell = tell
        self.report = Report()

    async def run(self, paths: Sequence[Path]) -> Report:
        """Store everything at and below the paths."""
        turns = asyncio.Semaphore(_BATCHES_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            async for batch in self._batches(paths):
                await turns.acquire()
                group.create_task(self._store(batch, turns))
        return self.report

    async def _batches(self, paths: Sequence[Path]) -> AsyncIterator[list[Candidate]]:
        batch: list[Candidate] = []
        async for found in _found(paths, self._zip_ratio):
            if isinstance(found, Unusable):
                self.report.refused.append(Refused(found.name, found.reason))
            elif isinstance(found, PassedOver):
                self._pass_over(found)
            elif await self._is_there(found):
                self.report.already += 1
            else:
                batch.append(found)
            if len(batch) >= _BATCH_FILES or sum(one.size for one in batch) >= _BATCH_BYTES:
                yield batch
                batch = []
            self._tell(self.report)
        if batch:
            yield batch

    def _pass_over(self, found: PassedOver) -> None:
        if found.dicomdir:
            self.report.dicomdirs.append(found.name)
        elif found.given:
            # whoever names a file wants it stored
            self.report.refused.append(Refused(found.name, "is not a DICOM file"))
        else:
            self.report.passed_over.append(found.name)

    async def _is_there(self, candidate: Candidate) -> bool:
        """Whether an earlier run has stored this file and its instance has not been removed since."""
        key = self._done.key_of(candidate.mark)
        if key is None:
            return False
        try:
            await self._archive.find_instance(key)
        except (NotStored, Gone):
            return False
        return True

    async def _store(self, batch: Sequence[Candidate], turns: asyncio.Semaphore) -> None:
        try:
            added: list[Candidate] = []
            async with self._archive.submit(door="ingest", peer="", expect=None) as submission:
                for candidate in batch:
                    try:
                        await submission.add(read_chunks(candidate))
                        added.append(candidate)
                    except CannotRead as error:
                        self.report.refused.append(Refused(candidate.name, str(error)))
                receipts = await submission.finish()
            for candidate, receipt in zip(added, receipts, strict=True):
                self._note(candidate, receipt)
            self._done.add(
                (one.mark, got.key)
                for one, got in zip(added, receipts, strict=True)
                if got.outcome is not Outcome.REFUSED and got.key is not None
            )
            self._tell(self.report)
        finally:
            turns.release()

    def _note(self, candidate: Candidate, receipt: Receipt) -> None:
        self.report.bytes_read += candidate.size
        if receipt.outcome is Outcome.REFUSED:
            reason = receipt.failure.message if receipt.failure else "not taken"
            self.report.refused.append(Refused(candidate.name, reason))
        elif receipt.outcome is Outcome.DUPLICATE:
            self.report.already += 1
        elif receipt.outcome is Outcome.REPLACED:
            self.report.replaced.append(candidate.name)
        elif receipt.outcome is Outcome.KEPT:
            self.report.kept.append(candidate.name)
        else:
            self.report.stored += 1
        if receipt.original_size:
            self.report.converted += 1
            self.report.bytes_before += receipt.original_size
            self.report.bytes_after += receipt.size
        if receipt.as_it_came is not None:
            self._note_unconverted(receipt.as_it_came)
        if receipt.warnings:
            self.report.warned.append(Refused(candidate.name, "; ".join(receipt.warnings)))

    def _note_unconverted(self, left: AsItCame) -> None:
        report = self.report
        report.as_they_came[left.reason] += 1
        if left.why:
            known = left.why in report.why or len(report.why) < _REASONS
            report.why[left.why if known else "for other reasons"] += 1


async def _found(paths: Iterable[Path], zip_ratio: int) -> AsyncIterator[Finding]:
    """Findings of a thread that runs a little ahead."""
    findings = find_candidates(paths, zip_ratio=zip_ratio)

    def some() -> list[Finding]:
        taken: list[Finding] = []
        with contextlib.suppress(StopIteration):
            while len(taken) < _FOUND_AHEAD:
                taken.append(next(findings))
        return taken

    ahead = asyncio.create_task(asyncio.to_thread(some))
    try:
        while taken := await ahead:
            ahead = asyncio.create_task(asyncio.to_thread(some))
            for finding in taken:
                yield finding
    finally:
        await asyncio.wait([ahead])
