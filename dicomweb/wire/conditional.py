"""ETags and the conditions on them (RFC 9110 8.8.3, 13; PS3.18 8.5).

An ETag is made of the archive's epoch, the number of the log entry that last changed what is asked for, and the
representation: so it holds on every node, across restarts, and never names two things.
"""

from __future__ import annotations

from zlib import crc32


def etag(epoch: str, revision: int, representation: str, *, weak: bool = False) -> str:
    """The entity tag. Weak for bodies that differ in a boundary from one answer to the next."""
    tag = f'"{epoch}-{revision}-{crc32(representation.encode()):08x}"'
    return "W/" + tag if weak else tag


def none_match(if_none_match: str, tag: str) -> bool:
    """Whether the client holds what the ETag names, so that 304 will do; compared weakly (RFC 9110 13.1.2)."""
    if not if_none_match:
        return False
    if if_none_match.strip() == "*":
        return True
    return _opaque(tag) in {_opaque(item) for item in if_none_match.split(",")}


def strong_match(if_range: str, tag: str) -> bool:
    """Whether both are the same strong ETag (RFC 9110 13.1.5)."""
    return if_range.strip() == tag and not tag.startswith("W/")


def _opaque(tag: str) -> str:
    return tag.strip().removeprefix("W/")
