"""Where the bulk values of an instance lie, in few bytes.

The fragments of the top level's Pixel Data stand in the frame index; here only that they do, and how long they are
together, so that 200 000 fragments are not stored twice.

    format (1 byte) | length of the text (4) | text: path TAB vr TAB ... , a line each | fragments of nested values
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from dicomweb.encoding.head import BulkValue, Fragments, Head
from dicomweb.model.fragments import FragmentSpans
from dicomweb.model.frames import FrameIndex
from dicomweb.model.packing import DamagedIndex
from dicomweb.model.ranges import ByteRange

_FORMAT = 1
_HEAD = struct.Struct("<BI")


@dataclass(frozen=True, slots=True)
class FrameFragments:
    """The value is all fragments of the instance's frame index, joined."""

    length: int
    """Bytes of the fragments together."""


@dataclass(frozen=True, slots=True)
class StoredBulk:
    """A bulk value of a stored instance."""

    path: tuple[str, ...]
    """Tags and 1-based item numbers in turn."""
    vr: str
    value: ByteRange | FragmentSpans | FrameFragments

    @property
    def length(self) -> int:
        """Bytes of the value; of its fragments joined."""
        return self.value.total if isinstance(self.value, FragmentSpans) else self.value.length

    def fragments(self, frames: FrameIndex | None) -> FragmentSpans | None:
        """The fragments of the value, None if it has a single span. `frames` is the index of the same instance.

        Raises DamagedIndex if the value lies in a frame index that is not there.
        """
        if isinstance(self.value, ByteRange):
            return None
        if isinstance(self.value, FragmentSpans):
            return self.value
        fragments = frames.fragments if frames else None
        if fragments is None:
            raise DamagedIndex("the pixel data are said to lie in a frame index, which has no fragments")
        return fragments


@dataclass(frozen=True)
class BulkIndex:
    """The bulk values of an instance."""

    values: tuple[StoredBulk, ...]
    """In stored order."""

    @cached_property
    def _by_path(self) -> dict[tuple[str, ...], StoredBulk]:
        return {value.path: value for value in self.values}

    def find(self, path: Sequence[str]) -> StoredBulk | None:
        """The value at the path, None if there is no bulk value."""
        return self._by_path.get(tuple(path))

    def paths(self) -> list[tuple[tuple[str, ...], str, int]]:
        """Path, VR and length in bytes of every value, in stored order."""
        return [(value.path, value.vr, value.length) for value in self.values]

    def to_bytes(self) -> bytes:
        """Compact form, some 30 bytes a value."""
        lines: list[str] = []
        nested: list[bytes] = []
        for stored in self.values:
            lines.append(f"{'/'.join(stored.path)}\t{stored.vr}\t{_place(stored.value)}")
            if isinstance(stored.value, FragmentSpans):
                nested.append(stored.value.to_bytes())
        text = "\n".join(lines).encode()
        return b"".join((_HEAD.pack(_FORMAT, len(text)), text, *nested))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote; no bytes at all are no values. Raises DamagedIndex."""
        if not data:
            return cls(())
        try:
            form, length = _HEAD.unpack_from(data)
            if form != _FORMAT:
                raise DamagedIndex(f"a bulk index of format {form}, this software knows {_FORMAT}")
            offset = _HEAD.size + length
            values: list[StoredBulk] = []
            for line in data[_HEAD.size : offset].decode().splitlines():
                path, vr, *place = line.split("\t")
                value: ByteRange | FragmentSpans | FrameFragments
                if place == ["items"]:
                    value, offset = FragmentSpans.from_bytes(data, offset)
                elif place[0] == "frames":
                    value = FrameFragments(int(place[1]))
                else:
                    value = ByteRange(int(place[0]), int(place[1]))
                values.append(StoredBulk(tuple(path.split("/")), vr, value))
        except (struct.error, ValueError, IndexError) as error:
            raise DamagedIndex(f"a bulk index cannot be read: {error}") from error
        return cls(tuple(values))


def _place(value: ByteRange | FragmentSpans | FrameFragments) -> str:
    if isinstance(value, ByteRange):
        return f"{value.start}\t{value.end}"
    return f"frames\t{value.length}" if isinstance(value, FrameFragments) else "items"


def bulk_index(head: Head) -> BulkIndex:
    """The bulk values of a file; fragments of the top level's pixel data are left to `frame_index`."""
    return BulkIndex(tuple(StoredBulk(bulk.path, bulk.vr, _stored(bulk, head)) for bulk in head.bulk))


def _stored(bulk: BulkValue, head: Head) -> ByteRange | FragmentSpans | FrameFragments:
    if isinstance(bulk.value, Fragments):
        # an empty value has no frame index to lie in
        if head.pixel is not None and bulk.path == head.pixel.path and bulk.length:
            return FrameFragments(bulk.length)
        return FragmentSpans(bulk.value.starts, bulk.value.lengths)
    return bulk.value
