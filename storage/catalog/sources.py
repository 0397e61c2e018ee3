"""Which column of which table holds an attribute. Pure.

studies st      series se      instances i
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.model.keys import Level
from storage.catalog import attributes as told
from storage.catalog.conditions import Source
from storage.catalog.schema import folded, words
from storage.log.columns import BY_TAG, Column

ALIAS = {Level.STUDY: "st", Level.SERIES: "se", Level.INSTANCE: "i"}
_SEVERAL = {"image_type", "physicians_of_record", "performing_physician_name"}
"""Columns whose attribute has a multiplicity above one (PS3.6)."""


@dataclass(frozen=True, slots=True)
class Held:
    """Where an attribute is found: at a level, in a column."""

    level: Level
    source: Source


def _column_source(column: Column) -> Source:
    alias = ALIAS[column.level]
    name = column.vr == "PN"
    return Source(
        f'{alias}."{column.name}"',
        column.vr,
        integer=column.integer,
        several=column.name in _SEVERAL,
        folded=f'{alias}."{folded(column.name)}"' if name else "",
        words=f'{alias}."{words(column.name)}"' if name else "",
    )


def _of_patient(amount: str) -> Held:
    """How much there is of a study's patient, who is PatientID and issuer; nothing without a PatientID."""
    return Held(
        Level.STUDY,
        Source(
            f"""(SELECT {amount} FROM studies p WHERE p.visible > 0 AND p.patient_id = st.patient_id
                 AND p.issuer_of_patient_id IS NOT DISTINCT FROM st.issuer_of_patient_id)""",
            "IS",
            integer=True,
        ),
    )


OF_PATIENT = {
    told.PATIENT_STUDIES: _of_patient("nullif(count(*), 0)"),
    told.PATIENT_SERIES: _of_patient("sum(p.series)"),
    told.PATIENT_INSTANCES: _of_patient("sum(p.visible)"),
}

FIXED = OF_PATIENT | {
    told.STUDY_INSTANCE: Held(Level.STUDY, Source("st.uid", "UI", hashed="st.hash")),
    told.SERIES_INSTANCE: Held(Level.SERIES, Source("se.uid", "UI", hashed="se.hash")),
    told.SOP_INSTANCE: Held(Level.INSTANCE, Source("i.sop", "UI", hashed="i.hash")),
    told.SOP_CLASS: Held(Level.INSTANCE, Source("i.sop_class", "UI")),
    told.AVAILABILITY: Held(Level.STUDY, Source("'ONLINE'", "CS")),
    told.MODALITIES: Held(Level.STUDY, Source("st.modalities", "CS", several=True)),
    told.SOP_CLASSES: Held(Level.STUDY, Source("st.sop_classes", "UI", several=True)),
    told.STUDY_SERIES: Held(Level.STUDY, Source("st.series", "IS", integer=True)),
    told.STUDY_INSTANCES: Held(Level.STUDY, Source("st.visible", "IS", integer=True)),
    told.SERIES_INSTANCES: Held(Level.SERIES, Source("se.visible", "IS", integer=True)),
}


def held(tag: str, level: Level) -> Held | None:
    """Where an attribute is found when searching at a level, None if it has no column."""
    if tag == told.TRANSFER_SYNTAXES:
        if level is Level.INSTANCE:
            return Held(level, Source("i.transfer_syntax", "UI"))
        return Held(level, Source(f"{ALIAS[level]}.transfer_syntaxes", "UI", several=True))
    if tag == told.SOP_CLASS and level is not Level.INSTANCE:
        return Held(level, Source(f"{ALIAS[level]}.sop_classes", "UI", several=True))
    if tag in FIXED:
        return FIXED[tag]
    column = BY_TAG.get(tag)
    return Held(column.level, _column_source(column)) if column is not None and column.vr != "SQ" else None


def level_of(tag: str) -> Level | None:
    """The level an attribute describes, None if no column or computed value knows it."""
    if tag in told.COMPUTED:
        return told.COMPUTED[tag][1]
    if tag in FIXED:
        return FIXED[tag].level
    column = BY_TAG.get(tag)
    return column.level if column is not None else None
