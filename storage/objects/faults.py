"""What an error of the operating system means for an object.

ENOSPC, EDQUOT    no room             StoreFull
EACCES, EPERM, EROFS                  StoreDenied
ENOENT, and a key that runs through or names a folder where it should name a file   ObjectMissing when reading
everything else   EIO, ESTALE, EMFILE, ...: the outcome is unknown, StoreUnavailable
"""

from __future__ import annotations

import errno

from storage.objects.contract import (
    IllegalKey,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnavailable,
)

_CLASSES: dict[int, type[StoreError]] = {
    errno.ENOSPC: StoreFull,
    errno.EDQUOT: StoreFull,
    errno.EFBIG: StoreFull,
    errno.EACCES: StoreDenied,
    errno.EPERM: StoreDenied,
    errno.EROFS: StoreDenied,
    errno.ENAMETOOLONG: IllegalKey,
    errno.ENOENT: ObjectMissing,
}

# a folder or a symbolic link where an object should be, an object where a folder should be
_NOT_AN_OBJECT = frozenset({errno.EISDIR, errno.ENOTDIR, errno.ELOOP})


def read_fault(key: str, error: OSError) -> StoreError:
    """The error to raise for a failed read of `key`."""
    if error.errno in _NOT_AN_OBJECT:
        return ObjectMissing(key, "there is no such object")
    return _fault(key, error)


def write_fault(key: str, error: OSError) -> StoreError:
    """The error to raise for a failed write of `key`."""
    if error.errno in _NOT_AN_OBJECT or error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return IllegalKey(key, "a folder cannot hold both an object and objects below it")
    if error.errno == errno.ENOENT:
        return StoreUnavailable(key, "the store's folder is not there")
    return _fault(key, error)


def _fault(key: str, error: OSError) -> StoreError:
    kind = _CLASSES.get(error.errno or 0, StoreUnavailable)
    return kind(key, error.strerror or str(error))
