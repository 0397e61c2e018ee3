"""What waits for a commit: instances to be stored, and changes to what is stored.

A work says which events it wants, given what the catalog knows at that moment; it may be asked more than once,
when another node's entry came between. The attempt that wins a log number decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from storage.archive.identifiers import fresh_id
from storage.archive.judge import Candidate, Verdict
from storage.log.events import Event, Kind


@dataclass(slots=True)
class StoreWork:
    """Candidates of one submission."""

    candidates: Sequence[Candidate]
    done: asyncio.Future[StoreResult]
    by: object = None
    """Whose they are, here to be remembered while they wait, also if nobody waits for them any more: what was
    condemned since it began may be theirs (`condemned`)."""


@dataclass(frozen=True, slots=True)
class StoreResult:
    """How the candidates fared."""

    revision: int
    """The entry that decided; with nothing but duplicates, the last one known."""
    verdicts: Sequence[Verdict]


@dataclass(slots=True)
class ChangeWork:
    """A removal, an undelete, an upkeep decision."""

    plan: Callable[[int], Awaitable[Sequence[Event]]]
    """Given the number the entry would get, the events; none means nothing to do. What it raises goes to whoever
    waits, and leaves the other works of the batch alone."""
    done: asyncio.Future[ChangeResult]


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What a change committed."""

    revision: int
    ordinal: int
    """Position of its first event in the entry."""
    events: Sequence[Event] = field(default=())


Work = StoreWork | ChangeWork


def stored_event(candidate: Candidate, *, current: bool, node: str) -> Event:
    """The row of a candidate that was accepted."""
    return Event(
        kind=Kind.STORED,
        scope=candidate.stored.key.scope,
        time=datetime.now(UTC),
        node=node,
        door=candidate.door,
        peer=candidate.peer,
        event_id=fresh_id(),
        stored=candidate.stored,
        current=current,
    )
