"""Values of DICOM JSON to the bytes of Explicit VR Little Endian (PS3.18 F.2.3, PS3.5 6.2).

Strict: what a client writes must be of the kind the VR asks for, since nothing of it could be read back otherwise.
Text is encoded in UTF-8 (ISO_IR 192). A null is an empty value.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

_UTF8 = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_ONE_TEXT = frozenset(("LT", "ST", "UR", "UT"))
"""VRs of one value, in which a backslash is text (PS3.5 6.4)."""
_LEGAL = {
    "AE": re.compile(r"[ -\[\]-~]{0,16}"),
    "AS": re.compile(r"\d{0,3}[DWMY]?"),
    "CS": re.compile(r"[ -\[\]-~]*"),
    "DA": re.compile(r"[\d. :-]*"),
    "DT": re.compile(r"[\d. :+-]*"),
    "TM": re.compile(r"[\d. :-]*"),
    "UI": re.compile(r"[0-9.]{0,64}"),
    "UR": re.compile(r"[!-~]*"),
}
"""What may stand in a value. Lower case, dashes and ages without unit are let through, since files have them."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
"""No control characters but TAB, LF, FF, CR (PS3.5 6.1.3); ESC has no use in UTF-8."""

_INTEGERS = {"SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
_FLOATS = {"FD": "d", "FL": "f"}
_NOT_FINITE = {"NaN": "nan", "inf": "inf", "-inf": "-inf", "Infinity": "inf", "-Infinity": "-inf"}
_DECIMAL = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *")
_INTEGER = re.compile(r" *[+-]?\d{1,20} *")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_DS_LENGTH = 16

TEXT_VRS = frozenset(("AE", "AS", "CS", "DA", "DT", "TM", "UI", "UR")) | _UTF8
VALUE_VRS = TEXT_VRS | frozenset(("AT", "DS", "IS")) | frozenset(_INTEGERS) | frozenset(_FLOATS)
"""VRs that have values in DICOM JSON; the others have items or bytes."""


class BadValue(ValueError):
    """A value that its VR does not allow; the message says what was expected, not what came."""


def encode_values(vr: str, values: Sequence[Any]) -> bytes:
    """The bytes of an attribute's values, not padded. `vr` is one of VALUE_VRS. Raises BadValue."""
    if vr in _INTEGERS or vr in _FLOATS:
        return b"".join(_number(vr, value) for value in values)
    if vr == "AT":
        return b"".join(map(_tag, values))
    if vr in _ONE_TEXT and len(values) > 1:
        raise BadValue(f"{vr} has one value")
    encode = _TEXT_FORMS.get(vr)
    texts = [_text(vr, value) if encode is None else encode(value) for value in values]
    try:
        return "\\".join(texts).encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadValue("text with half a surrogate pair") from error


def _text(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadValue(f"text was expected for {vr}")
    return _checked(vr, value)


def _checked(vr: str, text: str) -> str:
    legal = _LEGAL.get(vr)
    if legal is not None and not legal.fullmatch(text):
        raise BadValue(f"not a value of VR {vr} (PS3.5 6.2)")
    if _CONTROL.search(text):
        raise BadValue("control characters in text")
    if "\\" in text and vr not in _ONE_TEXT:
        raise BadValue("a backslash in a value; several values are several entries")
    return text


def _person_name(value: Any) -> str:
    """Component groups joined (PS3.18 F.2.2)."""
    if value is None:
        return ""
    if not isinstance(value, dict) or not set(value) <= set(_GROUPS):
        raise BadValue("an object of Alphabetic, Ideographic and Phonetic was expected for PN")
    groups = [_text("PN", value.get(name)) for name in _GROUPS]
    if any("=" in group for group in groups):
        raise BadValue("an equals sign in a component group")
    return "=".join(groups).rstrip("=")


def _decimal(value: Any) -> str:
    """A number as DS, in at most 16 characters; text is kept as it is written."""
    if value is None:
        return ""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise BadValue("a decimal number was expected for DS")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise BadValue("a finite number was expected for DS")
    text = repr(value)
    digits = _DS_LENGTH
    while len(text) > _DS_LENGTH:
        digits -= 1
        text = f"{value:.{digits}g}"
    return text


def _integer_string(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    number = _whole(value)
    if number is None or not -(2**31) <= number < 2**31:
        raise BadValue("an integer of 32 bits was expected for IS")
    return str(number)


_TEXT_FORMS: dict[str, Callable[[Any], str]] = {"DS": _decimal, "IS": _integer_string, "PN": _person_name}


def _whole(value: Any) -> int | None:
    """The integer that a JSON number is, None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _number(vr: str, value: Any) -> bytes:
    """One binary number. Large integers may be text (PS3.18 Table F.2.3-1)."""
    if vr in _FLOATS:
        code = _FLOATS[vr]
        if isinstance(value, str) and value in _NOT_FINITE:
            value = float(_NOT_FINITE[value])
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadValue(f"a number was expected for {vr}")
    else:
        code = _INTEGERS[vr]
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        value = _whole(value)
        if value is None:
            raise BadValue(f"an integer was expected for {vr}")
    try:
        return struct.pack("<" + code, value)
    except (struct.error, OverflowError) as error:
        raise BadValue(f"a number beyond the range of {vr}") from error


def _tag(value: Any) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Fa-f]{8}", value):
        raise BadValue("eight hexadecimal digits were expected for AT")
    return struct.pack("<HH", int(value[:4], 16), int(value[4:], 16))
