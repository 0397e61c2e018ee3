"""Presentation states from DICOM JSON: what they say, for which images, and which are refused."""

from __future__ import annotations

import copy
import random
from functools import cache
from typing import Any

import numpy as np
import pytest

from dicomweb.model.keys import InstanceKey
from dicomweb.pixels.frame import PixelError
from dicomweb.pixels.presentation.gsps import (
    bulk_paths,
    is_presentation_state,
    read_presentation,
    referenced_images,
    which_apply,
)
from dicomweb.pixels.presentation.model import (
    BadPresentation,
    Orientation,
    SizeMode,
    StateKind,
    UnsupportedPresentation,
)
from tests.build.dicom import uid
from tests.build.samples import SAMPLES
from tests.dicomweb.pixels.presentation.states import (
    BLENDING_STATE,
    COLOUR_STATE,
    PSEUDO_COLOUR_STATE,
    SECONDARY_CAPTURE,
    add_overlay,
    annotation,
    graphic,
    item,
    make_state,
    read,
    read_file,
    reference,
    state_of,
    text,
    whole_area,
)

IMAGE = InstanceKey(uid("study"), uid("images"), uid("image"))


def test_a_state_names_its_images_with_series_and_study() -> None:
    header, _ = read(make_state(images=(reference("image"), reference("other", 2, 5))))

    first, second = referenced_images(header)

    assert (first.study, first.series, first.sop_instance) == (IMAGE.study, IMAGE.series, IMAGE.instance)
    assert first.frames == frozenset()
    assert second.frames == frozenset({2, 5})
    assert first.sop_class == SECONDARY_CAPTURE


def test_the_states_that_apply_to_a_frame_come_newest_first() -> None:
    states = [
        make_state(instance="old", PresentationCreationDate="20200101"),
        make_state(instance="other image", images=(reference("other"),)),
        make_state(instance="new", PresentationCreationDate="20240101", PresentationCreationTime="0900"),
        make_state(instance="second frame", images=(reference("image", 2),), PresentationCreationDate="20250101"),
        make_state(instance="newer", PresentationCreationDate="20240101", PresentationCreationTime="1000"),
    ]
    headers = [read(state)[0] for state in states]

    def names(frame: int, key: InstanceKey = IMAGE) -> list[str]:
        return [header["00080018"]["Value"][0] for header in which_apply(headers, key, frame)]

    assert names(1) == [uid("newer"), uid("new"), uid("old")]
    assert names(2) == [uid("second frame"), uid("newer"), uid("new"), uid("old")]
    assert names(1, InstanceKey(IMAGE.study, uid("another series"), IMAGE.instance)) == []


def test_the_grey_scale_steps_are_those_for_the_image_and_frame() -> None:
    state = state_of(
        make_state(
            images=(reference("image"), reference("other")),
            RescaleSlope=2,
            RescaleIntercept=-5,
            RescaleType="US",
            SoftcopyVOILUTSequence=[
                item(ReferencedImageSequence=[reference("image", 2)], WindowCenter=20, WindowWidth=30),
                item(ReferencedImageSequence=[reference("image")], WindowCenter=40, WindowWidth=50),
            ],
        )
    )

    first, second = state.grey_attributes(uid("image"), 1), state.grey_attributes(uid("image"), 2)

    assert first["00281050"]["Value"] == [40]
    assert second["00281050"]["Value"] == [20]
    assert first["00281053"]["Value"] == [2]
    assert first["20500020"]["Value"] == ["IDENTITY"]
    assert "00281050" not in state.grey_attributes(uid("other"), 1), "the identity, not somebody else's window"


def test_lookup_tables_in_bulk_values_become_inline() -> None:
    table = np.arange(4096, dtype="<u2").tobytes()
    state = make_state(
        ModalityLUTSequence=[item(LUTDescriptor=[4096, 0, 16], ModalityLUTType="US")],
        SoftcopyVOILUTSequence=[item(VOILUTSequence=[item(LUTDescriptor=[4096, 0, 16])])],
    )
    for lut in (state.ModalityLUTSequence[0], state.SoftcopyVOILUTSequence[0].VOILUTSequence[0]):
        lut.add_new(0x00283006, "OW", table)
    header, bulk = read(state)

    assert set(bulk_paths(header)) == {"00283000/1/00283006", "00283110/1/00283010/1/00283006"}
    assert set(bulk) == set(bulk_paths(header))
    steps = read_presentation(header, bulk).grey_attributes(uid("image"), 1)
    assert "InlineBinary" in steps["00283000"]["Value"][0]["00283006"]
    assert "InlineBinary" in steps["00283010"]["Value"][0]["00283006"]
    with pytest.raises(BadPresentation, match="lookup table"):
        read_presentation(header, {})


def test_displayed_areas_are_read_for_their_images() -> None:
    state = state_of(
        make_state(
            DisplayedAreaSelectionSequence=[
                whole_area(
                    60, 80, ReferencedImageSequence=[reference("image", 1)],
                    DisplayedAreaTopLeftHandCorner=[50, 40], DisplayedAreaBottomRightHandCorner=[11, 5],
                    PresentationSizeMode="MAGNIFY", PresentationPixelMagnificationRatio=2.0,
                    PresentationPixelSpacing=[0.5, 0.25],
                ),
            ],
            ImageRotation=180,
            ImageHorizontalFlip="Y",
        )
    )  # fmt: skip

    area = state.area(uid("image"), 1)

    assert area is not None
    assert (area.left, area.top, area.right, area.bottom) == (11, 5, 50, 40)
    assert (area.mode, area.magnification, area.spacing) == (SizeMode.MAGNIFY, 2.0, (0.5, 0.25))
    assert state.area(uid("image"), 2) is None
    assert state.orientation == Orientation(180, flip=True)


