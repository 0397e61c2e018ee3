"""What an interrupted `ingest` has done already, so that the next one begins where it stopped.

    <32 hex: this state of this file> TAB <study> TAB <series> TAB <SOP Instance UID>

A line a file in the node folder, added when the archive has acknowledged it, with the instance it held: whether
that is still in the archive is for the archive to say. Losing a line costs time only: what is stored already is a
duplicate, and a duplicate changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import Self, TextIO

from dicomweb.model.keys import InstanceKey


class Done:
    """The files that one archive has acknowledged, and their instances; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[bytes, InstanceKey] = {}
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            with self._path.open(encoding="ascii", errors="replace") as file:
                self._keys = dict(known for line in file if (known := _parse(line)))
        self._file = self._path.open("a", encoding="ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def key_of(self, mark: str) -> InstanceKey | None:
        """The instance that this state of a file held when it was acknowledged; None if it never was."""
        return self._keys.get(_digest(mark))

    def add(self, done: Iterable[tuple[str, InstanceKey]]) -> None:
        """Remember these files and their instances."""
        known = {_digest(mark): key for mark, key in done}
        self._keys.update(known)
        if self._file is not None:
            self._file.writelines(
                f"{digest.hex()}\t{key.study}\t{key.series}\t{key.instance}\n" for digest, key in known.items()
            )
            self._file.flush()


def _parse(line: str) -> tuple[bytes, InstanceKey] | None:
    """A line of the file; None for one that a kill cut off."""
    digest, *uids = line.split("\t")
    if len(digest) != 2 * _BYTES or len(uids) != 3 or not line.endswith("\n"):
        return None
    study, series, instance = uids
    try:
        # the first two are the same for hundreds of files
        return bytes.fromhex(digest), InstanceKey(intern(study), intern(series), instance.rstrip("\n"))
    except ValueError:
        return None


def _digest(mark: str) -> bytes:
    return hashlib.sha256(mark.encode("utf-8", "surrogateescape")).digest()[:_BYTES]


_BYTES = 16
