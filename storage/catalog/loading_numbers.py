"""Numbers for studies and series while a table is loaded, given at first sight.

A dictionary of millions of names would take more memory than all the rest of a node. Names lie here as digests of
16 bytes, sorted, with their numbers beside them; those that came lately lie in a dictionary until they are many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DIGEST = 16
_MERGE_AT = 100_000
"""Names in the dictionary from which on they are sorted in with the others."""


class Numbers:
    """Gives every name a number, counting from 1. Not for several threads at once."""

    def __init__(self, *, merge_at: int = _MERGE_AT) -> None:
        self._merge_at = merge_at
        self._recent: dict[bytes, int] = {}
        self._names: NDArray[np.bytes_] = np.empty(0, f"S{_DIGEST}")
        self._numbers: NDArray[np.int32] = np.empty(0, np.int32)
        self._last = 0

    def __len__(self) -> int:
        return self._last

    def of(self, names: Sequence[str]) -> tuple[list[int], list[bool]]:
        """The number of each name, and whether it was given just now."""
        digests = [hashlib.blake2b(name.encode(), digest_size=_DIGEST).digest() for name in names]
        sorted_in = self._look_up(digests)
        numbers: list[int] = []
        fresh: list[bool] = []
        for digest, there in zip(digests, sorted_in, strict=True):
            number = there or self._recent.get(digest)
            fresh.append(not number)
            if not number:
                self._last += 1
                number = self._recent[digest] = self._last
            numbers.append(number)
        if len(self._recent) >= self._merge_at:
            self._merge()
        return numbers, fresh

    def _look_up(self, digests: Sequence[bytes]) -> list[int]:
        """The numbers of those names that are sorted in, 0 for the others."""
        if not len(self._names):
            return [0] * len(digests)
        # NumPy leaves zeros at the end out of a comparison: of two texts equally long that changes nothing
        wanted = np.array(digests, dtype=self._names.dtype)
        places = np.minimum(np.searchsorted(self._names, wanted), len(self._names) - 1)
        found: list[int] = np.where(self._names[places] == wanted, self._numbers[places], 0).tolist()
        return found

    def _merge(self) -> None:
        names = np.array(list(self._recent), dtype=self._names.dtype)
        numbers = np.fromiter(self._recent.values(), np.int32, len(self._recent))
        order = np.argsort(names)
        places = np.searchsorted(self._names, names[order])
        self._names = np.insert(self._names, places, names[order])
        self._numbers = np.insert(self._numbers, places, numbers[order])
        self._recent = {}
