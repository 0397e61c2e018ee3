"""What a rebuild found: what came back, what could not, by name. It survives a rebuild that is interrupted.

Beside each entry lies an object with the counts so far and what was found since the entry before; it names the one
before it that had anything to name, so that all can be gathered by reading few.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from storage import layout
from storage.objects.contract import ObjectMissing, ObjectStore


@dataclass(slots=True)
class Counts:
    """How much came back."""

    studies: int = 0
    objects: int = 0
    """Looked at."""
    bytes: int = 0
    """Of those, as stored; most were not read."""
    stored: int = 0
    """Versions that came back."""
    replaced: int = 0
    """Of those, versions of an instance that had one already."""
    removals: int = 0
    """Removals that are in force again."""
    open_digests: int = 0
    """Versions whose digest stays open until a scrub has read them."""
    converted: int = 0
    """Versions that were converted when they came: in which transfer syntax, of which size and digest, is lost."""


@dataclass(slots=True)
class Findings:
    """What a rebuild has found."""

    counts: Counts = field(default_factory=Counts)
    damaged: dict[str, str] = field(default_factory=dict)
    """Objects that did not come back, by key: why."""
    damaged_notes: dict[str, str] = field(default_factory=dict)
    """Notes of removals that could not be read: what they removed may be visible again."""
    strange: list[str] = field(default_factory=list)
    """Keys that no archive writes."""
    repeated: list[str] = field(default_factory=list)
    """Where versions are kept beside one another, objects that repeat one: an interrupted writer left them."""

    doubtful: list[str] = field(default_factory=list)
    """Objects that became current by the order of ids, while by the store's times another was written last."""

    @property
    def lost(self) -> bool:
        """Whether something did not come back as it was."""
        return bool(self.damaged or self.damaged_notes)

    @property
    def names(self) -> int:
        """How many things are named."""
        lists = self.damaged, self.damaged_notes, self.strange, self.repeated, self.doubtful
        return sum(map(len, lists))

    def gather(self, other: dict[str, Any]) -> None:
        """Add what is named elsewhere."""
        self.damaged |= other["damaged"]
        self.damaged_notes |= other["damaged_notes"]
        self.strange = sorted({*self.strange, *other["strange"]})
        self.repeated = sorted({*self.repeated, *other["repeated"]})
        # which a rebuild does not know that an earlier release began
        self.doubtful = sorted({*self.doubtful, *other.get("doubtful", ())})


class FindingsLog:
    """The findings of one rebuild, kept in the archive's store."""

    def __init__(self, store: ObjectStore, epoch: str) -> None:
        self.all = Findings()
        self.new = Findings()
        """What was named since the last entry."""
        self._store = store
        self._epoch = epoch
        self._previous = 0

    async def take_up(self, number: int) -> None:
        """Gather what was found up to entry `number`. Raises the store's errors."""
        at, first = number, True
        while at:
            try:
                content: dict[str, Any] = orjson.loads(await self._store.get(layout.findings_key(self._epoch, at)))
            except ObjectMissing:
                return
            if first:
                self.all.counts = Counts(**content["counts"])
                self._previous = at if content["names"] else content["previous"]
                first = False
            self.all.gather(content)
            at = content["previous"]

    async def write(self, number: int) -> None:
        """Keep them; to be called before entry `number` is written. Raises the store's errors."""
        new = self.new
        told = asdict(new) | {"counts": asdict(self.all.counts), "names": new.names, "previous": self._previous}
        await self._store.put(layout.findings_key(self._epoch, number), [orjson.dumps(told)])
        self.all.gather(told)
        if new.names:
            self._previous = number
        self.new = Findings()

    async def finish(self) -> Findings:
        """All of them, kept as the report. Raises the store's errors."""
        self.all.gather(asdict(self.new))
        self.new = Findings()
        await self._store.put(
            layout.report_key(self._epoch), [orjson.dumps(asdict(self.all), option=orjson.OPT_INDENT_2)]
        )
        return self.all
