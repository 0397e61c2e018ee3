"""What viewers are installed on this machine: the folders an installation leaves, and the lists of files in them.

    FOLDER/ohif-3.13.2-1/installed.json     its name, release and files
    FOLDER/ohif-3.13.2-1/files/...          the files, and beside them their compressed forms

A folder without `installed.json` is none: that file is written last, and the folder gets its name after it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CODINGS = {"zstd": ".zst", "gzip": ".gz"}
"""Content codings kept beside a file, by what is added to its name; the smaller first."""
FORMAT = 1
LIST = "installed.json"
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file of a viewer."""

    path: Path
    size: int
    """Bytes, uncompressed."""
    digest: str
    codings: Mapping[str, int]
    """Bytes in each content coding kept beside it."""

    def coded(self, coding: str) -> tuple[Path, int]:
        """Where it lies in that coding, and how long it is there."""
        if coding not in self.codings:
            return self.path, self.size
        return self.path.with_name(self.path.name + CODINGS[coding]), self.codings[coding]


@dataclass(frozen=True, slots=True)
class Installed:
    """One viewer on this machine."""

    viewer: str
    """`ohif`."""
    title: str
    version: str
    release: str
    """`3.13.2-1`."""
    folder: Path
    files: Mapping[str, ServedFile]
    """By their paths, with slashes."""

    @property
    def stored_bytes(self) -> int:
        """What it takes on the disk."""
        return sum(file.size + sum(file.codings.values()) for file in self.files.values())


def default_folder(environment: Mapping[str, str]) -> Path | None:
    """Where viewers are kept if no setting says so: the user's data folder; None if the user has no folder at all.

    Not the node folder, which may be deleted at any time, and not the store: what is there belongs to the archive,
    may lie on a bucket, and viewers serve every archive of the machine.
    """
    if base := environment.get("XDG_DATA_HOME") or environment.get("LOCALAPPDATA"):
        return Path(base) / "dicomlake" / "viewers"
    try:
        return Path.home() / ".local" / "share" / "dicomlake" / "viewers"
    except RuntimeError:
        return None


def chosen_folder(setting: str) -> Path | None:
    """The folder of the setting `viewers.folder`, or the default one."""
    return Path(setting).expanduser().absolute() if setting else default_folder(os.environ)


def read_installed(folder: Path | None) -> dict[str, Installed]:
    """The viewers in that folder by their names, of each the newest release. Blocks."""
    found: dict[str, Installed] = {}
    try:
        entries = sorted(folder.iterdir()) if folder else []
    except OSError:
        return found
    for entry in entries:
        one = None if entry.name.startswith(".") else _read(entry)
        if one is not None and (one.viewer not in found or _order(one) > _order(found[one.viewer])):
            found[one.viewer] = one
    return found


def _read(entry: Path) -> Installed | None:
    try:
        told = json.loads((entry / LIST).read_bytes())
        if told["format"] != FORMAT:
            return None
        files = {
            path: ServedFile(entry / "files" / path, one["size"], one["digest"], one["codings"])
            for path, one in told["files"].items()
        }
        return Installed(told["viewer"], told["title"], told["version"], told["release"], entry, files)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _order(one: Installed) -> list[int]:
    return [int(part) for part in one.release.replace("-", ".").split(".") if part.isdigit()]


class Shelf:
    """The viewers of a folder, looked for again every few seconds: one that is installed needs no restart."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._found: Mapping[str, Installed] = {}
        self._stamp: int | None = None
        self._looked = -_LOOK_SECONDS

    def installed(self) -> Mapping[str, Installed]:
        """What is installed now. Asks the system for one time stamp every few seconds, and reads on a change."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._found

    def _look(self) -> None:
        """A folder's time changes when an entry comes or goes, which is how one is installed or removed."""
        try:
            stamp = self.folder.stat().st_mtime_ns if self.folder else None
        except OSError:
            stamp = None
        if stamp != self._stamp:
            self._found = read_installed(self.folder) if stamp is not None else {}
            self._stamp = stamp
