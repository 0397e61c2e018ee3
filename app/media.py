"""Finds instances on disks, folders, in zips and on DICOMDIR media, and reads them.

Media carry more than images: a DICOMDIR (an index of what lies beside it, PS3.10 8.6), viewers, autorun files.
What is surely no instance is passed over, what might be one is offered, and the archive decides.
"""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

_CHUNK = 4 << 20
_FREE_BYTES = 16 << 20
"""Bytes an entry of a zip may inflate to whatever the ratio."""
_DICOMDIR = "DICOMDIR"
_DICOM_SUFFIXES = frozenset(["", ".dcm", ".dicom", ".ima", ".dic", ".img"])


class Kind(Enum):
    """What a file is, by its name and first bytes."""

    INSTANCE = "instance"
    ZIP = "zip"
    DICOMDIR = "DICOMDIR"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be an instance."""

    path: Path
    """The file, or the zip it lies in."""
    member: str
    """Name within the zip; empty for a file of its own."""
    size: int
    """Bytes."""
    changed: int
    """Time of last change in nanoseconds; that of the zip for what lies in it."""

    @property
    def name(self) -> str:
        """For people: path, and the name within the zip behind `!`."""
        return _shown(f"{self.path}!{self.member}" if self.member else self.path)

    @property
    def mark(self) -> str:
        """Tells this state of this file from any other."""
        return f"{self.path.resolve()}\t{self.member}\t{self.size}\t{self.changed}"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file or folder that cannot be read."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file that is surely no instance."""

    name: str
    dicomdir: bool = False
    """Whether it is the index of a medium."""
    given: bool = False
    """Whether it was named itself, and not met in a folder or zip."""


Finding = Candidate | Unusable | PassedOver


class CannotRead(Exception):
    """A file that was there when it was found cannot be read."""


def find_candidates(paths: Iterable[Path], *, zip_ratio: int) -> Iterator[Finding]:
    """What lies at and below the paths, in the order of their names. Blocks: run it in a thread.

    A DICOMDIR stands for the medium it is the index of, which is its folder. Links to folders are not followed, so
    that no folder is met twice.
    """
    for path in paths:
        if path.is_dir():
            yield from _find_below(path, zip_ratio)
        elif path.name.upper() == _DICOMDIR and path.is_file():
            yield from _find_below(path.parent, zip_ratio)
        else:
            yield from _find_file(path, zip_ratio, given=True)


def _find_below(folder: Path, zip_ratio: int) -> Iterator[Finding]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield Unusable(_shown(folder), f"cannot be listed: {error.strerror}")
        return
    for entry in entries:
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _find_below(entry, zip_ratio)
        else:
            yield from _find_file(entry, zip_ratio)


def _find_file(path: Path, zip_ratio: int, *, given: bool = False) -> Iterator[Finding]:
    try:
        status = path.stat()
        with path.open("rb") as file:
            kind = _kind(path.name, file)
    except OSError as error:
        if given or path.is_symlink() or not isinstance(error, FileNotFoundError):
            yield Unusable(_shown(path), f"cannot be read: {error.strerror}")
        # else it went after its folder was listed, as passing files of an archive there do
        return
    if kind is Kind.ZIP:
        yield from _find_members(path, status.st_mtime_ns, zip_ratio)
    elif kind is Kind.INSTANCE:
        yield Candidate(path, "", status.st_size, status.st_mtime_ns)
    else:
        yield PassedOver(_shown(path), kind is Kind.DICOMDIR, given)


def _find_members(path: Path, changed: int, zip_ratio: int) -> Iterator[Finding]:
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                name = _shown(f"{path}!{entry.filename}")
                if entry.flag_bits & 1:
                    yield Unusable(name, "is encrypted")
                elif entry.file_size > _FREE_BYTES + zip_ratio * entry.compress_size:
                    yield Unusable(name, f"inflates more than {zip_ratio} times (setting limits.zip_ratio)")
                else:
                    with archive.open(entry) as file:
                        kind = _kind(entry.filename.rpartition("/")[2], file)
                    if kind is Kind.INSTANCE:
                        yield Candidate(path, entry.filename, entry.file_size, changed)
                    else:
                        yield PassedOver(name, kind is Kind.DICOMDIR)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        yield Unusable(_shown(path), f"is a damaged zip: {error}")


def _shown(name: Path | str) -> str:
    """A name that can be written anywhere: those of old discs are not all UTF-8."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def _kind(name: str, file: IO[bytes]) -> Kind:
    """By the marks of PS3.10 7.1 and of zip; without a mark by the name, since bare data sets have none."""
    if name.upper() == _DICOMDIR:
        return Kind.DICOMDIR
    head = file.read(132)
    if head[128:] == b"DICM":
        return Kind.INSTANCE
    if head[:4] == b"PK\x03\x04":
        return Kind.ZIP
    stem, _, suffix = name.rpartition(".")
    numbered = suffix.isdigit() or not stem
    return Kind.INSTANCE if head and (numbered or "." + suffix.lower() in _DICOM_SUFFIXES) else Kind.OTHER


async def read_chunks(candidate: Candidate) -> AsyncIterator[bytes]:
    """The bytes of a candidate, read in threads. Raises CannotRead."""
    try:
        file = await asyncio.to_thread(_open, candidate)
        try:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk
        finally:
            await asyncio.to_thread(file.close)
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise CannotRead(f"cannot be read: {error}") from error


def _open(candidate: Candidate) -> IO[bytes]:
    if not candidate.member:
        return candidate.path.open("rb")
    # the member keeps the zip's file open for as long as it is read
    with zipfile.ZipFile(candidate.path) as archive:
        return archive.open(candidate.member)
