"""Installs and removes viewers: fetch, compare, unpack beside, then put in place under its name.

Whatever breaks off midway leaves only a folder whose name begins with a dot, which the next installation clears
away; a viewer that is being served keeps its files until the new one is in place.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.viewers.download import fetch, verify
from app.viewers.pins import Package, Pin
from app.viewers.shelf import FORMAT, LIST, read_installed
from app.viewers.unpacking import Unpacked, unpack

_PASSING = ".installing-"
_STALE_SECONDS = 3600.0
"""A passing folder that old was left by an installation that broke off."""


class NotInstallable(Exception):
    """The folder cannot be written."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"viewers cannot be put into {folder}: {error.strerror or error}; name another folder with "
            "--viewers-folder (setting viewers.folder)"
        )
        self.folder = folder


class NoTarball(Exception):
    """The folder of tarballs lacks one."""

    def __init__(self, package: Package, folder: Path) -> None:
        super().__init__(
            f"there is no {package.file_name} in {folder}; on a machine with npm, "
            f"`npm pack {package.name}@{package.version}` fetches it"
        )
        self.package = package


class Source(Protocol):
    """Where tarballs come from."""

    def __call__(self, package: Package, into: Path, told: Callable[[int], None]) -> Path:
        """The verified tarball, perhaps as the file `into`; `told` how many bytes are there."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far an installation is."""

    package: Package
    fetched: int
    """Bytes of the tarball that have come."""
    unpacked: int
    """Bytes of files that have been written."""


def from_registry(registry: str) -> Source:
    """Tarballs from a package registry."""

    def give(package: Package, into: Path, told: Callable[[int], None]) -> Path:
        fetch(package, registry, into, told)
        return into

    return give


def from_folder(folder: Path) -> Source:
    """Tarballs that somebody has put into a folder, under the name that npm gives them or the registry does."""

    def give(package: Package, into: Path, told: Callable[[int], None]) -> Path:
        scope = package.name.rpartition("/")[0].removeprefix("@")
        for name in dict.fromkeys((package.file_name, f"{scope}-{package.file_name}" if scope else "")):
            if name and (folder / name).is_file():
                verify(package, folder / name, str(folder / name))
                return folder / name
        raise NoTarball(package, folder)

    return give


def is_installed(pin: Pin, folder: Path) -> bool:
    """Whether exactly what is pinned is there."""
    found = read_installed(folder).get(pin.viewer)
    return found is not None and found.release == pin.release


def install(pin: Pin, folder: Path, source: Source, told: Callable[[Stage], None]) -> Path:
    """Put a viewer into the folder; returns where it lies.

    Raises NotInstallable, NoTarball, NotFetched, WrongDigest, BadTarball, NotAdaptable.
    """
    place = folder / f"{pin.viewer}-{pin.release}"
    passing = folder / f"{_PASSING}{pin.viewer}-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        passing.mkdir()
    except OSError as error:
        raise NotInstallable(folder, error) from error
    try:
        files: list[Unpacked] = []
        for package in pin.packages:
            files += _add(package, passing, source, told)
        _write_list(pin, passing, files)
        if place.exists():
            place.rename(folder / f"{_PASSING}{pin.viewer}-replaced-{os.getpid()}")
        passing.rename(place)
    except OSError as error:
        raise NotInstallable(folder, error) from error
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    _remove_others(pin.viewer, folder, keep=place)
    return place


def remove(viewer: str, folder: Path) -> bool:
    """Take a viewer away, all releases of it; whether there was one. Raises NotInstallable."""
    try:
        return _remove_others(viewer, folder, keep=None)
    except OSError as error:
        raise NotInstallable(folder, error) from error


def _add(package: Package, passing: Path, source: Source, told: Callable[[Stage], None]) -> list[Unpacked]:
    into = passing / package.file_name
    fetched = 0

    def fetching(count: int) -> None:
        nonlocal fetched
        fetched = count
        told(Stage(package, count, 0))

    tarball = source(package, into, fetching)
    try:
        return list(
            unpack(package, tarball, passing / "files", lambda count: told(Stage(package, fetched, count)))
        )
    finally:
        into.unlink(missing_ok=True)


def _write_list(pin: Pin, passing: Path, files: list[Unpacked]) -> None:
    told = {
        "format": FORMAT,
        "viewer": pin.viewer,
        "title": pin.title,
        "version": pin.packages[0].version,
        "release": pin.release,
        "files": {
            file.path: {"size": file.size, "digest": file.digest, "codings": file.codings} for file in files
        },
    }
    (passing / LIST).write_text(json.dumps(told, indent=1), encoding="utf-8")


def _remove_others(viewer: str, folder: Path, keep: Path | None) -> bool:
    """Older releases go once the new one is in place; renamed first, so that nobody finds half of one."""
    removed = False
    for entry in folder.glob(f"{viewer}-*") if folder.is_dir() else []:
        if entry == keep or not (entry / LIST).is_file():
            continue
        passing = folder / f"{_PASSING}{entry.name}-removed-{os.getpid()}"
        entry.rename(passing)
        shutil.rmtree(passing, ignore_errors=True)
        removed = True
    for entry in folder.glob(f"{_PASSING}{viewer}-replaced-*"):
        shutil.rmtree(entry, ignore_errors=True)
    return removed


def _clear(folder: Path) -> None:
    for entry in folder.glob(f"{_PASSING}*"):
        if time.time() - entry.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)
