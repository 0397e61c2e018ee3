"""What the first bytes of compressed images tell: where one begins, and which transfer syntax it is.

| begins with            | is                                            |
|------------------------|-----------------------------------------------|
| FF D8 FF               | JPEG, JPEG-LS (ISO 10918-1, 14495-1)          |
| FF 4F FF 51            | JPEG 2000, HTJ2K codestream (ISO 15444-1)     |
| FF 0A                  | JPEG XL codestream (ISO 18181-1)              |

RLE has no mark, and needs none: a frame is one fragment there (PS3.5 A.4.2).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

from dicomweb.encoding.frame_index import FrameCountMismatch
from dicomweb.model.frames import EncapsulatedFrames, FrameIndex

OPENING = 4
"""Bytes of a fragment that `divide` needs to see."""

_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\xff\x0a")

_JPEG = "1.2.840.10008.1.2.4."
_BY_FRAME_HEADER = {0xC0: "50", 0xC1: "51", 0xC2: "55"}
"""SOF marker to the end of the UID: baseline, extended, full progression (PS3.5 A.4.1)."""
_LOSSLESS, _JPEG_LS, _SCAN = 0xC3, 0xF7, 0xDA
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers without a segment."""


def begins_codestream(opening: bytes) -> bool:
    """Whether a fragment with these first bytes begins a compressed image."""
    return opening.startswith(_BEGINNINGS)


def divide(index: FrameIndex, openings: Sequence[bytes]) -> FrameIndex:
    """The frames of an undivided index, given the first `OPENING` bytes of every fragment.

    Raises FrameCountMismatch if there are not as many beginnings of images as frames declared.
    """
    fragments = index.fragments
    if fragments is None or not index.undivided:
        return index
    first = [number for number, opening in enumerate(openings) if begins_codestream(opening)]
    if len(openings) != len(fragments) or len(first) != index.declared or first[0] != 0:
        raise FrameCountMismatch(len(fragments), index.declared)
    groups = array("Q", (*first, len(fragments)))
    return replace(index, count=len(first), layout=EncapsulatedFrames(fragments, groups))


def jpeg_transfer_syntax(data: bytes) -> str | None:
    """The transfer syntax of a JPEG or JPEG-LS image by its frame header and first scan header; None if the
    headers are not in `data`, or are of a process that DICOM does not know."""
    at, frame = 2, 0
    while data[:2] == b"\xff\xd8" and at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _BY_FRAME_HEADER:
            return _JPEG + _BY_FRAME_HEADER[marker]
        if marker in (_LOSSLESS, _JPEG_LS):
            frame = marker
        if marker == _SCAN:
            return _by_scan(frame, data, at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _by_scan(frame: int, data: bytes, at: int) -> str | None:
    """By the scan header: length (2), components (1), 2 bytes for each, then predictor or NEAR."""
    parameter = at + 5 + 2 * data[at + 4] if at + 4 < len(data) else len(data)
    if parameter >= len(data):
        return None
    if frame == _LOSSLESS:
        return _JPEG + ("70" if data[parameter] == 1 else "57")
    if frame == _JPEG_LS:
        return _JPEG + ("80" if data[parameter] == 0 else "81")
    return None
