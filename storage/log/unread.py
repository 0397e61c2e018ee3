"""The digest of a data set that nobody has read to its end yet.

A rebuild reads headers, not pixels, so of large objects it cannot know the digest. In its place stands a mark:

    16 bytes that no digest begins with, but by a chance of one in 2^128 | 16 bytes of the SHA-256 of the version

It names the version, so that two versions whose digests are open are never taken for the same. Whoever reads the
object whole afterwards, a scrub or the arrival of what may be the same instance, tells the log the digest with a
DIGESTED event.
"""

from __future__ import annotations

import hashlib

_MARK = hashlib.sha256(b"dicomlake: nobody has read this data set to its end").digest()[:16]


def unread_digest(version: str) -> bytes:
    """What stands in place of a version's digest, 32 bytes."""
    return _MARK + hashlib.sha256(version.encode()).digest()[:16]


def is_unread(digest: bytes) -> bool:
    """Whether the digest is open."""
    return digest.startswith(_MARK)
