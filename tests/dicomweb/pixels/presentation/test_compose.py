"""Whole presentation states on whole frames, and against what DCMTK makes of them.

DCMTK's dcmp2pgm applies modality, VOI and presentation LUT, rotation and flip. It is not compared for what it
leaves out: the displayed area (it shows the whole image), overlays, shutters and annotations (its viewer draws
them), VOI LUT Function SIGMOID (it shows such a window as a linear one). It finds entries of the presentation LUT
by cutting, here they are rounded: where a table is steep its steps count more than once.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dicomweb.encoding.image import image_spec
from dicomweb.pixels.frame import DecodedFrame
from dicomweb.pixels.presentation.gsps import read_presentation
from dicomweb.pixels.presentation.model import BadPresentation
from dicomweb.pixels.render.icc import space_profile
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import Region, RenderSettings, Viewport
from tests.build.dicom import to_file
from tests.build.samples import SAMPLES
from tests.dicomweb.pixels.presentation.states import (
    COLOUR_STATE,
    PSEUDO_COLOUR_STATE,
    Picture,
    add_overlay,
    annotation,
    graphic,
    item,
    make_image,
    make_state,
    read_file,
    reference,
    state_of,
    text,
    whole_area,
)

ROWS, COLUMNS = 60, 80
PLAIN = RenderSettings()
RAMP = (np.mgrid[0:ROWS, 0:COLUMNS][1] * 40 + np.mgrid[0:ROWS, 0:COLUMNS][0] * 13).astype(np.uint16) % 4096
BLACK = np.zeros((ROWS, COLUMNS), np.uint16)
WINDOW = {"SoftcopyVOILUTSequence": [item(WindowCenter=1000, WindowWidth=800)]}
OVERLAY = np.zeros((ROWS, COLUMNS), bool)
OVERLAY[10:20, 5:70] = True

needs_dcmtk = pytest.mark.skipif(shutil.which("dcmp2pgm") is None, reason="DCMTK is not installed")


def state(**attributes: Any) -> Dataset:
    return make_state(**{"rows": ROWS, "columns": COLUMNS, **attributes})


def image(samples: Any = RAMP, **attributes: Any) -> Dataset:
    return make_image(samples, **{"bits_stored": 12, **attributes})


def shown(image_file: bytes, state_file: bytes, *, number: int = 1, settings: RenderSettings = PLAIN) -> Picture:
    """The picture of an uncompressed frame under a state."""
    header, bulk = read_file(image_file)
    spec = image_spec(header)
    assert spec is not None
    kind = f"<{'i' if spec.pixel_representation else 'u'}{spec.bits_allocated // 8}"
    samples = np.frombuffer(bulk["7FE00010"], kind).reshape(spec.frames, spec.rows, spec.columns, -1)
    frame = samples[number - 1, :, :, 0] if spec.samples_per_pixel == 1 else samples[number - 1]
    decoded = DecodedFrame(np.ascontiguousarray(frame), spec.photometric_interpretation)
    made = read_presentation(*read_file(state_file))
    return render_frame(decoded, header, number, settings, made, lut_values=bulk).array


def present(image_set: Dataset, state_set: Dataset, **more: Any) -> Picture:
    return shown(to_file(image_set), to_file(state_set), **more)


def dcmtk(folder: Path, image_file: bytes, state_file: bytes, *, number: int = 1) -> Picture:
    (folder / "image.dcm").write_bytes(image_file)
    (folder / "state.dcm").write_bytes(state_file)
    command = ["dcmp2pgm", "-f", str(number), "-p", "state.dcm", "image.dcm", "out.pgm"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return np.array(Image.open(folder / "out.pgm"))


FADED = 250 - np.arange(256) // 2
SCRAMBLED = np.random.default_rng(3).permutation(256).astype(np.uint16)


def lut(entries: Any, *, first: int = 0, bits: int = 8, **more: Any) -> Dataset:
    made = item(LUTDescriptor=[len(entries), first, bits], **more)
    made.add_new(0x00283006, "US", [int(entry) for entry in entries])
    return made


GREY_STATES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing but the identity": ({}, {}),
    "window": (WINDOW, {}),
    "window of the image is not used": ({}, {"WindowCenter": 100, "WindowWidth": 20}),
    "inverse": ({**WINDOW, "PresentationLUTShape": "INVERSE"}, {}),
    "MONOCHROME1 is not inverted": (WINDOW, {"PhotometricInterpretation": "MONOCHROME1"}),
    "rescale": ({**WINDOW, "RescaleSlope": 2, "RescaleIntercept": -100, "RescaleType": "US"}, {}),
    "rescale of the image is not used": (WINDOW, {"RescaleSlope": 2, "RescaleIntercept": -100}),
    "presentation LUT": (
        {**WINDOW, "PresentationLUTShape": None, "PresentationLUTSequence": [lut(FADED)]},
        {},
    ),
    "VOI LUT": ({"SoftcopyVOILUTSequence": [item(VOILUTSequence=[lut(SCRAMBLED, first=700)])]}, {}),
    "modality LUT": ({"ModalityLUTSequence": [lut(SCRAMBLED, first=900, ModalityLUTType="US")]}, {}),
    **{
        f"rotation {rotation}, flip {flip}": (
            {**WINDOW, "ImageRotation": rotation, "ImageHorizontalFlip": flip},
            {},
        )
        for rotation in (0, 90, 180, 270)
        for flip in "NY"
    },
}


@needs_dcmtk
@pytest.mark.parametrize("name", GREY_STATES)
def test_greys_and_turns_are_those_of_dcmtk(name: str, tmp_path: Path) -> None:
    of_state, of_image = GREY_STATES[name]
    image_file, state_file = to_file(image(**of_image)), to_file(state(**of_state))

    mine, theirs = shown(image_file, state_file), dcmtk(tmp_path, image_file, state_file)

    assert mine.shape == theirs.shape
    assert np.abs(mine.astype(int) - theirs).max() <= 1


@needs_dcmtk
@pytest.mark.skipif(SAMPLES is None, reason="no sample data")
def test_a_real_state_of_three_scrambled_tables_is_shown_as_dcmtk_does(tmp_path: Path) -> None:
    assert SAMPLES is not None
    files = [SAMPLES / f"objects/pr/weasis-dicom-tools--{name}.dcm" for name in ("imageForPrLUTs", "prLUTs")]
    image_file, state_file = (file.read_bytes() for file in files)

    mine, theirs = shown(image_file, state_file), dcmtk(tmp_path, image_file, state_file)

    assert np.array_equal(mine, theirs)


def test_each_frame_gets_the_window_that_is_for_it() -> None:
    frames = np.full((2, ROWS, COLUMNS), 1000, np.uint16)
    windows = [
        item(ReferencedImageSequence=[reference("image", 2)], WindowCenter=2000, WindowWidth=100),
        item(ReferencedImageSequence=[reference("image", 1)], WindowCenter=0, WindowWidth=100),
    ]
    of_frames = state(SoftcopyVOILUTSequence=windows)

    assert present(image(frames), of_frames, number=1).max() == 255
    assert present(image(frames), of_frames, number=2).max() == 0


def test_the_displayed_area_is_cut_out_before_it_is_turned() -> None:
    area = whole_area(
        ROWS, COLUMNS, DisplayedAreaTopLeftHandCorner=[11, 40], DisplayedAreaBottomRightHandCorner=[50, 6]
    )

    whole = present(image(), state(**WINDOW))
    part = present(image(), state(**WINDOW, DisplayedAreaSelectionSequence=[area], ImageRotation=90))

    assert np.array_equal(part, np.rot90(whole[5:40, 10:50], -1))


def test_a_viewport_scales_the_displayed_area() -> None:
    settings = RenderSettings(viewport=Viewport(400, 400))

    assert present(image(), state(**WINDOW), settings=settings).shape == (300, 400)
    assert present(image(), state(**WINDOW, ImageRotation=90), settings=settings).shape == (400, 300)


def test_overlays_of_the_image_are_seen_only_where_the_state_activates_them() -> None:
    with_overlay = image(BLACK)
    add_overlay(with_overlay, OVERLAY, group=0x6002)
    layer = item(GraphicLayer="L", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=40000)
    active = state(**WINDOW, GraphicLayerSequence=[layer])
    active.add_new((0x6002, 0x1001), "CS", "L")

    assert not present(with_overlay, state(**WINDOW)).any()
    assert np.array_equal(present(with_overlay, active), OVERLAY * np.uint8(156))


def test_an_overlay_of_the_state_comes_before_one_of_the_image_and_turns_with_it() -> None:
    with_overlay = image(BLACK)
    add_overlay(with_overlay, ~OVERLAY, group=0x6002)
    own = state(**WINDOW, ImageRotation=90)
    add_overlay(own, OVERLAY, group=0x6002)
    own.add_new((0x6002, 0x1001), "CS", "L")

    assert np.array_equal(present(with_overlay, own), np.rot90(OVERLAY, -1) * np.uint8(255))


def test_shutters_hide_the_image_but_not_what_is_drawn_over_it() -> None:
    shut = state(
        ShutterShape="RECTANGULAR",
        ShutterLeftVerticalEdge=1,
        ShutterRightVerticalEdge=40,
        ShutterUpperHorizontalEdge=1,
        ShutterLowerHorizontalEdge=ROWS,
        ShutterPresentationValue=25700,
        GraphicAnnotationSequence=[annotation(graphic("POINT", [70, 30]))],
    )

    seen = present(image(BLACK), shut)

    assert not seen[:, :40].any()
    assert (seen[0, 40:] == 100).all()
    assert seen[30, 70] > 200


def test_layers_lie_over_one_another_in_their_order() -> None:
    def square(layer: str) -> Dataset:
        return annotation(
            graphic("POLYLINE", [20, 20, 60, 20, 60, 50, 20, 50, 20, 20], GraphicFilled="Y"), layer=layer
        )

    def layers(first: int, second: int) -> list[Dataset]:
        return [
            item(GraphicLayer="A", GraphicLayerOrder=first, GraphicLayerRecommendedDisplayGrayscaleValue=20000),
            item(GraphicLayer="B", GraphicLayerOrder=second, GraphicLayerRecommendedDisplayGrayscaleValue=50000),
        ]

    annotations = [square("A"), square("B")]
    upper_b = state(GraphicAnnotationSequence=annotations, GraphicLayerSequence=layers(1, 2))
    upper_a = state(GraphicAnnotationSequence=annotations, GraphicLayerSequence=layers(2, 1))

    assert present(image(BLACK), upper_b)[35, 40] == 195
    assert present(image(BLACK), upper_a)[35, 40] == 78


def test_graphics_of_a_layer_that_is_missing_are_drawn_all_the_same() -> None:
    lost = state(
        GraphicAnnotationSequence=[annotation(graphic("POLYLINE", [10, 30.5, 70, 30.5]), layer="NOWHERE")]
    )

    assert present(image(BLACK), lost)[30, 40] > 150


def test_annotations_are_drawn_only_on_their_frames() -> None:
    frames = np.zeros((2, ROWS, COLUMNS), np.uint16)
    of_second = annotation(graphic("POLYLINE", [10, 30, 70, 30]), ReferencedImageSequence=[reference("image", 2)])
    drawn = state(GraphicAnnotationSequence=[of_second])

    assert not present(image(frames), drawn, number=1).any()
    assert present(image(frames), drawn, number=2).any()


def test_graphics_are_as_sharp_as_the_picture_is_large() -> None:
    drawn = state(GraphicAnnotationSequence=[annotation(graphic("POLYLINE", [10, 30, 70, 30]))])

    seen = present(image(BLACK), drawn, settings=RenderSettings(viewport=Viewport(1600, 1200)))

    across = np.flatnonzero(seen[:, 800] > 100)
    assert 598 < across.mean() < 602
    assert len(across) < 8, "not twenty times a pixel"


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_text_stands_upright_in_its_box_however_the_image_is_turned(rotation: int) -> None:
    boxed = annotation(text("MMMMMM", box=(30, 25, 50, 35)))
    drawn = state(GraphicAnnotationSequence=[boxed], ImageRotation=rotation)

    seen = present(image(BLACK), drawn, settings=RenderSettings(viewport=Viewport(800, 800)))

    rows, columns = np.nonzero(seen > 100)
    assert np.ptp(columns) > 2 * np.ptp(rows)
    assert abs(columns.mean() - seen.shape[1] / 2) < 160
    assert abs(rows.mean() - seen.shape[0] / 2) < 160


@pytest.mark.parametrize("flip", [{"width": -1.0}, {"height": -1.0}, {"width": -1.0, "height": -1.0}])
@pytest.mark.parametrize("rotation", [0, 90])
def test_a_flipped_viewport_flips_the_image_and_leaves_text_to_be_read(
    flip: dict[str, float], rotation: int
) -> None:
    flipped = RenderSettings(viewport=Viewport(800, 800, Region(relative=True, **flip)))
    upright = RenderSettings(viewport=Viewport(800, 800))
    turned = {"ImageRotation": rotation, **WINDOW}
    plain = present(image(), state(**turned), settings=upright)
    expected = plain[:: -1 if "height" in flip else 1, :: -1 if "width" in flip else 1]

    assert np.array_equal(present(image(), state(**turned), settings=flipped), expected)

    # where the middle of the image goes is the same: there the text stands as it does without a flip
    box = (10.0, 20.0, 70.0, 40.0)
    drawn = state(GraphicAnnotationSequence=[annotation(text("Lq7", box=box))], ImageRotation=rotation)
    assert np.array_equal(
        present(image(BLACK), drawn, settings=flipped), present(image(BLACK), drawn, settings=upright)
    )


def test_display_units_are_parts_of_the_displayed_area() -> None:
    cross = annotation(
        graphic("POLYLINE", [0.5, 0, 0.5, 1], GraphicAnnotationUnits="DISPLAY"),
        text("x", anchor=(0.9, 0.9), units="DISPLAY"),
    )
    area = whole_area(ROWS, COLUMNS, DisplayedAreaTopLeftHandCorner=[41, 1])

    seen = present(image(BLACK), state(GraphicAnnotationSequence=[cross], DisplayedAreaSelectionSequence=[area]))

    assert seen.shape == (60, 40)
    assert (seen[:, 20] > 100).all()


def test_a_visible_anchor_is_joined_to_its_text() -> None:
    with_anchor = annotation(text("x", box=(60, 40, 75, 55), anchor=(10, 10), AnchorPointVisibility="Y"))

    seen = present(image(BLACK), state(GraphicAnnotationSequence=[with_anchor]))

    assert seen[10, 10] > 150
    assert seen[20:30, 20:45].any()


def test_colours_make_a_colour_picture() -> None:
    red = item(
        GraphicLayer="A", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayCIELabValue=[35582, 53664, 50863]
    )
    drawn = state(
        GraphicAnnotationSequence=[annotation(graphic("CIRCLE", [40, 30, 60, 30], GraphicFilled="Y"))],
        GraphicLayerSequence=[red],
    )

    seen = present(image(BLACK), drawn)

    assert seen.shape == (ROWS, COLUMNS, 3)
    assert seen[30, 40, 0] > 240
    assert seen[30, 40, 1:].max() < 20
    assert not seen[5, 5].any()


def test_a_colour_state_shows_colours_as_they_are_and_turns_them() -> None:
    colours = np.random.default_rng(0).integers(0, 255, (ROWS, COLUMNS, 3)).astype(np.uint8)
    photograph = image(BLACK)
    photograph.SamplesPerPixel, photograph.PhotometricInterpretation = 3, "RGB"
    photograph.PlanarConfiguration = 0
    photograph.BitsAllocated, photograph.BitsStored, photograph.HighBit = 8, 8, 7
    photograph[0x7FE00010].value = colours.tobytes()
    turned = state(SOPClassUID=COLOUR_STATE, PresentationLUTShape=None, ImageRotation=180)

    assert np.array_equal(present(photograph, turned), colours[::-1, ::-1])


def pseudo_colour(entries: int, bits: int, **attributes: Any) -> Dataset:
    """A state whose palette goes from blue to yellow."""
    made = state(SOPClassUID=PSEUDO_COLOUR_STATE, **attributes)
    ramp = np.linspace(0, (1 << bits) - 1, entries).astype(np.uint16)
    for place, values in enumerate((ramp, ramp, ramp[::-1])):
        made.add_new((0x0028, 0x1101 + place), "US", [entries % 65536, 0, bits])
        made.add_new((0x0028, 0x1201 + place), "OW", values.astype("<u2").tobytes())
    del made.PresentationLUTShape
    return made


@pytest.mark.parametrize(("entries", "bits"), [(256, 16), (16, 16), (4096, 16), (65536, 16)])
def test_a_pseudo_colour_state_shows_the_window_in_its_colours(entries: int, bits: int) -> None:
    samples = np.array([[0, 600, 800, 1000, 1399, 1400, 4095]], np.uint16)

    seen = present(image(samples), pseudo_colour(entries, bits, **WINDOW, rows=1, columns=7))

    grey = present(image(samples), state(**WINDOW, rows=1, columns=7)).astype(int)
    assert seen.shape == (1, 7, 3)
    step = 255 / (entries - 1)
    assert np.abs(seen[..., 0] - grey).max() <= max(1.0, step)
    assert np.abs(seen[..., 2] - (255 - grey)).max() <= max(1.0, step)
    assert seen[0, 0].tolist() == [0, 0, 255]
    assert seen[0, -1].tolist() == [255, 255, 0]


@pytest.mark.parametrize(("profile", "kept"), [(b"junk" * 64, False), (space_profile("adobergb"), True)])
def test_a_profile_of_a_state_goes_into_the_picture_if_it_is_one(profile: bytes, kept: bool) -> None:
    header, bulk = read_file(to_file(image()))
    made = state_of(pseudo_colour(256, 16, ICCProfile=profile, **WINDOW))

    picture = render_frame(DecodedFrame(RAMP, "MONOCHROME2"), header, 1, PLAIN, made, lut_values=bulk)

    assert picture.icc_profile == (profile if kept else b"")


def test_a_state_for_another_image_is_refused() -> None:
    with pytest.raises(BadPresentation, match="not for this image"):
        present(image(), state(images=(reference("other"),)))
    with pytest.raises(BadPresentation, match="not for this image or frame"):
        present(image(), state(images=(reference("image", 2),)))


def test_coordinates_far_out_are_drawn_as_far_as_they_are_seen() -> None:
    far = 1e30
    wild = [
        annotation(
            graphic("POLYLINE", [-far, 30, far, 30]),
            graphic("CIRCLE", [0, 0, far, far], GraphicFilled="Y"),
            graphic("ELLIPSE", [-far, 0, far, 0, 0, -far, 0, far]),
            graphic("INTERPOLATED", [0, 0, far, 1, 5, far, 0, 0]),
            graphic("POINT", [far, far]),
            text("far away", box=(far, far, 2 * far, 2 * far), anchor=(-far, far), AnchorPointVisibility="Y"),
            text("far", anchor=(-far, -far)),
        )
    ]

    assert present(image(BLACK), state(GraphicAnnotationSequence=wild)).shape == (ROWS, COLUMNS)
