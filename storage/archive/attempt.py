"""An entry as it would be at one number of the log: works judged by what the catalog knows at the one before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from dicomweb.model.keys import InstanceKey
from dicomweb.model.outcome import Failure, Outcome, Reason
from storage import layout
from storage.archive.judge import Bench, Candidate, Known, Verdict, known_as
from storage.archive.settings import Duplicates
from storage.archive.works import ChangeResult, StoreResult, StoreWork, Work, stored_event
from storage.catalog.catalog import Catalog
from storage.log.events import Event

_CONDEMNED = Verdict(
    Outcome.REFUSED,
    failure=Failure(
        Reason.PROCESSING_FAILURE,
        "the archive took so long over this instance that its bytes were given up; send it again",
    ),
)


@dataclass(slots=True)
class Attempt:
    """What would be written, and what would be answered then."""

    number: int
    node: str
    events: list[Event] = field(default_factory=list)
    answers: list[tuple[Work, StoreResult | ChangeResult | BaseException]] = field(default_factory=list)

    async def add(self, work: Work, bench: Bench, condemned: Collection[str]) -> None:
        """Have a work judged behind those that were added before."""
        if isinstance(work, StoreWork):
            self.answers.append((work, self._judge(work, bench, condemned)))
            return
        try:
            events = await work.plan(self.number)
        except Exception as error:
            self.answers.append((work, error))
            return
        revision = self.number if events else self.number - 1
        self.answers.append((work, ChangeResult(revision, len(self.events), events)))
        self.events.extend(events)

    def _judge(self, work: StoreWork, bench: Bench, condemned: Collection[str]) -> StoreResult:
        verdicts = []
        for candidate in work.candidates:
            if condemned and _is_condemned(candidate, condemned):
                verdicts.append(_CONDEMNED)
                continue
            verdict = bench.judge(candidate)
            verdicts.append(verdict)
            if verdict.makes_row:
                current = verdict.outcome is not Outcome.KEPT
                self.events.append(stored_event(candidate, current=current, node=self.node))
        # a duplicate may be one of what another work of the same entry stores
        return StoreResult(self.number if self.events else self.number - 1, verdicts)

    def answer(self) -> None:
        """Tell everybody; whoever has gone meanwhile is passed over."""
        for work, answer in self.answers:
            if work.done.done():
                continue
            if isinstance(answer, BaseException):
                work.done.set_exception(answer)
            else:
                work.done.set_result(answer)  # type: ignore[arg-type]  # each work is paired with its own kind


async def make_attempt(
    batch: Sequence[Work], catalog: Catalog, *, node: str, policy: Duplicates, condemned: Collection[str]
) -> Attempt:
    """The entry of a batch at the number behind the last one applied."""
    attempt = Attempt(catalog.applied + 1, node)
    keys = {c.stored.key for work in batch if isinstance(work, StoreWork) for c in work.candidates}
    bench = Bench(policy, await known_states(catalog, keys))
    for work in batch:
        await attempt.add(work, bench, condemned)
    return attempt


def _is_condemned(candidate: Candidate, condemned: Collection[str]) -> bool:
    if not candidate.written:
        return False
    stored = candidate.stored
    names = (layout.object_key(stored.key, stored.version), layout.header_key(stored.key, stored.version))
    return any(name in condemned for name in names)


async def known_states(catalog: Catalog, keys: set[InstanceKey]) -> dict[InstanceKey, Known]:
    """What the catalog says of keys, in the judge's words."""
    states = await catalog.known(keys) if keys else {}
    known = {}
    for key, state in states.items():
        current = state.current
        others = (known_as(one) for one in state.visible if one is not current)
        kept = frozenset(name for names in others for name in names)
        known[key] = Known(known_as(current) if current else None, kept, state.elsewhere, state.latest)
    return known
