"""The contract page: what the services need from outside, and what whoever provides it guarantees.

`storage/archive/` fulfils `Archive`, `app/compute.py` fulfils `Compute`; `app/assembly.py` hands both to the
services. Nothing here knows of HTTP, files or databases.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TypeVar

from dicomweb.model.counting import counted
from dicomweb.model.history import HistoryPage
from dicomweb.model.instance import Header, Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.labels import LabelCount, Labelled
from dicomweb.model.outcome import AsItCame, Receipt, Removal
from dicomweb.model.query import Found, JsonAttributes, Query, QueryTooBroad
from dicomweb.model.ranges import ByteRange

Result = TypeVar("Result")


class ArchiveError(Exception):
    """Base of what an archive raises beside programming errors."""


class NotStored(ArchiveError):
    """The archive never held what was asked for."""


class Gone(ArchiveError):
    """What was asked for was stored once and has been removed."""


class NoSuchFrame(ArchiveError):
    """A frame number that the instance does not have."""

    def __init__(self, number: int, frames: int) -> None:
        super().__init__(f"frame {number} was asked for, the instance has {counted(frames, 'frame')}")
        self.number = number
        self.frames = frames


class NoSuchBulkData(ArchiveError):
    """An attribute path at which the instance has no bulk value."""


class Damaged(ArchiveError):
    """Stored bytes are not what the archive's log says they are, or missing."""


class Unavailable(ArchiveError):
    """The store cannot be reached or refuses writes for now; `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoSuchRevision(ArchiveError):
    """A revision that the archive's log does not have, or not yet, or that belongs to another log."""


class NotUpgraded(ArchiveError):
    """The archive has a format that cannot hold what is asked of it until somebody upgrades it."""


class TooMuchChanged(QueryTooBroad):
    """A search as of a revision since which more was changed than can be worked out for one answer."""

    def __init__(self, revision: int) -> None:
        Exception.__init__(
            self,
            f"too much of the archive has changed since revision {revision} for a search as of it; "
            "narrow it by StudyInstanceUID",
        )
        self.slow = ()
        self.narrowing = ("StudyInstanceUID",)


