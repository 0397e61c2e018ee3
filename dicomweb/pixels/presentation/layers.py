"""Graphic layers and their colours (PS3.3 C.10.7).

Colours are told as P-Values, as CIELab or, in old states, as RGB. Screens expect sRGB: CIELab is turned into that,
and a P-Value into a grey of the same share of the range.
"""

from __future__ import annotations

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.presentation.model import Colour, GraphicLayer
from dicomweb.pixels.render.attributes import first_number, first_text, numbers_of, values_of

MOST_LAYERS = 1_000

_SEQUENCE, _NAME, _ORDER = "00700060", "00700002", "00700062"
_GREY, _RGB, _LAB = "00700066", "00700067", "00700401"

_WHITE_D50 = (0.9642, 1.0, 0.8249)
"""The white point of the profile connection space (PS3.3 C.10.7.1.1)."""
_XYZ_TO_SRGB = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)
"""XYZ relative to D50 to linear sRGB, which is relative to D65: chromatic adaptation by Bradford included."""


def read_layers(header: JsonAttributes) -> tuple[GraphicLayer, ...]:
    """The layers of a state, lowest first; those of the same order as they stand in it."""
    layers = [
        GraphicLayer(first_text(item, _NAME), int(first_number(item, _ORDER) or 0), layer_colour(item))
        for item in values_of(header, _SEQUENCE)[:MOST_LAYERS]
        if isinstance(item, dict)
    ]
    return tuple(sorted(layers, key=lambda layer: layer.order))


def layer_colour(item: JsonAttributes) -> Colour | None:
    """The recommended colour of a Graphic Layer Sequence item: CIELab before RGB before grey."""
    if (lab := colour_of_cielab(numbers_of(item, _LAB))) is not None:
        return lab
    red_green_blue = numbers_of(item, _RGB)
    if len(red_green_blue) >= 3:
        red, green, blue = (_eight_bits(value) for value in red_green_blue[:3])
        return Colour(red, green, blue)
    grey = first_number(item, _GREY)
    return None if grey is None else colour_of_p_value(grey)


def colour_of_p_value(value: float) -> Colour:
    """The grey of a P-Value of 16 bits, 0 black to 65535 white."""
    grey = _eight_bits(value)
    return Colour(grey, grey, grey)


def colour_of_cielab(values: list[float]) -> Colour | None:
    """The colour of three numbers of 16 bits: L* over 0 to 100, a* and b* over -128 to 127 (PS3.3 C.10.7.1.1)."""
    if len(values) < 3:
        return None
    light, a, b = (min(max(value, 0.0), 65535.0) / 65535 for value in values[:3])
    fy = (100 * light + 16) / 116
    fx, fz = fy + (255 * a - 128) / 500, fy - (255 * b - 128) / 200
    xyz = [white * _from_cube(f) for white, f in zip(_WHITE_D50, (fx, fy, fz), strict=True)]
    linear = [sum(factor * part for factor, part in zip(row, xyz, strict=True)) for row in _XYZ_TO_SRGB]
    red, green, blue = (round(255 * _gamma(value)) for value in linear)
    return Colour(red, green, blue)


def _from_cube(f: float) -> float:
    return f**3 if f > 6 / 29 else 3 * (6 / 29) ** 2 * (f - 4 / 29)


def _gamma(linear: float) -> float:
    """The transfer function of sRGB (IEC 61966-2-1), 0 to 1; what it cannot show is clipped."""
    linear = min(max(linear, 0.0), 1.0)
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _eight_bits(value: float) -> int:
    return round(min(max(value, 0.0), 65535.0) / 257)
