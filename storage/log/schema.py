"""The columns of a log entry: one row an event.

Every column may be absent, which means null in every row; a writer leaves out those that hold nothing, and a
reader skips those it does not know. So a column can be added without a new format version.

    group       columns                                                       set for
    event       kind .. ignorable                                             every event
    identity    study, series, instance, version                              what the event is about
    object      size .. pixel_vr, header, file_meta, frames, bulk             stored
    image       image_<field of ImageSpec>                                    stored, with pixel data
    original    original_<field of Original>                                  stored in another transfer syntax
    searched    `storage.log.columns.COLUMNS`                                 stored

What holds for the whole entry stands in the metadata of the Arrow schema (`META`).
"""

from __future__ import annotations

from dataclasses import fields

import pyarrow as pa

from dicomweb.model.instance import ImageSpec
from storage.log.columns import COLUMNS

_TIME = pa.timestamp("us", tz="UTC")
_TEXT, _BYTES, _INTEGER, _FLAG = pa.utf8(), pa.binary(), pa.int64(), pa.bool_()

EVENT_FIELDS: tuple[pa.Field, ...] = (
    pa.field("kind", _TEXT),
    pa.field("event_id", _TEXT),
    pa.field("time", _TIME),
    pa.field("node", _TEXT),  # null: the node that wrote the entry
    pa.field("door", _TEXT),
    pa.field("peer", _TEXT),
    pa.field("current", _FLAG),
    pa.field("target", _INTEGER),
    pa.field("object_key", _TEXT),
    pa.field("detail", _TEXT),
    pa.field("label", _TEXT),
    pa.field("ignorable", _FLAG),  # true: a reader that does not know the kind may skip the event
)
IDENTITY_FIELDS: tuple[pa.Field, ...] = tuple(
    pa.field(name, _TEXT) for name in ("study", "series", "instance", "version")
)
OBJECT_FIELDS: tuple[pa.Field, ...] = (
    pa.field("size", _INTEGER),
    pa.field("data_set_offset", _INTEGER),
    pa.field("sop_class", _TEXT),
    pa.field("transfer_syntax", _TEXT),
    pa.field("meta_digest", _BYTES),
    pa.field("digest", _BYTES),
    pa.field("header_size", _INTEGER),
    pa.field("pixel_vr", _TEXT),
    pa.field("header", _BYTES),
    pa.field("file_meta", _BYTES),
    pa.field("frames", _BYTES),
    pa.field("bulk", _BYTES),
)
"""Named as the fields of `StoredVersion`."""
MD5_FIELD: pa.Field = pa.field("md5", _BYTES)
"""Of the whole file, for the native API; written once there is a use for it."""
IMAGE_FIELDS: tuple[pa.Field, ...] = tuple(
    pa.field(f"image_{field.name}", _TEXT if field.type == "str" else _INTEGER) for field in fields(ImageSpec)
)
ORIGINAL_FIELDS: tuple[pa.Field, ...] = (
    pa.field("original_digest", _BYTES),
    pa.field("original_size", _INTEGER),
    pa.field("original_transfer_syntax", _TEXT),
)
"""Named as the fields of `Original`, in their order."""
SEARCHED_FIELDS: tuple[pa.Field, ...] = tuple(
    pa.field(column.name, _INTEGER if column.integer else _TEXT) for column in COLUMNS
)
FIELDS: tuple[pa.Field, ...] = (
    *EVENT_FIELDS,
    *IDENTITY_FIELDS,
    *OBJECT_FIELDS,
    MD5_FIELD,
    *IMAGE_FIELDS,
    *ORIGINAL_FIELDS,
    *SEARCHED_FIELDS,
)
TYPES: dict[str, pa.DataType] = {field.name: field.type for field in FIELDS}


class META:
    """Keys of the schema metadata: what is true of the entry as a whole."""

    FORMAT = b"dicomlake.format"  # least version that a reader must know
    WRITER = b"dicomlake.writer"  # the same of a writer; absent if it is no later one
    NUMBER = b"dicomlake.number"
    EPOCH = b"dicomlake.epoch"
    COMMIT = b"dicomlake.commit"
    NODE = b"dicomlake.node"
    WRITTEN = b"dicomlake.written"
    ROWS = b"dicomlake.rows"
    LOST = b"dicomlake.lost"  # numbers that the writer lost before, absent if none
    WAITS = b"dicomlake.waits"  # whom to let go first, absent if nobody
