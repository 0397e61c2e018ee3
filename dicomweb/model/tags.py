"""The data dictionary: keyword to tag, tag to VR and keyword (PS3.6 chapter 6), private attributes included.

The tables are pydicom's. They are loaded as the plain modules they are, past pydicom's package, whose import
takes a quarter of a second: whoever only looks up a tag does not pay for codecs. The public table is loaded at
the first question, the private one at the first question about a private attribute.

Tags are text here as in DICOM JSON: eight upper-case hexadecimal digits.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

UNKNOWN_VR = "UN"
"""What is said of tags that no dictionary knows."""

_PREFERRED = {"US or SS": "US", "OB or OW": "OW", "US or OW": "US", "US or SS or OW": "US"}
"""The VR told for attributes whose VR depends on others (PS3.6 6): what matching and including need."""


def tag_of(keyword: str) -> str | None:
    """The tag of a keyword, None if the dictionary has no such keyword."""
    return _tags_by_keyword().get(keyword)


def nearest_keyword(word: str, others: Sequence[str] = ()) -> str | None:
    """The keyword, or one of the `others`, that is spelled most like a word; None if none is. Slow: for errors."""
    # those of about its length only: the dictionary has thousands, and comparing costs
    known = {one.lower(): one for one in (*_tags_by_keyword(), *others) if abs(len(one) - len(word)) <= 3}
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.75)
    return known[near[0]] if near else None


def keyword_of(tag: str) -> str | None:
    """The keyword of a tag, None for private and unknown ones."""
    entry = _entry(int(tag, 16))
    return (entry[4] or None) if entry else None


def name_of(tag: str) -> str | None:
    """The name of a tag as PS3.6 spells it, None for private and unknown ones."""
    entry = _entry(int(tag, 16))
    return entry[2] if entry else None


def vr_of(tag: str) -> str:
    """The VR of a tag: the one to match by where several are possible, `UN` if unknown or private."""
    vr = public_vr(int(tag, 16))
    return UNKNOWN_VR if vr is None else _PREFERRED.get(vr, vr)


def uid_name(uid: str) -> str | None:
    """What PS3.6 chapter A calls a SOP class, a transfer syntax, ...; None for UIDs it does not list."""
    entry = _uid_table().get(uid)
    return entry[0] or None if entry else None


def is_private(tag: str) -> bool:
    """Whether the group is odd (PS3.5 7.8)."""
    return tag[3] in "13579BDF"


def public_vr(tag: int) -> str | None:
    """The VR as PS3.6 writes it, also `US or SS` and the like; group lengths are UL; None if unknown.

    Repeating groups (50xx, 60xx and others) are known by their mask.
    """
    entry = _entry(tag)
    if entry is not None:
        return entry[0]
    if tag & 0xFFFF == 0:
        return "UL"  # group lengths of groups without attributes in the dictionary (PS3.5 7.2)
    return None


def private_vr(tag: int, creator: str) -> str | None:
    """The VR of a private attribute under its private creator (PS3.5 7.8.1), None if it is not known."""
    attributes = _private_tables().get(creator)
    if attributes is None:
        return None
    text = f"{tag:08X}"
    for key in (text, f"{text[:4]}xx{text[6:]}", f"{text[:2]}xxxx{text[6:]}"):
        if key in attributes:
            vr: str = attributes[key][0]
            return vr
    return None


def _entry(tag: int) -> tuple[str, str, str, str, str] | None:
    """VR, VM, name, retired and keyword."""
    table, masks = _public_tables()
    found = table.get(tag)
    if found is None and not tag >> 16 & 1:  # (6001,0010) is a private creator, not the Overlay Rows of a mask
        for mask, value, entry in masks:
            if tag & mask == value:
                return entry
    return found


Entry = tuple[str, str, str, str, str]


@cache
def _public_tables() -> tuple[dict[int, Entry], list[tuple[int, int, Entry]]]:
    """The dictionary, and the repeating attributes as mask, value under the mask, entry."""
    module = _table_module("_dicom_dict")
    masks = []
    for pattern, entry in module.RepeatersDictionary.items():
        mask = int("".join("0" if digit == "x" else "F" for digit in pattern), 16)
        masks.append((mask, int(pattern.replace("x", "0"), 16), entry))
    return module.DicomDictionary, masks


@cache
def _tags_by_keyword() -> dict[str, str]:
    return {entry[4]: f"{tag:08X}" for tag, entry in _public_tables()[0].items() if entry[4]}


@cache
def _uid_table() -> dict[str, tuple[str, str, str, str, str]]:
    table: dict[str, tuple[str, str, str, str, str]] = _table_module("_uid_dict").UID_dictionary
    return table


@cache
def _private_tables() -> dict[str, dict[str, tuple[str, ...]]]:
    tables: dict[str, dict[str, tuple[str, ...]]] = _table_module("_private_dict").private_dictionaries
    return tables


def _table_module(name: str) -> ModuleType | Any:
    """pydicom's module of that name, without pydicom itself."""
    loaded = sys.modules.get(f"pydicom.{name}")
    if loaded is not None:
        return loaded
    package = find_spec("pydicom")  # finds a top-level package without running it
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("pydicom, whose data dictionary is needed, is not installed")
    path = Path(package.submodule_search_locations[0]) / f"{name}.py"
    spec = spec_from_file_location(f"dicomweb.model.{name}", path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"pydicom has no {name}; its data dictionary is needed")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
