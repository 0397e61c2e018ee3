"""The folder a node keeps for itself: where it is, and that two processes never share it.

Everything in it can be made again from the store, so deleting it is always safe while nothing runs. The lock is
the system's: it goes with the process, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks; there the catalog's own lock must do
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
_LOOK_SECONDS = 5.0
"""How soon another takes over what one did alone and no longer does."""


class NodeDirTaken(Exception):
    """Another process uses the node folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"another dicomlake process uses the node folder {path}; "
            "end it, or give this one its own with --node-dir"
        )
        self.path = path


class NodeDirUnusable(Exception):
    """The node folder cannot be made or written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"the node folder {path} cannot be used: {error.strerror or error}; name another one with --node-dir"
        )
        self.path = path


def default_node_dir(store: str, folder: Path | None) -> Path:
    """`.node` in the folder of a local store; for a bucket a folder in the user's cache, named by the store."""
    if folder is not None:
        return folder / ".node"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "dicomlake" / hashlib.sha256(store.encode()).hexdigest()[:16]


def node_name(worker: int = 0) -> str:
    """A name for this process in the log: the machine's, the number of a worker, and something random."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
    return f"{host}-w{worker}-{secrets.token_hex(3)}" if worker else f"{host}-{secrets.token_hex(3)}"


@contextlib.contextmanager
def claim(path: Path) -> Iterator[Path]:
    """The folder, made if it is missing, for this process alone. Raises NodeDirTaken, NodeDirUnusable."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / LOCK).open("a", encoding="ascii")
    except OSError as error:
        raise NodeDirUnusable(path, error) from error
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise NodeDirTaken(path) from error
        yield path


@contextlib.contextmanager
def sole(path: Path) -> Iterator[bool]:
    """Whether this process got the lock `path`, which it then holds until it leaves; it does not wait for it."""
    with path.open("a", encoding="ascii") as lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
        yield True


async def while_sole(path: Path, work: AbstractAsyncContextManager[object]) -> None:
    """Have the work done for as long as this lasts, as soon as no other process holds the lock `path`."""
    while True:
        with sole(path) as alone:
            if alone:
                async with work:
                    await asyncio.Event().wait()
        await asyncio.sleep(_LOOK_SECONDS)
