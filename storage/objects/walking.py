"""Files below a folder, in the order of their keys. Blocking; called in threads.

A folder's keys all begin with its name and a slash, so `a/` is what it is sorted by: `a.x` < `a/x` < `a0`.
Of one folder at a time the names are held; folders that cannot hold anything asked for are not opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime

from storage.objects.contract import ObjectInfo
from storage.objects.faults import read_fault
from storage.objects.names import RESERVED, belongs, may_hold

_HIDDEN = frozenset(f"{name}/" for name in RESERVED)


def walk(root: str, *, prefix: str, after: str) -> Iterator[ObjectInfo]:
    """Objects below `root` whose key begins with `prefix` and is greater than `after`. Raises StoreError."""
    start = prefix[: prefix.rfind("/") + 1]
    waiting = _names(root, start, prefix=prefix, after=after)
    while waiting:
        name = waiting.pop()
        if name.endswith("/"):
            waiting += _names(root, name, prefix=prefix, after=after)
        elif (info := _look(root, name)) is not None:
            yield info


def _names(root: str, folder: str, *, prefix: str, after: str) -> list[str]:
    """Keys of the files, and of the folders with a slash, in `folder`: descending, to be taken from the end."""
    names: list[str] = []
    try:
        with os.scandir(f"{root}/{folder}") as entries:
            for entry in entries:
                name = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    name += "/"
                    if name not in _HIDDEN and may_hold(name, prefix=prefix, after=after):
                        names.append(name)
                elif belongs(name, prefix=prefix, after=after):
                    names.append(name)
    except (FileNotFoundError, NotADirectoryError):
        return []  # removed meanwhile, or never there
    except OSError as error:
        raise read_fault(folder, error) from error
    names.sort(reverse=True)
    return names


def _look(root: str, key: str) -> ObjectInfo | None:
    try:
        found = os.lstat(f"{root}/{key}")
    except FileNotFoundError:
        return None  # deleted meanwhile
    except OSError as error:
        raise read_fault(key, error) from error
    if not stat.S_ISREG(found.st_mode):
        return None
    return ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
