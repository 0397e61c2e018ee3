"""Which UIDs are known, in eight bytes each.

Whether an instance is new must not cost a query, however many there are. The hashes of all known UIDs lie
sorted in one array; those that came since lie in a set until a flush folds them in, off the event loop.

A hash that is not there proves that the UID is new; one that is there only says that a look is worth while.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

FOLD_AT = 20_000
"""Hashes in the set beyond which folding is worth while; a set takes about 60 bytes a hash."""


def hash_uid(uid: str) -> int:
    """64 bits that are the same in every process."""
    return int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=8).digest(), "little")


class KnownHashes:
    """A set of 64-bit hashes that only grows. Used on the event loop; `folded` may run in a thread."""

    def __init__(self, hashes: Sequence[int] | NDArray[Any] = ()) -> None:
        self._sorted: Hashes = np.unique(np.asarray(hashes, dtype=np.uint64))
        self._recent: set[int] = set()

    @classmethod
    def of_sorted(cls, hashes: Hashes) -> Self:
        """A set of hashes in ascending order, each once; the array is taken over, not copied."""
        known = cls()
        known._sorted = hashes
        return known

    def __contains__(self, value: int) -> bool:
        if value in self._recent:
            return True
        at = int(np.searchsorted(self._sorted, np.uint64(value)))
        return at < len(self._sorted) and int(self._sorted[at]) == value

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, value: int) -> None:
        """Let a hash be known."""
        self._recent.add(value)

    def begin_fold(self) -> tuple[Hashes, frozenset[int]] | None:
        """What `fold` needs, or None while there is too little to fold."""
        return (self._sorted, frozenset(self._recent)) if len(self._recent) >= FOLD_AT else None

    def end_fold(self, folded: Hashes, taken: frozenset[int]) -> None:
        """Put the result of `fold` in place; what came meanwhile stays in the set."""
        self._sorted = folded
        self._recent -= taken


def sort_hashes(hashes: Hashes) -> tuple[Hashes, Hashes]:
    """The hashes in ascending order, each once, and those that were there more than once.

    `hashes` are sorted in place: of tens of millions there is no second copy, unless some are repeated.
    """
    hashes.sort()
    again = hashes[1:] == hashes[:-1]
    if not again.any():
        return hashes, hashes[:0]
    return hashes[np.append(True, ~again)], np.unique(hashes[1:][again])


def fold(known: Hashes, recent: frozenset[int]) -> Hashes:
    """The sorted hashes of both."""
    fresh = np.sort(np.fromiter(recent, dtype=np.uint64, count=len(recent)))
    return np.insert(known, np.searchsorted(known, fresh), fresh)
