"""Keys of objects that were given up, so that no entry may name them (rule 3 of the log), while one still could.

Whoever has instances on their way in made the ids of their objects after having begun. So what was condemned
before the oldest of those that are still at it had begun is no object of theirs, and is forgotten:

    begins A ─ condemned x ─ begins B ─ condemned y ─ A ends ─ condemned z: x is forgotten, y and z may be B's

Where nothing is on its way nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from weakref import WeakKeyDictionary


class Condemned(Collection[str]):
    """The keys that may yet come to be named by somebody here."""

    def __init__(self) -> None:
        self._turn = 0
        self._keys: dict[str, int] = {}
        """With the turn in which they were condemned."""
        self._begun = WeakKeyDictionary[object, int]()
        """Who is at it, with the turn in which that began; they are gone when nothing refers to them any more."""

    def begin(self, somebody: object) -> None:
        """From now on instances come in, of which candidates for the log are made while `somebody` exists."""
        self._begun[somebody] = self._turn

    def add(self, keys: Collection[str]) -> None:
        """An entry condemns these."""
        if not keys:
            return
        self._turn += 1
        oldest = min(self._begun.values(), default=self._turn)
        self._keys = {key: turn for key, turn in self._keys.items() if turn > oldest}
        if oldest < self._turn:
            self._keys.update(dict.fromkeys(keys, self._turn))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
