"""Segmentations as pictures: colours, fractions, label maps, planes, tiles."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from dicomweb.pixels.objects.colours import from_cielab, palette_colour
from tests.build.dicom import EXPLICIT_BIG, image_attributes, make_data_set, to_file
from tests.dicomweb.pixels.objects.subjects import STORAGE, Subject, item, subject

RED = [35579, 53662, 50858]
"""CIELab of pure red of sRGB under D50 (L* 54.29, a* 80.80, b* 69.89), encoded."""


def described(number: int, label: str, colour: list[int] | None = None) -> Dataset:
    one = item(SegmentNumber=number, SegmentLabel=label)
    if colour is not None:
        one.RecommendedDisplayCIELabValue = colour
    return one


def group(segment: int, z: float) -> Dataset:
    return item(
        SegmentIdentificationSequence=[item(ReferencedSegmentNumber=segment)],
        PlanePositionSequence=[item(ImagePositionPatient=[0, 0, z])],
    )


def seg(frames: np.ndarray, *, bits: int = 8, vr: str = "OB", syntax: str = "", **attributes: object) -> Subject:
    """A segmentation of these frames, (frames, rows, columns)."""
    data_set = make_data_set(
        **{
            "SOPClassUID": STORAGE + "66.4",
            "Modality": "SEG",
            **image_attributes(frames.shape[1], frames.shape[2], bits=bits, frames=len(frames)),
            **attributes,
        }
    )
    if bits == 1:
        stored = np.packbits(frames.astype(np.uint8).ravel(), bitorder="little").tobytes()
    else:
        stored = frames.astype(np.uint8 if bits == 8 else (">u2" if syntax == EXPLICIT_BIG else "<u2")).tobytes()
    data_set.add_new(0x7FE00010, vr, stored + b"\0" * (len(stored) % 2))
    return subject(to_file(data_set, syntax) if syntax else to_file(data_set))


def square(value: int = 1, *, rows: int = 8, columns: int = 8, size: int = 3) -> np.ndarray:
    made = np.zeros((rows, columns), np.uint8)
    made[:size, :size] = value
    return made


def test_a_recommended_colour_is_used() -> None:
    one = seg(np.stack([square()]), bits=1, SegmentationType="BINARY", SegmentSequence=[described(1, "A", RED)])

    picture = one.picture(frame=1)

    assert picture.shape == (8, 8, 3)
    assert np.abs(picture[0, 0].astype(int) - (255, 0, 0)).max() <= 2
    assert not picture[4:, 4:].any()


def test_white_and_black_of_cielab_are_those_of_the_screen() -> None:
    middle = round(128 / 255 * 0xFFFF)

    assert from_cielab([0xFFFF, middle, middle]) == (255, 255, 255)
    assert from_cielab([0, middle, middle]) == (0, 0, 0)
    assert from_cielab([1, 2]) is None


def test_without_a_colour_the_palette_is_used() -> None:
    one = seg(np.stack([square()]), bits=1, SegmentationType="BINARY", SegmentSequence=[described(1, "A")])

    assert tuple(one.picture(frame=1)[0, 0]) == palette_colour(0)


def test_fractions_are_dimmer() -> None:
    one = seg(
        np.stack([square(50)]),
        SegmentationType="FRACTIONAL",
        MaximumFractionalValue=100,
        SegmentSequence=[described(1, "A")],
    )

    assert np.abs(one.picture(frame=1)[0, 0] - np.array(palette_colour(0)) / 2).max() <= 1


def test_a_label_map_shows_each_segment_in_its_colour() -> None:
    frame = square(1)
    frame[5:, 5:] = 3
    one = seg(
        np.stack([frame]), SOPClassUID=STORAGE + "66.7", SegmentationType="LABELMAP",
        SegmentSequence=[described(1, "A"), described(3, "C")],
    )  # fmt: skip

    picture = one.picture(frame=1)

    assert tuple(picture[0, 0]) == palette_colour(0)
    assert tuple(picture[7, 7]) == palette_colour(2)
    assert not picture[4, 4].any()


def test_a_label_map_of_sixteen_bits_in_big_endian() -> None:
    frame = square(1).astype(np.uint16) * 300
    one = seg(
        np.stack([frame]), bits=16, vr="OW", syntax=EXPLICIT_BIG, SOPClassUID=STORAGE + "66.7",
        SegmentationType="LABELMAP", SegmentSequence=[described(300, "A", RED)],
    )  # fmt: skip

    assert one.picture(frame=1)[0, 0, 0] >= 253


def test_the_whole_is_shown_by_the_fullest_plane_with_all_its_segments() -> None:
    frames = np.stack([square(size=1), square(size=3), np.roll(square(size=3), 4, axis=(0, 1)), square(size=2)])
    one = seg(
        frames, bits=1, SegmentationType="BINARY",
        SegmentSequence=[described(1, "A"), described(2, "B")],
        PerFrameFunctionalGroupsSequence=[group(1, 0), group(1, 5), group(2, 5), group(1, 10)],
    )  # fmt: skip

    picture = one.picture()

    assert picture.shape == (256, 256, 3)  # 32 pixels a pixel
    assert tuple(picture[64, 64]) == palette_colour(0)
    assert tuple(picture[5 * 32 + 8, 5 * 32 + 8]) == palette_colour(1)


def test_overlapping_segments_are_mixed() -> None:
    one = seg(
        np.stack([square(), square()]), bits=1, SegmentationType="BINARY",
        SegmentSequence=[described(1, "A"), described(2, "B")],
        PerFrameFunctionalGroupsSequence=[group(1, 0), group(2, 0)],
    )  # fmt: skip

    mixed = (np.array(palette_colour(0)) + palette_colour(1)) / 2

    assert np.abs(one.picture()[80, 20] - mixed).max() <= 1


def test_tiles_of_a_slide_are_put_together() -> None:
    tiles = np.zeros((4, 4, 4), np.uint8)
    tiles[2] = 1  # third tile: lower left
    one = seg(
        tiles, bits=1, SegmentationType="BINARY", SegmentSequence=[described(1, "A")],
        DimensionOrganizationType="TILED_FULL", TotalPixelMatrixRows=8, TotalPixelMatrixColumns=8,
    )  # fmt: skip

    picture = one.picture()

    assert picture.shape == (256, 256, 3)
    assert picture[200, 30].any()
    assert not picture[200, 200].any()
    assert not picture[120, 200].any()


def test_one_frame_costs_one_frame() -> None:
    one = seg(np.stack([square()] * 5), bits=1, SegmentationType="BINARY", SegmentSequence=[described(1, "A")])

    one.picture(frame=4)

    assert one.asked == ["4"]


def test_very_many_frames_are_not_all_decoded_for_one_picture() -> None:
    one = seg(np.zeros((3, 4, 4)), bits=1, SegmentationType="BINARY", SegmentSequence=[described(1, "A")])
    one.header["00280008"] = {"vr": "IS", "Value": [1_000_000]}

    one.show()

    assert len(one.asked) < 10


def test_a_segment_number_beyond_16_bits_takes_no_memory() -> None:
    one = seg(np.stack([square()]), bits=1, SegmentationType="BINARY", SegmentSequence=[described(1, "A", RED)])
    one.header["00620002"]["Value"].append({"00620004": {"vr": "UL", "Value": [4_000_000_000]}})

    picture = one.picture(frame=1)

    assert np.abs(picture[0, 0].astype(int) - (255, 0, 0)).max() <= 2