class Submission(Protocol):
    """Instances handed in together, as one request or one association does.

    Leaving the context without `finish` gives up what is not committed yet: none of it is half stored.
    """

    async def add(self, chunks: AsyncIterable[bytes]) -> None:
        """Take one instance, a DICOM file in chunks of any size. Reads `chunks` to the end.

        What is wrong with the bytes becomes a refusing receipt. What `chunks` raises goes through, and that
        instance is not stored.
        """

    async def finish(self) -> Sequence[Receipt]:
        """Commit. One receipt an instance, in the order of `add`; whatever they call stored is durable."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Archive(Protocol):
    """A store of instances with a search side.

    Before it says NotStored or Gone, or an empty search for a UID, it has read its log to the tail.
    """

    @property
    def epoch(self) -> str:
        """Names this numbering of revisions; part of every ETag."""

    @property
    def revision(self) -> int:
        """Number of the last log entry applied here."""

    async def catch_up(self) -> None:
        """Apply whatever other nodes have committed (a strong read begins with this)."""

    def submit(self, *, door: str, peer: str, expect: Scope | None) -> Submission:
        """Begin a submission. Instances outside `expect` are refused.

        `door` and `peer` (an address or AE title) stay with the instances as where they came from.
        """

    async def search(self, query: Query) -> Found:
        """Find studies, series or instances. Raises CannotSort, QueryTooBroad, Unavailable."""

    async def find_instance(self, key: InstanceKey) -> Instance:
        """The current version. Raises NotStored, Gone."""

    async def find_instances(self, scope: Scope) -> Sequence[Instance]:
        """Current versions in the scope, ordered by Series UID, Instance Number, SOP Instance UID; never empty.

        Raises NotStored, Gone.
        """

    async def series_revision(self, scope: Scope) -> int:
        """Number of the last log entry that changed anything in the study, series or instance.

        Raises NotStored, Gone.
        """

    def headers(self, instances: Sequence[Instance]) -> AsyncIterator[Sequence[Header]]:
        """Their headers, in the same order, some at a time. Opens no DICOM object."""

    async def frame_count(self, instance: Instance) -> int:
        """How many frames can be read; 0 without pixel data. Raises Damaged."""

    def frames(self, instance: Instance, numbers: Sequence[int]) -> AsyncIterator[bytes]:
        """The bytes of each frame as stored, fragments joined, in the order asked for (1-based numbers).

        Neighbouring frames are read together. Raises NoSuchFrame before the first frame; Damaged.
        """

    def read(self, instance: Instance, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        """The stored object or a span of it, in chunks. Raises Damaged."""

    async def find_bulk(self, instance: Instance, path: Sequence[str]) -> ByteRange | None:
        """Where the bulk value at `path` lies in the data set; see `bulk`.

        `path` is tags and 1-based item numbers in turn: `("7FE00010",)`, `("00480105", "1", "00282000")`.
        None if the value is encapsulated, so that it has no single span. Raises NoSuchBulkData.
        """

    def bulk(self, instance: Instance, path: Sequence[str], span: ByteRange | None = None) -> AsyncIterator[bytes]:
        """A bulk value, or a span of it counted from its first byte, in chunks; bytes in stored order.

        An encapsulated value is given as its fragments joined. Raises NoSuchBulkData, Damaged.
        """

    async def bulk_paths(self, instance: Instance) -> Sequence[tuple[tuple[str, ...], str, int]]:
        """Path, VR and length in bytes of every bulk value, in stored order."""

    async def remove(self, scope: Scope, *, door: str, peer: str) -> Removal:
        """Hide what is stored in the scope now. Raises NotStored, Gone, Unavailable."""

    async def restore(self, revision: int, *, door: str, peer: str) -> Removal:
        """Undo the removal of that revision, except what was stored again since. Raises NotStored."""

    async def labels(self, scope: Scope) -> Sequence[str]:
        """The labels of the study, series or instance itself, ascending. Raises NotStored, Gone."""

    async def label_counts(self) -> Sequence[LabelCount]:
        """The labels in use, ascending, and how much of what can be found bears each. Raises Unavailable."""

    async def add_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        """Put a label (see `parse_label`) on a study, series or instance; once is enough.

        It is there for as long as that is: what is stored in its place after a removal comes without, and an
        undelete brings it back. Raises NotStored, Gone, NotUpgraded, Unavailable.
        """

    async def drop_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        """Take a label off, if it is there. Raises as `add_label` does."""


class TimeTravel(Protocol):
    """What an archive can tell of its past. Each method applies what is in the log first where that may matter."""

    async def revision_at(self, time: datetime) -> int:
        """The last revision at or before a time (with zone), by the clocks of those who wrote; 0 before all."""

    async def as_of(self, revision: int) -> Archive:
        """The archive as it was when that entry was the last, to be read from.

        Answers are those of that time, but for two things: instances whose bytes have been taken by retention or
        by an erasure since cannot be had (Gone), and a search counts them without what they said. Searches raise
        TooMuchChanged too. Raises NoSuchRevision.
        """

    async def history(self, scope: Scope, *, before: int | None, limit: int) -> HistoryPage:
        """What happened in the scope, the last first, of at most `limit` revisions below `before`.

        Raises NotStored.
        """

    async def removed_scope(self, revision: int) -> Scope:
        """What the removal of that revision was about. Raises NotStored if it is none."""


class Compute(Protocol):
    """Runs functions that compute for more than a moment, off the event loop."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, called in a thread."""


class DerivedCache(Protocol):
    """Bytes that can be made again: converted frames, pictures. In memory, then on disk, within bounds."""

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The bytes of that key, made by `make` unless they are held; once, however many wait for them.

        `key` names content that never changes (it holds the version of the instance). What `make` raises goes to
        all who wait, and nothing is kept.
        """


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What an instance has become at intake."""

    data: bytes
    """The whole object, a DICOM file."""
    transfer_syntax: str


class IntakeTranscoder(Protocol):
    """Says what is to be stored of an instance that came in: the policy, and its work."""

    def wanted(self, header: JsonAttributes, transfer_syntax: str) -> str:
        """The transfer syntax in which an instance with this header is to be stored; empty to keep it as it is."""

    def spared(self, header: JsonAttributes, transfer_syntax: str) -> AsItCame | None:
        """Why an instance that the policy has a transfer syntax for is not `wanted` in it; None for all others."""

    async def transcode(self, data: bytes, header: JsonAttributes, wanted: str) -> Transcoded | AsItCame:
        """The instance (a whole DICOM file) in the wanted syntax, proved to hold the same pixels, and smaller.

        Otherwise why it cannot be had so: it is then stored as it came. Computes off the event loop.
        """
