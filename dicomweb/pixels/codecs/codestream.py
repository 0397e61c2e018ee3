"""What a codec is given, and what the header of a compressed image says of itself.

The attributes of the data set and the header of the codestream tell the same things twice. Size and number of
samples must agree; precision and sign are the codestream's, because those of the data set are often wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.frame import Undecodable, UnsupportedSyntax

Samples: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One frame as stored, and what its data set says of it."""

    data: bytes
    spec: ImageSpec
    sample_type: np.dtype[Any]
    """Of the decoded samples, in native byte order."""
    big_endian: bool
    pixel_vr: str
    """VR of the pixel data element, empty if not known."""

    @property
    def samples(self) -> int:
        """Samples of the frame: rows x columns x samples per pixel."""
        return self.spec.rows * self.spec.columns * self.spec.samples_per_pixel

    @property
    def decoded_bytes(self) -> int:
        """Bytes of the decoded frame."""
        return self.samples * self.sample_type.itemsize


@dataclass(frozen=True, slots=True)
class Codestream:
    """One compressed image, as its header tells it."""

    rows: int
    columns: int
    samples_per_pixel: int
    precision: int
    """Bits of a sample."""
    signed: bool
    decode: Callable[[], Samples]
    """Gives (rows, columns) or (rows, columns, samples); what it raises means that the data are damaged."""
    becomes: str = ""
    """Photometric Interpretation of what `decode` gives, empty for that of the data set."""

    def check(self, spec: ImageSpec) -> None:
        """Raises Undecodable if this is not the image that the attributes describe."""
        mine = (self.rows, self.columns, self.samples_per_pixel)
        if mine != (spec.rows, spec.columns, spec.samples_per_pixel):
            wanted = f"{spec.rows} x {spec.columns} x {spec.samples_per_pixel}"
            raise Undecodable(
                f"a codestream of {' x '.join(map(str, mine))} rows, columns and samples, {wanted} declared"
            )
        if self.precision > max(8, spec.bits_allocated):
            raise Undecodable(f"a codestream of {self.precision} bits a sample, {spec.bits_allocated} allocated")


def sample_type(spec: ImageSpec, pixel_vr: str) -> np.dtype[Any]:
    """Type of the samples of such an image, by Bits Allocated and Pixel Representation (PS3.5 8.1.1).

    Raises UnsupportedSyntax.
    """
    if pixel_vr in ("OF", "OD"):
        return np.dtype(np.float32 if pixel_vr == "OF" else np.float64)
    bits = spec.bits_allocated
    if bits == 1:
        return np.dtype(np.uint8)
    if not 1 < bits <= 16 and bits not in (32, 64):
        raise UnsupportedSyntax(f"samples of {bits} bits allocated")
    return np.dtype(
        f"{'i' if spec.pixel_representation == 1 else 'u'}{bits // 8 if bits > 16 else 1 + (bits > 8)}"
    )


def with_sign(array: Samples, stream: Codestream, wanted: np.dtype[Any]) -> Samples:
    """The samples in the type their data set wants.

    Where the codestream has unsigned samples for signed ones, as all JPEG and JPEG-LS, they are two's complement
    in its precision; where it has signed ones for unsigned, they are taken modulo its precision.
    """
    signed = wanted.kind == "i"
    if stream.signed == signed or wanted.kind == "f":
        return array.astype(wanted, copy=False)
    spare = wanted.itemsize * 8 - stream.precision
    if signed:
        unsigned = array.astype(f"u{wanted.itemsize}", copy=False)
        return unsigned.view(wanted) if spare == 0 else (unsigned << spare).view(wanted) >> spare
    modulo: Samples = array.astype(f"i{wanted.itemsize}", copy=False).view(wanted)
    modulo &= wanted.type((1 << stream.precision) - 1)
    return modulo
