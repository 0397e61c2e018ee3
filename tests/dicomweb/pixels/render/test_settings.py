from __future__ import annotations

import math

import pytest

from dicomweb.pixels.render.settings import BadRenderRequest, Region, RenderSettings, Viewport, Window


@pytest.mark.parametrize(
    ("center", "width", "function"),
    [(40, 0, "linear"), (40, 0.5, "linear"), (40, -400, "linear"), (40, 0, "sigmoid"), (40, -1, "linear-exact"),
     (math.nan, 400, "linear"), (40, math.inf, "linear"), (40, 400, "LINEAR"), (40, 400, "cubic")],
)  # fmt: skip
def test_a_window_without_meaning_is_refused(center: float, width: float, function: str) -> None:
    with pytest.raises(BadRenderRequest):
        Window(center, width, function)  # type: ignore[arg-type]  # what is wrong comes from outside


@pytest.mark.parametrize("function", ["linear-exact", "sigmoid"])
def test_only_a_linear_window_is_at_least_one_wide(function: str) -> None:
    assert Window(0.5, 0.1, function).width == 0.1  # type: ignore[arg-type]  # parametrised text


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (10, 65_501)])
def test_a_viewport_without_meaning_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadRenderRequest):
        Viewport(*size)


@pytest.mark.parametrize(
    "region", [{"width": 0}, {"height": 0}, {"left": -1}, {"top": math.nan}, {"width": math.inf}]
)
def test_a_region_without_meaning_is_refused(region: dict[str, float]) -> None:
    with pytest.raises(BadRenderRequest):
        Region(**region)  # type: ignore[arg-type]  # parametrised names


def test_unknown_profiles_and_annotations_are_refused_by_name() -> None:
    with pytest.raises(BadRenderRequest, match="cmyk"):
        RenderSettings(icc="cmyk")
    with pytest.raises(BadRenderRequest, match="physician"):
        RenderSettings(annotation=frozenset({"patient", "physician"}))


def test_a_region_knows_whether_it_cuts_anything_away() -> None:
    assert Region().is_whole
    assert Region(0, 0, -1.0, 1.0, relative=True).is_whole
    assert not Region(0, 0, 100).is_whole
    assert not Region(1, 0).is_whole
