"""Columns as DICOM JSON (PS3.18 F.2), and which attributes a search tells (PS3.18 10.6.3.3).

The values of a column are text as `storage.log.columns` joins them, or a whole number.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from dicomweb.model.keys import Level
from dicomweb.model.query import JsonAttributes
from storage.catalog.schema import level_columns
from storage.log.events import ColumnValue

Element = dict[str, Any]

CHARACTER_SET = "00080005"
SOP_CLASS = "00080016"
SOP_INSTANCE = "00080018"
AVAILABILITY = "00080056"
MODALITIES = "00080061"
SOP_CLASSES = "00080062"
MODALITY = "00080060"
TRANSFER_SYNTAXES = "00083002"
STUDY_INSTANCE = "0020000D"
SERIES_INSTANCE = "0020000E"
PATIENT_STUDIES = "00201200"
PATIENT_SERIES = "00201202"
PATIENT_INSTANCES = "00201204"
STUDY_SERIES = "00201206"
STUDY_INSTANCES = "00201208"
SERIES_INSTANCES = "00201209"
REQUESTS = "00400275"

ONLINE: Element = {"vr": "CS", "Value": ["ONLINE"]}
UNICODE: Element = {"vr": "CS", "Value": ["ISO_IR 192"]}
"""What DICOM JSON with more than ASCII in it is (PS3.18 F.2)."""

DEFAULT_ATTRIBUTES: dict[Level, tuple[str, ...]] = {
    # PS3.18 Table 10.6.3-3
    Level.STUDY: (
        CHARACTER_SET, "00080020", "00080030", "00080050", AVAILABILITY, MODALITIES, "00080090", "00080201",
        "00100010", "00100020", "00100030", "00100040", STUDY_INSTANCE, "00200010", STUDY_SERIES, STUDY_INSTANCES,
    ),
    # PS3.18 Table 10.6.3-4
    Level.SERIES: (
        CHARACTER_SET, MODALITY, "00080201", "0008103E", STUDY_INSTANCE, SERIES_INSTANCE, "00200011",
        SERIES_INSTANCES, "00400244", "00400245", REQUESTS,
    ),
    # PS3.18 Table 10.6.3-5
    Level.INSTANCE: (
        CHARACTER_SET, SOP_CLASS, SOP_INSTANCE, AVAILABILITY, "00080201", TRANSFER_SYNTAXES, STUDY_INSTANCE,
        SERIES_INSTANCE, "00200013", "00280010", "00280011", "00280100", "00280008",
    ),
}  # fmt: skip
"""What a search tells of each level without being asked; RetrieveURL is the service's to add. The UIDs of the
levels above stand there too, whether the URL names them or not."""

REQUIRED: dict[Level, dict[str, str]] = {
    Level.STUDY: {
        "00080020": "DA", "00080030": "TM", "00080050": "SH", "00080090": "PN", "00100010": "PN", "00100020": "LO",
        "00100030": "DA", "00100040": "CS", "00200010": "SH", MODALITIES: "CS",
    },
    Level.SERIES: {MODALITY: "CS", "00200011": "IS"},
    Level.INSTANCE: {SOP_CLASS: "UI", "00200013": "IS"},
}  # fmt: skip
"""Those of type 1 and 2: told without a value if the data set has none."""

COMPUTED: dict[str, tuple[str, Level]] = {
    AVAILABILITY: ("CS", Level.STUDY),
    MODALITIES: ("CS", Level.STUDY),
    SOP_CLASSES: ("UI", Level.STUDY),
    TRANSFER_SYNTAXES: ("UI", Level.STUDY),
    STUDY_SERIES: ("IS", Level.STUDY),
    STUDY_INSTANCES: ("IS", Level.STUDY),
    SERIES_INSTANCES: ("IS", Level.SERIES),
    PATIENT_STUDIES: ("IS", Level.STUDY),
    PATIENT_SERIES: ("IS", Level.STUDY),
    PATIENT_INSTANCES: ("IS", Level.STUDY),
}
"""Attributes that no data set has, with their VR and the highest level at which they say something."""


def element(vr: str, value: ColumnValue) -> Element:
    """A column's value as DICOM JSON; without Value if it is None."""
    if value is None:
        return {"vr": vr}
    if not isinstance(value, str):
        return {"vr": vr, "Value": [value]}
    if vr == "PN":
        return {"vr": vr, "Value": [_name(part) for part in value.split("\\")]}
    if vr == "SQ":
        return {"vr": vr, "Value": orjson.loads(value)}
    if "\\" in value:
        return {"vr": vr, "Value": [part or None for part in value.split("\\")]}
    return {"vr": vr, "Value": [value]}


def _name(text: str) -> dict[str, str] | None:
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False))
    return {name: group for name, group in groups.items() if group} or None


@cache
def _told_columns(level: Level) -> tuple[tuple[str, str, str, bool], ...]:
    required = REQUIRED[level]
    return tuple((column.name, column.tag, column.vr, column.tag in required) for column in level_columns(level))


def elements(level: Level, values: Mapping[str, ColumnValue]) -> JsonAttributes:
    """The columns of a level as DICOM JSON; those without a value only where the standard wants them told."""
    return {
        tag: element(vr, value)
        for name, tag, vr, required in _told_columns(level)
        if (value := values.get(name)) is not None or required
    }


def valued_elements(level: Level, values: Mapping[str, ColumnValue]) -> JsonAttributes:
    """The columns of a level that have a value as DICOM JSON."""
    return {
        tag: element(vr, value)
        for name, tag, vr, _ in _told_columns(level)
        if (value := values.get(name)) is not None
    }
