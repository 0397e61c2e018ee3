"""What became of an instance that was handed in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dicomweb.model.keys import InstanceKey


class Outcome(StrEnum):
    """How a store ended, as far as the archive is concerned."""

    STORED = "stored"
    """A new instance, or a removed one stored again."""
    REPLACED = "replaced"
    """Other bytes for a known instance: they are current now, the old ones a former version."""
    KEPT = "kept"
    """Other bytes for a known instance: kept as a version that is not current."""
    DUPLICATE = "duplicate"
    """The same data set was there already; nothing was stored."""
    REFUSED = "refused"
    """Nothing was stored; `failure` says why."""


class Unconverted(StrEnum):
    """Why an instance of which another transfer syntax was wanted is stored as it came."""

    AS_WANTED = "as_wanted"
    """It came in that transfer syntax, or one that is as good."""
    LOSSY = "lossy"
    """It came compressed with loss."""
    NOT_SMALLER = "not_smaller"
    """Converted it would take as many bytes or more."""
    NOT_HELD = "not_held"
    """The transfer syntax cannot hold it, or not so that all of it could be had again."""
    TOO_LARGE = "too_large"
    """It is larger than what is converted."""
    FAILED = "failed"
    """The conversion went wrong."""


@dataclass(frozen=True, slots=True)
class AsItCame:
    """An instance that was not converted."""

    reason: Unconverted
    why: str = ""
    """More of it in words, the same for all that are alike. No patient data, no UIDs."""


class Reason:
    """Failure reasons of the Store transaction (PS3.18 Table I.2-2, PS3.4 B.2.3)."""

    PROCESSING_FAILURE = 0x0110
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an instance was refused."""

    reason: int
    """Failure Reason (0008,1197)."""
    message: str
    """For a reader: what was expected, what came. No patient data."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one instance."""

    outcome: Outcome
    key: InstanceKey | None
    """None if the bytes could not be identified."""
    sop_class: str = ""
    transfer_syntax: str = ""
    revision: int = 0
    """Number of the log entry that answers for it; 0 if refused."""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    """What is odd about a stored instance, for a reader. No patient data."""
    warned_tags: tuple[str, ...] = ()
    """Tags the warnings are about, for FailedAttributesSequence."""
    size: int = 0
    """Bytes of the object that was stored; 0 if nothing was."""
    original_size: int = 0
    """Bytes of the file that came, if it was stored in another transfer syntax; 0 otherwise."""
    as_it_came: AsItCame | None = None
    """Why it was stored as it came, if another transfer syntax was wanted."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal or an undelete did."""

    revision: int
    """Number of its log entry: what `undelete` names."""
    instances: int
    """How many instances it hid or brought back."""
