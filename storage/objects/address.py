"""The address of a store, as people write it, and the store it stands for.

PATH, file:///PATH     a folder
s3://BUCKET/PREFIX     a bucket, or a part of it
memory://              memory, gone with the process
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.objects.contract import IllegalKey, ObjectStore
from storage.objects.names import check_key
from storage.objects.s3_settings import S3Settings

# what AWS and its likes allow: lower case mostly, but old buckets have capitals and underscores
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


class BadAddress(ValueError):
    """A text that is no store's address."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine, or one that is mounted on it."""

    path: Path
    """Where it is."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of this process."""


Address = Folder | Memory | S3Settings


def parse_address(text: str, *, s3: S3Settings | None = None) -> Address:
    """The address a text stands for; `s3` tells the way to a bucket, its bucket and prefix come from the text.

    Raises BadAddress.
    """
    scheme, mark, rest = text.partition("://")
    if not text.strip():
        raise BadAddress("the store's address is empty")
    if not mark:
        return Folder(Path(text).expanduser())
    match scheme.lower():
        case "s3":
            return _bucket(text, rest, s3 or S3Settings())
        case "file":
            return _folder(text)
        case "memory":
            return Memory()
    raise BadAddress(f"{text}: a store is a path, file://, s3://BUCKET/PREFIX or memory://")


def open_store(address: Address) -> ObjectStore:
    """The store at an address, to be entered as a context before use."""
    match address:
        case Folder(path):
            from storage.objects.local import LocalStore

            return LocalStore(path)
        case Memory():
            from storage.objects.memory import MemoryStore

            return MemoryStore()
        case S3Settings():
            # imported here: its libraries cost memory and start-up time that a folder need not pay
            from storage.objects.s3 import S3Store

            return S3Store(address)


def located(address: Address, store: ObjectStore) -> Address:
    """The address, with what the open `store` of it found out: a bucket's region if that was not known."""
    if isinstance(address, S3Settings):
        from storage.objects.s3 import S3Store

        if isinstance(store, S3Store):
            return store.located
    return address


def _bucket(text: str, rest: str, s3: S3Settings) -> S3Settings:
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if _BUCKET.fullmatch(bucket) is None:
        raise BadAddress(f"{text}: {bucket!r} is no name of a bucket")
    try:
        if prefix:
            check_key(prefix)
    except IllegalKey as error:
        raise BadAddress(f"{text}: {error}") from error
    return replace(s3, bucket=bucket, prefix=prefix)


def _folder(text: str) -> Folder:
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise BadAddress(f"{text}: file:// is followed by an absolute path")
    return Folder(Path(unquote(parts.path)))
