"""Labels: short texts that people and programs put on studies, series and instances to find them again.

They are kept in the archive's log, beside what the data sets say and without touching it. A label is no place for
anything about a patient: it is told in logs, in URLs and in the list of all labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LABEL_LENGTH = 64
_LABEL = re.compile(rf"[A-Za-z0-9_-]{{1,{LABEL_LENGTH}}}", re.ASCII)


class IllegalLabel(ValueError):
    """A label that is empty, too long, or has other characters than it may have."""

    def __init__(self) -> None:
        super().__init__(f"a label is 1 to {LABEL_LENGTH} letters A to Z, digits, hyphens and underscores")


def parse_label(text: str) -> str:
    """The label, case and all. Raises IllegalLabel."""
    if not _LABEL.fullmatch(text):
        raise IllegalLabel
    return text


class LabelRule(StrEnum):
    """Which of the labels asked for a match must bear."""

    ALL = "all"
    ANY = "any"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LabelCondition:
    """What is asked of the labels of a match itself: those of a study are not those of its series."""

    labels: tuple[str, ...]
    """Each once. Without any, `ANY` is whatever bears a label, and `NONE` what bears none at all."""
    rule: LabelRule = LabelRule.ALL

    def holds(self, borne: Iterable[str]) -> bool:
        """Whether something with these labels fulfils it."""
        there = set(borne)
        if self.rule is LabelRule.ALL:
            return there.issuperset(self.labels)
        some = not there.isdisjoint(self.labels) if self.labels else bool(there)
        return some is (self.rule is LabelRule.ANY)


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A label that is in use."""

    label: str
    studies: int
    """How many bear it themselves, like the two that follow."""
    series: int
    instances: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """What putting a label on, or taking one off, came to."""

    revision: int
    """Number of the log entry that says so; if nothing was to be done, the last one known."""
    changed: bool
    """False if it was there already, or was not there."""
    labels: tuple[str, ...]
    """What the resource bears now, ascending."""
