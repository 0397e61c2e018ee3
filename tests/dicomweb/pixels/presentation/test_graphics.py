"""Graphic annotations from attributes to values, and what is wrong with broken ones."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.pixels.frame import PixelError, TooLarge
from dicomweb.pixels.presentation.graphics import read_annotations
from dicomweb.pixels.presentation.model import BadPresentation, Colour, GraphicType, Units
from tests.dicomweb.pixels.presentation.states import graphic, item, make_state, read, reference, text


def annotations(*items: Any) -> Any:
    return read_annotations(read(make_state(GraphicAnnotationSequence=list(items)))[0])


def one_graphic(**attributes: Any) -> Any:
    made = {"GraphicType": "POLYLINE", "GraphicData": [1, 2, 3, 4], **attributes}
    kind, data = made.pop("GraphicType"), made.pop("GraphicData")
    (found,) = annotations(item(GraphicLayer="A", GraphicObjectSequence=[graphic(kind, data, **made)]))
    return found.graphics[0]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("POINT", [1, 2]),
        ("POLYLINE", [1, 2, 3, 4, 5, 6]),
        ("INTERPOLATED", [1, 2, 3, 4, 5, 6]),
        ("CIRCLE", [1, 2, 3, 4]),
        ("ELLIPSE", [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_every_graphic_type_is_read(kind: str, data: list[float]) -> None:
    found = one_graphic(GraphicType=kind, GraphicData=data, GraphicFilled="Y", GraphicAnnotationUnits="DISPLAY")

    assert found.type is GraphicType(kind)
    assert found.units is Units.DISPLAY
    assert found.filled
    assert found.points.reshape(-1).tolist() == data


def test_styles_of_lines_and_areas_are_read() -> None:
    found = one_graphic(
        LineStyleSequence=[
            item(LineThickness=2.5, LineDashingStyle="DASHED", PatternOnColorCIELabValue=[65535, 32896, 32896])
        ],
        FillStyleSequence=[item(PatternOnColorCIELabValue=[0, 32896, 32896], PatternOnOpacity=0.25)],
    )

    assert (found.style.thickness, found.style.dashed, found.style.opacity) == (2.5, True, 1.0)
    assert found.style.colour == Colour(255, 255, 255)
    assert (found.style.fill, found.style.fill_opacity) == (Colour(0, 0, 0), 0.25)


def test_texts_are_read_with_box_and_anchor() -> None:
    (found,) = annotations(
        item(
            GraphicLayer="A",
            ReferencedImageSequence=[reference("image", 2, 3)],
            TextObjectSequence=[
                text("one\r\ntwo", box=(1, 2, 30, 40), BoundingBoxTextHorizontalJustification="CENTER"),
                text("mark", anchor=(5, 6), AnchorPointVisibility="Y"),
            ],
        )
    )

    boxed, anchored = found.texts
    assert boxed.text == "one\ntwo"
    assert boxed.box.tolist() == [[1, 2], [30, 40]]
    assert boxed.justification == "CENTER"
    assert anchored.box is None
    assert anchored.anchor.tolist() == [[5, 6]]
    assert anchored.anchor_visible
    assert found.references[0].frames == frozenset({2, 3})


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"GraphicType": "SPIRAL"}, "0070,0023"),
        ({"GraphicType": "CIRCLE", "GraphicData": [1, 2]}, "CIRCLE"),
        ({"GraphicType": "ELLIPSE", "GraphicData": [1, 2, 3, 4]}, "ELLIPSE"),
        ({"GraphicData": [1, 2, 3]}, "3 numbers"),
        ({"GraphicData": []}, "0 numbers"),
        ({"GraphicAnnotationUnits": "INCH"}, "0070,0005"),
    ],
)
def test_a_broken_graphic_is_refused_and_the_attribute_named(attributes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadPresentation, match=said):
        one_graphic(**attributes)


def test_a_text_without_a_place_is_refused() -> None:
    with pytest.raises(BadPresentation, match="0070,0014"):
        annotations(item(GraphicLayer="A", TextObjectSequence=[text("lost")]))


def header_of(objects: list[Any], tag: str = "00700009") -> Any:
    return {"00700001": {"vr": "SQ", "Value": [{tag: {"vr": "SQ", "Value": objects}}]}}


def line(numbers: int) -> Any:
    return {
        "00700005": {"vr": "CS", "Value": ["PIXEL"]},
        "00700022": {"vr": "FL", "Value": [1.0] * numbers},
        "00700023": {"vr": "CS", "Value": ["POLYLINE"]},
    }


@pytest.mark.parametrize(
    "header",
    [
        header_of([line(2)] * 5_001),
        header_of([line(150_000)] * 2),
        header_of(
            [
                {
                    "00700004": {"vr": "CS", "Value": ["PIXEL"]},
                    "00700006": {"vr": "ST", "Value": ["x" * 60_000]},
                    "00700014": {"vr": "FL", "Value": [1, 1]},
                }
            ]
            * 2,
            "00700008",
        ),
    ],
    ids=["objects", "points", "characters"],
)
def test_absurdly_many_of_anything_are_refused(header: Any) -> None:
    with pytest.raises(TooLarge, match="at most"):
        read_annotations(header)


@pytest.mark.parametrize("value", [None, "x", 5, [], {}, {"vr": "CS"}, {"Value": None}, float("nan"), 1e308])
@pytest.mark.parametrize("tag", ["00700005", "00700022", "00700023", "00700232"])
def test_values_of_any_kind_are_read_or_refused_but_never_fail_otherwise(tag: str, value: Any) -> None:
    for element in ({"vr": "CS", "Value": [value]}, {"vr": "CS", "Value": value}):
        broken = line(4) | {tag: element}
        try:
            read_annotations(header_of([broken, "no item", None]))
        except PixelError:
            continue
