"""From stored values to values with a meaning: Hounsfield units, optical density (PS3.3 C.11.1).

A scale and an offset, of the frame or of the image, or a table. What cannot be used reads as the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.render.attributes import (
    PIXEL_VALUE_TRANSFORMATION,
    FrameAttributes,
    first_number,
    item,
)
from dicomweb.pixels.render.lookup import LookupTable, read_lookup_table
from dicomweb.pixels.render.samples import SampleLayout

INTERCEPT, SLOPE = "00281052", "00281053"
MODALITY_LUT_SEQUENCE = "00283000"


@dataclass(frozen=True, slots=True)
class Rescale:
    """Output = slope x stored value + intercept (PS3.3 C.11.1.1.2)."""

    slope: float = 1.0
    intercept: float = 0.0


Modality = Rescale | LookupTable


def read_modality(attributes: FrameAttributes, *, signed: bool) -> Modality:
    """The modality step of the frame, the identity when it has none; `signed`: its stored values."""
    for source in attributes.sources(PIXEL_VALUE_TRANSFORMATION):
        table_item = item(source, MODALITY_LUT_SEQUENCE)
        if table_item and (table := read_lookup_table(table_item, attributes.bulk, signed=signed)):
            return table
        slope, intercept = first_number(source, SLOPE), first_number(source, INTERCEPT)
        if slope is not None or intercept is not None:
            # A slope of 0 would make every picture one grey: it is written for "none".
            return Rescale(slope or 1.0, intercept or 0.0)
    return Rescale()


def apply_modality(modality: Modality, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The outputs for stored values of any shape."""
    if isinstance(modality, LookupTable):
        return modality.look_up(values)
    if modality == Rescale():
        return values
    return values * modality.slope + modality.intercept


def output_range(modality: Modality, layout: SampleLayout) -> tuple[float, float]:
    """The lowest and the highest output that any sample could give; of a table, what its bits allow."""
    if isinstance(modality, LookupTable):
        return 0.0, float((1 << modality.bits) - 1)
    ends = [modality.slope * end + modality.intercept for end in (layout.lowest, layout.highest)]
    return min(ends), max(ends)
