"""Graphic annotations of a presentation state: from attributes to values (PS3.3 C.10.5).

A Compound Graphic (0070,0209) is not read: whatever it shows has to be there as graphic and text objects too, for
those who do not draw compound graphics (PS3.3 C.10.5.1.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import TooLarge
from dicomweb.pixels.presentation.layers import colour_of_cielab
from dicomweb.pixels.presentation.model import (
    Annotation,
    BadPresentation,
    Colour,
    GraphicObject,
    GraphicType,
    LineStyle,
    Points,
    TextObject,
    Units,
)
from dicomweb.pixels.presentation.references import read_references
from dicomweb.pixels.render.attributes import first_number, first_text, item, numbers_of, values_of

MOST_OBJECTS = 5_000
"""Graphics and texts of one state."""
MOST_POINTS = 100_000
"""Of all graphics of one state."""
MOST_CHARACTERS = 100_000
"""Of all texts of one state."""
FARTHEST = 1e9
"""Coordinates beyond are drawn as if they were this far away."""

_ANNOTATIONS, _LAYER, _TEXTS, _GRAPHICS = "00700001", "00700002", "00700008", "00700009"
_BOX_UNITS, _ANCHOR_UNITS, _GRAPHIC_UNITS = "00700003", "00700004", "00700005"
_TEXT, _BOX_START, _BOX_END, _JUSTIFICATION = "00700006", "00700010", "00700011", "00700012"
_ANCHOR, _ANCHOR_VISIBLE = "00700014", "00700015"
_DATA, _TYPE, _FILLED = "00700022", "00700023", "00700024"
_TEXT_STYLE, _LINE_STYLE, _FILL_STYLE = "00700231", "00700232", "00700233"
_TEXT_COLOUR, _PATTERN_COLOUR, _PATTERN_OPACITY = "00700241", "00700251", "00700284"
_THICKNESS, _DASHING = "00700253", "00700254"

Word = TypeVar("Word", bound=Enum)


def read_annotations(header: JsonAttributes) -> tuple[Annotation, ...]:
    """The items of the Graphic Annotation Sequence. Raises BadPresentation, TooLarge."""
    items = list(_items(header, _ANNOTATIONS))
    objects = sum(len(values_of(each, _GRAPHICS)) + len(values_of(each, _TEXTS)) for each in items)
    if objects > MOST_OBJECTS:
        raise TooLarge(
            f"a presentation state of {objects} graphic and text objects; at most {MOST_OBJECTS} are drawn"
        )
    numbers = sum(len(values_of(graphic, _DATA)) for each in items for graphic in _items(each, _GRAPHICS))
    if numbers > 2 * MOST_POINTS:
        raise TooLarge(f"a presentation state of {numbers // 2} graphic points; at most {MOST_POINTS} are drawn")
    annotations = tuple(_annotation(each) for each in items)
    characters = sum(len(text.text) for each in annotations for text in each.texts)
    if characters > MOST_CHARACTERS:
        raise TooLarge(f"a presentation state of {characters} characters; at most {MOST_CHARACTERS} are drawn")
    return annotations


def _annotation(attributes: JsonAttributes) -> Annotation:
    return Annotation(
        read_references(attributes),
        first_text(attributes, _LAYER),
        tuple(_graphic(each) for each in _items(attributes, _GRAPHICS)),
        tuple(_text(each) for each in _items(attributes, _TEXTS)),
    )


def _graphic(attributes: JsonAttributes) -> GraphicObject:
    kind = _word(GraphicType, attributes, _TYPE, "Graphic Type")
    numbers = numbers_of(attributes, _DATA)
    needed = {GraphicType.CIRCLE: 2, GraphicType.ELLIPSE: 4}.get(kind, 1)
    if len(numbers) % 2 or len(numbers) < 2 * needed:
        raise BadPresentation(
            f"Graphic Data (0070,0022) of a {kind.value} are at least {needed} points of two numbers, "
            f"not {len(numbers)} numbers"
        )
    points = _points(numbers)
    return GraphicObject(
        kind,
        _word(Units, attributes, _GRAPHIC_UNITS, "Graphic Annotation Units"),
        points if kind not in (GraphicType.CIRCLE, GraphicType.ELLIPSE) else points[:needed],
        first_text(attributes, _FILLED).upper() == "Y",
        _style(attributes),
    )


def _style(attributes: JsonAttributes) -> LineStyle:
    """Line Style and Fill Style Sequence, of which patterns other than dashes are not drawn."""
    line, fill = item(attributes, _LINE_STYLE), item(attributes, _FILL_STYLE)
    thickness = first_number(line, _THICKNESS)
    return LineStyle(
        colour_of_cielab(numbers_of(line, _PATTERN_COLOUR)),
        min(max(thickness, 0.25), 50.0) if thickness is not None else 1.0,
        _share(line, _PATTERN_OPACITY),
        first_text(line, _DASHING).upper() == "DASHED",
        colour_of_cielab(numbers_of(fill, _PATTERN_COLOUR)),
        _share(fill, _PATTERN_OPACITY),
    )


def _text(attributes: JsonAttributes) -> TextObject:
    start, end = numbers_of(attributes, _BOX_START), numbers_of(attributes, _BOX_END)
    anchor = numbers_of(attributes, _ANCHOR)
    has_box, has_anchor = len(start) >= 2 and len(end) >= 2, len(anchor) >= 2
    if not has_box and not has_anchor:
        raise BadPresentation("a text object has a bounding box (0070,0010), (0070,0011) or an anchor (0070,0014)")
    return TextObject(
        _unformatted(attributes),
        _points([*start[:2], *end[:2]]) if has_box else None,
        _word(Units, attributes, _BOX_UNITS, "Bounding Box Annotation Units") if has_box else Units.PIXEL,
        first_text(attributes, _JUSTIFICATION).upper() or "LEFT",
        _points(anchor[:2]) if has_anchor else None,
        _word(Units, attributes, _ANCHOR_UNITS, "Anchor Point Annotation Units") if has_anchor else Units.PIXEL,
        first_text(attributes, _ANCHOR_VISIBLE).upper() == "Y",
        _text_colour(attributes),
    )


def _unformatted(attributes: JsonAttributes) -> str:
    """Unformatted Text Value as lines parted by line feeds; CR LF parts lines in DICOM (PS3.5 6.1.2.3)."""
    values = values_of(attributes, _TEXT)
    text = values[0] if values and isinstance(values[0], str) else ""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")


def _text_colour(attributes: JsonAttributes) -> Colour | None:
    return colour_of_cielab(numbers_of(item(attributes, _TEXT_STYLE), _TEXT_COLOUR))


def _points(numbers: list[float]) -> Points:
    return np.clip(np.array(numbers, np.float64).reshape(-1, 2), -FARTHEST, FARTHEST)


def _share(attributes: JsonAttributes, tag: str) -> float:
    number = first_number(attributes, tag)
    return 1.0 if number is None else min(max(number, 0.0), 1.0)


def _word(words: type[Word], attributes: JsonAttributes, tag: str, name: str) -> Word:
    text = first_text(attributes, tag).upper()
    try:
        return words(text)
    except ValueError:
        known = ", ".join(str(word.value) for word in words)
        raise BadPresentation(f"{name} ({tag[:4]},{tag[4:]}) is one of {known}") from None


def _items(attributes: JsonAttributes, tag: str) -> Iterator[dict[str, dict[str, Any]]]:
    return (value for value in values_of(attributes, tag) if isinstance(value, dict))
