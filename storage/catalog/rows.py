"""Rows of the instances table: from events and versions to values, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from dicomweb.model.instance import ImageSpec, Instance, Original
from dicomweb.model.keys import InstanceKey, Level
from storage.catalog.aggregates import Facts, identity_print, parent_attributes
from storage.catalog.hashes import hash_uid
from storage.catalog.projection import Moment, Standing, Version
from storage.catalog.schema import VERSION_COLUMNS, from_microseconds, level_columns, to_microseconds
from storage.catalog.segments import BlockPlace, HeaderPlace
from storage.log.events import StoredVersion

_SEARCHED = tuple(column.name for column in level_columns(Level.INSTANCE) if column.name != "instance_number")
_STANDINGS = tuple(Standing)

VERSION_SELECT = ", ".join(f'i."{name}"' for name in VERSION_COLUMNS)
"""What `version_from` reads, of a table called `i`."""
PLACE_COLUMNS = ("segment", "block", "block_size", "start", "length")
PLACE_SELECT = ", ".join(f'i."{name}"' for name in PLACE_COLUMNS)
"""What `place_from` reads."""

UPDATED = (
    "row",
    "standing",
    "hidden_by",
    "hidden_at",
    "purged",
    "voided",
    "until_revision",
    "until_time",
    "changed",
    "digest",
)
"""The columns of `update_values`: what later events change."""

BLANKED = {
    "attributes": "'{}'",
    "print": "0",
    "file_meta": "''",
    "frames": "''::BLOB",
    "bulk": "''::BLOB",
    "segment": "NULL",
    "instance_number": "NULL",
    **dict.fromkeys(_SEARCHED, "NULL"),
}
"""What a purged version loses."""


@lru_cache(maxsize=1024)
def image_text(image: ImageSpec | None) -> str | None:
    """The image attributes as one text, the same for most instances of a series."""
    if image is None:
        return None
    return "|".join(
        (
            str(image.rows),
            str(image.columns),
            str(image.samples_per_pixel),
            str(image.bits_allocated),
            str(image.bits_stored),
            str(image.pixel_representation),
            str(image.planar_configuration),
            str(image.frames),
            image.photometric_interpretation,
        )
    )


@lru_cache(maxsize=1024)
def image_from(text: str | None) -> ImageSpec | None:
    """The inverse of `image_text`."""
    if text is None:
        return None
    *numbers, photometric = text.split("|", 8)
    rows, columns, samples, allocated, stored, representation, planar, frames = map(int, numbers)
    return ImageSpec(rows, columns, samples, allocated, stored, representation, photometric, planar, frames)


def facts_of(version: Version, stored: StoredVersion) -> Facts:
    """What a new version adds to its series."""
    attributes = parent_attributes(stored.columns)
    return Facts(
        version.row,
        version.instance.revision,
        version.ordinal,
        to_microseconds(version.time),
        stored.size,
        stored.sop_class,
        stored.transfer_syntax,
        identity_print(attributes),
        attributes,
    )


def instance_values(
    version: Version, stored: StoredVersion, facts: Facts, numbers: tuple[int, int], place: HeaderPlace | None
) -> tuple[Any, ...]:
    """The row of a new version, as `schema.INSTANCES` has it; `numbers` are those of its study and series."""
    columns = stored.columns
    blank = bool(version.purged or version.voided)
    return (
        *_version_values(version, facts.time, blank),
        *numbers,
        hash_uid(stored.key.instance),
        stored.meta_digest,
        "" if blank else stored.file_meta.decode(),
        b"" if blank else stored.frames,
        b"" if blank else stored.bulk,
        facts.print,
        "{}" if blank else facts.attributes,
        stored.header_size,
        *_place_values(place),
        *(None if blank else columns.get(name) for name in _SEARCHED),
    )


def _version_values(version: Version, time: int, blank: bool) -> tuple[Any, ...]:
    instance = version.instance
    return (
        version.row,
        instance.key.instance,
        instance.version,
        instance.revision,
        version.ordinal,
        time,
        version.leading,
        *_fate(version),
        instance.size,
        instance.data_set_offset,
        instance.sop_class,
        instance.transfer_syntax,
        instance.digest,
        image_text(instance.image),
        instance.pixel_vr,
        *_original_values(instance.original),
        None if blank else version.number,
    )


def _original_values(original: Original | None) -> tuple[bytes | int | str | None, ...]:
    return (original.digest, original.size, original.transfer_syntax) if original else (None, None, None)


def _fate(version: Version) -> tuple[int, ...]:
    hidden, until = version.hidden, version.until
    return (
        int(version.standing),
        hidden.revision if hidden else 0,
        to_microseconds(hidden.time) if hidden else 0,
        version.purged,
        version.voided,
        until.revision if until else 0,
        to_microseconds(until.time) if until else 0,
        version.changed,
    )


def update_values(version: Version) -> tuple[int | bytes, ...]:
    """The row number of a version and what later events change of its row."""
    return (version.row, *_fate(version), version.instance.digest)


def _place_values(place: HeaderPlace | None) -> tuple[int | None, ...]:
    if place is None:
        return (None, 0, 0, 0, 0)
    return (place.block.segment, place.block.offset, place.block.size, place.start, place.length)


def place_update(row: int, place: HeaderPlace) -> tuple[int | None, ...]:
    """The row number of a version and where its header lies."""
    return (row, *_place_values(place))


def place_from(values: Sequence[Any]) -> HeaderPlace | None:
    """Where a header lies, from the values of PLACE_SELECT."""
    segment, block, block_size, start, length = values
    return None if segment is None else HeaderPlace(BlockPlace(segment, block, block_size), start, length)


def version_from(values: Sequence[Any], study: str, series: str) -> Version:
    """A version, from the values of VERSION_SELECT."""
    row, sop, name, revision, ordinal, time, leading, *fate = values[:15]
    standing, hidden_by, hidden_at, purged, voided, until_revision, until_time, changed = fate
    size, offset, sop_class, syntax, digest, image, pixel_vr, *original, number = values[15:]
    return Version(
        Instance(
            InstanceKey(study, series, sop),
            name,
            revision,
            size,
            offset,
            sop_class,
            syntax,
            digest,
            image_from(image),
            pixel_vr,
            Original(*original) if original[0] is not None else None,
        ),
        ordinal,
        from_microseconds(time),
        leading,
        number,
        _STANDINGS[standing],
        Moment(hidden_by, from_microseconds(hidden_at)) if hidden_by else None,
        purged,
        voided,
        Moment(until_revision, from_microseconds(until_time)) if until_revision else None,
        changed,
        row,
    )


def facts_from(version: Version, print_: int, attributes: str) -> Facts:
    """What a version that is in the catalog adds to its series."""
    instance = version.instance
    return Facts(
        version.row,
        instance.revision,
        version.ordinal,
        to_microseconds(version.time),
        instance.size,
        instance.sop_class,
        instance.transfer_syntax,
        print_,
        attributes,
    )
