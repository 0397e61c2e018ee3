"""A search, free of the door it came through: what must match, what is to be told, in which order.

Attribute paths are tuples of tags, eight upper-case hexadecimal digits each, from the data set inwards:
`("00100010",)` or `("00400275", "00400009")`. Values are as DICOM writes them, in Unicode.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.model.keys import Level
from dicomweb.model.labels import LabelCondition

AttributePath = tuple[str, ...]
"""Tags from the data set inwards."""

JsonAttributes = dict[str, dict[str, Any]]
"""A DICOM JSON object as Python sees it: tag to `{"vr": ..., "Value": [...]}` (PS3.18 F.2)."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Single value matching, UID list matching and the OR list of UI and CS (PS3.4 C.2.2.2.1, C.2.2.2.2)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Multiple value matching: every value must be among the attribute's values (PS3.4 C.2.2.3)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` any run of characters, `?` any one (PS3.4 C.2.2.2.4). For PN regardless of case and accents."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Between:
    """Range matching of DA, TM, DT (PS3.4 C.2.2.2.5): both ends belong to it, None is open.

    An end of reduced precision stands for the whole day, minute, ...: the parser has already widened it."""

    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class BetweenMoments:
    """Combined date-time matching (PS3.4 C.2.2.2.5.4): the match's path is the date, `time` the TM beside it."""

    time: str
    """Tag of the time attribute."""
    low: tuple[str, str] | None
    """Date and time, both ends belong to it; None is open."""
    high: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Empty:
    """Empty value matching (PS3.4 C.2.2.2.7): the attribute is absent or has no value."""


@dataclass(frozen=True, slots=True)
class NameWords:
    """Fuzzy matching of PN: each word begins a word of any component of any component group.

    Words are folded (`fold_text`) and may hold `*` and `?`."""

    words: tuple[str, ...]


Condition = OneOf | AllOf | Wildcard | Between | BetweenMoments | Empty | NameWords


@dataclass(frozen=True, slots=True)
class Match:
    """One matching key."""

    path: AttributePath
    vr: str
    """VR of the last tag; `UN` if no dictionary knows it."""
    condition: Condition
    name: str
    """The key as the client wrote it, for messages."""


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key."""

    path: AttributePath
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A search for studies, series or instances."""

    level: Level
    matches: tuple[Match, ...] = ()
    """All must hold. Parents named by the URL stand here too, as `OneOf` of their UID."""
    include: tuple[AttributePath, ...] = ()
    """Attributes to be told beyond the default ones of the level; sequences come whole."""
    include_all: bool = False
    order: tuple[Order, ...] = ()
    """The archive adds its own order behind these, so that the order is total."""
    limit: int = 5000
    offset: int = 0
    words: tuple[str, ...] = ()
    """Each must stand in the patient's name or ID, the accession number, or the study's ID, description or UID.

    Folded (`fold_text`)."""
    labels: LabelCondition | None = None
    """What is asked of the labels of a match, beside all else."""
    tell_labels: bool = False
    """Whether the labels of each match are told, in `LABELS` beside `LABELS_CREATOR`."""


LABELS_CREATOR, LABELS = "4C410010", "4C411001"
"""Private attributes in which matches tell their labels: the creator of the block, and LO with a value each."""
CREATOR = "DICOMLAKE"
"""The private creator (PS3.5 7.8.1)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brings."""

    total: int
    """How many match, whatever limit and offset."""
    batches: AsyncIterator[Sequence[JsonAttributes]]
    """The matches of the page in order, some at a time. No URLs in them."""


class CannotSort(Exception):
    """A search is to be sorted by an attribute that its matches have no column of."""

    def __init__(self, path: AttributePath) -> None:
        super().__init__(f"orderby: matches cannot be sorted by {'.'.join(path)}")
        self.path = path


class QueryTooBroad(Exception):
    """A search over attributes without a column went over its budget."""

    def __init__(self, slow: Sequence[str], narrowing: Sequence[str]) -> None:
        super().__init__(
            f"the search by {', '.join(slow)} has to read too many headers; narrow it by {', '.join(narrowing)}"
        )
        self.slow = tuple(slow)
        self.narrowing = tuple(narrowing)
