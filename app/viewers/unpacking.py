"""From a tarball to files ready to be served: taken, changed, compressed beforehand, listed with their digests.

Only regular files are taken, and written under paths made here of their parts, so that no name in a tarball leads
out of the folder. Compressing at best speed costs a few seconds once; a browser then loads a fourth to a fifth of
the bytes, and the server compresses nothing while it serves.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import zstandard

from app.viewers.adapting import Change
from app.viewers.pins import Package
from app.viewers.shelf import CODINGS

_COMPRESSIBLE = frozenset([".css", ".html", ".js", ".json", ".jsonc", ".mjs", ".svg", ".txt", ".wasm", ".xml", ""])
_SMALLEST = 1024
_GZIP_LEVEL = 7
_ZSTD_LEVEL = 12
"""12 costs a tenth of what 19 does, for a tenth more bytes."""
MOST_FILE_BYTES = 128 << 20
MOST_BYTES = 1 << 30


class BadTarball(Exception):
    """The tarball holds what no package of a viewer does."""

    def __init__(self, package: Package, reason: str) -> None:
        super().__init__(f"the tarball of {package.name} {package.version} cannot be used: {reason}")
        self.package = package


@dataclass(frozen=True, slots=True)
class Unpacked:
    """One file as it was written."""

    path: str
    """Below the folder of files, with slashes."""
    size: int
    """Bytes, uncompressed."""
    digest: str
    """Beginning of the SHA-256 of the uncompressed bytes, in hexadecimal."""
    codings: dict[str, int]
    """Bytes in each content coding that is kept beside it."""


def unpack(package: Package, tarball: Path, files: Path, told: Callable[[int], None]) -> Iterator[Unpacked]:
    """Write the files of the package below `files`, one after the other; `told` how many bytes have been.

    Raises BadTarball, NotAdaptable when a change has found no place.
    """
    adaptation = package.adaptation
    found: frozenset[Change] = frozenset()
    written = 0
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                place = adaptation.place(member.name)
                if place is None or not member.isreg():
                    continue
                _check(package, place, member.size, written)
                file = archive.extractfile(member)
                if file is None:
                    continue
                data, changes = adaptation.changed(place, file.read())
                found |= changes
                written += len(data)
                yield _write(files, place, data)
                told(written)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BadTarball(package, str(error) or type(error).__name__) from error
    adaptation.check(found)


def _check(package: Package, place: str, size: int, written: int) -> None:
    path = PurePosixPath(place)
    odd = path.is_absolute() or not path.parts or "\\" in place or ":" in place or "\0" in place
    if odd or any(part in ("..", ".") for part in place.split("/")):
        raise BadTarball(package, f"it holds a file called {place!r}")
    if size > MOST_FILE_BYTES or written + size > MOST_BYTES:
        raise BadTarball(
            package, f"its files take more than {MOST_BYTES} bytes, or one more than {MOST_FILE_BYTES}"
        )


def _write(files: Path, place: str, data: bytes) -> Unpacked:
    path = files.joinpath(*PurePosixPath(place).parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    codings = {}
    for coding, packed in _packed(path.suffix, data):
        path.with_name(path.name + CODINGS[coding]).write_bytes(packed)
        codings[coding] = len(packed)
    return Unpacked(place, len(data), hashlib.sha256(data).hexdigest()[:16], codings)


def _packed(suffix: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    if suffix.lower() not in _COMPRESSIBLE or len(data) < _SMALLEST:
        return
    zstd = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)
    gzip = zlib.compress(data, _GZIP_LEVEL, 16 + zlib.MAX_WBITS)
    for coding, packed in (("zstd", zstd), ("gzip", gzip)):
        if len(packed) < 0.9 * len(data):
            yield coding, packed
