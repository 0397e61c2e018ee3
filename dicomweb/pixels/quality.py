"""How much of a picture a lossy encoding may lose: one number, and what it means to each codec.

The number is that of the `quality` parameter (PS3.18 8.3.5.1.2): 1 the worst, 100 the best. Peak signal-to-noise
ratios are of the range of values that the frame really has, not of the range that Bits Stored would allow: a CT
stored in 16 bits has values over a fifteenth of them, and would else lose all its contrast.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quality:
    """What is asked of a lossy encoder."""

    percent: int = 90
    """1 to 100."""

    def __post_init__(self) -> None:
        if not 1 <= self.percent <= 100:
            raise ValueError(f"a quality of 1 to 100 was expected, {self.percent} came")

    @property
    def jpeg(self) -> int:
        """Quality of the quantisation tables of libjpeg, 1 to 100."""
        return self.percent

    @property
    def near(self) -> int:
        """NEAR of JPEG-LS: by how much a stored value may differ; 2 at 90, 1 at 95 and above."""
        return max(1, (100 - self.percent) // 5)

    @property
    def decibels(self) -> float:
        """Peak signal-to-noise ratio of JPEG 2000 and HTJ2K, in dB of the range of values: 52.5 at 90."""
        return 30.0 + self.percent / 4

    @property
    def distance(self) -> float:
        """Butteraugli distance of JPEG XL: 1.0, hardly visible, at 90; 0.1 at 100; 25 at 0."""
        if self.percent >= 30:
            return 0.1 + (100 - self.percent) * 0.09
        return 25.0 - 1.15 * self.percent + 53.0 / 3000 * self.percent**2


DEFAULT_QUALITY = Quality()
"""Where nothing is asked for."""
