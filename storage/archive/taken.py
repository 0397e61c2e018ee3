"""What became of one instance at intake: a candidate for the log, or a refusal and its words."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass

from dicomweb.encoding.head import Unreadable
from dicomweb.model.keys import Scope
from dicomweb.model.outcome import Failure, Outcome, Reason, Receipt
from storage.archive.inspect import Unidentified
from storage.archive.judge import Candidate
from storage.log.events import StoredVersion

_LOG = logging.getLogger(__name__)


class Stumbled(Exception):
    """Looking through an instance failed in a way that its bytes alone should not bring about."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where instances come from, and what they may be."""

    door: str
    peer: str
    expect: Scope | None


@dataclass(slots=True)
class Taken:
    """An instance whose bytes have all arrived: either refused, or a candidate."""

    candidate: Candidate | None
    refusal: Receipt | None = None
    keys: tuple[str, ...] = ()
    """Objects written for it."""


def refused(error: Unreadable | Unidentified) -> Taken:
    """Bytes that are not an instance."""
    return Taken(None, Receipt(Outcome.REFUSED, None, failure=Failure(Reason.CANNOT_UNDERSTAND, str(error))))


def out_of_room(stored: StoredVersion | None) -> Taken:
    """An instance for which the store has no room."""
    failure = Failure(Reason.OUT_OF_RESOURCES, "the archive's store is full")
    if stored is None:
        return Taken(None, Receipt(Outcome.REFUSED, None, failure=failure))
    return Taken(
        None, Receipt(Outcome.REFUSED, stored.key, stored.sop_class, stored.transfer_syntax, failure=failure)
    )


def stumbled_over(error: Stumbled) -> Taken:
    """Bytes that the reader should have understood or refused, and did neither: a fault of ours, told as one."""
    cause = error.__cause__
    if cause is not None:  # without its message, which may hold what stands in the instance
        where = "".join(traceback.format_tb(cause.__traceback__))
        _LOG.error("an instance could not be looked through: %s\n%s", type(cause).__name__, where)
    failure = Failure(Reason.PROCESSING_FAILURE, "the archive could not look through this instance")
    return Taken(None, Receipt(Outcome.REFUSED, None, failure=failure))


def outside(stored: StoredVersion, expect: Scope | None) -> Taken | None:
    """The refusal of an instance that does not belong where it was sent."""
    if expect is None or expect.covers(stored.key):
        return None
    failure = Failure(
        Reason.DATA_SET_MISMATCH, "the instance belongs to another study than the one it was sent to"
    )
    return Taken(
        None, Receipt(Outcome.REFUSED, stored.key, stored.sop_class, stored.transfer_syntax, failure=failure)
    )
