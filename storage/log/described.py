"""What the columns of the checkpoint table mean, for whoever reads it with another engine.

A test holds this against `storage.log.rows.SCHEMA`: a column that is not described here, or is described and not
there, fails it. The README has these tables from here.
"""

from __future__ import annotations

from storage.log.columns import COLUMNS

LIFE: dict[str, str] = {
    "kind": "`stored`, `removed`, `restored` or `labelled`",
    "study": "Study Instance UID; of a removal, an undelete or a label what it is about",
    "series": "Series Instance UID; null if it is about a whole study",
    "instance": "SOP Instance UID; null if it is about more than one",
    "version": "names the object, `dicom/<2 hex>/<study>/<series>/<instance>~<version>.dcm`; "
    "of a removal, an undelete or a label its event id",
    "since_revision": "number of the log entry that wrote the row",
    "ordinal": "place in that entry, from 0",
    "until_revision": "the entry that ended it; null while it is visible, or a label in force",
    "until_time": "when that was, UTC",
    "state": "`current`, `kept` (visible beside the current one), `former`, `removed`, `purged`, `voided`; "
    "`event` for removals and undeletes; `label` for a label in force, `removed` for one of what was removed, "
    "`unlabelled` for one that was taken off",
    "current": "whether `state` is `current`",
    "leading": "whether it was stored as current, not to be kept beside",
    "hidden_revision": "the first removal in force that hides it",
    "hidden_time": "when that was, UTC",
    "purged_revision": "the entry that erased it for good",
    "voided_revision": "the entry that declared it never stored, after a crash",
    "changed_revision": "the last entry that changed the row",
    "target": "of an undelete: the revision of the removal",
    "label": "the text of a label",
}
ORIGIN: dict[str, str] = {
    "event_id": "random id of the event",
    "time": "when it came, UTC",
    "node": "the node that took it",
    "door": "how it came: `stow`, `ingest` ...",
    "peer": "address of who sent it",
}
OBJECT: dict[str, str] = {
    "size": "bytes of the object",
    "data_set_offset": "bytes before the data set: preamble and group 0002",
    "sop_class": "SOP Class UID",
    "transfer_syntax": "Transfer Syntax UID as stored",
    "digest": "SHA-256 of the data set, hexadecimal",
    "meta_digest": "SHA-256 of preamble and group 0002, hexadecimal",
    "md5": "MD5 of the whole object, hexadecimal; null if not known",
    "pixel_vr": "VR of the pixel data, `OB` or `OW`; empty or null without any",
    "original_digest": "digest as it came; null if it is stored as it came",
    "original_size": "bytes as it came, likewise",
    "original_transfer_syntax": "transfer syntax as it came, likewise",
    "image_rows": "(0028,0010) as a number; this and the next are null without pixel data",
    "image_columns": "(0028,0011)",
    "image_samples_per_pixel": "(0028,0002)",
    "image_bits_allocated": "(0028,0100)",
    "image_bits_stored": "(0028,0101)",
    "image_pixel_representation": "(0028,0103)",
    "image_photometric_interpretation": "(0028,0004)",
    "image_planar_configuration": "(0028,0006)",
    "image_frames": "(0028,0008), 1 if absent",
    "file_meta": "group 0002 as DICOM JSON",
    "frames": "where each frame lies, in the archive's own form",
    "bulk": "where each bulk value lies, in the archive's own form",
    "header_size": "bytes of the header as DICOM JSON",
    "header": "all attributes but bulk values as DICOM JSON (PS3.18 F), text; null if it lies in an object of its "
    "own (over 1 MB) or was purged",
}
SEARCHED: dict[str, str] = {column.name: f"({column.tag[:4]},{column.tag[4:]}) {column.vr}" for column in COLUMNS}
"""Text as stored: several values joined by a backslash, a name's component groups by `=`; IS, US and UL are
numbers; of a sequence some attributes of its items as JSON."""

GROUPS: dict[str, dict[str, str]] = {
    "What it is, and from when to when it was there": LIFE,
    "How it came": ORIGIN,
    "The stored object": OBJECT,
    "Attributes of the data set": SEARCHED,
}
DESCRIBED: dict[str, str] = {name: told for group in GROUPS.values() for name, told in group.items()}
