"""Rows of series and studies: what their visible instances add up to.

A series counts the current versions of its instances one by one as they come; whenever one ceases to be current
it is counted anew from all of them. A study is always added up from its series. Both ways of a series go through
`SeriesRow.add`, so they cannot tell different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from dicomweb.model.keys import Level
from dicomweb.model.names import fold_name, joined_words, name_words
from dicomweb.model.query import JsonAttributes
from storage.catalog import attributes as told
from storage.catalog.hashes import hash_uid
from storage.catalog.schema import level_columns, name_columns
from storage.log.events import ColumnValue

_NAMES = {level: tuple(column.name for column in level_columns(level)) for level in Level}
PARENT_COLUMNS = (*_NAMES[Level.STUDY], *_NAMES[Level.SERIES])
"""What the rows of series and studies tell of their last instance."""
_AGREEING = (
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "accession_number",
    "study_date",
)
"""What instances of one study agree about, unless something went wrong."""


def parent_attributes(columns: Mapping[str, ColumnValue]) -> str:
    """The study's and series' columns of an instance as JSON; null ones are left out."""
    return orjson.dumps(
        {name: value for name in PARENT_COLUMNS if (value := columns.get(name)) is not None}
    ).decode()


@lru_cache(maxsize=512)
def _parsed(attributes: str) -> Mapping[str, ColumnValue]:
    """The inverse of `parent_attributes`."""
    found: dict[str, ColumnValue] = orjson.loads(attributes)
    return found


@lru_cache(maxsize=512)
def identity_print(attributes: str) -> int:
    """A hash of what instances of one study agree about; `attributes` as `parent_attributes` gives them."""
    return identity_of(_parsed(attributes))


def identity_of(values: Mapping[str, ColumnValue]) -> int:
    """The same of the columns themselves."""
    return hash_uid(
        "\x1f".join([str(value) if (value := values.get(name)) is not None else "" for name in _AGREEING])
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a current version adds to its series."""

    row: int
    revision: int
    ordinal: int
    time: int
    """Microseconds since 1970 UTC."""
    size: int
    sop_class: str
    transfer_syntax: str
    print: int
    attributes: str


