"""An archive that remembers what it was asked, for tests of the search, store and removal services.

Searches answer from a list; stored files are identified by pydicom and kept when the submission is finished.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from io import BytesIO
from types import TracebackType
from typing import Self

import pydicom
from pydicom.errors import InvalidDicomError

from dicomweb.model.instance import Header, Instance
from dicomweb.model.keys import IllegalUid, InstanceKey, Scope, parse_uid
from dicomweb.model.labels import LabelCount, Labelled
from dicomweb.model.outcome import Failure, Outcome, Reason, Receipt, Removal
from dicomweb.model.query import Found, JsonAttributes, Query
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Gone, NotStored


class RecordingSubmission:
    """Keeps files until `finish`."""

    def __init__(self, archive: RecordingArchive, expect: Scope | None) -> None:
        self._archive = archive
        self._expect = expect
        self._taken: list[bytes] = []

    async def add(self, chunks: AsyncIterable[bytes]) -> None:
        if self._archive.failing is not None:
            raise self._archive.failing
        pieces = [chunk async for chunk in chunks]
        self._archive.largest_chunk = max([self._archive.largest_chunk, *map(len, pieces)])
        self._taken.append(b"".join(pieces))

    async def finish(self) -> Sequence[Receipt]:
        self._archive.revision += 1
        return [self._archive.judge(data, self._expect) for data in self._taken]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.closed += 1


class RecordingArchive:
    """Fulfils `dicomweb.ports.Archive` for search, store and removal; what it is not asked for raises."""

    def __init__(self, matches: Sequence[JsonAttributes] = (), *, batch: int = 2) -> None:
        self.epoch = "e1"
        self.revision = 7
        self.queries: list[Query] = []
        self.submissions: list[tuple[str, str, Scope | None]] = []
        self.stored: dict[InstanceKey, bytes] = {}
        """Files by instance, put there by `finish`."""
        self.verdicts: dict[str, Receipt] = {}
        """Receipts to give for SOP Instance UIDs, instead of storing."""
        self.failing: Exception | None = None
        """Raised by searches and by `add`."""
        self.caught_up = 0
        self.closed = 0
        self.largest_chunk = 0
        self._matches = matches
        self._batch = batch
        self._gone: set[InstanceKey] = set()

    async def catch_up(self) -> None:
        self.caught_up += 1

    async def search(self, query: Query) -> Found:
        self.queries.append(query)
        if self.failing is not None:
            raise self.failing
        page = self._matches[query.offset : query.offset + query.limit]
        return Found(len(self._matches), self._batches(page))

    async def _batches(self, page: Sequence[JsonAttributes]) -> AsyncIterator[Sequence[JsonAttributes]]:
        for start in range(0, len(page), self._batch):
            yield page[start : start + self._batch]

    def submit(self, *, door: str, peer: str, expect: Scope | None) -> RecordingSubmission:
        self.submissions.append((door, peer, expect))
        return RecordingSubmission(self, expect)

    def judge(self, data: bytes, expect: Scope | None) -> Receipt:
        """What becomes of a file."""
        try:
            found = pydicom.dcmread(BytesIO(data))
            uids = (found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID)
            key = InstanceKey(*map(parse_uid, uids))
        except (InvalidDicomError, IllegalUid, AttributeError, EOFError):
            return Receipt(Outcome.REFUSED, None, failure=Failure(Reason.CANNOT_UNDERSTAND, "not a DICOM file"))
        if key.instance in self.verdicts:
            return self.verdicts[key.instance]
        if expect is not None and not expect.covers(key):
            failure = Failure(Reason.DATA_SET_MISMATCH, "another study")
            return Receipt(Outcome.REFUSED, key, str(found.SOPClassUID), failure=failure)
        known = self.stored.get(key)
        self.stored[key] = data
        outcome = Outcome.STORED if known is None else Outcome.DUPLICATE if known == data else Outcome.REPLACED
        return Receipt(outcome, key, str(found.SOPClassUID), revision=self.revision)

    async def remove(self, scope: Scope, *, door: str, peer: str) -> Removal:
        hidden = [key for key in self.stored if scope.covers(key)]
        if not hidden:
            raise (Gone if any(map(scope.covers, self._gone)) else NotStored)()
        self._gone.update(hidden)
        for key in hidden:
            del self.stored[key]
        self.revision += 1
        return Removal(self.revision, len(hidden))

    async def restore(self, revision: int, *, door: str, peer: str) -> Removal:
        raise NotImplementedError

    async def labels(self, scope: Scope) -> Sequence[str]:
        raise NotImplementedError

    async def label_counts(self) -> Sequence[LabelCount]:
        raise NotImplementedError

    async def add_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        raise NotImplementedError

    async def drop_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        raise NotImplementedError

    async def find_instance(self, key: InstanceKey) -> Instance:
        raise NotImplementedError

    async def find_instances(self, scope: Scope) -> Sequence[Instance]:
        raise NotImplementedError

    async def series_revision(self, scope: Scope) -> int:
        raise NotImplementedError

    def headers(self, instances: Sequence[Instance]) -> AsyncIterator[Sequence[Header]]:
        raise NotImplementedError

    async def frame_count(self, instance: Instance) -> int:
        raise NotImplementedError

    def frames(self, instance: Instance, numbers: Sequence[int]) -> AsyncIterator[bytes]:
        raise NotImplementedError

    def read(self, instance: Instance, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def find_bulk(self, instance: Instance, path: Sequence[str]) -> ByteRange | None:
        raise NotImplementedError

    def bulk(self, instance: Instance, path: Sequence[str], span: ByteRange | None = None) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def bulk_paths(self, instance: Instance) -> Sequence[tuple[tuple[str, ...], str, int]]:
        raise NotImplementedError
