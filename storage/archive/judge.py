"""Stored, duplicate or refused: decided from what the log says of a key, never from object keys.

Pure. The committer asks anew for every attempt at a log number, since another node's entry may have come between.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey
from dicomweb.model.outcome import AsItCame, Failure, Outcome, Reason
from storage.archive.settings import Duplicates
from storage.log.events import StoredVersion

Bytes = tuple[bytes, str]
"""What makes two data sets the same: the digest of their bytes, and the transfer syntax they are in."""
Names = frozenset[Bytes]
"""What a version is known as: the data set that is stored, and the one that came if it was converted."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the log says of a key."""

    current: Names | None = None
    """None if nothing is visible."""
    kept: Names = frozenset()
    """Visible versions that are not current, all together."""
    elsewhere: bool = False
    """The SOP Instance UID is visible under another series or study too."""
    latest: str = ""
    """The last of all its versions by their ids, hidden and former ones among them; empty if there is none."""


@dataclass(slots=True)
class Candidate:
    """An instance that was taken in and waits for its verdict."""

    stored: StoredVersion
    door: str
    peer: str
    warnings: tuple[str, ...] = ()
    warned_tags: tuple[str, ...] = ()
    """Tags of the attributes that the warnings are about."""
    written: bool = True
    """False if it was known as a duplicate when it came, so that no object was written."""
    copy_of: str = ""
    """Key of the stored object whose data set it repeats, if it was not written."""
    as_it_came: AsItCame | None = None
    """Why it is stored as it came, if another transfer syntax was wanted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a candidate."""

    outcome: Outcome
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    overtaken: bool = False
    """Refused because the version's id comes before that of one the log has: under a later id it would do."""

    @property
    def makes_row(self) -> bool:
        """Whether the log gets a row."""
        return self.outcome in (Outcome.STORED, Outcome.REPLACED, Outcome.KEPT)


_OVERTAKEN = Verdict(
    Outcome.REFUSED,
    failure=Failure(
        Reason.PROCESSING_FAILURE,
        "other versions of the instance were stored again and again while it came; send it again",
    ),
    overtaken=True,
)


@dataclass(slots=True)
class Bench:
    """Judges the candidates of one attempt in their order; the same key may come more than once.

    What gets a row has a later id than every version before it: of the order in which versions were committed, a
    rebuild finds nothing but the ids in the names of their objects.
    """

    policy: Duplicates
    states: dict[InstanceKey, Known] = field(default_factory=dict)

    def judge(self, candidate: Candidate) -> Verdict:
        """The verdict, remembered for those that follow."""
        key = candidate.stored.key
        known = self.states.get(key, Known())
        verdict = _with_warnings(verdict_of(candidate, known, self.policy), candidate, known)
        if verdict.makes_row and candidate.stored.version < known.latest:
            return _OVERTAKEN
        if verdict.makes_row:
            self.states[key] = _after(verdict, candidate.stored, known)
        return verdict


def known_as(version: StoredVersion | Instance) -> Names:
    """That by which duplicates of a version are known."""
    stored, original = (version.digest, version.transfer_syntax), version.original
    return frozenset((stored, (original.digest, original.transfer_syntax)) if original else (stored,))


def is_duplicate(version: Names, known: Known, policy: Duplicates) -> bool:
    """Whether the archive has the same data set already, as far as this policy is concerned."""
    if known.current is not None and not version.isdisjoint(known.current):
        return True
    return policy is not Duplicates.REPLACE and not version.isdisjoint(known.kept)


def verdict_of(candidate: Candidate, known: Known, policy: Duplicates) -> Verdict:
    """Stored, replaced, kept, duplicate or refused, as `Duplicates` says."""
    if is_duplicate(known_as(candidate.stored), known, policy):
        return Verdict(Outcome.DUPLICATE)
    if known.current is not None and policy is Duplicates.REJECT:
        message = "another data set is stored under this SOP Instance UID, and the archive rejects changes"
        return Verdict(Outcome.REFUSED, failure=Failure(Reason.PROCESSING_FAILURE, message))
    if not candidate.written:
        message = "the stored copy was removed or replaced at this very moment; send the instance again"
        return Verdict(Outcome.REFUSED, failure=Failure(Reason.PROCESSING_FAILURE, message))
    if known.current is None:
        return Verdict(Outcome.STORED)
    return Verdict(Outcome.KEPT if policy is Duplicates.KEEP else Outcome.REPLACED)


def _with_warnings(verdict: Verdict, candidate: Candidate, known: Known) -> Verdict:
    warnings = list(candidate.warnings)
    if verdict.outcome is Outcome.KEPT:
        warnings.append("other bytes are current under this SOP Instance UID; these are kept as a further version")
    if known.elsewhere and verdict.makes_row:
        warnings.append("the same SOP Instance UID is stored in another series too")
    return replace(verdict, warnings=tuple(warnings))


def _after(verdict: Verdict, stored: StoredVersion, known: Known) -> Known:
    if verdict.outcome is Outcome.KEPT:
        return replace(known, kept=known.kept | known_as(stored), latest=stored.version)
    return replace(known, current=known_as(stored), latest=stored.version)
