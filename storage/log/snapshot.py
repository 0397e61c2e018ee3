"""What a node and the process that folds for it tell each other.

A snapshot says which files make up the checkpoint table at one of its versions: with it a node reads by itself.

The files of a version stay for a week after it, so a snapshot may be old; it only knows less than the log then.
What is erased goes at once: whoever misses a file has to look for a newer snapshot.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.layout import TABLE
from storage.objects.address import Address, Folder, Memory
from storage.objects.s3_settings import S3Settings


@dataclass(frozen=True, slots=True)
class TableFile:
    """A Parquet file of the table."""

    path: str
    """Key below the table's own."""
    size: int
    """Bytes."""
    rows: int
    studies: tuple[str, str]
    """Bounds of the Study Instance UIDs in it, perhaps wider than they need to be."""
    revisions: tuple[int, int]
    """Least and greatest `since_revision`."""

    @property
    def key(self) -> str:
        """Key of the object."""
        return f"{TABLE}/{self.path}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the table."""

    epoch: str
    """Epoch of the log that it was folded from."""
    version: int
    """Delta's number of the version."""
    last: int
    """Number of the last entry folded."""
    files: tuple[TableFile, ...] = ()
    token: str = ""
    """What tells the commit that made this version from any other; empty if that is not known."""
    complete: bool = False
    """Whether the table has every column that this program writes."""

    def to_json(self) -> dict[str, Any]:
        """As values that JSON has."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Snapshot:
        """What `to_json` gave."""
        files = tuple(
            TableFile(**{**file, "studies": tuple(file["studies"]), "revisions": tuple(file["revisions"])})
            for file in content["files"]
        )
        return cls(**{**content, "files": files})


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold did."""

    last: int
    """Number of the last entry that is in the table now."""
    entries: int = 0
    """How many of them this fold put there."""
    rows: int = 0
    """New rows."""
    transactions: int = 0


def address_to_json(address: Address) -> dict[str, Any]:
    """An address for a job. Raises ValueError for memory, which another process cannot see."""
    match address:
        case Folder(path):
            return {"folder": str(path.absolute())}
        case S3Settings():
            return {"s3": asdict(address)}
    raise ValueError("an archive in memory has no checkpoint table")


def address_from_json(content: dict[str, Any]) -> Address:
    """What `address_to_json` gave."""
    if "folder" in content:
        return Folder(Path(content["folder"]))
    return S3Settings(**content["s3"]) if "s3" in content else Memory()
