"""What may be asked in SQL: five views on the catalog, and what each of their columns means.

The tables themselves (`storage.catalog.schema`) are the node's own affair and change from version to version; the
views keep their names and meanings. They are made anew for every connection and stored nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.model.keys import Level
from storage.catalog.projection import Standing
from storage.catalog.schema import level_columns

_FILE = '"catalog"."main"'
"""The tables by their full names: a view may then be named as the table it is about."""


@dataclass(frozen=True, slots=True)
class View:
    """A view: what a row is, and its columns."""

    name: str
    rows: str
    """What one row stands for."""
    columns: dict[str, tuple[str, str]]
    """By name: the expression, and what it means."""
    source: str
    """Behind FROM."""

    def definition(self) -> str:
        """The statement that makes it."""
        columns = ", ".join(f'{expression} AS "{name}"' for name, (expression, _) in self.columns.items())
        return f"CREATE OR REPLACE TEMP VIEW {self.name} AS SELECT {columns} FROM {self.source}"


def _attributes(level: Level, alias: str) -> dict[str, tuple[str, str]]:
    return {
        column.name: (f'{alias}."{column.name}"', f"({column.tag[:4]},{column.tag[4:]}) {column.vr}")
        for column in level_columns(level)
    }


def _counted(alias: str) -> dict[str, tuple[str, str]]:
    return {
        "instances": (f"{alias}.visible", "instances"),
        "bytes": (f"{alias}.bytes", "their size as stored"),
        "first_stored": (f"make_timestamp({alias}.first_time)", "when the first of them was stored, UTC"),
        "last_stored": (f"make_timestamp({alias}.last_time)", "when the last of them was stored, UTC"),
        "revision": (f"{alias}.changed", "the last entry of the log that changed anything"),
        "sop_classes": (f"{alias}.sop_classes", "SOP Class UIDs"),
        "transfer_syntaxes": (f"{alias}.transfer_syntaxes", "Transfer Syntax UIDs as stored"),
    }


_STATES = " ".join(f"WHEN {standing:d} THEN '{standing.name.lower()}'" for standing in Standing)

_STUDIES = View(
    "studies",
    "a study of which something is visible",
    {
        "study": ("st.uid", "Study Instance UID"),
        **_counted("st"),
        "series": ("st.series", "series"),
        "modalities": ("st.modalities", "modalities in the study"),
        "conflict": ("st.conflict", "instances disagree about who the patient is, or which study"),
        **_attributes(Level.STUDY, "st"),
    },
    f"{_FILE}.studies st WHERE st.visible > 0",
)
_SERIES = View(
    "series",
    "a series of which something is visible",
    {
        "study": ("se.study", "Study Instance UID"),
        "series": ("se.uid", "Series Instance UID"),
        **_counted("se"),
        **_attributes(Level.SERIES, "se"),
    },
    f"{_FILE}.series se WHERE se.visible > 0",
)
_INSTANCES = View(
    "instances",
    "a visible version of an instance",
    {
        "study": ("se.study", "Study Instance UID"),
        "series": ("se.uid", "Series Instance UID"),
        "instance": ("i.sop", "SOP Instance UID"),
        "version": ("i.version", "names the stored object"),
        "current": (f"i.standing = {Standing.CURRENT:d}", "false for one kept beside the current one"),
        "revision": ("i.revision", "the entry of the log that stored it"),
        "stored": ("make_timestamp(i.time)", "when, UTC"),
        "size": ("i.size", "bytes of the object"),
        "digest": ("lower(hex(i.digest))", "SHA-256 of the data set"),
        "sop_class": ("i.sop_class", "SOP Class UID"),
        "transfer_syntax": ("i.transfer_syntax", "Transfer Syntax UID as stored"),
        "original_size": ("nullif(i.original_size, 0)", "bytes as it came, if it was converted"),
        "original_transfer_syntax": ("nullif(i.original_transfer_syntax, '')", "the same of the transfer syntax"),
        **_attributes(Level.INSTANCE, "i"),
    },
    f"{_FILE}.instances i JOIN {_FILE}.series se ON se.no = i.series_no WHERE i.standing >= {Standing.KEPT:d}",
)
_LABELS = View(
    "labels",
    "a label that is on something",
    {
        "label": ("l.label", "its text"),
        "level": (
            "CASE WHEN l.instance IS NOT NULL THEN 'instance' WHEN l.series IS NOT NULL THEN 'series' "
            "ELSE 'study' END",
            "study, series or instance",
        ),
        "study": ("l.study", "Study Instance UID"),
        "series": ("l.series", "Series Instance UID; null for a study"),
        "instance": ("l.instance", "SOP Instance UID; null for a study or series"),
        "revision": ("l.revision", "the entry of the log that put it on"),
        "time": ("make_timestamp(l.time)", "when, UTC"),
    },
    f"{_FILE}.labels l WHERE l.ended = 0 AND l.hidden_by = 0",
)
_EVENTS = View(
    "events",
    "something that happened: a version stored, a removal, an undelete",
    {
        "revision": ("revision", "the entry of the log"),
        "ordinal": ("ordinal", "place in the entry"),
        "time": ("make_timestamp(time)", "when, UTC"),
        "kind": ("kind", "stored, removed, restored"),
        "study": ("study", "Study Instance UID"),
        "series": ("series", "Series Instance UID; null for a whole study"),
        "instance": ("instance", "SOP Instance UID; null for more than one"),
        "version": ("version", "of what was stored"),
        "size": ("size", "of what was stored, in bytes"),
        "state": ("state", "of what was stored, now: current, kept, former, hidden, purged, voided"),
        "until_revision": ("until_revision", "of what was stored: the entry that ended it"),
        "target": ("target", "of an undelete: the revision that it undid"),
    },
    f"""(SELECT i.revision, i.ordinal, i.time, 'stored' AS kind, se.study, se.uid AS series, i.sop AS instance,
                i.version, i.size, CASE i.standing {_STATES} END AS state,
                nullif(i.until_revision, 0) AS until_revision, NULL::BIGINT AS target
         FROM {_FILE}.instances i JOIN {_FILE}.series se ON se.no = i.series_no
         UNION ALL SELECT revision, ordinal, time, 'removed', study, series, instance, NULL, NULL, NULL, NULL, NULL
         FROM {_FILE}.removals
         UNION ALL SELECT revision, ordinal, time, 'restored', study, series, instance, NULL, NULL, NULL, NULL,
                target FROM {_FILE}.restorations)""",
)

VIEWS: dict[str, View] = {view.name: view for view in (_STUDIES, _SERIES, _INSTANCES, _LABELS, _EVENTS)}
