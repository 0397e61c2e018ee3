"""Whether there is an archive, asked before anything is opened that would begin one.

Only `serve` and `ingest` begin an archive. A name mistyped to any other command is told as that, and leaves
nothing behind.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from app.values import ConfigError
from storage.layout import DICOM, FORMAT, LOG
from storage.objects.address import Address, Folder, Memory
from storage.objects.contract import ObjectMissing, ObjectStore


class NoArchive(ConfigError):
    """There is no archive at the store's address, and this command does not begin one."""

    def __init__(self, store: str) -> None:
        super().__init__(
            f"store: there is no archive in {store}; `dicomlake serve` and `dicomlake ingest` begin one"
        )
        self.store = store


async def has_archive(address: Address, opener: Callable[[Address], ObjectStore]) -> bool:
    """Whether a store holds an archive, or what is left of one. Writes nothing.

    Raises ConfigError and the store's errors.
    """
    match address:
        case Folder(path):
            return any((path / name).exists() for name in (FORMAT, LOG, DICOM)) if _is_folder(path) else False
        case Memory():
            return False
    async with opener(address) as store:
        try:
            await store.head(FORMAT)
        except ObjectMissing:
            # without its format.json an archive is damaged, not new
            for prefix in (LOG, DICOM):
                async with aclosing(store.list(prefix)) as found:
                    async for _ in found:
                        return True
            return False
    return True


def make_folder(path: Path) -> None:
    """Make the folder of a new archive. Raises ConfigError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except NotADirectoryError as error:
        file = next(above for above in path.parents if above.is_file())
        raise ConfigError(f"store: the folder {path} cannot be made: {file} is a file") from error
    except OSError as error:
        raise ConfigError(f"store: the folder {path} cannot be made: {error.strerror}") from error


def check_writable(path: Path) -> None:
    """See that an archive may be written in a folder. Raises ConfigError."""
    try:
        # what access() says of permissions is not all: the whole file system may be read-only
        with tempfile.TemporaryFile(dir=path):
            return
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return  # a full one can still be read
        why = {errno.EACCES: "no permission to write there", errno.EROFS: "it is read-only"}
        told = why.get(error.errno or 0, error.strerror or str(error))
        raise ConfigError(f"store: the folder {path} cannot be written: {told}") from error


def _is_folder(path: Path) -> bool:
    """Whether the folder is there. Raises ConfigError if something else is, or it cannot be looked into."""
    try:
        if path.exists() and not path.is_dir():
            raise ConfigError(f"store: {path} is a file; expected a folder, or s3://BUCKET/PREFIX")
        return path.is_dir() and next(path.iterdir(), path) is not None
    except OSError as error:
        raise ConfigError(f"store: {path} cannot be read: {error.strerror}") from error
