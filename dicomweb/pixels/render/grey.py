"""Grey images: stored sample to grey of the screen, in the order of PS3.4 N.2.

    stored value ─ modality ─▶ meaning ─ VOI ─▶ 0 .. 1 ─ presentation LUT or inversion ─▶ 0 .. 255

All steps together are one function of the stored value. For samples of up to 16 bits it is worked out once for
every pattern of bits and kept: neighbouring slices have the same steps, and a picture costs one look-up a pixel.
Samples of 32 and 64 bits are computed in blocks of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.render.attributes import FrameAttributes, first_number, first_text, item
from dicomweb.pixels.render.lookup import LookupTable, read_lookup_table
from dicomweb.pixels.render.modality import Modality, apply_modality, output_range, read_modality
from dicomweb.pixels.render.samples import SampleLayout, as_patterns, look_up
from dicomweb.pixels.render.settings import Window
from dicomweb.pixels.render.voi import Extent, Voi, apply_voi, read_voi

PRESENTATION_LUT_SEQUENCE, PRESENTATION_LUT_SHAPE = "20500010", "20500020"
PADDING_VALUE, PADDING_RANGE_LIMIT = "00280120", "00280121"

LOSSY = "00282110"

_BLOCK_SAMPLES = 1 << 18
_LOSSY_PADDING_PART = 1 / 128
"""Of the extent of a frame: so far lossy compression is taken to have moved padding away from its value."""


@dataclass(frozen=True, slots=True)
class GreySteps:
    """What is done to every sample. Two equal ones give equal pictures."""

    modality: Modality
    voi: Voi
    presentation: LookupTable | None = None
    """Of P-Values (PS3.3 C.11.4); None: the identity."""
    inverted: bool = False
    """Low values are bright."""

    def brightness(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """0 (black) to 1 for stored values of any shape."""
        light = apply_voi(self.voi, apply_modality(self.modality, values))
        if self.presentation is not None:
            light = self.presentation.normalized(light * (len(self.presentation.entries) - 1))
        return 1.0 - light if self.inverted else light


def read_steps(
    attributes: FrameAttributes,
    array: npt.NDArray[Any],
    layout: SampleLayout,
    *,
    window: Window | None,
    monochrome1: bool,
) -> GreySteps:
    """The steps an image says of itself; `window` replaces its VOI."""
    modality = read_modality(attributes, signed=layout.signed)
    reach = _reach(modality, layout)
    voi: Voi | None = window or read_voi(attributes, reach)
    inverted = monochrome1 or first_text(attributes.data_set, PRESENTATION_LUT_SHAPE).upper() == "INVERSE"
    return GreySteps(
        modality,
        voi or automatic_extent(attributes, array, layout, modality),
        _presentation_table(attributes),
        inverted,
    )


def state_steps(
    attributes: FrameAttributes, layout: SampleLayout, array: npt.NDArray[Any], *, window: Window | None
) -> GreySteps:
    """The steps of a presentation state: what it leaves out is the identity (PS3.4 N.2.1)."""
    modality = read_modality(attributes, signed=layout.signed)
    reach = _reach(modality, layout)
    voi: Voi | None = window or read_voi(attributes, reach)
    if voi is None:
        voi = value_extent(array, layout, modality, padding=None) if layout.floating else reach
    inverted = first_text(attributes.data_set, PRESENTATION_LUT_SHAPE).upper() == "INVERSE"
    return GreySteps(modality, voi, _presentation_table(attributes), inverted)


def automatic_extent(
    attributes: FrameAttributes, array: npt.NDArray[Any], layout: SampleLayout, modality: Modality
) -> Extent:
    """What is shown of a frame that has no window: see `voi` for the rule."""
    if (
        not layout.floating
        and layout.bits_stored <= 8
        and not layout.signed
        and not isinstance(modality, LookupTable)
    ):
        return _reach(modality, layout)
    padding = read_padding(attributes)
    if padding is not None and first_text(attributes.data_set, LOSSY) == "01":
        stored = _values_in(array, layout)
        moved = float(np.ptp(stored)) * _LOSSY_PADDING_PART if stored.size else 0.0
        padding = Extent(padding.lowest - moved, padding.highest + moved)
    return value_extent(array, layout, modality, padding=padding)


def value_extent(
    array: npt.NDArray[Any], layout: SampleLayout, modality: Modality, *, padding: Extent | None
) -> Extent:
    """The lowest and highest modality value in the frame, padding left out unless there is nothing else."""
    used = None if isinstance(modality, LookupTable) else _ends_of(array, layout)
    if used is None or (padding is not None and _any_padding(used, padding)):
        used = _values_in(array, layout)
    if padding is not None:
        kept = used[(used < padding.lowest) | (used > padding.highest)]
        used = kept if kept.size else used
    if not used.size:
        return Extent(0.0, 1.0)
    outputs = apply_modality(modality, used)
    return Extent(float(outputs.min()), float(outputs.max()))


def read_padding(attributes: FrameAttributes) -> Extent | None:
    """Stored values that fill the frame where nothing was measured (PS3.3 C.7.5.1.1.2)."""
    value = first_number(attributes.data_set, PADDING_VALUE)
    if value is None:
        return None
    limit = first_number(attributes.data_set, PADDING_RANGE_LIMIT)
    limit = value if limit is None else limit
    return Extent(min(value, limit), max(value, limit))


def render_grey(array: npt.NDArray[Any], layout: SampleLayout, steps: GreySteps) -> npt.NDArray[np.uint8]:
    """Greys of the screen for an array of samples of any shape."""
    if layout.tabular:
        return look_up(grey_table(layout, steps), array)
    greys = np.empty(array.shape, np.uint8)
    rows = max(1, _BLOCK_SAMPLES // max(1, array[0].size)) if array.ndim > 1 else _BLOCK_SAMPLES
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        values = block if layout.floating or layout.all_bits_used else layout.values(block.astype(np.int64))
        finite = np.nan_to_num(values.astype(np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        greys[start : start + rows] = _greys(steps, finite)
    return greys


@lru_cache(maxsize=64)
def grey_table(layout: SampleLayout, steps: GreySteps) -> npt.NDArray[np.uint8]:
    """The grey of every pattern of bits that a sample of at most 16 bits can have: (2**bits_allocated,)."""
    if layout.low_bit == 0 and layout.bits_stored < layout.bits_allocated:
        # High bits do not matter, so the table repeats itself: 4096 values instead of 65536 for 12 bits
        values = layout.values(np.arange(1 << layout.bits_stored, dtype=np.int64))
        table = np.tile(
            _greys(steps, values.astype(np.float64)), 1 << (layout.bits_allocated - layout.bits_stored)
        )
    else:
        table = _greys(steps, layout.patterns().astype(np.float64))
    table.flags.writeable = False
    return table


def _greys(steps: GreySteps, values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    with np.errstate(all="ignore"):
        light = np.nan_to_num(steps.brightness(values), nan=0.0)
    return np.floor(np.clip(light, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _ends_of(array: npt.NDArray[Any], layout: SampleLayout) -> npt.NDArray[np.float64] | None:
    """The lowest and the highest stored value; None if samples are not values as they are."""
    if layout.floating or layout.low_bit or not array.size:
        return None
    lowest, highest = int(array.min()), int(array.max())
    if lowest < layout.lowest or highest > layout.highest:
        return None
    return np.array([lowest, highest], np.float64)


def _any_padding(values: npt.NDArray[np.float64], padding: Extent) -> bool:
    return bool(((values >= padding.lowest) & (values <= padding.highest)).any())


def _values_in(array: npt.NDArray[Any], layout: SampleLayout) -> npt.NDArray[np.float64]:
    """Stored values of the frame: each once where there are few possible ones, else enough to know the extent."""
    if layout.tabular:
        seen = np.zeros(1 << layout.bits_allocated, np.bool_)
        seen[as_patterns(array).reshape(-1)] = True
        return layout.values(np.flatnonzero(seen).astype(np.int64)).astype(np.float64)
    if layout.floating:
        return np.asarray(array[np.isfinite(array)], np.float64)
    return np.asarray(
        array if layout.all_bits_used else layout.values(array.astype(np.int64)), np.float64
    ).reshape(-1)


def _reach(modality: Modality, layout: SampleLayout) -> Extent:
    if layout.floating:
        return Extent(-np.inf, np.inf)
    return Extent(*output_range(modality, layout))


def _presentation_table(attributes: FrameAttributes) -> LookupTable | None:
    table_item = item(attributes.data_set, PRESENTATION_LUT_SEQUENCE)
    return read_lookup_table(table_item, attributes.bulk, signed=False) if table_item else None
