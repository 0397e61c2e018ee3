"""Overlays, presentation states and annotation at their place among the other steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import DecodedFrame, Picture
from dicomweb.pixels.presentation.model import (
    BadPresentation,
    CircularShutter,
    DisplayedArea,
    ImageReference,
    Orientation,
    Presentation,
    RectangularShutter,
    Shutters,
    StateKind,
    VoiChoice,
)
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import Region, RenderSettings, Viewport, Window
from tests.dicomweb.pixels.render.headers import entry, image, inline, table, window

RAMP = DecodedFrame((np.arange(40 * 60) % 60 * 10).astype(np.uint16).reshape(40, 60), "MONOCHROME2")
"""Columns of 0, 10, 20 ... 590."""
IMAGE = ImageReference("1.2.3")
STATE = Presentation(StateKind.GREY, "TEST", (IMAGE,))


def shown(
    presentation: Presentation | None = None,
    settings: RenderSettings | None = None,
    *,
    frame: DecodedFrame = RAMP,
    **attributes: Any,
) -> Picture:
    header: JsonAttributes = image(**attributes)
    return render_frame(frame, header, 1, settings or RenderSettings(), presentation)


def overlay(position: int | None = None) -> JsonAttributes:
    """A plane of 40 x 60 whose first row is set; in bit `position` of the pixels if there is one."""
    plane = {
        "60000010": entry("US", 40),
        "60000011": entry("US", 60),
        "60000040": entry("CS", "G"),
        "60000050": entry("SS", 1, 1),
        "60000100": entry("US", 16 if position else 1),
        "60000102": entry("US", position or 0),
    }
    bits = np.zeros((40, 60), np.uint8)
    bits[0] = 1
    return plane if position else plane | {"60003000": inline(np.packbits(bits, bitorder="little").tobytes())}


def tagged(attributes: JsonAttributes) -> dict[str, Any]:
    return {"t" + tag: element for tag, element in attributes.items()}


def test_overlays_are_drawn_over_the_greys_and_can_be_left_out() -> None:
    plain = shown().array
    drawn = shown(**tagged(overlay())).array
    assert (drawn[0] == 255).all()
    assert np.array_equal(drawn[1:], plain[1:])
    assert np.array_equal(shown(settings=RenderSettings(overlays=False), **tagged(overlay())).array, plain)


def test_overlays_in_high_bits_are_drawn_and_do_not_change_the_greys() -> None:
    samples = RAMP.array.copy()
    samples[0] |= 1 << 12
    drawn = shown(frame=replace(RAMP, array=samples), stored=12, **tagged(overlay(12))).array
    assert (drawn[0] == 255).all()
    assert np.array_equal(drawn[1:], shown(stored=12).array[1:])


def test_a_state_replaces_the_window_of_the_image() -> None:
    state = replace(STATE, voi=(VoiChoice((), window(300, 600, "LINEAR_EXACT")),))
    assert shown(state, **tagged(window(50, 2))).array[0, [0, 30, 59]].tolist() == [0, 128, 251]


def test_what_a_state_leaves_out_is_the_identity_whatever_the_image_says() -> None:
    """PS3.4 N.2: neither window, rescale nor polarity of the image count."""
    attributes = tagged(window(50, 2)) | {"t00281052": entry("DS", 9), "t00281053": entry("DS", 7)}
    inverted = replace(RAMP, photometric_interpretation="MONOCHROME1")
    picture = shown(STATE, frame=inverted, stored=10, **attributes).array
    assert picture[0].tolist() == np.floor(RAMP.array[0] * (255 / 1023) + 0.5).tolist()


def test_a_state_inverts_by_its_presentation_lut() -> None:
    state = replace(
        STATE,
        voi=(VoiChoice((), window(300, 600, "LINEAR_EXACT")),),
        presentation_lut={"20500020": entry("CS", "INVERSE")},
    )
    assert shown(state).array[0, [0, 59]].tolist() == [255, 4]
    stepped = replace(state, presentation_lut={"20500010": entry("SQ", table(0, [255, 0, 255], 8))})
    assert shown(stepped).array[0, [0, 30, 59]].tolist() == [255, 0, 255]


def test_a_state_has_a_modality_of_its_own() -> None:
    state = replace(
        STATE,
        modality={"00281052": entry("DS", 100), "00281053": entry("DS", 1)},
        voi=(VoiChoice((), window(100, 1)),),
    )
    assert shown(state).array[0, :2].tolist() == [255, 255]


def test_the_window_of_the_client_counts_under_a_state_too() -> None:
    state = replace(STATE, voi=(VoiChoice((), window(300, 600)),))
    settings = RenderSettings(window=Window(100, 200, "linear-exact"))
    assert shown(state, settings).array[0, [0, 10, 20]].tolist() == [0, 128, 255]


def test_a_state_cuts_turns_and_flips() -> None:
    area = DisplayedArea((), left=11, top=1, right=20, bottom=40)
    plain = shown(STATE).array
    assert np.array_equal(shown(replace(STATE, areas=(area,))).array, plain[:, 10:20])
    turned = replace(STATE, areas=(area,), orientation=Orientation(90, flip=True))
    assert np.array_equal(shown(turned).array, np.rot90(plain[:, 10:20], -1)[:, ::-1])


def test_shutters_of_a_state_hide() -> None:
    shutters = Shutters((RectangularShutter(left=5, right=50, top=5, bottom=30), CircularShutter(20, 30, 500)))
    picture = shown(replace(STATE, shutters=shutters)).array
    plain = shown(STATE).array
    assert not picture[:4].any()
    assert not picture[:, :4].any()
    assert np.array_equal(picture[10, 10:40], plain[10, 10:40])


def test_overlays_of_the_image_are_drawn_under_a_state_only_when_it_says_so() -> None:
    assert np.array_equal(shown(STATE, **tagged(overlay())).array, shown(STATE).array)
    active = replace(STATE, active_overlays={0x6000: "ANY"})
    assert (shown(active, **tagged(overlay())).array[0] == 255).all()


def test_viewport_and_region_count_under_a_state() -> None:
    assert shown(STATE, RenderSettings(viewport=Viewport(30, 30))).array.shape == (20, 30)
    cut = shown(STATE, RenderSettings(viewport=Viewport(20, 10, Region(10, 0, -20, 10)))).array
    assert np.array_equal(cut, shown(STATE).array[:10, 10:30][:, ::-1])


def test_a_state_for_another_image_is_refused() -> None:
    with pytest.raises(BadPresentation):
        shown(replace(STATE, references=(ImageReference("9.9"),)))
    with pytest.raises(BadPresentation):
        shown(replace(STATE, references=(ImageReference("1.2.3", frozenset({2})),)))


def test_a_palette_of_a_state_colours_greys() -> None:
    palette: JsonAttributes = {}
    for place, ends in enumerate(((0, 255), (0, 0), (255, 0)), 1):
        palette[f"0028110{place}"] = entry("US", 2, 0, 8)
        palette[f"0028120{place}"] = inline(bytes(ends))
    state = replace(
        STATE,
        kind=StateKind.PSEUDO_COLOUR,
        voi=(VoiChoice((), window(300, 600, "LINEAR_EXACT")),),
        palette=palette,
    )
    assert shown(state).array[0, [0, 59]].tolist() == [[0, 0, 255], [255, 0, 0]]


def test_annotation_is_written_in_the_size_of_the_picture() -> None:
    settings = RenderSettings(viewport=Viewport(300, 300), annotation=frozenset({"patient"}))
    plain = shown(settings=replace(settings, annotation=frozenset())).array
    written = shown(settings=settings, t00100020=entry("LO", "ID-1")).array
    changed = np.argwhere(written != plain)
    assert changed.size
    assert changed.max(axis=0)[0] < 100
