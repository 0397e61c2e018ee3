"""The line through samples: a leak is told from noise and from a cache that fills."""

from __future__ import annotations

import math
import random

import pytest

from tests.torture.trend import sparkline, trend

TIMES = [10.0 * n for n in range(180)]


def noise(seed: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(0, 2) for _ in TIMES]


def test_what_grows_by_the_hour_is_rising_and_its_slope_is_told() -> None:
    values = [200 + 40 * time / 3600 + up for time, up in zip(TIMES, noise(1), strict=True)]
    line = trend(TIMES, values, tolerance=0.05)
    assert line.verdict == "rising"
    assert line.slope == pytest.approx(40, abs=2 * line.margin)


def test_what_only_wavers_is_flat() -> None:
    assert trend(TIMES, [200 + up for up in noise(2)], tolerance=0.05).verdict == "flat"


def test_a_cache_that_is_full_before_the_last_two_thirds_is_flat() -> None:
    values = [200 + min(100, time / 4) + up for time, up in zip(TIMES, noise(3), strict=True)]
    assert trend(TIMES, values, tolerance=0.05).verdict == "flat"


def test_great_waves_leave_it_undecided() -> None:
    values = [200 + 60 * math.sin(time / 150) for time in TIMES]
    assert trend(TIMES, values, tolerance=0.05).verdict == "undecided"


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="18 samples"):
        trend(TIMES[:10], TIMES[:10], tolerance=0.05)


def test_a_row_of_bars_goes_from_the_least_to_the_greatest() -> None:
    bars = sparkline([1, 2, 3, 4])
    assert (bars[0], bars[-1], len(bars)) == ("▁", "█", 4)
