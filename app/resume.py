"""What an interrupted `ingest` has done already, so that the next one begins where it stopped.

A line a file in the node folder, added when the archive has acknowledged it. Losing it costs time only: what is
stored already is a duplicate, and a duplicate changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO


class Done:
    """The files that one archive has acknowledged; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks: set[bytes] = set()
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            with self._path.open(encoding="ascii", errors="replace") as file:
                self._marks = {bytes.fromhex(line.strip()) for line in file if len(line) == _LINE}
        self._file = self._path.open("a", encoding="ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __contains__(self, mark: str) -> bool:
        return _digest(mark) in self._marks

    def add(self, marks: Iterable[str]) -> None:
        """Remember these files."""
        digests = [_digest(mark) for mark in marks]
        self._marks.update(digests)
        if self._file is not None:
            self._file.writelines(digest.hex() + "\n" for digest in digests)
            self._file.flush()


def _digest(mark: str) -> bytes:
    return hashlib.sha256(mark.encode("utf-8", "surrogateescape")).digest()[:_BYTES]


_BYTES = 16
_LINE = 2 * _BYTES + 1
