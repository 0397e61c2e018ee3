"""Known hashes: what was added is known, before and after folding."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from storage.catalog import hashes
from storage.catalog.hashes import KnownHashes, fold, hash_uid, sort_hashes

values = st.sets(st.integers(0, 2**64 - 1), max_size=50)


@given(values, values, values)
def test_what_was_added_is_known_and_nothing_else(first: set[int], later: set[int], other: set[int]) -> None:
    known = KnownHashes(np.array(sorted(first), dtype=np.uint64))
    for value in later:
        known.add(value)

    assert all(value in known for value in first | later)
    assert not any(value in known for value in other - first - later)


@given(values, values, values)
def test_folding_loses_nothing_that_came_meanwhile(first: set[int], recent: set[int], meanwhile: set[int]) -> None:
    known = KnownHashes(np.array(sorted(first), dtype=np.uint64))
    for value in recent:
        known.add(value)
    taken = frozenset(recent)
    folded = fold(np.array(sorted(first), dtype=np.uint64), taken)
    for value in meanwhile:
        known.add(value)
    known.end_fold(folded, taken)

    assert all(value in known for value in first | recent | meanwhile)
    assert list(folded) == sorted(folded)


def test_folding_waits_until_it_is_worth_while() -> None:
    known = KnownHashes()
    for value in range(hashes.FOLD_AT - 1):
        known.add(value)
    assert known.begin_fold() is None

    known.add(hashes.FOLD_AT)
    work = known.begin_fold()

    assert work is not None
    known.end_fold(fold(*work), work[1])
    assert 5 in known
    assert len(known) == hashes.FOLD_AT


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.lists(st.integers(0, 20), max_size=50))
def test_hashes_are_sorted_once_each_and_those_that_come_again_are_told(some: list[int], often: list[int]) -> None:
    every = np.array(some + often, dtype=np.uint64)
    count = Counter(every.tolist())

    known, again = sort_hashes(every)

    assert known.tolist() == sorted(count)
    assert again.tolist() == sorted(value for value in count if count[value] > 1)


def test_the_hash_of_a_uid_is_the_same_in_every_process() -> None:
    assert hash_uid("1.2.840.10008.1.2") == 0xE06D0CC48CC38A1D
