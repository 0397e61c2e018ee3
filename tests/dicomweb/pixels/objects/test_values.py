"""Doses and parametric maps: values become colours and greys."""

from __future__ import annotations

import numpy as np

from dicomweb.pixels.objects.colours import colour_wash
from dicomweb.pixels.render.settings import RenderSettings, Window
from tests.build.dicom import image_attributes, make_data_set, to_file
from tests.dicomweb.pixels.objects.subjects import STORAGE, Subject, item, subject


def dose(frames: np.ndarray, **attributes: object) -> Subject:
    """A dose grid of these stored values, (frames, rows, columns)."""
    data_set = make_data_set(
        **{
            "SOPClassUID": STORAGE + "481.2",
            "Modality": "RTDOSE",
            "DoseGridScaling": "0.01",
            "DoseUnits": "GY",
            **image_attributes(frames.shape[1], frames.shape[2], bits=32, frames=len(frames)),
            **attributes,
        }
    )
    data_set.add_new(0x7FE00010, "OW", frames.astype("<u4").tobytes())
    return subject(to_file(data_set))


def parametric(frames: np.ndarray, tag: int, vr: str, **attributes: object) -> Subject:
    """A parametric map of floats."""
    data_set = make_data_set(
        **{
            "SOPClassUID": STORAGE + "30",
            **image_attributes(frames.shape[1], frames.shape[2], bits=frames.itemsize * 8, frames=len(frames)),
            "BitsStored": None,
            "HighBit": None,
            "PixelRepresentation": None,
            **attributes,
        }
    )
    data_set.add_new(tag, vr, frames.tobytes())
    return subject(to_file(data_set))


def test_the_largest_dose_of_the_whole_grid_is_red_and_none_is_black() -> None:
    frames = np.zeros((2, 4, 4))
    frames[0, 0, 0], frames[1, 0, 0] = 500, 1000
    one = dose(frames)

    assert tuple(one.picture(frame=2)[0, 0]) == tuple(colour_wash(np.array(1.0)))
    assert tuple(one.picture(frame=1)[0, 0]) == tuple(colour_wash(np.array(0.5)))
    assert not one.picture(frame=1)[3, 3].any()


def test_a_window_is_in_the_unit_of_the_dose() -> None:
    frames = np.full((1, 4, 4), 500)  # 5 Gy
    shown = dose(frames).picture(frame=1, settings=RenderSettings(window=Window(10, 20)))

    assert tuple(shown[0, 0]) == tuple(colour_wash(np.array(0.25)))


def test_the_whole_grid_is_shown_by_the_frame_with_the_largest_dose_enlarged() -> None:
    frames = np.zeros((3, 10, 20))
    frames[1, 5, 10] = 1000

    shown = dose(frames).picture()

    assert shown.shape == (160, 320, 3)
    assert shown[80:96, 160:176, 0].max() > 150


def test_pixels_that_are_not_square_are_made_so() -> None:
    shown = dose(np.ones((1, 10, 10)), PixelSpacing=[2, 1]).picture()

    assert shown.shape == (320, 160, 3)


def test_a_dose_of_nothing_is_black() -> None:
    assert not dose(np.zeros((1, 4, 4))).picture(frame=1).any()


def test_floats_are_spread_over_the_greys_and_what_is_no_number_is_black() -> None:
    values = np.linspace(-1, 3, 64, dtype="<f4").reshape(1, 8, 8)
    values[0, 7, 6] = np.nan
    shown = parametric(values, 0x7FE00008, "OF").picture(frame=1)

    assert shown.shape == (8, 8)
    assert shown[0, 0] == 0
    assert shown[7, 7] == 255
    assert 100 < shown[4, 0] < 155
    assert shown[7, 6] == 0


def test_doubles_are_shown_in_the_window_that_is_asked_for() -> None:
    values = np.full((1, 4, 4), 25.0, "<f8")
    shown = parametric(values, 0x7FE00009, "OD").picture(
        frame=1, settings=RenderSettings(window=Window(50, 100, "linear-exact"))
    )

    assert abs(int(shown[0, 0]) - 64) <= 1


def test_the_window_of_the_frame_is_used() -> None:
    values = np.stack([np.full((4, 4), 0.75, "<f4")] * 2)
    voi = item(FrameVOILUTSequence=[item(WindowCenter=0.5, WindowWidth=1)])
    shown = parametric(values, 0x7FE00008, "OF", SharedFunctionalGroupsSequence=[voi]).picture(frame=2)

    assert abs(int(shown[0, 0]) - 191) <= 1


def test_values_that_are_all_the_same_or_infinite_do_not_matter() -> None:
    for value in (5.0, np.inf, np.nan, 3e38):
        shown = parametric(np.full((1, 4, 4), value, "<f4"), 0x7FE00008, "OF").picture()

        assert shown.shape == (256, 256, 3)
