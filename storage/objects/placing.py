"""Files written under a passing name and then put in place. Blocking; called in threads.

`.tmp/<passing>` -> `<key>`: create-only by renameat2(RENAME_NOREPLACE) where the file system has it, else by
link(2), which never replaces, not on NFS either; overwriting by rename(2). Nothing is synced here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from uuid import uuid4

from storage.objects.contract import ObjectExists

LEFTOVER_AGE = 86_400.0
"""Seconds after which a file in `.tmp` is no longer anybody's."""

_MOST_PIECES = 1024
_AT_FDCWD = -100
_NOREPLACE = 1
_NOT_OFFERED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class Passing:
    """Gives out passing names in one store's `.tmp` that no other process uses."""

    def __init__(self, root: str) -> None:
        self.folder = f"{root}/.tmp"
        self._stem = f"{self.folder}/{os.getpid()}-{uuid4().hex[:12]}-"
        self._count = count()

    def open(self) -> tuple[int, str]:
        """A new empty file, open for writing, and its path."""
        path = f"{self._stem}{next(self._count)}"
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666), path

    def drop(self, path: str) -> None:
        """Remove a file that was not put in place, or is no longer here."""
        with suppress(OSError):
            Path(path).unlink()

    def sweep(self) -> None:
        """Remove what processes that ended in the middle of a write have left."""
        oldest = time.time() - LEFTOVER_AGE
        for path in Path(self.folder).iterdir():
            try:
                if path.lstat().st_mtime < oldest:
                    path.unlink()
            except OSError:
                continue  # another node sweeps too


def write_pieces(descriptor: int, pieces: Sequence[bytes | memoryview]) -> None:
    """Write all of the pieces, whatever the system call takes at a time."""
    views = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
    while views:
        written = os.writev(descriptor, views[:_MOST_PIECES])
        done = 0
        while done < len(views) and written >= len(views[done]):
            written -= len(views[done])
            done += 1
        del views[:done]
        if written:
            views[0] = views[0][written:]


class Placer:
    """Puts written files in place below a root, making the folders they need."""

    def __init__(self, root: str, *, made: Callable[[str], None]) -> None:
        """`made` is told of every folder made, by its key without the last slash."""
        self._root = root
        self._made = made
        self._rename = _renameat2()

    def place(self, passing: str, key: str, *, create: bool) -> None:
        """Give the file at path `passing` its key. Raises ObjectExists, OSError."""
        path = f"{self._root}/{key}"
        while True:
            try:
                if create:
                    self._place_new(passing, path)
                else:
                    os.replace(passing, path)  # noqa: PTH105 - strings: this is the hot path of storing
            except FileExistsError:
                raise ObjectExists(key, "exists") from None
            except FileNotFoundError:
                # also when a delete elsewhere removed the folder just after it was made
                if not Path(passing).exists():
                    raise
                self._make_folder(key.rpartition("/")[0])
            else:
                return

    def _place_new(self, passing: str, path: str) -> None:
        if self._rename is not None:
            failure = self._rename(passing, path)
            if failure == 0:
                return
            if failure not in _NOT_OFFERED:
                raise OSError(failure, os.strerror(failure), path)
            self._rename = None
        os.link(passing, path, follow_symlinks=False)
        os.unlink(passing)  # noqa: PTH108 - as above

    def _make_folder(self, folder: str) -> None:
        """Make a folder and those above it, from the first that is missing."""
        try:
            os.mkdir(f"{self._root}/{folder}")  # noqa: PTH102 - as above
        except FileExistsError:
            return
        except FileNotFoundError:
            if not folder:
                raise  # the root itself went away
            self._make_folder(folder.rpartition("/")[0])
            self._make_folder(folder)
        else:
            self._made(folder)


def _renameat2() -> Callable[[str, str], int] | None:
    """Rename without replacing, returning an error number; None where the C library has no such call."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

    def rename(source: str, target: str) -> int:
        if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _NOREPLACE) == 0:
            return 0
        return ctypes.get_errno()

    return rename
