"""Which values are worth seeing, and how they are spread over the greys (PS3.3 C.11.2).

The client's window comes first, then the first window of the image, then its first VOI LUT. Without any of them,
or with one that cannot be meant, the picture is windowed by itself:

    up to 8 bits stored     all values that can be stored, so that screen captures look as they did
    more                    from the lowest to the highest value of the frame, Pixel Padding left out

A window of the image "cannot be meant" when its width is not positive, its numbers are none, or no sample of this
image could lie in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.render.attributes import FRAME_VOI_LUT, FrameAttributes, first_text, item, numbers_of
from dicomweb.pixels.render.lookup import LookupTable, read_lookup_table
from dicomweb.pixels.render.settings import Window, WindowFunction

CENTER, WIDTH, FUNCTION = "00281050", "00281051", "00281056"
VOI_LUT_SEQUENCE = "00283010"

_FUNCTIONS: dict[str, WindowFunction] = {
    "LINEAR": "linear",
    "LINEAR_EXACT": "linear-exact",
    "SIGMOID": "sigmoid",
}


@dataclass(frozen=True, slots=True)
class Extent:
    """All values from the lowest to the highest are spread evenly: no window, but what there is."""

    lowest: float
    highest: float


Voi = Window | LookupTable | Extent


def read_voi(attributes: FrameAttributes, reach: Extent) -> Window | LookupTable | None:
    """What the image says of the frame; None if that is nothing, or nothing that can be used.

    `reach`: the values that samples of the image could have.
    """
    for source in attributes.sources(FRAME_VOI_LUT):
        centers, widths = numbers_of(source, CENTER), numbers_of(source, WIDTH)
        if centers and widths:
            window = _window(centers[0], widths[0], first_text(source, FUNCTION))
            if window is not None and _touches(window, reach):
                return window
        table_item = item(source, VOI_LUT_SEQUENCE)
        if table_item and (table := read_lookup_table(table_item, attributes.bulk, signed=reach.lowest < 0)):
            return table
    return None


def apply_voi(voi: Voi, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Brightness for values of any shape: 0 to 1."""
    if isinstance(voi, LookupTable):
        return voi.normalized(values)
    if isinstance(voi, Extent):
        # Halves, because the extent of floats may be larger than the largest float
        lowest, width = voi.lowest / 2, voi.highest / 2 - voi.lowest / 2
        return np.clip((values / 2 - lowest) / width, 0.0, 1.0) if width > 0 else _one_value(values, voi)
    if voi.function == "sigmoid":  # PS3.3 C.11.2.1.3.1
        exponent = np.clip(-4.0 * (values - voi.center) / voi.width, -700.0, 700.0)
        return np.asarray(1.0 / (1.0 + np.exp(exponent)))
    if voi.function == "linear-exact":  # PS3.3 C.11.2.1.3.2
        return np.clip((values - voi.center) / voi.width + 0.5, 0.0, 1.0)
    if voi.width <= 1:  # PS3.3 C.11.2.1.2.1 with a width of 1: a threshold
        return (values > voi.center - 0.5).astype(np.float64)
    return np.clip((values - (voi.center - 0.5)) / (voi.width - 1.0) + 0.5, 0.0, 1.0)


def _one_value(values: npt.NDArray[np.float64], voi: Extent) -> npt.NDArray[np.float64]:
    """All alike, so there is no brighter and darker: black, and white for what lies above."""
    return (values > voi.highest).astype(np.float64)


def _window(center: float, width: float, function: str) -> Window | None:
    kind = _FUNCTIONS.get(function.upper(), "linear")
    if width <= 0:
        return None
    # Less than 1 is forbidden for LINEAR, but images of rescaled fractions have it and mean the exact one.
    return Window(center, width, "linear-exact" if kind == "linear" and width < 1 else kind)


def _touches(window: Window, reach: Extent) -> bool:
    half = window.width / 2
    return window.center + half >= reach.lowest and window.center - half <= reach.highest
