"""Whether all that was answered fits one serial history: the log's.

Every write tells its revision, so the order is known and need not be searched for. What is left to see is that no
answer contradicts it: a write is what its entry did, and comes after all that had been answered when it was asked
for; a read shows what stood at some revision between the last that had been answered when it was asked for, and
the first that was asked for after it had been answered.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dicomweb.model.keys import InstanceKey
from storage.log.events import Entry, Kind
from tests.storage.archive.test_histories import Model
from tests.torture.ledger import Ack, Content, Seen


@dataclass
class Timeline:
    """What was visible of each instance, by revision."""

    changes: dict[InstanceKey, list[tuple[int, Content]]] = field(default_factory=dict)
    acts: set[tuple[int, str, object]] = field(default_factory=set)
    """Revision, kind, and what it was done to: a digest with its key, a scope, or the removal that was undone."""
    last: int = 0

    def play(self, entry: Entry, model: Model) -> None:
        """Take over what an entry changed; `model` has played it."""
        self.last = entry.number
        touched: set[InstanceKey] = set()
        for event in entry.events:
            if event.stored is not None:
                touched.add(event.stored.key)
                self.acts.add((entry.number, "stored", (event.stored.key, event.stored.digest)))
            elif event.kind in (Kind.REMOVED, Kind.RESTORED, Kind.PURGED) and event.scope is not None:
                touched.update(key for key in model.versions if event.scope.covers(key))
                if event.kind is Kind.REMOVED:
                    self.acts.add((entry.number, "removed", event.scope))
                elif event.kind is Kind.RESTORED:
                    self.acts.add((entry.number, "restored", event.target))
        for key in touched:
            current = model.current(key)
            self._note(key, entry.number, current.digest if current else None)

    def _note(self, key: InstanceKey, revision: int, content: Content) -> None:
        changes = self.changes.setdefault(key, [(0, None)])
        if changes[-1][1] != content:
            changes.append((revision, content))

    def at(self, key: InstanceKey, revision: int) -> Content:
        """What was visible at that revision."""
        changes = self.changes.get(key, [(0, None)])
        return changes[bisect.bisect_right(changes, revision, key=lambda one: one[0]) - 1][1]

    def between(self, key: InstanceKey, first: int, last: float) -> set[Content]:
        """All that was visible at revisions from `first` to `last`."""
        later = {content for revision, content in self.changes.get(key, ()) if first < revision <= last}
        return {self.at(key, first), *later}


def act_of(ack: Ack) -> tuple[int, str, object]:
    """What the entry of an acknowledgement has to hold, if it holds anything."""
    done: object = ack.scope
    if ack.kind == "stored":
        done = (ack.key, ack.digest)
    elif ack.kind == "restored":
        done = ack.target
    return ack.revision, ack.kind, done


def check_acks(timeline: Timeline, acks: Sequence[Ack]) -> list[str]:
    """Acknowledgements that no serial history explains."""
    faults = []
    for ack in acks:
        done = act_of(ack) in timeline.acts
        if not done and ack.kind != "stored":
            faults.append(f"{ack}: its entry did nothing like that")
        elif ack.revision < ack.floor or (ack.revision == ack.floor and ack.kind != "stored"):
            faults.append(f"{ack} was asked for when revision {ack.floor} had been answered")
        elif not _stands(timeline, ack, done=done):
            faults.append(f"{ack} is no duplicate of what was there")
    return faults


def _stands(timeline: Timeline, ack: Ack, *, done: bool) -> bool:
    """Whether what was stored was new, or a duplicate of what was there by its entry or just before it."""
    if ack.key is None or (done and ack.revision > ack.floor):
        return True
    if ack.among > 1 and _came_before(timeline, ack):
        return True
    # other requests of the same entry may have replaced it there
    return ack.digest in (timeline.at(ack.key, ack.revision), timeline.at(ack.key, ack.revision - 1))


def _came_before(timeline: Timeline, ack: Ack) -> bool:
    """Whether it was stored, or was there, at some revision since it was asked for."""
    what = (ack.key, ack.digest)
    stored = any((n, "stored", what) in timeline.acts for n in range(ack.floor + 1, ack.revision))
    return stored or (ack.key is not None and ack.digest in timeline.between(ack.key, ack.floor, ack.revision))


def _earliest(acks: Sequence[Ack], unsure: Mapping[bytes, float]) -> Sequence[float]:
    """When the entry of each acknowledgement can have been asked for at the earliest, monotonic.

    Who sends what has just been stored is answered with that revision: the entry may be older than the request
    that is told of it. It is of any request with that content but those that were told of an earlier revision.
    """
    sent: dict[bytes, list[tuple[int, float]]] = {}
    for ack in acks:
        if ack.kind == "stored":
            sent.setdefault(ack.digest, []).append((ack.revision, ack.begun))
    earliest: dict[tuple[bytes, int], float] = {}
    for digest, answers in sent.items():
        begun = unsure.get(digest, math.inf)
        for revision, asked in sorted(answers, reverse=True):
            begun = earliest[digest, revision] = min(begun, asked)
    return [earliest.get((ack.digest, ack.revision), ack.begun) for ack in acks]


def check_reads(
    timeline: Timeline,
    acks: Sequence[Ack],
    reads: Sequence[Seen],
    figures: Counter[str],
    *,
    unsure: Mapping[bytes, float],
) -> list[str]:
    """Reads that no serial history explains; `unsure` as the ledger has it."""
    writes = sorted(
        (begun, ack.revision)
        for ack, begun in zip(acks, _earliest(acks, unsure), strict=True)
        if act_of(ack) in timeline.acts
    )
    begun = [one[0] for one in writes]
    least = list(itertools.accumulate((one[1] for one in reversed(writes)), min, initial=math.inf))[::-1]
    faults = []
    for seen in reads:
        ceiling = least[bisect.bisect_right(begun, seen.ended)] - 1
        allowed = timeline.between(seen.key, seen.floor, ceiling)
        if seen.content not in allowed:
            shown = seen.content.hex()[:12] if seen.content else "nothing"
            faults.append(
                f"{seen.key.instance} was read as {shown}, which it was not at revisions {seen.floor} to {ceiling}"
            )
        figures["reads held against the log"] += 1
        figures["of them with one possible answer"] += len(allowed) == 1
    return faults
