"""Drawing on pictures: places, widths, colours, soft edges, and limits."""

from __future__ import annotations

import numpy as np
import pytest

from dicomweb.pixels.frame import TooLarge
from dicomweb.pixels.presentation import drawing
from dicomweb.pixels.presentation.drawing import Canvas, Label, Stroke, fitting_size, letter_size, line_width
from dicomweb.pixels.presentation.model import WHITE, Colour

RED = Colour(255, 0, 0)
GREY = Colour(200, 200, 200)


def canvas(rows: int = 60, columns: int = 80, level: int = 0) -> Canvas:
    return Canvas(np.full((rows, columns), level, np.uint8))


def stroke(
    *points: tuple[float, float], width: float = 2.0, colour: Colour | None = GREY, **more: object
) -> Stroke:
    return Stroke(np.array(points, np.float64), width, colour, **more)  # type: ignore[arg-type]  # named fields


def test_a_line_covers_the_pixels_it_crosses_and_no_others() -> None:
    made = canvas()

    made.draw([stroke((10, 20), (50, 20))])

    assert (made.picture[19:21, 12:48] == 200).all()
    assert not made.picture[:18].any()
    assert not made.picture[22:].any()
    assert not made.picture[:, :8].any()


def test_edges_are_soft() -> None:
    made = canvas()

    made.draw([stroke((10, 10), (50, 40))])

    assert len(np.unique(made.picture)) > 4


def test_a_filled_area_covers_its_inside() -> None:
    made = canvas()

    made.draw([stroke((10, 10), (50, 10), (50, 40), (10, 40), filled=True, opacity=0.5)])

    assert (made.picture[11:39, 11:49] == 100).all()
    assert made.picture[5, 30] == 0


def test_a_single_point_is_a_dot() -> None:
    made = canvas()

    made.draw([stroke((30, 30), width=6)])

    assert made.picture[29:31, 29:31].min() == 200
    assert made.picture.astype(bool).sum() < 60


def test_what_has_no_colour_is_seen_on_white_and_on_black() -> None:
    for level in (0, 128, 255):
        made = canvas(level=level)
        made.draw([stroke((10, 30), (70, 30), colour=None)])
        column = made.picture[20:40, 40].astype(int)
        assert column.max() - column.min() > 120, level
        written = canvas(level=level)
        written.write(Label("Hi", 10, 10, 20))
        assert int(written.picture.max()) - int(written.picture.min()) > 120, level


def test_a_colour_turns_a_grey_picture_into_a_colour_picture_and_leaves_the_rest() -> None:
    made = canvas(level=9)

    made.draw([stroke((10, 20), (50, 20)), stroke((10, 40), (50, 40), colour=RED)])

    assert made.picture.shape == (60, 80, 3)
    assert tuple(made.picture[40, 30]) == (255, 0, 0)
    assert tuple(made.picture[20, 30]) == (200, 200, 200)
    assert tuple(made.picture[50, 30]) == (9, 9, 9)


def test_the_picture_given_is_not_drawn_on() -> None:
    given = np.zeros((20, 20), np.uint8)

    Canvas(given).draw([stroke((0, 0), (20, 20))])

    assert not given.any()


@pytest.mark.parametrize("far", [1e3, 1e6, 1e9])
def test_what_lies_outside_is_cut_and_costs_nothing(far: float) -> None:
    made = canvas()

    made.draw(
        [
            stroke((-far, 30), (far, 30)),
            stroke((far, far), (far, -far)),
            stroke((far, far)),
            stroke((-far, -far), (far, -far), (far, 10), (-far, 10), filled=True),
        ]
    )
    made.write(Label("far", far, -far, 20))

    assert (made.picture[29:31] == 200).all()
    assert (made.picture[:9] == 200).all()
    assert not made.picture[40:].any()


def test_dashes_leave_gaps() -> None:
    made = canvas(columns=200)

    made.draw([stroke((10, 30), (190, 30), dashed=True)])

    row = made.picture[30, 10:190] > 100
    assert np.count_nonzero(np.diff(row.astype(int))) > 10
    assert row.mean() == pytest.approx(0.6, abs=0.1)


def test_a_closed_line_has_no_notch_where_it_closes() -> None:
    made = canvas()

    made.draw([stroke((20, 20), (50, 20), (50, 50), (20, 50), (20, 20), width=8)])

    corner, other = made.picture[14:26, 14:26], made.picture[14:26, 44:56][:, ::-1]
    assert np.abs(corner.astype(int) - other).mean() < 12


def test_text_lies_in_its_box_and_is_justified_in_it() -> None:
    left, right = canvas(100, 200), canvas(100, 200)

    left.write(Label("wide line\nx", 20, 10, 20))
    right.write(Label("wide line\nx", 20, 10, 20, justification="RIGHT"))

    second = slice(36, 62)
    assert np.flatnonzero(left.picture[second].any(axis=0)).max() < 40
    assert np.flatnonzero(right.picture[second].any(axis=0)).min() > 60
    assert np.flatnonzero(left.picture.any(axis=1)).min() >= 8


def test_letters_fill_their_box_but_stay_readable() -> None:
    assert fitting_size("text", 1000, 1000, usual=14) == 28
    assert fitting_size("a rather long line of text", 20, 4, usual=14) == pytest.approx(0.8 * 14)
    assert fitting_size("text", 0, 0, usual=14) == 14
    assert 14 < fitting_size("text", 60, 25, usual=14) < 28


def test_lines_and_letters_grow_with_the_picture() -> None:
    assert line_width(64, 64) == 1.2
    assert line_width(4000, 4000) == 10
    assert letter_size(64, 64) == 10
    assert letter_size(1800, 2000) == 50


def test_large_pictures_are_drawn_on_within_the_budget_of_memory() -> None:
    made = canvas(3000, 3000)

    made.draw([stroke((0, 0), (3000, 3000), width=10)])

    assert made.picture[1500, 1500] == 200


@pytest.mark.parametrize(
    ("corners", "side"), [(200_000, 0.01), (20_000, 1000)], ids=["many short lines", "many long lines"]
)
def test_very_many_lines_are_refused_before_any_is_drawn(corners: int, side: float) -> None:
    points = np.random.default_rng(0).uniform(0, side, (corners, 2))
    made = canvas(1000, 1000)

    with pytest.raises(TooLarge, match="too long"):
        made.draw([Stroke(points, 2.0, None)])
    assert not made.picture.any()


def test_endless_drawing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_MOST_DRAWN_PIXELS", 1_000_000)
    made = canvas(200, 200)

    with pytest.raises(TooLarge, match="too long"):
        made.draw([stroke((0, 0), (200, 200), colour=colour) for _ in range(60) for colour in (GREY, WHITE)])