def test_overlays_are_active_in_the_layer_named_and_only_there() -> None:
    state = make_state()
    add_overlay(state, np.ones((3, 3), bool), group=0x6002)
    state.add_new((0x6002, 0x1001), "CS", "LAYER")
    state.add_new((0x6004, 0x1001), "CS", "")

    made = state_of(state)

    assert made.active_overlays == {0x6002: "LAYER"}
    assert [plane.group for plane in made.planes] == [0x6002]


def test_colour_and_pseudo_colour_states_say_what_they_are() -> None:
    pseudo = make_state(SOPClassUID=PSEUDO_COLOUR_STATE)
    for tag in (0x00281101, 0x00281102, 0x00281103):
        pseudo.add_new(tag, "US", [256, 0, 16])
    for tag in (0x00281201, 0x00281202, 0x00281203):
        pseudo.add_new(tag, "OW", bytes(512))

    assert state_of(make_state(SOPClassUID=COLOUR_STATE, ICCProfile=b"profile!")).icc_profile == b"profile!"
    assert state_of(make_state(SOPClassUID=COLOUR_STATE)).kind is StateKind.COLOUR
    assert state_of(pseudo).kind is StateKind.PSEUDO_COLOUR
    assert set(state_of(pseudo).palette) == {f"0028{n}" for n in ("1101", "1102", "1103", "1201", "1202", "1203")}
    assert is_presentation_state(BLENDING_STATE)
    assert not is_presentation_state(SECONDARY_CAPTURE)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"SOPClassUID": BLENDING_STATE}, "Blending"),
        ({"MaskSubtractionSequence": [item(MaskOperation="AVG_SUB")]}, "mask subtraction"),
    ],
)
def test_states_of_several_images_are_refused_by_name(attributes: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedPresentation, match=said):
        state_of(make_state(**attributes))


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"SOPClassUID": SECONDARY_CAPTURE}, "0008,0016"),
        ({"SOPClassUID": None}, "0008,0016"),
        ({"ReferencedSeriesSequence": None}, "0008,1115"),
        ({"ImageRotation": 45}, "0070,0042"),
        ({"DisplayedAreaSelectionSequence": [item(PresentationSizeMode="SCALE TO FIT")]}, "0070,0052"),
        ({"DisplayedAreaSelectionSequence": [whole_area(4, 4, PresentationSizeMode="HUGE")]}, "0070,0100"),
        (
            {"DisplayedAreaSelectionSequence": [whole_area(4, 4, PresentationPixelAspectRatio=[0, 1])]},
            "more than 0",
        ),
        ({"DisplayedAreaSelectionSequence": [whole_area(4, 4, PresentationPixelSpacing=[-1, 1])]}, "more than 0"),
    ],
)
def test_a_broken_state_is_refused_and_the_attribute_named(attributes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadPresentation, match=said):
        state_of(make_state(**attributes))


@cache
def full_header() -> Any:
    state = make_state(
        SoftcopyVOILUTSequence=[item(WindowCenter=1, WindowWidth=2)],
        GraphicLayerSequence=[item(GraphicLayer="A", GraphicLayerOrder=1)],
        GraphicAnnotationSequence=[annotation(graphic("POLYLINE", [1, 2, 3, 4]), text("x", box=(1, 2, 3, 4)))],
        ShutterShape="CIRCULAR",
        CenterOfCircularShutter=[1, 2],
        RadiusOfCircularShutter=3,
        ImageRotation=90,
    )
    add_overlay(state, np.ones((3, 3), bool))
    return read(state)[0]


NONSENSE = (None, "", "x", -1, 1e308, 10**30, [], {}, {"vr": "SQ"}, {"Value": [None]}, [[1]], True)


@pytest.mark.parametrize("seed", range(4))
def test_headers_with_nonsense_anywhere_are_read_or_refused_but_never_fail_otherwise(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(250):
        header = copy.deepcopy(full_header())
        for _ in range(chance.randint(1, 3)):
            spoil(header, chance)
        try:
            read_presentation(header, {})
            which_apply([header], IMAGE, 1)
        except PixelError:
            continue


def spoil(attributes: dict[str, Any], chance: random.Random) -> None:
    """Replace an attribute, one of its values or one of an item of it by nonsense."""
    tag = chance.choice(list(attributes))
    element = attributes[tag]
    values = element.get("Value") if isinstance(element, dict) else None
    if isinstance(values, list) and values and chance.random() < 0.8:
        at = chance.randrange(len(values))
        if isinstance(values[at], dict) and values[at] and chance.random() < 0.8:
            spoil(values[at], chance)
        else:
            values[at] = chance.choice(NONSENSE)
    elif isinstance(element, dict):
        element["Value"] = chance.choice(([], [None], ["x"], [1e308, 1e308], [{}]))


@pytest.mark.skipif(SAMPLES is None, reason="no sample data")
def test_real_states_are_read() -> None:
    assert SAMPLES is not None
    luts = read_presentation(*read_file((SAMPLES / "objects/pr/weasis-dicom-tools--prLUTs.dcm").read_bytes()))
    drawn = read_presentation(*read_file((SAMPLES / "studies/cr-with-pr/PR000000.dcm").read_bytes()))

    assert luts.label == "XLUT_P03"
    assert set(luts.grey_attributes("1.2.276.0.7230010.3.200.6.3.1", 1)) == {"00283000", "00283010", "20500010"}
    (annotated,) = drawn.annotations
    assert annotated.layer == drawn.layers[0].name == "MEASUREMENT_1"
    assert annotated.graphics[0].type.value == "ELLIPSE"
    assert annotated.texts[0].text.startswith("Mean: 2651.41")
