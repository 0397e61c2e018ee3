"""Bytes to a version: everything the log will say about an instance, from one pass over it.

Plain computing, run in a thread. `Inspector` takes an instance in blocks, whatever its size; each byte is parsed
or skipped once and hashed once (of preamble and group 0002, and of the data set).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import orjson

from dicomweb.encoding.bulk_index import bulk_index
from dicomweb.encoding.frame_index import frame_index
from dicomweb.encoding.head import Head, HeadLimits
from dicomweb.encoding.image import image_spec
from dicomweb.encoding.reader import HeadReader
from dicomweb.encoding.written_syntax import first_fragment, written_syntax
from dicomweb.model.keys import IllegalUid, InstanceKey, parse_uid
from dicomweb.model.query import JsonAttributes
from storage.log.columns import column_values
from storage.log.events import StoredVersion
from storage.log.unread import unread_digest

_IDENTITY = (
    ("0020000D", "Study Instance UID"),
    ("0020000E", "Series Instance UID"),
    ("00080018", "SOP Instance UID"),
)


class Unidentified(Exception):
    """A data set without the UIDs that make it an instance."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A readable instance."""

    version: StoredVersion
    warnings: tuple[str, ...]
    warned_tags: tuple[str, ...]
    """Tags of the attributes that the warnings are about."""
    data_set: JsonAttributes
    """The header, as `version.header` has it."""


def instance_key(data_set: JsonAttributes) -> InstanceKey:
    """The identity of a data set. Raises Unidentified."""
    uids = []
    for tag, name in _IDENTITY:
        values = data_set.get(tag, {}).get("Value")
        if not values or not isinstance(values[0], str):
            raise Unidentified(f"{name} ({tag[:4]},{tag[4:]}) is missing or empty")
        if len(values) > 1:
            raise Unidentified(f"{name} ({tag[:4]},{tag[4:]}) has {len(values)} values, one was expected")
        try:
            uids.append(parse_uid(values[0]))
        except IllegalUid as error:
            raise Unidentified(f"{name} ({tag[:4]},{tag[4:]}): {error}") from error
    return InstanceKey(*uids)


class Inspector:
    """One instance on its way in."""

    def __init__(self, limits: HeadLimits, *, whole: bool = False) -> None:
        """`whole` says that the first block will be all."""
        self._reader = HeadReader(limits, whole=whole)
        self._meta = hashlib.sha256()
        self._data_set = hashlib.sha256()
        self._held: list[bytes] = []
        self._size = 0
        self._read_through = True

    def feed(self, block: bytes) -> None:
        """Take the next bytes. Raises Unreadable."""
        self._reader.feed(block)
        self._size += len(block)
        offset = self._reader.data_set_offset
        if offset is None:
            self._held.append(block)
        elif self._held:
            self._split(b"".join((*self._held, block)), offset)
            self._held.clear()
        elif self._size == len(block):
            self._split(block, offset)
        else:
            self._data_set.update(block)

    @property
    def needless(self) -> int:
        """How many of the next bytes only the digest needs."""
        return self._reader.needless

    def pass_over(self, count: int) -> None:
        """Take the next bytes for fed, at most as many as are `needless`; the digest stays open then."""
        if count:
            self._reader.pass_over(count)
            self._size += count
            self._read_through = False

    def _split(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        self._meta.update(view[:offset])
        self._data_set.update(view[offset:])

    def key(self) -> InstanceKey | None:
        """The identity, once enough has been read to tell. Raises Unidentified if the UIDs are illegal."""
        found = self._reader.found
        if not all(tag in found for tag, _ in _IDENTITY):
            return None
        return instance_key(found)

    def finish(self, version: str, whole: bytes = b"") -> Inspected:
        """What was found. `whole` are all bytes, where they are in memory. Raises Unreadable, Unidentified."""
        head = self._reader.finish()
        if self._held:
            self._split(b"".join(self._held), head.data_set_offset)
        syntax = written_syntax(head, first_fragment(head, whole))
        digest = self._data_set.digest() if self._read_through else unread_digest(version)
        return _inspected(replace(head, transfer_syntax=syntax), version, self._size, self._meta.digest(), digest)


def inspect_whole(data: bytes, version: str, limits: HeadLimits) -> Inspected:
    """`Inspector` for an instance in memory. Raises Unreadable, Unidentified."""
    inspector = Inspector(limits, whole=True)
    inspector.feed(data)
    return inspector.finish(version, data)


def _inspected(head: Head, version: str, size: int, meta_digest: bytes, digest: bytes) -> Inspected:
    key = instance_key(head.data_set)
    image = image_spec(head.data_set)
    frames = frame_index(head, image)
    header = orjson.dumps(head.data_set)
    sop_class = head.data_set.get("00080016", {}).get("Value") or [""]
    stored = StoredVersion(
        key=key,
        version=version,
        size=size,
        data_set_offset=head.data_set_offset,
        sop_class=sop_class[0] if isinstance(sop_class[0], str) else "",
        transfer_syntax=head.transfer_syntax,
        meta_digest=meta_digest,
        digest=digest,
        header=header,
        header_size=len(header),
        file_meta=orjson.dumps(head.file_meta),
        frames=frames.to_bytes() if frames else b"",
        bulk=bulk_index(head).to_bytes() if head.bulk else b"",
        image=image,
        pixel_vr=head.pixel.vr if head.pixel else "",
        columns=column_values(head.data_set),
    )
    return Inspected(stored, head.warnings, head.warned_tags, head.data_set)
