"""Hypothesis strategies for data sets as DICOM JSON."""

from __future__ import annotations

import base64
import struct
from typing import Any

from hypothesis import strategies as st

_TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\^=\ufffe\uffff\ufffd"),
    min_size=1,
    max_size=12,
).filter(lambda text: text == text.strip(" \0") and "\ufffe" not in text)
_LINES = st.lists(_TEXT, min_size=1, max_size=3).map("\r\n".join)


def _float32(number: float) -> float:
    value: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return value


def _integers(low: int, high: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.integers(low, high), min_size=1, max_size=4)


def _several(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[Any]]:
    """Values of which some are missing, though not all, and not the last."""
    return st.tuples(st.lists(st.one_of(st.none(), text), max_size=3), text).map(lambda pair: [*pair[0], pair[1]])


_COMPONENTS = st.lists(_TEXT, min_size=1, max_size=5).map("^".join)
_NAMES = st.fixed_dictionaries(
    {"Alphabetic": _COMPONENTS}, optional={"Ideographic": _COMPONENTS, "Phonetic": _COMPONENTS}
)

VALUES: dict[str, st.SearchStrategy[list[Any]]] = {
    "AE": _several(st.from_regex(r"[A-Z_]{1,16}", fullmatch=True)),
    "AS": st.just(["012Y"]),
    "AT": st.lists(st.from_regex(r"[0-9A-F]{8}", fullmatch=True), min_size=1, max_size=3),
    "CS": _several(st.from_regex(r"[A-Z0-9_]{1,16}", fullmatch=True)),
    "DA": _several(st.just("20240229")),
    "DS": st.lists(st.integers(-(10**9), 10**9).map(lambda number: number / 1000), min_size=1, max_size=4),
    "DT": _several(st.just("20240229131415.5+0100")),
    "FD": st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3),
    "FL": st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False).map(_float32), min_size=1, max_size=3
    ),
    "IS": _integers(-(2**31), 2**31 - 1),
    "LO": _several(_TEXT),
    "LT": _LINES.map(lambda text: [text]),
    "PN": st.lists(_NAMES, min_size=1, max_size=2),
    "SH": _several(_TEXT),
    "SL": _integers(-(2**31), 2**31 - 1),
    "SS": _integers(-(2**15), 2**15 - 1),
    "ST": _LINES.map(lambda text: [text]),
    "SV": _integers(-(2**63), 2**63 - 1),
    "TM": _several(st.just("131415.25")),
    "UC": _several(_TEXT),
    "UI": _several(st.from_regex(r"[1-9](\.[1-9][0-9]{0,5}){1,6}", fullmatch=True)),
    "UL": _integers(0, 2**32 - 1),
    "UR": st.just(["https://host/path?a=b&c=%20"]),
    "US": _integers(0, 2**16 - 1),
    "UT": _LINES.map(lambda text: [text]),
    "UV": _integers(0, 2**64 - 1),
}
"""Values of each VR as DICOM JSON has them."""

_BINARY = st.sampled_from(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
# in a private block without a creator, so that no dictionary has an opinion about them
_TAGS = st.integers(0x1000, 0x10FF).map(lambda element: f"0009{element:04X}")


def _plain(vr: str) -> st.SearchStrategy[dict[str, Any]]:
    return VALUES[vr].map(lambda values: {"vr": vr, "Value": values})


def _inline(vr: str) -> st.SearchStrategy[dict[str, Any]]:
    words = st.binary(min_size=1, max_size=5).map(lambda data: base64.b64encode(data * 8).decode())
    return words.map(lambda text: {"vr": vr, "InlineBinary": text})


_LEAVES = st.one_of(
    st.sampled_from(sorted(VALUES)).flatmap(_plain),
    _BINARY.flatmap(_inline),
    st.sampled_from(sorted(VALUES)).map(lambda vr: {"vr": vr}),
)


def _nested(entries: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    items = st.lists(st.dictionaries(_TAGS, entries, max_size=3), max_size=3)
    return items.map(lambda found: {"vr": "SQ", "Value": found} if found else {"vr": "SQ"})


data_sets = st.dictionaries(_TAGS, st.recursive(_LEAVES, _nested, max_leaves=8), max_size=8).map(
    lambda found: dict(sorted(found.items()))
)
"""Data sets of all VRs, nested, without identifiers."""
