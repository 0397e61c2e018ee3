"""Graphic layers: their order, and colours as screens want them."""

from __future__ import annotations

import pytest

from dicomweb.pixels.presentation.layers import colour_of_cielab, colour_of_p_value, read_layers
from dicomweb.pixels.presentation.model import Colour
from tests.dicomweb.pixels.presentation.states import item, make_state, read


def lab(light: float, a: float, b: float) -> list[float]:
    """CIELab as DICOM writes it (PS3.3 C.10.7.1.1)."""
    return [round(light / 100 * 65535), round((a + 128) / 255 * 65535), round((b + 128) / 255 * 65535)]


@pytest.mark.parametrize(
    ("cielab", "red_green_blue"),
    [
        # sRGB primaries relative to D50, as ICC profiles of sRGB give them
        ((100, 0, 0), (255, 255, 255)),
        ((0, 0, 0), (0, 0, 0)),
        ((53.39, 0, 0), (127, 127, 127)),
        ((54.29, 80.81, 69.89), (255, 0, 0)),
        ((87.82, -79.29, 80.99), (0, 255, 0)),
        ((29.57, 68.30, -112.03), (0, 0, 255)),
    ],
)
def test_cielab_becomes_srgb(cielab: tuple[float, ...], red_green_blue: tuple[int, ...]) -> None:
    colour = colour_of_cielab(lab(*cielab))

    assert colour is not None
    found = (colour.red, colour.green, colour.blue)
    assert max(abs(a - b) for a, b in zip(found, red_green_blue, strict=True)) <= 2, found


@pytest.mark.parametrize(("value", "grey"), [(0, 0), (65535, 255), (32768, 128), (-5, 0), (1e9, 255)])
def test_a_p_value_becomes_a_grey(value: float, grey: int) -> None:
    assert colour_of_p_value(value) == Colour(grey, grey, grey)


def test_layers_come_lowest_first_with_the_colour_they_recommend() -> None:
    state = make_state(
        GraphicLayerSequence=[
            item(GraphicLayer="TOP", GraphicLayerOrder=9, GraphicLayerRecommendedDisplayGrayscaleValue=65535),
            item(GraphicLayer="PLAIN", GraphicLayerOrder=2),
            item(
                GraphicLayer="OLD", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayRGBValue=[65535, 0, 32768]
            ),
            item(
                GraphicLayer="LAB",
                GraphicLayerOrder=3,
                GraphicLayerRecommendedDisplayGrayscaleValue=0,
                GraphicLayerRecommendedDisplayCIELabValue=lab(100, 0, 0),
            ),
        ]
    )

    layers = read_layers(read(state)[0])

    assert [layer.name for layer in layers] == ["OLD", "PLAIN", "LAB", "TOP"]
    assert layers[0].colour == Colour(255, 0, 128)
    assert layers[1].colour is None
    assert layers[2].colour == Colour(255, 255, 255), "CIELab before the grey"
    assert layers[3].colour == Colour(255, 255, 255)


def test_layers_of_nonsense_are_still_layers() -> None:
    header = {"00700060": {"vr": "SQ", "Value": [None, "x", {"00700062": {"vr": "IS", "Value": ["first"]}}]}}

    assert [(layer.name, layer.order) for layer in read_layers(header)] == [("", 0)]
