"""Which texts are keys: checked before anything touches a disk or a wire.

Every store refuses the same keys, so that an archive can move between a folder and a bucket. The alphabet holds
no backslash, NUL, blank or percent sign, and no name is `.` or `..`: a key cannot leave the place it is used in.
The names `.node` (what a node keeps for itself) and `.tmp` (files being written) are taken at the top of a store.
"""

from __future__ import annotations

import re

from storage.objects.contract import IllegalKey

RESERVED = (".node", ".tmp")
"""First names that are no objects' in any store."""
LONGEST_KEY = 1024
"""Characters of a key, as S3 counts them."""

# a name of a file system has at most 255 bytes
_NAME = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~=-]{1,255}"
_KEY = re.compile(rf"(?!\.(?:node|tmp)(?:/|\Z)){_NAME}(?:/{_NAME})*")
_PREFIX = re.compile(rf"(?:{_NAME}/)*[A-Za-z0-9._~=-]*")


def check_key(key: str) -> None:
    """Raise IllegalKey if no object may have this key."""
    if _KEY.fullmatch(key) is None or len(key) > LONGEST_KEY:
        raise IllegalKey(key, "not a key: slash-separated names of A-Z a-z 0-9 . _ ~ = -")


def check_prefix(prefix: str) -> None:
    """Raise IllegalKey if no key can begin like this, unless it is empty."""
    if _PREFIX.fullmatch(prefix) is None or len(prefix) > LONGEST_KEY:
        raise IllegalKey(prefix, "not the beginning of a key")


def may_hold(folder: str, *, prefix: str, after: str) -> bool:
    """Whether keys beginning with `folder` (which ends with a slash) can lie in a listing."""
    if not (folder.startswith(prefix) or prefix.startswith(folder)):
        return False
    return folder > after or after.startswith(folder)


def belongs(key: str, *, prefix: str, after: str) -> bool:
    """Whether a key lies in a listing."""
    return key.startswith(prefix) and key > after
