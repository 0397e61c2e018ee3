"""Element values to what DICOM JSON says of them (PS3.18 F.2), VR by VR (PS3.5 6.2).

`value_forms` gives, for a byte order and a character set, a table from the two bytes of a VR to how the element
is read: name, length field, decoder. A decoder takes the bytes of a value and gives the JSON values, None for an
empty value. It raises ValueError (`struct.error` included) if the length does not fit the VR.

Padding is taken off (PS3.5 6.2): both ends where leading spaces mean nothing, else the end. Numbers given as
text become numbers where they are numbers, else stay text; nothing that JSON cannot say gets through.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from struct import Struct, error, unpack
from typing import Any, NamedTuple

from dicomweb.encoding.charset import CharacterSet
from dicomweb.encoding.words import LONG_VRS, byte_swap, word_bytes

Decode = Callable[[bytes], list[Any] | None]


class Form(NamedTuple):
    """How elements of a VR are read."""

    vr: str
    long: bool
    """Two reserved bytes and a length of 32 bits in explicit VR (PS3.5 7.1.2)."""
    decode: Decode | None
    """None for sequences and bulk VRs, which take more than their bytes."""


BULK_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
"""VRs whose values are bytes to DICOM JSON."""

_PADDING = " \0"
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
"""Bounds of integers that go into JSON as numbers: what SV and UV hold."""

_NUMBERS = {
    "US": "H",
    "SS": "h",
    "UL": "L",
    "SL": "l",
    "UV": "Q",
    "SV": "q",
}
_FLOATS = {"FL": "f", "FD": "d"}
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@lru_cache(maxsize=64)
def value_forms(sign: str, text: CharacterSet) -> dict[bytes, Form]:
    """The table for a byte order, given as `struct` writes it, and a character set. Not to be changed."""
    decoders: dict[str, Decode | None] = {
        **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), _split_ascii),
        **dict.fromkeys(("LO", "SH"), _split_text(text)),
        **dict.fromkeys(("LT", "ST", "UT"), _whole_text(text)),
        "UC": _split_text(text, leading=True),
        "UR": _uri,
        "PN": _person_names(text),
        "DS": _decimals,
        "IS": _integers,
        "AT": _tags(sign),
        **{vr: _numbers(sign, code) for vr, code in _NUMBERS.items()},
        **{vr: _floats(sign, code) for vr, code in _FLOATS.items()},
        **dict.fromkeys(("SQ", *BULK_VRS), None),
    }
    return {vr.encode(): Form(vr, vr in LONG_VRS, decode) for vr, decode in decoders.items()}


def inline_binary(value: bytes, vr: str, *, big_endian: bool) -> str:
    """The base64 text of a bulk value, in little endian whatever the file (PS3.18 F.2.7)."""
    plain = byte_swap(value, word_bytes(vr)) if big_endian else value
    return b2a_base64(plain, newline=False).decode("ascii")


def _split_ascii(value: bytes) -> list[Any] | None:
    text = value.decode("latin-1").strip(_PADDING)
    if "\\" in text:
        return [part.strip(_PADDING) or None for part in text.split("\\")]
    return [text] if text else None


def _split_text(charset: CharacterSet, *, leading: bool = False) -> Decode:
    """Several values; `leading` spaces are kept if they mean something."""
    strip = str.rstrip if leading else str.strip
    decode_text, codec, plain = charset.decode, charset.codec, not charset.extensions

    def decode(value: bytes) -> list[Any] | None:
        text = strip(
            value.decode(codec, "replace") if plain or b"\x1b" not in value else decode_text(value), _PADDING
        )
        if "\\" in text:
            return [strip(part, _PADDING) or None for part in text.split("\\")]
        return [text] if text else None

    return decode


def _whole_text(charset: CharacterSet) -> Decode:
    """One value in which backslashes are text (PS3.5 6.4)."""

    def decode(value: bytes) -> list[Any] | None:
        text = charset.decode(value).rstrip(_PADDING)
        return [text] if text else None

    return decode


def _uri(value: bytes) -> list[Any] | None:
    text = value.decode("latin-1").rstrip(_PADDING)
    return [text] if text else None


def _person_names(charset: CharacterSet) -> Decode:
    """Names as objects of their component groups (PS3.18 F.2.2); empty groups are left out."""

    def decode(value: bytes) -> list[Any] | None:
        text = charset.decode(value, name=True).strip(_PADDING)
        if not text:
            return None
        if "=" not in text and "\\" not in text:
            return [{"Alphabetic": text}]
        return [_name_groups(name) for name in text.split("\\")]

    return decode


def _name_groups(name: str) -> dict[str, str] | None:
    groups = zip(_GROUPS, name.split("="), strict=False)
    return {label: text for label, group in groups if (text := group.strip(_PADDING))} or None


def _integers(value: bytes) -> list[Any] | None:
    text = value.decode("latin-1").strip(_PADDING)
    if not text:
        return None
    parts = text.split("\\")
    try:
        numbers: list[Any] = [int(part) for part in parts]
    except ValueError:
        return [_integer_or_text(part.strip(_PADDING)) for part in parts]
    if len(text) > 18 or "_" in text:  # only then can one be out of range, or no number but to Python
        return [_integer_or_text(part.strip(_PADDING)) for part in parts]
    return numbers


def _integer_or_text(part: str) -> int | str | None:
    """`1.0` is read as an integer, since it is one."""
    try:
        number = int(part) if part.lstrip("+-").isdigit() else float(part)
    except ValueError:
        return part or None
    is_integer = isinstance(number, int) or number.is_integer()
    return int(number) if is_integer and _LEAST <= number <= _MOST and "_" not in part else part


def _decimals(value: bytes) -> list[Any] | None:
    text = value.decode("latin-1").strip(_PADDING)
    if not text:
        return None
    parts = text.split("\\")
    try:
        numbers: list[Any] = [float(part) for part in parts]
    except ValueError:
        return [_decimal_or_text(part.strip(_PADDING)) for part in parts]
    if not isfinite(sum(numbers)) or "_" in text:  # `nan` and `1_0` are numbers to Python, but not to DICOM
        return [_decimal_or_text(part.strip(_PADDING)) for part in parts]
    return numbers


def _decimal_or_text(part: str) -> float | str | None:
    try:
        number = float(part)
    except ValueError:
        return part or None
    return part if "_" in part or not isfinite(number) else number


def _numbers(sign: str, code: str) -> Decode:
    one = Struct(sign + code)
    size, unpack_one = one.size, one.unpack

    def decode(value: bytes) -> list[Any] | None:
        if len(value) == size:
            return list(unpack_one(value))
        return list(unpack(f"{sign}{len(value) // size}{code}", value))

    return decode


def _floats(sign: str, code: str) -> Decode:
    unpack_numbers = _numbers(sign, code)

    def decode(value: bytes) -> list[Any] | None:
        numbers = unpack_numbers(value)
        if numbers and not isfinite(sum(numbers)):
            return [_float_or_text(number) for number in numbers]
        return numbers

    return decode


def _float_or_text(number: float) -> float | str:
    """JSON has no such numbers; they are text in DICOM JSON (PS3.18 Table F.2.3-1)."""
    if isfinite(number):
        return number
    return "NaN" if number != number else ("inf" if number > 0 else "-inf")


def _tags(sign: str) -> Decode:
    def decode(value: bytes) -> list[Any] | None:
        if len(value) % 4:
            raise error("a tag has four bytes")
        halves = unpack(f"{sign}{len(value) // 2}H", value)
        return [f"{group:04X}{element:04X}" for group, element in zip(halves[::2], halves[1::2], strict=True)]

    return decode
