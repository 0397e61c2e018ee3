"""Log entries that the nodes of one machine wrote just now, in a folder of theirs.

A node that has been told of an entry by a sibling takes it from here and saves a request to the bucket, which the
next commit would wait for. Nothing depends on it: what is not here, or is not what it should be, is read from the
store. Nothing is synced, and nothing stays: an entry lies here for some seconds, since its headers are to be gone
when the log's are (erasure).
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

KEPT_SECONDS = 10.0
"""How long an entry lies here."""


class Shelf:
    """The folder as one node sees it. Blocking; to be called in threads."""

    def __init__(self, folder: Path, node: str) -> None:
        """`node` keeps what several write at one time apart."""
        self._folder = folder
        self._passing = folder / f"{node}.part"

    def clear(self) -> None:
        """Remove what nodes that were killed have left; other nodes may be at work."""
        oldest = time.time() - KEPT_SECONDS
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def put(self, epoch: str, number: int, data: bytes) -> None:
        """Keep an entry that is in the log, if the disk lets us."""
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            self._passing.write_bytes(_head(epoch, number) + data)
            self._passing.replace(self._path(number))

    def get(self, epoch: str, number: int) -> bytes | None:
        """The entry as it is stored, None if it is not here."""
        head = _head(epoch, number)
        try:
            data = self._path(number).read_bytes()
        except OSError:
            return None
        return data[len(head) :] if data.startswith(head) else None

    def drop(self, number: int) -> None:
        """Forget an entry."""
        with suppress(OSError):
            self._path(number).unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.arrow"


def _head(epoch: str, number: int) -> bytes:
    return f"{epoch} {number}\n".encode("ascii")