@dataclass(slots=True)
class SeriesRow:
    """A series in the making; owned by the writing thread."""

    no: int
    study_no: int
    study: str
    uid: str
    visible: int = 0
    hidden: int = 0
    size: int = 0
    changed: int = 0
    first: tuple[int, int] = (0, 0)
    """Entry number and time."""
    last: tuple[int, int] = (0, 0)
    """Entry number and place in the entry."""
    last_time: int = 0
    last_row: int = 0
    sop_classes: set[str] = field(default_factory=set)
    transfer_syntaxes: set[str] = field(default_factory=set)
    print_low: int = 0
    print_high: int = 0
    attributes: str = "{}"

    def add(self, facts: Facts) -> None:
        """Count an instance."""
        if not self.visible:
            self.first = (facts.revision, facts.time)
            self.print_low = self.print_high = facts.print
        else:
            self.first = min(self.first, (facts.revision, facts.time))
            self.print_low = min(self.print_low, facts.print)
            self.print_high = max(self.print_high, facts.print)
        self.visible += 1
        self.size += facts.size
        self.sop_classes.add(facts.sop_class)
        self.transfer_syntaxes.add(facts.transfer_syntax)
        if (facts.revision, facts.ordinal) > self.last:
            self.last = (facts.revision, facts.ordinal)
            self.last_time, self.last_row = facts.time, facts.row
            self.attributes = facts.attributes

    def recounted(self, facts: Iterable[Facts], *, hidden: int, changed: int) -> SeriesRow:
        """The same series, counted from these instances."""
        fresh = SeriesRow(self.no, self.study_no, self.study, self.uid, hidden=hidden, changed=changed)
        for one in facts:
            fresh.add(one)
        return fresh

    def values(self) -> tuple[Any, ...]:
        """The row as `schema.SERIES` has it."""
        found = _parsed(self.attributes)
        return (
            self.no,
            self.study_no,
            self.study,
            self.uid,
            hash_uid(self.uid),
            *_aggregates(self),
            self.print_low,
            self.print_high,
            self.attributes,
            self._doc(found),
            *_searched(Level.SERIES, found),
        )

    def _doc(self, found: Mapping[str, ColumnValue]) -> bytes:
        doc = told.elements(Level.SERIES, found)
        doc[told.STUDY_INSTANCE] = told.element("UI", self.study)
        doc[told.SERIES_INSTANCE] = told.element("UI", self.uid)
        doc[told.SERIES_INSTANCES] = told.element("IS", self.visible)
        if zone := found.get("timezone_offset"):
            doc["00080201"] = told.element("SH", zone)
        return _finished(doc, self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> SeriesRow:
        """The row as it was read back."""
        return cls(
            values["no"],
            values["study_no"],
            values["study"],
            values["uid"],
            values["visible"],
            values["hidden"],
            values["bytes"],
            values["changed"],
            (values["first_revision"], values["first_time"]),
            (values["last_revision"], values["last_ordinal"]),
            values["last_time"],
            values["last_row"],
            text_parts(values["sop_classes"]),
            text_parts(values["transfer_syntaxes"]),
            values["print_low"],
            values["print_high"],
            values["attributes"],
        )


SERIES_ROW_COLUMNS = (
    "no", "study_no", "study", "uid", "visible", "hidden", "bytes", "changed", "first_revision", "first_time",
    "last_revision", "last_ordinal", "last_time", "last_row", "sop_classes", "transfer_syntaxes", "print_low",
    "print_high", "attributes",
)  # fmt: skip
"""The columns that `SeriesRow.from_values` needs."""


def study_values(no: int, uid: str, series: Iterable[SeriesRow]) -> tuple[Any, ...]:
    """The row of a study as `schema.STUDIES` has it, added up from all its series."""
    every = list(series)
    study = SeriesRow(no, no, uid, uid)
    study.changed = max((one.changed for one in every), default=0)
    study.hidden = sum(one.hidden for one in every)
    shown = [one for one in every if one.visible]
    modalities = {_modality(one) for one in shown} - {""}
    for one in shown:
        _join(study, one)
    found = _parsed(study.attributes)
    return (
        no,
        uid,
        hash_uid(uid),
        *_aggregates(study),
        len(shown),
        joined_text(modalities),
        study.print_low != study.print_high,
        newest_of(found),
        _study_doc(study, found, len(shown), modalities),
        *_searched(Level.STUDY, found),
    )


def _join(study: SeriesRow, one: SeriesRow) -> None:
    if not study.visible:
        study.first, study.print_low, study.print_high = one.first, one.print_low, one.print_high
    study.first = min(study.first, one.first)
    study.print_low = min(study.print_low, one.print_low)
    study.print_high = max(study.print_high, one.print_high)
    study.visible += one.visible
    study.size += one.size
    study.sop_classes |= one.sop_classes
    study.transfer_syntaxes |= one.transfer_syntaxes
    if one.last > study.last:
        study.last, study.last_time, study.last_row = one.last, one.last_time, one.last_row
        study.attributes = one.attributes


def _study_doc(study: SeriesRow, found: Mapping[str, ColumnValue], series: int, modalities: set[str]) -> bytes:
    doc = told.valued_elements(Level.SERIES, found)
    doc |= told.elements(Level.STUDY, found)
    doc[told.SOP_CLASSES] = told.element("UI", joined_text(study.sop_classes))
    doc[told.STUDY_INSTANCE] = told.element("UI", study.uid)
    doc[told.MODALITIES] = told.element("CS", joined_text(modalities))
    doc[told.STUDY_SERIES] = told.element("IS", series)
    doc[told.STUDY_INSTANCES] = told.element("IS", study.visible)
    return _finished(doc, study)


def _finished(doc: JsonAttributes, row: SeriesRow) -> bytes:
    doc[told.AVAILABILITY] = told.ONLINE
    doc[told.TRANSFER_SYNTAXES] = told.element("UI", joined_text(row.transfer_syntaxes))
    data = orjson.dumps(doc)
    if data.isascii():
        return data
    doc[told.CHARACTER_SET] = told.UNICODE
    return orjson.dumps(doc)


def _aggregates(row: SeriesRow) -> tuple[Any, ...]:
    return (
        row.visible,
        row.hidden,
        row.size,
        row.changed,
        *row.first,
        *row.last,
        row.last_time,
        row.last_row,
        joined_text(row.sop_classes),
        joined_text(row.transfer_syntaxes),
    )


def _searched(level: Level, found: Mapping[str, ColumnValue]) -> tuple[ColumnValue, ...]:
    values = list(map(found.get, _NAMES[level]))
    for column in name_columns(level):
        value = found.get(column.name)
        values += name_forms(value) if isinstance(value, str) else (None, None)
    return tuple(values)


@lru_cache(maxsize=1024)
def name_forms(value: str) -> tuple[str, str]:
    """A person name folded, and its words: what the columns beside it hold."""
    return fold_name(value), joined_words(name_words(value))


def _modality(row: SeriesRow) -> str:
    return str(_parsed(row.attributes).get("modality", ""))


def newest_of(found: Mapping[str, ColumnValue]) -> int:
    """Study Date and Time as one number of fourteen digits; what is absent or odd counts as oldest."""
    date, time = (str(found.get(name) or "") for name in ("study_date", "study_time"))
    digits = date[:8] if len(date) >= 8 and date[:8].isdigit() and date.isascii() else "0"
    moment = time[:6] if time.isascii() and time[:6].isdigit() else ""
    return int(digits) * 1_000_000 + int(moment.ljust(6, "0"))


def joined_text(values: set[str]) -> str | None:
    """Values as one text in ascending order, empty ones left out; None if nothing is left."""
    if len(values) == 1:
        return next(iter(values)) or None
    return "\\".join(sorted(value for value in values if value)) or None


def text_parts(text: str | None) -> set[str]:
    """The inverse of `joined_text`."""
    return set(text.split("\\")) if text else set()
