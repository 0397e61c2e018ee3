"""Matches as DICOM JSON: from the rows of the catalog, and from headers where those do not know. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dicomweb.model.keys import Level
from dicomweb.model.query import JsonAttributes
from storage.catalog import attributes as told
from storage.catalog.plan import Plan
from storage.catalog.schema import level_columns

_LOWER_TAGS = {
    Level.STUDY: {column.tag for level in (Level.SERIES, Level.INSTANCE) for column in level_columns(level)}
    | {told.SERIES_INSTANCE, told.SERIES_INSTANCES, told.SOP_INSTANCE, told.SOP_CLASS, told.REQUESTS},
    Level.SERIES: {column.tag for column in level_columns(Level.INSTANCE)} | {told.SOP_INSTANCE, told.SOP_CLASS},
    Level.INSTANCE: set[str](),
}
"""Attributes of lower levels: the header of one instance knows them, but they say nothing of a study or series."""
_PIXEL_GROUPS = ("0028", "5200", "7FE0")

INSTANCE_COLUMNS = tuple(level_columns(Level.INSTANCE))
_BESIDE = ("i.series_no", "i.study_no", "i.row", "i.sop", "i.sop_class", "i.transfer_syntax")


def page_columns(plan: Plan) -> str:
    """What is selected of each match."""
    if plan.level is Level.STUDY:
        return "st.no, st.changed, st.last_row"
    if plan.level is Level.SERIES:
        return "se.no, se.changed, se.last_row, se.study_no"
    return ", ".join((*_BESIDE, *(f'i."{column.name}"' for column in _instance_columns(plan))))


ROW_AT = 2
"""Where the row whose header stands for the match is, in what is selected."""


def _instance_columns(plan: Plan) -> tuple[Any, ...]:
    return tuple(column for column in INSTANCE_COLUMNS if plan.everything or column.tag in plan.tell)


def study_told(plan: Plan, doc: JsonAttributes) -> JsonAttributes:
    """What is told of a study."""
    if plan.everything:
        return {tag: doc[tag] for tag in sorted(doc) if tag not in _LOWER_TAGS[Level.STUDY]}
    return {tag: doc[tag] for tag in plan.tell if tag in doc}


def series_told(plan: Plan, doc: JsonAttributes, study: JsonAttributes | None) -> JsonAttributes:
    """What is told of a series; `study` is the row of its study, if that is needed."""
    if plan.everything:
        return doc if study is None else {**_parents(plan, study), **doc}
    if study is not None:
        doc = {**_parents(plan, study), **doc}
    return {tag: doc[tag] for tag in plan.tell if tag in doc}


def _parents(plan: Plan, study: JsonAttributes) -> JsonAttributes:
    found = {tag: study[tag] for tag in plan.parents if tag in study}
    if told.CHARACTER_SET in study:
        found[told.CHARACTER_SET] = study[told.CHARACTER_SET]
    return found


class InstanceTeller:
    """Tells instances of one search; what all rows share is worked out once."""

    def __init__(self, plan: Plan) -> None:
        self._columns = _instance_columns(plan)
        self._tags = set(plan.tell)
        self._everything = plan.everything

    def tell(self, row: Sequence[Any], parents: JsonAttributes) -> JsonAttributes:
        """What is told of an instance; `parents` is what is told of its series and study."""
        _, _, _, sop, sop_class, syntax, *values = row
        found = {
            **parents,
            told.SOP_CLASS: told.element("UI", sop_class or None),
            told.SOP_INSTANCE: {"vr": "UI", "Value": [sop]},
            told.AVAILABILITY: told.ONLINE,
            told.TRANSFER_SYNTAXES: {"vr": "UI", "Value": [syntax]},
        }
        for column, value in zip(self._columns, values, strict=True):
            if value is not None:
                found[column.tag] = told.element(column.vr, value)
            elif column.tag in told.REQUIRED[Level.INSTANCE]:
                found[column.tag] = {"vr": column.vr}
        return {tag: found[tag] for tag in sorted(found)}


def merged(plan: Plan, row: JsonAttributes, header: bytes) -> JsonAttributes:
    """A match with what its header adds: what was asked for, or all but bulk values and lower levels."""
    data_set = orjson.loads(header)
    added: JsonAttributes
    if plan.everything:
        lower = _LOWER_TAGS[plan.level]
        added = {
            tag: element
            for tag, element in data_set.items()
            if tag not in lower and (plan.level is Level.INSTANCE or not tag.startswith(_PIXEL_GROUPS))
        }
        added = without_bulk(added)
    else:
        added = {tag: data_set[tag] for tag in plan.from_header if tag in data_set}
    added.pop(told.CHARACTER_SET, None)
    if not header.isascii():
        added[told.CHARACTER_SET] = told.UNICODE
    # Computed attributes and those of the levels above are the row's; a sequence comes whole from the header.
    together = {**added, **row, **{tag: added[tag] for tag in added if added[tag].get("vr") == "SQ"}}
    return {tag: together[tag] for tag in sorted(together)}


def without_bulk(data_set: Mapping[str, Any]) -> JsonAttributes:
    """The data set without bulk values, in sequences neither."""
    return {
        tag: _thin(element) if element.get("vr") == "SQ" else element
        for tag, element in data_set.items()
        if "BulkDataURI" not in element
    }


def _thin(sequence: dict[str, Any]) -> dict[str, Any]:
    items = sequence.get("Value")
    return {**sequence, "Value": [without_bulk(item or {}) for item in items]} if items else sequence
