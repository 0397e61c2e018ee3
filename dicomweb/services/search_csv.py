"""Matches as a table: comma separated values with a line of names (RFC 4180, text/csv of PS3.18 8.7.4).

A table needs its columns before its first row. They are what every search of the level tells (PS3.18 Tables
10.6.3-3 to 10.6.3-5), then what the client named; with includefield=all, whatever the first rows hold. Several
values are joined by a backslash as in DICOM, the groups of a person name by `=`; a sequence is its JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson

from dicomweb.model import tags
from dicomweb.model.keys import Level
from dicomweb.model.query import LABELS, JsonAttributes, Query

_STUDY = (
    *("00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00080201", "00081030", "00081190"),
    *("00100010", "00100020", "00100030", "00100040", "0020000D", "00200010", "00201206", "00201208"),
)
_SERIES = (*("00080060", "0008103E", "0020000E", "00200011", "00201209", "00400244", "00400245"),)
_INSTANCE = (*("00080016", "00080018", "00083002", "00200013", "00280008", "00280010", "00280011", "00280100"),)
COLUMNS = {
    Level.STUDY: _STUDY,
    Level.SERIES: (*_SERIES, "00080201", "00081190", "0020000D"),
    Level.INSTANCE: (*_INSTANCE, "00080056", "00081190", "0020000D", "0020000E"),
}
"""Tags of the columns that a table of the level always has."""
_OURS = {LABELS: "Labels"}


class CsvWriter:
    """Writes matches as rows; the columns are settled with the first batch."""

    def __init__(self, query: Query) -> None:
        named = (path[0] for path in query.include)
        labels = (LABELS,) if query.tell_labels else ()
        self._columns = list(dict.fromkeys((*COLUMNS[query.level], *named, *labels)))
        self._all = query.include_all

    def write(self, batch: Sequence[JsonAttributes], first: bool) -> bytes:
        """The rows of a batch, the line of names before the first."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\r\n")
        if first:
            if self._all:
                self._columns = sorted({*self._columns, *(tag for match in batch for tag in match)})
            table.writerow([_OURS.get(tag) or tags.keyword_of(tag) or tag for tag in self._columns])
        table.writerows([_cell(match.get(tag)) for tag in self._columns] for match in batch)
        return text.getvalue().encode()


def _cell(element: dict[str, Any] | None) -> str:
    if not element:
        return ""
    if "InlineBinary" in element or "BulkDataURI" in element:
        return str(element.get("InlineBinary") or element.get("BulkDataURI"))
    if element.get("vr") == "SQ":
        return orjson.dumps(element.get("Value", [])).decode()
    return "\\".join(_text(value) for value in element.get("Value", ()))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        groups = [str(value.get(name) or "") for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)
