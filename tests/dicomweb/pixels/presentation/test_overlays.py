"""Overlay planes: where their bits lie, for which frames, and how they are burned in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicomweb.encoding.image import image_spec
from dicomweb.pixels.frame import DecodedFrame
from dicomweb.pixels.presentation.overlays import draw_overlays, outline, overlay_paths, read_overlays
from dicomweb.pixels.presentation.planes import OverlayPlane
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import RenderSettings
from tests.build.samples import SAMPLES
from tests.dicomweb.pixels.presentation.states import add_overlay, make_image, read, read_file

SIZE = (5, 7)
"""Odd on purpose: frames of an overlay are not aligned to bytes."""


def pattern(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, SIZE).astype(bool)


def flat(*, frames: int | None = None, dtype: type = np.uint16) -> np.ndarray:
    return np.zeros((frames, *SIZE) if frames else SIZE, dtype)


def test_overlay_data_is_read_from_the_lowest_bit_on() -> None:
    image = make_image(flat())
    add_overlay(image, pattern())
    header, bulk = read(image)

    (plane,) = read_overlays(header, 1, samples=None, bulk=bulk)

    assert plane.group == 0x6000
    assert np.array_equal(plane.bits, pattern())
    assert (plane.top, plane.left, plane.region_of_interest) == (0, 0, False)


def test_overlay_data_too_long_for_the_header_are_read_from_the_bulk_values() -> None:
    bits = np.random.default_rng(1).integers(0, 2, (100, 120)).astype(bool)
    image = make_image(np.zeros((100, 120), np.uint8))
    add_overlay(image, bits, group=0x6004)
    header, bulk = read(image)

    assert overlay_paths(header) == ["60043000"]
    assert np.array_equal(read_overlays(header, 1, samples=None, bulk=bulk)[0].bits, bits)
    assert read_overlays(header, 1, samples=None, bulk={}) == ()


def test_each_frame_has_its_own_plane_of_a_multi_frame_overlay() -> None:
    frames = np.stack([pattern(1), pattern(2)])
    image = make_image(flat(frames=4))
    add_overlay(image, frames, e0015="IS 2", e0051="US 2")
    header, bulk = read(image)

    planes = [read_overlays(header, number, samples=None, bulk=bulk) for number in (1, 2, 3, 4)]

    assert planes[0] == planes[3] == ()
    assert np.array_equal(planes[1][0].bits, frames[0])
    assert np.array_equal(planes[2][0].bits, frames[1])


def test_a_plane_that_says_nothing_of_frames_lies_over_all_of_them() -> None:
    image = make_image(flat(frames=3))
    add_overlay(image, pattern())
    header, bulk = read(image)

    assert all(len(read_overlays(header, number, samples=None, bulk=bulk)) == 1 for number in (1, 2, 3))


def test_a_plane_in_an_unused_bit_of_the_samples_is_read_from_them() -> None:
    samples = (flat() + 0x0ABC) | (pattern().astype(np.uint16) << 14)
    image = make_image(samples, bits_stored=12)
    add_overlay(image, pattern())
    del image[0x6000, 0x3000]
    image[0x6000, 0x0102].value = 14
    header, _ = read(image)

    (plane,) = read_overlays(header, 1, samples=samples, bulk={})

    assert np.array_equal(plane.bits, pattern())


@pytest.mark.parametrize("position", [0, 11, 16, 200])
def test_a_bit_that_belongs_to_the_value_or_to_nothing_is_no_plane(position: int) -> None:
    image = make_image(flat(), bits_stored=12)
    add_overlay(image, pattern())
    del image[0x6000, 0x3000]
    image[0x6000, 0x0102].value = position
    header, _ = read(image)

    assert read_overlays(header, 1, samples=flat() + 0xFFFF, bulk={}) == ()


def test_an_extended_sign_is_not_taken_for_a_plane() -> None:
    samples = np.where(pattern(), -5, 5).astype(np.int16)
    image = make_image(samples, bits_stored=12)
    add_overlay(image, pattern())
    del image[0x6000, 0x3000]
    image[0x6000, 0x0102].value = 15
    header, _ = read(image)

    assert read_overlays(header, 1, samples=samples, bulk={}) == ()


@pytest.mark.parametrize(
    ("element", "value"),
    [(0x0010, 60000), (0x0011, 0), (0x0010, 0)],
    ids=["more rows than data", "no columns", "no rows"],
)
def test_a_broken_plane_is_left_out(element: int, value: int) -> None:
    image = make_image(flat())
    add_overlay(image, pattern())
    image[0x6000, element].value = value
    header, bulk = read(image)

    assert read_overlays(header, 1, samples=flat(), bulk=bulk) == ()


def test_values_of_the_wrong_kind_leave_a_plane_out() -> None:
    header = {
        "60000010": {"vr": "US", "Value": ["many"]},
        "60000011": {"vr": "US", "Value": [None]},
        "60000050": {"vr": "SS", "Value": ["a", {}]},
        "60003000": {"vr": "OW", "InlineBinary": "*not base64*"},
    }

    assert read_overlays(header, 1, samples=flat(), bulk={}) == ()


@pytest.mark.parametrize("origin", [(1, 1), (-2, 3), (4, -3), (100, 100), (-100, 1)])
def test_a_plane_is_drawn_where_its_origin_says_and_cut_at_the_borders(origin: tuple[int, int]) -> None:
    bits = np.ones(SIZE, bool)
    picture = np.full((10, 12), 7, np.uint8)
    plane = OverlayPlane(0x6000, bits, origin[0] - 1, origin[1] - 1)

    drawn = draw_overlays(picture, (plane,))

    expected = picture.copy()
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            at = (row + origin[0] - 1, column + origin[1] - 1)
            if 0 <= at[0] < 10 and 0 <= at[1] < 12:
                expected[at] = 255
    assert np.array_equal(drawn, expected)
    assert (picture == 7).all(), "the picture given is not changed"


def test_a_colour_picture_gets_white_overlays() -> None:
    drawn = draw_overlays(np.zeros((*SIZE, 3), np.uint8), (OverlayPlane(0x6000, pattern(), 0, 0),))

    assert np.array_equal(drawn, np.repeat(pattern()[:, :, np.newaxis], 3, axis=2) * np.uint8(255))


def test_a_picture_without_overlays_is_given_back_as_it_is() -> None:
    picture = np.zeros(SIZE, np.uint8)

    assert draw_overlays(picture, ()) is picture


def test_of_a_region_of_interest_the_outline_is_drawn() -> None:
    area = np.zeros((7, 7), bool)
    area[1:6, 1:6] = True
    ring = area.copy()
    ring[2:5, 2:5] = False

    assert np.array_equal(outline(area), ring)
    assert np.array_equal(outline(np.ones((3, 3), bool)), np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool))
    plane = OverlayPlane(0x6000, area, 0, 0, region_of_interest=True)
    assert np.array_equal(draw_overlays(np.zeros((7, 7), np.uint8), (plane,)) > 0, ring)


@pytest.mark.skipif(SAMPLES is None, reason="no sample data")
def test_planes_of_real_files_in_pixel_data_and_in_elements_of_their_own() -> None:
    assert SAMPLES is not None
    header, bulk = read_file((SAMPLES / "modalities/dcm4che--ovly_p01.dcm").read_bytes())
    samples = np.frombuffer(bulk["7FE00010"], "<u2").reshape(512, 512)

    planes = read_overlays(header, 1, samples=samples, bulk=bulk)

    # what DCMTK draws for each of them
    assert [(plane.group, int(plane.bits.sum())) for plane in planes] == [
        (0x6000, 532),
        (0x6002, 537),
        (0x6004, 603),
        (0x6006, 606),
    ]


@pytest.mark.skipif(SAMPLES is None or shutil.which("dcmj2pnm") is None, reason="no sample data, or no DCMTK")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("objects/pr/weasis-dicom-tools--overlay.dcm", ["+Wm"]),
        ("modalities/dcm4che--ovly_p01.dcm", ["+Wm"]),
        ("modalities/pydicom--examples_overlay.dcm", ["+Wi", "1"]),
    ],
)
def test_pictures_of_real_files_with_overlays_are_those_of_dcmtk(
    name: str, options: list[str], tmp_path: Path
) -> None:
    assert SAMPLES is not None
    header, bulk = read_file((SAMPLES / name).read_bytes())
    spec = image_spec(header)
    assert spec is not None
    samples = np.frombuffer(bulk["7FE00010"], "<u2")[: spec.rows * spec.columns].reshape(spec.rows, spec.columns)

    mine = render_frame(
        DecodedFrame(samples, "MONOCHROME2"), header, 1, RenderSettings(), lut_values=bulk
    ).array.astype(int)

    subprocess.run(["dcmj2pnm", *options, str(SAMPLES / name), "out.pgm"], cwd=tmp_path, check=True)
    theirs = np.array(Image.open(tmp_path / "out.pgm"))
    assert np.abs(mine - theirs).max() <= 1
