"""Trying again."""

from __future__ import annotations

import pytest

from storage.objects.contract import ObjectExists, StoreError, StoreUnavailable
from storage.objects.retry import FIRST_PAUSE, LONGEST_PAUSE, pause, retried


class Attempts:
    """Fails so often, then succeeds; notes the pauses."""

    def __init__(self, failures: int, error: type[StoreError] = StoreUnavailable) -> None:
        self.failures = failures
        self.error = error
        self.made = 0
        self.pauses: list[float] = []

    async def __call__(self) -> str:
        self.made += 1
        if self.made <= self.failures:
            raise self.error("k", "fails as told")
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def test_a_success_is_not_repeated() -> None:
    attempts = Attempts(0)

    assert await retried(attempts, attempts=5, sleep=attempts.sleep) == "done"
    assert (attempts.made, attempts.pauses) == (1, [])


async def test_an_unavailable_store_is_asked_again() -> None:
    attempts = Attempts(3)

    assert await retried(attempts, attempts=5, sleep=attempts.sleep) == "done"
    assert attempts.made == 4
    assert len(attempts.pauses) == 3


async def test_the_last_failure_is_raised() -> None:
    attempts = Attempts(9)

    with pytest.raises(StoreUnavailable):
        await retried(attempts, attempts=3, sleep=attempts.sleep)
    assert attempts.made == 3
    assert len(attempts.pauses) == 2


async def test_any_other_answer_stands() -> None:
    attempts = Attempts(1, ObjectExists)

    with pytest.raises(ObjectExists):
        await retried(attempts, attempts=5, sleep=attempts.sleep)
    assert attempts.made == 1


def test_pauses_are_random_and_grow_to_a_bound() -> None:
    for failures, longest in ((1, FIRST_PAUSE), (3, 4 * FIRST_PAUSE), (50, LONGEST_PAUSE)):
        pauses = [pause(failures) for _ in range(200)]

        assert longest / 2 < max(pauses) <= longest
        assert min(pauses) < longest / 4
