"""Structure sets: which slice is shown, how it is oriented, in which colours."""

from __future__ import annotations

import numpy as np

from dicomweb.pixels.objects.contours import contours_of, fullest_slice
from dicomweb.pixels.render.settings import RenderSettings, Viewport
from tests.dicomweb.pixels.objects.subjects import STORAGE, Subject, built, item


def square(z: float, side: float, *, left: float = 0.0) -> list[float]:
    corners = ((0, 0), (side, 0), (side, side), (0, side))
    return [number for x, y in corners for number in (left + x, y, z)]


def structures(*regions: tuple[int, list[int], list[list[float]]], kind: str = "CLOSED_PLANAR") -> Subject:
    """Regions by number, colour, contours."""
    return built(
        SOPClassUID=STORAGE + "481.3",
        Modality="RTSTRUCT",
        StructureSetROISequence=[item(ROINumber=number, ROIName=f"R{number}") for number, _, _ in regions],
        ROIContourSequence=[
            item(
                ReferencedROINumber=number,
                ROIDisplayColor=colour,
                ContourSequence=[
                    item(
                        ContourGeometricType=kind if len(data) > 3 else "POINT",
                        NumberOfContourPoints=len(data) // 3,
                        ContourData=data,
                    )
                    for data in contours
                ],
            )
            for number, colour, contours in regions
        ],
    )


def test_the_slice_with_most_regions_is_shown() -> None:
    one = structures(
        (1, [255, 0, 0], [square(0, 10), square(0, 4), square(0, 3), square(5, 10)]),
        (2, [0, 255, 0], [square(5, 5)]),
    )

    chosen = fullest_slice(contours_of(one.header))

    assert (chosen.axis, chosen.place, len(chosen.contours)) == (2, 5.0, 2)


def test_regions_are_drawn_in_their_display_colours() -> None:
    shown = structures((1, [255, 0, 0], [square(5, 10)]), (2, [0, 255, 0], [square(5, 5)])).picture()

    assert (shown == (255, 0, 0)).all(axis=-1).any()
    assert (shown == (0, 255, 0)).all(axis=-1).any()


def test_the_left_of_the_patient_is_at_the_right() -> None:
    one = structures((1, [255, 0, 0], [square(0, 10)]), (2, [0, 255, 0], [square(0, 10, left=90)]))
    shown = one.picture(settings=RenderSettings(viewport=Viewport(160, 160)))

    red = np.argwhere((shown == (255, 0, 0)).all(axis=-1))
    green = np.argwhere((shown == (0, 255, 0)).all(axis=-1))
    assert red[:, 1].max() < green[:, 1].min()


def test_coronal_contours_are_shown_with_the_head_up() -> None:
    head = [number for x, z in ((0, 90), (10, 90), (10, 100), (0, 100)) for number in (x, 7.0, z)]
    feet = [number for x, z in ((0, 0), (10, 0), (10, 10), (0, 10)) for number in (x, 7.0, z)]
    one = structures((1, [255, 0, 0], [head]), (2, [0, 255, 0], [feet]))
    shown = one.picture(settings=RenderSettings(viewport=Viewport(160, 160)))

    red = np.argwhere((shown == (255, 0, 0)).all(axis=-1))
    green = np.argwhere((shown == (0, 255, 0)).all(axis=-1))
    assert red[:, 0].max() < green[:, 0].min()


def test_dark_colours_are_replaced() -> None:
    assert structures((1, [0, 0, 0], [square(0, 10)])).picture().any()


def test_a_point_alone_is_marked() -> None:
    assert (structures((1, [0, 0, 255], [[1.0, 2.0, 3.0]])).picture() == (0, 0, 255)).all(axis=-1).any()


def test_a_set_without_contours_gets_a_card() -> None:
    made = structures((1, [1, 2, 3], [])).picture()

    assert tuple(made[5, 5]) == (56, 97, 160)
