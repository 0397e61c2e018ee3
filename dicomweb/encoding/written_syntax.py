"""Which transfer syntax a file is written in, whatever it declares.

What leaves under the label of a transfer syntax must be in it, and files that declare another one than they are
written in are common enough: implicit VR under the label of explicit, native pixel data under that of JPEG after
a conversion by halves. So the label is taken from what was read:

| declared        | read                          | written                                  |
|-----------------|-------------------------------|------------------------------------------|
| a native syntax | native or no pixel data       | by byte order and VRs as read            |
| a native syntax | fragments that begin as JPEG  | by the JPEG headers                      |
| a compressed one| native pixel data             | by byte order and VRs as read            |
| anything else   | anything                      | as declared                              |

A deflated data set stays what it is declared to be, or it could not have been inflated; of a private syntax
nothing is known that could contradict it. A file that is sent as stored goes on saying what it said.
"""

from __future__ import annotations

from dicomweb.encoding.beginning import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicomweb.encoding.codestreams import jpeg_transfer_syntax
from dicomweb.encoding.head import Fragments, Head

OPENING = 64 << 10
"""Bytes of the first fragment that are looked at; the headers of a JPEG image lie within them."""

_NATIVE = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG))
_COMPRESSED = "1.2.840.10008.1.2.4."
_COMPRESSED_OTHERS = frozenset(("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"))
"""RLE, encapsulated uncompressed and deflated frames (PS3.5 A.4.3, A.4.11, A.4.13)."""


def written_syntax(head: Head, opening: bytes = b"") -> str:
    """The transfer syntax of the file; `opening` is how its first fragment begins, if that is at hand."""
    declared = head.transfer_syntax
    fragments = head.pixel is not None and isinstance(head.pixel.value, Fragments)
    if declared in _NATIVE:
        return (jpeg_transfer_syntax(opening) if fragments else None) or _as_read(head)
    compressed = declared.startswith(_COMPRESSED) or declared in _COMPRESSED_OTHERS
    if compressed and head.pixel is not None and not fragments:
        return _as_read(head)
    return declared


def first_fragment(head: Head, data: bytes) -> bytes:
    """`OPENING` bytes of the first fragment of a file that is in memory, none if it has no fragments."""
    value = head.pixel.value if head.pixel is not None else None
    if not isinstance(value, Fragments) or not len(value.starts) or head.inflated:
        return b""
    start = value.starts[0]
    return data[start : start + min(value.lengths[0], OPENING)]


def _as_read(head: Head) -> str:
    if head.big_endian:
        return EXPLICIT_BIG
    return IMPLICIT_LITTLE if head.implicit else EXPLICIT_LITTLE
