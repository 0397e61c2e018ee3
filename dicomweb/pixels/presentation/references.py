"""References to images in a presentation state (PS3.3 10.3, C.11.11)."""

from __future__ import annotations

from collections.abc import Iterator

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.presentation.model import ImageReference
from dicomweb.pixels.render.attributes import first_text, values_of

MOST_REFERENCES = 100_000

_STUDY, _SERIES = "0020000D", "0020000E"
_SERIES_SEQUENCE, _IMAGE_SEQUENCE = "00081115", "00081140"
_SOP_CLASS, _SOP_INSTANCE, _FRAMES = "00081150", "00081155", "00081160"


def read_references(
    attributes: JsonAttributes, *, series: str = "", study: str = ""
) -> tuple[ImageReference, ...]:
    """The items of the Referenced Image Sequence of a data set or an item."""
    return tuple(_references(attributes, series, study))


def read_state_references(header: JsonAttributes) -> tuple[ImageReference, ...]:
    """The images a presentation state is for: its Referenced Series Sequence (PS3.3 C.11.11)."""
    study = first_text(header, _STUDY)
    found: list[ImageReference] = []
    for item in values_of(header, _SERIES_SEQUENCE):
        if isinstance(item, dict) and len(found) < MOST_REFERENCES:
            found += _references(item, first_text(item, _SERIES), study)
    return tuple(found[:MOST_REFERENCES])


def _references(attributes: JsonAttributes, series: str, study: str) -> Iterator[ImageReference]:
    for item in values_of(attributes, _IMAGE_SEQUENCE):
        if isinstance(item, dict) and (sop_instance := first_text(item, _SOP_INSTANCE)):
            yield ImageReference(sop_instance, _frames(item), series, study, first_text(item, _SOP_CLASS))


def _frames(item: JsonAttributes) -> frozenset[int]:
    """Referenced Frame Number; values that are no numbers name no frame."""
    numbers = set()
    for value in values_of(item, _FRAMES):
        try:
            numbers.add(int(value))
        except (TypeError, ValueError, OverflowError):
            continue
    return frozenset(numbers)
