r"""What the value of a matching key means: which conditions of `dicomweb.model.query` it asks for.

One function from text to conditions, by the VR of the attribute (PS3.4 C.2.2.2, PS3.18 8.3.4.1):

    value                         VR                      matches
    (empty), *                    all                     everything (universal matching)
    ""   emptyvaluematching       all                     absent or without value
    a,b  a\b                      UI CS                   one of them
    a,b  a\b  multiplevaluematching=true                  all of them; for other VRs only \ divides
    a*b?                          AE CS LO LT PN SH ST UC UR UT UN    wildcards
    a-b  a-  -b                   DA TM DT                a range, see `qido_dates`
    anything else                                         itself; names by their folded text

Elsewhere a comma belongs to the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from dicomweb.model.keys import IllegalUid, parse_uid
from dicomweb.model.names import pattern_words
from dicomweb.model.query import AllOf, Between, Condition, Empty, NameWords, OneOf, Wildcard
from dicomweb.services import qido_dates

WILDCARD_VRS = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "UN"])
"""VRs whose values may hold `*` and `?` (PS3.4 C.2.2.2.4); UN for attributes no dictionary knows."""
_LISTS = frozenset(["UI", "CS"])
_PLAIN_BACKSLASH = frozenset(["LT", "ST", "UR", "UT"])
"""VRs of one value, in which a backslash is a character like others (PS3.5 6.2)."""
_LEADING_BLANKS = frozenset(["LT", "ST", "UC", "UR", "UT"])
"""VRs in which leading blanks belong to the value (PS3.5 6.2)."""
_UNMATCHABLE = frozenset(["SQ", "OB", "OD", "OF", "OL", "OV", "OW"])
_INTEGERS = frozenset(["IS", "SL", "SS", "SV", "UL", "US", "UV"])
_FLOATS = frozenset(["DS", "FD", "FL"])
_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d{1,32}(\.\d{0,32})?|\.\d{1,32})([eE][+-]?\d{1,3})?", re.ASCII)
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
EMPTY = '""'
"""Two quotation marks: the value of empty value matching (PS3.4 C.2.2.2.7)."""


@dataclass(frozen=True, slots=True)
class Switches:
    """The parameters that change how values match (PS3.18 8.3.4)."""

    fuzzy: bool = False
    """fuzzymatching: person names match by the beginnings of their words."""
    empty: bool = False
    """emptyvaluematching."""
    multiple: bool = False
    """multiplevaluematching: lists mean all of them."""


class BadValue(ValueError):
    """A value that does not fit the attribute; the text says what was expected and never repeats the value."""


def conditions_for(value: str, vr: str, switches: Switches, *, max_values: int) -> tuple[Condition, ...]:
    """The conditions a key with this value asks for: all must hold, none is universal matching.

    Raises BadValue.
    """
    text = value.rstrip(" \0") if vr in _LEADING_BLANKS else value.strip(" \0")
    if not text.strip("*"):
        return ()
    if text == EMPTY and switches.empty:
        return (Empty(),)
    if vr in _UNMATCHABLE:
        raise BadValue(
            "a sequence is matched by an attribute within it: Sequence.Attribute=value"
            if vr == "SQ"
            else f"values of VR {vr} cannot be matched"
        )
    values = _divide(text, vr, switches)
    if len(values) > max_values:
        raise BadValue(f"a list has at most {max_values} values")
    if not values:
        return ()
    if vr in _PARSED:
        return _all_or_one([_PARSED[vr](one) for one in values])
    if vr == "PN":
        return tuple(found for one in values if (found := _name(one, switches)))
    return _text(values, vr, switches)


def _divide(text: str, vr: str, switches: Switches) -> list[str]:
    """The values of a list, empty ones left out, each once."""
    if vr in _LISTS:
        parts = re.split(r"[,\\]", text)
    elif vr in _PLAIN_BACKSLASH or "\\" not in text:
        return [text]
    elif switches.multiple:
        parts = text.split("\\")
    else:
        raise BadValue("several values need multiplevaluematching=true, and then all of them must match")
    return list(dict.fromkeys(part for part in map(str.strip, parts) if part))


def _text(values: list[str], vr: str, switches: Switches) -> tuple[Condition, ...]:
    """Conditions of values that are compared as text or number."""
    if vr == "UI":
        values = [_uid(value) for value in values]
    elif vr in _CHECKED:
        values = [_CHECKED[vr](value) for value in values]
    patterns = [value for value in values if "*" in value or "?" in value]
    if patterns and vr not in WILDCARD_VRS:
        raise BadValue(f"values of VR {vr} take no wildcards")
    if len(values) == 1:
        return (Wildcard(values[0]),) if patterns else (OneOf(tuple(values)),)
    if not switches.multiple:
        if patterns:
            raise BadValue("a list takes no wildcards, except with multiplevaluematching=true")
        return (OneOf(tuple(values)),)
    exact = tuple(value for value in values if value not in patterns)
    wild = tuple(Wildcard(pattern) for pattern in patterns if pattern.strip("*"))
    return ((AllOf(exact) if len(exact) > 1 else OneOf(exact)), *wild) if exact else wild


def _name(value: str, switches: Switches) -> Condition | None:
    """The condition of one person name; None matches every name."""
    if not value.strip("*^= "):
        return None
    if switches.fuzzy and (words := tuple(word for word in pattern_words(value) if word.strip("*"))):
        return NameWords(words)
    return Wildcard(value) if "*" in value or "?" in value else OneOf((value,))


def _all_or_one(ranges: list[Between]) -> tuple[Condition, ...]:
    """A day is an exact value; everything else of dates and times is a range."""
    return tuple(OneOf((one.low,)) if one.low is not None and one.low == one.high else one for one in ranges)


def _dated(parse: Callable[[str], Between]) -> Callable[[str], Between]:
    def checked(value: str) -> Between:
        try:
            return parse(value)
        except qido_dates.BadDate as error:
            raise BadValue(str(error)) from error

    return checked


def _uid(value: str) -> str:
    try:
        return parse_uid(value)
    except IllegalUid as error:
        raise BadValue("expected a UID, or a list of them divided by commas") from error


def _integer(value: str) -> str:
    if not _INTEGER.fullmatch(value):
        raise BadValue("expected an integer")
    return str(int(value))


def _float(value: str) -> str:
    if not _FLOAT.fullmatch(value) or not math.isfinite(float(value)):
        raise BadValue("expected a number")
    return value


def _attribute_tag(value: str) -> str:
    if not _TAG.fullmatch(value):
        raise BadValue("expected a tag of eight hexadecimal digits")
    return value.upper()


_PARSED = {
    "DA": _dated(qido_dates.date_range),
    "TM": _dated(qido_dates.time_range),
    "DT": _dated(qido_dates.moment_range),
}
_CHECKED: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(_INTEGERS, _integer),
    **dict.fromkeys(_FLOATS, _float),
    "AT": _attribute_tag,
}
