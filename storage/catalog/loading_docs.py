"""The DICOM JSON of many studies or series at once, byte for byte what `aggregates` makes of each.

A document is put together from its elements as text. Elements of one attribute are made once for each value that
occurs among the rows, by `attributes.element` as everywhere; so most cost nothing, and no rule stands here twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dicomweb.model.keys import Level
from storage.catalog import attributes as told
from storage.catalog.schema import level_columns


@dataclass(frozen=True, slots=True)
class Part:
    """One attribute of all documents."""

    tag: str
    vr: str
    values: Any
    """An Arrow array, a value (or null) for each document."""
    required: bool = True
    """Whether it is told without a value too."""


def level_parts(level: Level, columns: Mapping[str, Any], *, valued: bool = False) -> list[Part]:
    """The columns of a level, in their order; with `valued` only where there is a value."""
    required = told.REQUIRED[level]
    return [
        Part(column.tag, column.vr, columns[column.name], not valued and column.tag in required)
        for column in level_columns(level)
    ]


def documents(parts: Sequence[Part], transfer_syntaxes: Any) -> Any:
    """Documents of these parts and of what stands at the end of all: an Arrow array of binary."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [text for part in parts if (text := _elements(part)) is not None]
    texts.append(pa.scalar(_text(told.AVAILABILITY, told.ONLINE)))
    texts.append(_elements(Part(told.TRANSFER_SYNTAXES, "UI", transfer_syntaxes)))
    # every element ends with a comma, the last one here gives way to what closes the document
    joined = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*texts, ""), 0, -1)
    foreign = f",{_text(told.CHARACTER_SET, told.UNICODE)[:-1]}}}"
    ends = pc.if_else(pc.string_is_ascii(joined), "}", foreign)
    return pc.binary_join_element_wise("{", joined, ends, "").cast(pa.binary())


def _elements(part: Part) -> Any:
    """The element as each document has it, a comma behind it; empty where it is not told, None if nowhere."""
    import pyarrow as pa
    import pyarrow.compute as pc

    absent = _text(part.tag, told.element(part.vr, None)) if part.required else ""
    if part.values.null_count == len(part.values):
        return pa.scalar(absent) if absent else None
    coded = part.values.dictionary_encode()
    texts = [_text(part.tag, told.element(part.vr, value)) for value in coded.dictionary.to_pylist()]
    found = pa.array(texts, pa.string()).take(coded.indices)
    return pc.fill_null(found, absent) if found.null_count else found


def _text(tag: str, element: told.Element) -> str:
    return orjson.dumps({tag: element})[1:-1].decode() + ","


def column_arrays(names: Mapping[str, bool], texts: Sequence[str]) -> dict[str, Any]:
    """Columns out of `parent_attributes` texts, by name, as Arrow arrays; `names` says which are whole numbers."""
    import pyarrow as pa

    kind = pa.struct([(name, pa.int64() if integer else pa.string()) for name, integer in names.items()])
    rows = pa.array([orjson.loads(text) for text in texts], kind)
    return dict(zip(names, rows.flatten(), strict=True))
