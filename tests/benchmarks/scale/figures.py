"""Figures with what they should be: as a table to read, and as JSON to compare."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured."""

    name: str
    value: float
    unit: str
    target: float | None = None
    """What it should not exceed, or reach if `at_least`; None: told for its own sake."""
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether it is as it should be; None without a target."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def line(self) -> str:
        """A line of the table."""
        target = "" if self.target is None else f"{'>=' if self.at_least else '<='} {self.target:g}"
        mark = {True: "ok", False: "MISSED", None: ""}[self.reached]
        return f"{self.name:54} {self.value:10.2f} {self.unit:6} {target:>9} {mark:7}{self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds of many requests."""

    p50: float
    p95: float
    cpu_p50: float
    """Of the server, a request."""
    cpu_p95: float
    answer_bytes: int
    """Of the last answer."""

    @property
    def note(self) -> str:
        """What is told beside the latency."""
        return f"p50 {self.p50:.2f}; server CPU p50 {self.cpu_p50:.2f}, p95 {self.cpu_p95:.2f}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ratio_bound(ours: Sequence[float], base: Sequence[float]) -> tuple[float, float]:
    """Ratio of ours to the base, and the upper end of its 95 % interval, by rounds that were done in turns.

    The geometric mean of the rounds' ratios, with Student's t: what else the machine does meets both of a pair.
    """
    logarithms = [math.log(one / other) for one, other in zip(ours, base, strict=True)]
    mean = statistics.fmean(logarithms)
    if len(logarithms) < 2:
        return math.exp(mean), math.inf
    error = statistics.stdev(logarithms) / math.sqrt(len(logarithms))
    return math.exp(mean), math.exp(mean + _student(len(logarithms) - 1) * error)


def _student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    known = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23}
    return known.get(freedom, 2.2 if freedom < 15 else 2.1)
