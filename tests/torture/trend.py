"""Whether a figure that was taken again and again stays where it is: a line through it, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

_BLOCKS = 12
"""Neighbouring samples are much alike, and so say less than their number suggests: the line goes through means."""
_T95 = 2.228
"""Student's t, two-sided 95 %, for 10 degrees of freedom."""
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through samples."""

    mean: float
    slope: float
    """By hour."""
    margin: float
    """Of the slope, either way, at 95 %."""
    tolerance: float
    """Slope by hour up to which a figure is called flat."""

    @property
    def verdict(self) -> str:
        """`flat`, `rising`, or `undecided` if the samples do not tell."""
        if self.slope + self.margin <= self.tolerance:
            return "flat"
        return "rising" if self.slope - self.margin > self.tolerance else "undecided"


def trend(times: Sequence[float], values: Sequence[float], *, tolerance: float) -> Trend:
    """The line through the last two thirds of the samples.

    `times` in seconds; `tolerance` a share of the mean an hour. Raises ValueError with fewer than 18 samples.
    """
    first = len(times) // 3
    points = _means(times[first:], values[first:])
    hours = [time / 3600 for time, _ in points]
    heights = [value for _, value in points]
    middle, mean = fmean(hours), fmean(heights)
    spread = sum((hour - middle) ** 2 for hour in hours)
    around = [(hour - middle, height - mean) for hour, height in zip(hours, heights, strict=True)]
    slope = sum(across * up for across, up in around) / spread
    rest = sum((up - slope * across) ** 2 for across, up in around)
    margin = _T95 * math.sqrt(rest / (len(points) - 2) / spread)
    return Trend(mean, slope, margin, tolerance * mean)


def _means(times: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    size = len(times) / _BLOCKS
    if size < 1:
        raise ValueError(f"a line needs {_BLOCKS * 3 // 2} samples")
    cuts = [round(size * block) for block in range(_BLOCKS + 1)]
    return [(fmean(times[a:b]), fmean(values[a:b])) for a, b in pairwise(cuts)]


def sparkline(values: Sequence[float], *, width: int = 60) -> str:
    """The samples as a row of bars, from the least to the greatest."""
    size = max(1.0, len(values) / width)
    cuts = [round(size * n) for n in range(int(len(values) / size) + 1)]
    means = [fmean(values[a:b]) for a, b in pairwise(cuts) if b > a]
    least, most = min(means), max(means)
    scale = (len(_BARS) - 1) / (most - least) if most > least else 0.0
    return "".join(_BARS[round((mean - least) * scale)] for mean in means)
