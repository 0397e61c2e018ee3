"""What happened to a study, a series or an instance, as the log of the archive tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dicomweb.model.keys import Scope


class Deed(StrEnum):
    """What was done."""

    STORED = "stored"
    """New instances, or removed ones stored again."""
    REPLACED = "replaced"
    """Other bytes for instances that were there: they became the current ones."""
    KEPT = "kept"
    """Other bytes for instances that were there, kept beside the current ones."""
    DELETED = "deleted"
    RESTORED = "restored"
    """A deletion was undone."""
    ERASED = "erased"
    """Bytes that are gone for good, by retention or an erasure."""
    LABELLED = "labelled"
    """A label was put on."""
    UNLABELLED = "unlabelled"
    """A label was taken off."""
    VOIDED = "voided"
    """What a crash had torn counts as never stored."""
    UNREADABLE = "unreadable"
    """The log's entry is damaged: something was done, who did it and what cannot be told."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Instances to which the same was done, by the same, with one entry of the log."""

    revision: int
    """Number of the entry."""
    deed: Deed
    time: datetime | None = None
    """By the clock of whoever wrote it, UTC; None if it cannot be told."""
    door: str = ""
    """How it came: stow, dicomweb, ingest, command, upkeep, ..."""
    peer: str = ""
    """Who asked: an address or an AE title."""
    node: str = ""
    """The process that did it."""
    instances: int = 0
    """How many, within the scope asked for; of a deletion those that were visible before, of its undoing those
    that were not."""
    series: tuple[str, ...] = ()
    """Series Instance UIDs, in ascending order."""
    instance: str = ""
    """SOP Instance UID, if it was one instance."""
    scope: Scope | None = None
    """Of a deletion, its undoing and labels: what it was about."""
    undoes: int = 0
    """Of an undoing: the revision of the deletion."""
    undoable: bool = False
    """Of a deletion: whether it hides anything that can still be brought back."""
    detail: str = ""
    """For a reader; no patient data."""
    label: str = ""
    """Of labels: which."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some of a history, the last first."""

    happenings: Sequence[Happening]
    before: int | None
    """Below which revision the next page begins; None if this is the last."""
