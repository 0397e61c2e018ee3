"""One condition on a header, for attributes that have no column. Pure.

A condition on a path through sequences holds if some item fulfils it; one that an attribute is empty, if no
item has a value there. Values compare as `conditions` lets DuckDB compare them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import orjson

from dicomweb.model.names import fold_name, joined_words, name_words
from dicomweb.model.query import (
    AllOf,
    AttributePath,
    Between,
    BetweenMoments,
    Condition,
    Empty,
    JsonAttributes,
    Match,
    NameWords,
    OneOf,
    Wildcard,
)
from storage.catalog.conditions import as_number
from storage.catalog.moments import full_date, full_date_time, full_time
from storage.catalog.patterns import name_pattern, wildcard_expression, word_pattern

Element = dict[str, Any]
FULL_FORMS: dict[str, Callable[..., str]] = {"DA": full_date, "TM": full_time, "DT": full_date_time}
"""How values of these VRs are put into a form that can be compared."""
NUMBERS = ("DS", "IS", "FL", "FD", "SL", "SS", "UL", "US", "SV", "UV")
"""VRs whose values are compared as numbers."""


def header_matches(header: bytes, matches: Sequence[Match]) -> bool:
    """Whether a header, DICOM JSON, fulfils all conditions."""
    for match in matches:
        # An attribute that is nowhere in the text is absent: most headers need no parsing.
        if not isinstance(match.condition, Empty) and f'"{match.path[-1]}"'.encode() not in header:
            return False
    data_set = orjson.loads(header)
    return all(data_set_matches(data_set, match) for match in matches)


def data_set_matches(data_set: JsonAttributes, match: Match) -> bool:
    """Whether a data set fulfils a condition."""
    found = list(_elements(data_set, match.path))
    if isinstance(match.condition, Empty):
        return not any(has_value(element) for _, element in found)
    return any(_holds(item, element, match) for item, element in found)


def _elements(data_set: JsonAttributes, path: AttributePath) -> Iterator[tuple[JsonAttributes, Element]]:
    """The elements at the end of a path, each with the data set or item it lies in."""
    element = data_set.get(path[0])
    if element is None:
        return
    if len(path) == 1:
        yield data_set, element
        return
    for item in element.get("Value") or ():
        if isinstance(item, dict):
            yield from _elements(item, path[1:])


def has_value(element: Element) -> bool:
    """Whether an element has a value, be it elsewhere."""
    if element.get("InlineBinary") or element.get("BulkDataURI"):
        return True
    return any(value not in (None, "", {}) for value in element.get("Value") or ())


def _holds(item: JsonAttributes, element: Element, match: Match) -> bool:
    vr, condition = str(element.get("vr", match.vr)), match.condition
    values = [value for value in element.get("Value") or () if value is not None]
    if isinstance(condition, BetweenMoments):
        return any(_between_moments(item, str(value), condition) for value in values)
    if isinstance(condition, AllOf):
        return bool(values) and all(any(_is(value, vr, wanted) for value in values) for wanted in condition.values)
    return any(_value_holds(value, vr, condition) for value in values)


def _value_holds(value: Any, vr: str, condition: Condition) -> bool:
    if isinstance(condition, OneOf):
        return any(_is(value, vr, wanted) for wanted in condition.values)
    if isinstance(condition, Wildcard):
        return not condition.pattern.strip("*") or _like(value, vr, condition.pattern)
    if isinstance(condition, Between):
        return _between(str(value), vr, condition)
    if isinstance(condition, NameWords):
        held = joined_words(name_words(name_text(value)))
        return all(word_pattern(word).found_in(held) for word in condition.words)
    return False


def _is(value: Any, vr: str, wanted: str) -> bool:
    if vr == "PN":
        return name_pattern(wanted, wildcards=False).found_in(fold_name(name_text(value)))
    if vr in NUMBERS:
        return as_number(value) is not None and as_number(value) == as_number(wanted)
    if vr in FULL_FORMS:
        return FULL_FORMS[vr](str(value)) == FULL_FORMS[vr](wanted)
    return str(value) == wanted


def _like(value: Any, vr: str, pattern: str) -> bool:
    if vr == "PN":
        return name_pattern(pattern, wildcards=True).found_in(fold_name(name_text(value)))
    return _compiled(pattern).fullmatch(str(value)) is not None


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(wildcard_expression(pattern), re.DOTALL)


def name_text(value: Any) -> str:
    """A person name of DICOM JSON as its groups joined by `=`."""
    if not isinstance(value, dict):
        return str(value)
    groups = (value.get(group) or "" for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(groups).rstrip("=")


def _between(value: str, vr: str, condition: Between) -> bool:
    full = FULL_FORMS.get(vr)
    if full is None or not value:
        return False
    moment = full(value)
    return (condition.low is None or moment >= full(condition.low)) and (
        condition.high is None or moment <= full(condition.high, last=True)
    )


def _between_moments(item: JsonAttributes, date: str, condition: BetweenMoments) -> bool:
    clock = next(iter((item.get(condition.time) or {}).get("Value") or ()), None) or "000000"
    moment = full_date(date) + full_time(str(clock))
    low, high = condition.low, condition.high
    return (low is None or moment >= full_date(low[0]) + full_time(low[1])) and (
        high is None or moment <= full_date(high[0], last=True) + full_time(high[1], last=True)
    )
