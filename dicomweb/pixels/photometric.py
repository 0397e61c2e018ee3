"""What decoded samples mean: one rule for who decodes a frame and for who plans what becomes of it.

A colour transform that belongs to a codec is undone by its decoder, halved chroma is brought to full resolution,
and an attribute that is missing or cannot be true of so many samples is replaced (PS3.3 C.7.6.3.1.2).
"""

from __future__ import annotations

from dicomweb.model.instance import ImageSpec

_UNDONE = frozenset(("YBR_RCT", "YBR_ICT", "XYB"))
"""Transforms of JPEG 2000 and JPEG XL (PS3.5 8.2.4, 8.2.15)."""
_COLOURS = ("RGB", "YBR", "HSV", "ARGB", "CMYK")
_GREYS = ("MONOCHROME1", "PALETTE COLOR")


def decoded_photometric(spec: ImageSpec, *, rgb: bool) -> str:
    """Photometric Interpretation of the decoded samples; `rgb`: the decoder makes RGB of three samples."""
    declared = spec.photometric_interpretation
    if spec.samples_per_pixel == 1:
        return declared if declared in _GREYS else "MONOCHROME2"
    if rgb or declared in _UNDONE or not declared.startswith(_COLOURS):
        return "RGB"
    return "YBR_FULL" if declared == "YBR_FULL_422" else declared
