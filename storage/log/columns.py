"""The attributes that have a column of their own in the log, the table and the catalog.

A column holds what DICOM JSON's values say: text (several values joined by a backslash, a person name as its
component groups joined by `=`), or a number for the VRs that are numbers; of a sequence, its items as a JSON array
with the attributes that searches tell (`TOLD_OF_ITEMS`). It is None if the attribute is absent or has no value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from dicomweb.model.keys import Level
from dicomweb.model.query import JsonAttributes
from storage.log.events import ColumnValue


@dataclass(frozen=True, slots=True)
class Column:
    """An attribute with a column."""

    name: str
    """Name in the log, the table and the catalog."""
    tag: str
    vr: str
    level: Level
    """The level whose entity the attribute describes; patients are told with their studies."""
    integer: bool = False
    """IS, US, UL as a 64-bit integer; everything else is text."""


def _columns(level: Level, *rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, tag, vr, level, vr in ("IS", "US", "UL")) for name, tag, vr in rows)


COLUMNS: tuple[Column, ...] = (
    *_columns(
        Level.STUDY,
        ("study_date", "00080020", "DA"),
        ("study_time", "00080030", "TM"),
        ("accession_number", "00080050", "SH"),
        ("referring_physician_name", "00080090", "PN"),
        ("timezone_offset", "00080201", "SH"),
        ("study_description", "00081030", "LO"),
        ("physicians_of_record", "00081048", "PN"),
        ("patient_name", "00100010", "PN"),
        ("patient_id", "00100020", "LO"),
        ("issuer_of_patient_id", "00100021", "LO"),
        ("patient_birth_date", "00100030", "DA"),
        ("patient_sex", "00100040", "CS"),
        ("patient_age", "00101010", "AS"),
        ("study_id", "00200010", "SH"),
        ("institution_name", "00080080", "LO"),
    ),
    *_columns(
        Level.SERIES,
        ("series_date", "00080021", "DA"),
        ("series_time", "00080031", "TM"),
        ("modality", "00080060", "CS"),
        ("manufacturer", "00080070", "LO"),
        ("station_name", "00081010", "SH"),
        ("series_description", "0008103E", "LO"),
        ("manufacturer_model_name", "00081090", "LO"),
        ("performing_physician_name", "00081050", "PN"),
        ("body_part_examined", "00180015", "CS"),
        ("protocol_name", "00181030", "LO"),
        ("series_number", "00200011", "IS"),
        ("laterality", "00200060", "CS"),
        ("frame_of_reference_uid", "00200052", "UI"),
        ("procedure_step_start_date", "00400244", "DA"),
        ("procedure_step_start_time", "00400245", "TM"),
        ("request_attributes", "00400275", "SQ"),
    ),
    *_columns(
        Level.INSTANCE,
        ("image_type", "00080008", "CS"),
        ("content_date", "00080023", "DA"),
        ("content_time", "00080033", "TM"),
        ("acquisition_date", "00080022", "DA"),
        ("acquisition_time", "00080032", "TM"),
        ("acquisition_number", "00200012", "IS"),
        ("instance_number", "00200013", "IS"),
        ("number_of_frames", "00280008", "IS"),
        ("rows", "00280010", "US"),
        ("columns", "00280011", "US"),
        ("bits_allocated", "00280100", "US"),
        ("content_label", "00700080", "CS"),
        ("content_description", "00700081", "LO"),
    ),
)
"""Study-level columns first, then series, then instances: the order of the columns everywhere."""

BY_TAG = {column.tag: column for column in COLUMNS}
BY_NAME = {column.name: column for column in COLUMNS}


TOLD_OF_ITEMS = ("00400009", "00401001")
"""Of each item of Request Attributes Sequence: the IDs of step and procedure (PS3.18 Table 10.6.3-4)."""


def column_values(header: JsonAttributes) -> dict[str, ColumnValue]:
    """The columns of a data set given as DICOM JSON; absent and empty attributes are left out."""
    found: dict[str, ColumnValue] = {}
    for column in COLUMNS:
        element = header.get(column.tag)
        values = element.get("Value") if element else None
        if values and (value := _joined(column, values)) not in (None, ""):
            found[column.name] = value
    return found


def _joined(column: Column, values: list[Any]) -> ColumnValue:
    if column.integer:
        first = values[0]
        # beyond 64 bits, infinite or not a number: the header has it, a column cannot
        return int(first) if isinstance(first, int | float) and -(1 << 63) <= first < 1 << 63 else None
    if column.vr == "SQ":
        return _items(values)
    return "\\".join(_text(value) for value in values)


def _items(values: list[Any]) -> str | None:
    items = [{tag: item[tag] for tag in TOLD_OF_ITEMS if tag in item} for item in values if item]
    return orjson.dumps(items).decode() if any(items) else None


def _text(value: Any) -> str:
    if isinstance(value, dict):
        groups = (value.get(name) or "" for name in ("Alphabetic", "Ideographic", "Phonetic"))
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)
