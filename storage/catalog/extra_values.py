"""The values of chosen attributes of a header, as the extra table holds them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from dicomweb.model.names import fold_name, joined_words, name_words
from storage.catalog.conditions import as_number
from storage.catalog.matching import FULL_FORMS, NUMBERS, has_value, name_text

ExtraValue = tuple[str, str | None, float | None, str | None, str | None]
"""Tag, value, number, folded name, words."""


def extra_values(header: bytes, tags: Sequence[str]) -> Iterator[ExtraValue]:
    """A row for each value of each of these attributes; for an absent or empty one a row without a value."""
    data_set = orjson.loads(header)
    for tag in tags:
        element = data_set.get(tag) or {}
        values = [value for value in element.get("Value") or () if value not in (None, "", {})]
        if not values:
            # A value that lies elsewhere is there, though nothing can be compared with it.
            yield (tag, "" if has_value(element) else None, None, None, None)
        for value in values:
            yield (tag, *_compared(value, str(element.get("vr", ""))))


def _compared(value: Any, vr: str) -> tuple[str, float | None, str | None, str | None]:
    if vr == "PN":
        text = name_text(value)
        return text, None, fold_name(text), joined_words(name_words(text))
    if vr in NUMBERS:
        return str(value), as_number(value), None, None
    return FULL_FORMS[vr](str(value)) if vr in FULL_FORMS else str(value), None, None, None
