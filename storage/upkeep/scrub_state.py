"""How far a scrub has come and what it has found, in the archive's store: it survives every node.

The pass that runs in the background has one state for all nodes, and whoever writes it names itself. A node whose
state was written over by another steps back; one that sees a state stand still takes the pass over. So one node
at a time scrubs, without a leader, and no clock is compared with another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from storage.objects.contract import ObjectMissing, ObjectStore

_NAMED = 1000
"""Problems that are named; further ones are counted."""


@dataclass(slots=True)
class ScrubState:
    """A pass over all objects."""

    position: str = ""
    """`<2 hex>/<study>/` of the last study that was read; empty at the begin."""
    checked: int = 0
    """Objects."""
    bytes: int = 0
    wrong: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    """Objects that are not as they were stored, by key: why. The first of them."""
    begun: str = ""
    """When, by the clock of the node that began it, UTC."""
    finished: str = ""
    """When; empty while it is under way."""
    node: str = ""
    """Who wrote it last."""
    beat: int = 0
    """Grows whenever it is written, so that others see that somebody is at work."""
    last: dict[str, Any] = field(default_factory=dict)
    """Of the pass before: `finished`, `checked`, `wrong` and `problems`."""

    def name(self, key: str, problem: str) -> None:
        """An object is not as it was stored."""
        self.wrong += key not in self.problems
        if len(self.problems) < _NAMED:
            self.problems[key] = problem

    @property
    def share(self) -> float:
        """The part of the archive that has been read, about."""
        if self.finished:
            return 1.0
        try:
            return int(self.position[:2], 16) / 256
        except ValueError:
            return 0.0

    @property
    def standing(self) -> dict[str, str]:
        """What is known to be wrong by now: found in this pass, or in the one before and not looked at since."""
        before: dict[str, str] = self.last.get("problems", {})
        left = {key: why for key, why in before.items() if not self.finished and _place(key) > self.position}
        return left | self.problems


def begin_pass(before: ScrubState | None) -> ScrubState:
    """A state to begin anew with."""
    last: dict[str, Any] = {}
    if before is not None and before.finished:
        last = {name: getattr(before, name) for name in ("finished", "checked", "wrong", "problems")}
    elif before is not None:
        last = before.last
    return ScrubState(begun=_now(), last=last)


def finish_pass(state: ScrubState) -> None:
    """Everything has been read."""
    state.finished, state.position = _now(), ""


async def read_state(store: ObjectStore, key: str) -> ScrubState | None:
    """The state, None if there is none that can be read: a pass then begins anew. Raises the store's errors."""
    try:
        content: dict[str, Any] = orjson.loads(await store.get(key))
        return ScrubState(**content)
    except (ObjectMissing, ValueError, TypeError):
        return None


async def write_state(store: ObjectStore, key: str, state: ScrubState) -> None:
    """Keep it. Raises the store's errors."""
    state.beat += 1
    await store.put(key, [orjson.dumps(asdict(state), option=orjson.OPT_INDENT_2)])


def _place(key: str) -> str:
    return "/".join(key.split("/")[1:3]) + "/"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
