"""Images made for the encoders: every kind of sample, with content that a wrong bit, sign or row would show in."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.frame import DecodedFrame

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of samples."""

    stored: int
    """Bits Stored."""
    allocated: int
    signed: bool = False
    photometric: str = "MONOCHROME2"
    rows: int = 43
    columns: int = 58

    def __str__(self) -> str:
        sign = "signed" if self.signed else "unsigned"
        return f"{self.photometric}-{sign}-{self.stored}-of-{self.allocated}".replace(" ", "-").lower()

    @property
    def samples(self) -> int:
        """Samples per pixel."""
        return 1 if self.photometric.startswith(("MONOCHROME", "PALETTE")) else 3

    @property
    def spec(self) -> ImageSpec:
        """Its Image Pixel attributes."""
        return ImageSpec(
            rows=self.rows,
            columns=self.columns,
            samples_per_pixel=self.samples,
            bits_allocated=self.allocated,
            bits_stored=self.stored,
            pixel_representation=int(self.signed),
            photometric_interpretation=self.photometric,
            planar_configuration=0,
            frames=1,
        )

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest value."""
        return (
            (-(1 << self.stored - 1), (1 << self.stored - 1) - 1) if self.signed else (0, (1 << self.stored) - 1)
        )

    @property
    def sample_type(self) -> np.dtype[Any]:
        """Of a decoded sample."""
        return np.dtype(f"{'i' if self.signed else 'u'}{max(1, self.allocated // 8)}")

    def sized(self, rows: int, columns: int) -> Kind:
        """The same of another size."""
        return replace(self, rows=rows, columns=columns)


GREY = (
    Kind(8, 8), Kind(7, 8), Kind(8, 8, signed=True), Kind(10, 16), Kind(12, 16), Kind(12, 16, signed=True),
    Kind(16, 16), Kind(16, 16, signed=True), Kind(12, 16, photometric="MONOCHROME1"), Kind(5, 16),
)  # fmt: skip
COLOUR = (
    Kind(8, 8, photometric="RGB"), Kind(8, 8, photometric="YBR_FULL"), Kind(12, 16, photometric="RGB"),
    Kind(16, 16, photometric="RGB"), Kind(6, 16, photometric="RGB"),
)  # fmt: skip
PALETTE = Kind(8, 8, photometric="PALETTE COLOR")
WIDE = (Kind(32, 32), Kind(20, 32), Kind(32, 32, signed=True), Kind(12, 32), Kind(16, 32, signed=True))
BIT = Kind(1, 1)
KINDS = (*GREY, *COLOUR, PALETTE)


def noise(kind: Kind) -> npt.NDArray[Any]:
    """Every value as likely as any other: the hardest to compress, with both ends of the range."""
    low, high = kind.bounds
    array = _random(kind).integers(low, high + 1, _shape(kind), dtype=np.int64)
    array.flat[0], array.flat[-1] = low, high
    return array.astype(kind.sample_type)


def smooth(kind: Kind) -> npt.NDArray[Any]:
    """Waves with a little noise, over most of the range: as pictures are."""
    low, high = kind.bounds
    rows, columns = np.mgrid[0 : kind.rows, 0 : kind.columns]
    wave = (np.sin(columns / 19) + np.cos(rows / 17)) / 4 + 0.5
    layers = [np.roll(wave, 5 * number, axis=1) for number in range(kind.samples)]
    array = wave if kind.samples == 1 else np.stack(layers, axis=-1)
    values = low + (high - low) * (0.1 + 0.8 * array)
    values = values + _random(kind).normal(0, (high - low) / 400, values.shape)
    return np.clip(np.rint(values), low, high).astype(kind.sample_type)


def frame_of(array: npt.NDArray[Any], kind: Kind) -> DecodedFrame:
    """As decoded."""
    return DecodedFrame(array, kind.photometric)


def native(array: npt.NDArray[Any], kind: Kind) -> bytes:
    """The frame as it lies in an uncompressed little endian object."""
    if kind.allocated == 1:
        return np.packbits(array, bitorder="little").tobytes()
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def decibels(one: npt.NDArray[Any], other: npt.NDArray[Any], peak: float) -> float:
    """Peak signal-to-noise ratio of two arrays."""
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))


def _shape(kind: Kind) -> tuple[int, ...]:
    return (kind.rows, kind.columns) if kind.samples == 1 else (kind.rows, kind.columns, kind.samples)


def _random(kind: Kind) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{kind} {kind.rows} {kind.columns}".encode()))
