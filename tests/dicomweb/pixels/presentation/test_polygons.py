"""Cutting lines and polygons to a rectangle."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dicomweb.pixels.presentation.polygons import clip_lines, clip_polygon, dashes

BOUNDS = (0.0, 0.0, 100.0, 50.0)


def filled(points: np.ndarray, *, shift: float = 0.0) -> np.ndarray:
    image = Image.new("1", (300, 300))
    if len(points) >= 3:
        ImageDraw.Draw(image).polygon([(x + shift, y + shift) for x, y in points.tolist()], fill=1)
    return np.array(image)


@pytest.mark.parametrize("seed", range(8))
def test_a_cut_polygon_covers_what_the_whole_one_covers_inside(seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-80, 180, (7, 2))

    whole = filled(points, shift=100)[100:151, 100:201]
    cut = filled(clip_polygon(points, *BOUNDS), shift=100)[100:151, 100:201]

    assert (whole[1:-1, 1:-1] != cut[1:-1, 1:-1]).mean() < 0.02, "but for the rounding of edges"


def test_a_polygon_outside_is_cut_to_nothing_and_one_inside_is_kept() -> None:
    inside = np.array([[10.0, 10], [20, 10], [15, 20]])

    assert len(clip_polygon(inside + 1000, *BOUNDS)) == 0
    assert clip_polygon(inside, *BOUNDS) is inside
    assert len(clip_polygon(inside[:2], *BOUNDS)) == 0


def test_a_huge_polygon_around_all_is_cut_to_the_rectangle() -> None:
    points = np.array([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]])

    cut = clip_polygon(points, *BOUNDS)

    assert cut.min(axis=0).tolist() == [0, 0]
    assert cut.max(axis=0).tolist() == [100, 50]


def test_a_line_is_cut_where_it_leaves_and_comes_back() -> None:
    line = np.array([[10.0, 10], [20, 10], [20, -30], [60, -30], [60, 25], [160, 25]])

    parts = clip_lines(line, *BOUNDS)

    assert [part.round(9).tolist() for part in parts] == [
        [[10, 10], [20, 10], [20, 0]],
        [[60, 0], [60, 25], [100, 25]],
    ]


def test_a_line_inside_stays_one_line() -> None:
    line = np.array([[10.0, 10], [20, 10], [20, 10], [30, 40]])

    (part,) = clip_lines(line, *BOUNDS)

    assert np.array_equal(part, line)


def test_lines_of_no_length_and_lines_far_away() -> None:
    assert [part.tolist() for part in clip_lines(np.array([[5.0, 5], [5, 5]]), *BOUNDS)] == [[[5, 5], [5, 5]]]
    assert clip_lines(np.array([[-5.0, 5], [-5, 40]]), *BOUNDS) == []
    assert clip_lines(np.array([[1e9, 1e9], [1e9, -1e9]]), *BOUNDS) == []
    (across,) = clip_lines(np.array([[-1e9, 25.0], [1e9, 25.0]]), *BOUNDS)
    assert np.allclose(across, [[0, 25], [100, 25]])


def test_dashes_follow_the_line_round_its_corners() -> None:
    pieces = dashes(np.array([[0.0, 0], [10, 0], [10, 10]]), 6, 2)

    assert [piece.tolist() for piece in pieces] == [
        [[0, 0], [6, 0]],
        [[8, 0], [10, 0], [10, 4]],
        [[10, 6], [10, 10]],
    ]


def test_a_line_of_too_many_dashes_is_left_whole() -> None:
    line = np.array([[0.0, 0], [1e9, 0]])

    assert dashes(line, 1, 1) == [line]
