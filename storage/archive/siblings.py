"""The nodes of one machine that serve the same archive together: what each must know of the others.

They share a page of memory, the *board*, with a cell for each: the number of the last log entry it has applied.
A node writes its cell before it answers a write, and looks at the others' before it answers a read: whatever one
of them has told a client, all of them know. A look costs a fraction of a microsecond, and reads the log only if
there is something new in it. No message can be late or lost, and nobody has to wait for a sibling that stands
still.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

CELLS = 64
"""Nodes that can share a board."""
_CELL_BYTES = 64
"""A cache line each, so that one node's writing does not slow another's reading."""
_BYTES = CELLS * _CELL_BYTES


class Siblings(Protocol):
    """What a node is to know of the others on its machine."""

    @property
    def folder(self) -> Path | None:
        """Where they leave the entries they write for each other; None where the store itself is as near."""

    def tell(self, revision: int) -> None:
        """Say up to which entry this node has applied the log; all of them are durable."""

    @property
    def latest(self) -> int:
        """The last entry that any of them has applied, 0 if there are none."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait until none of the others commits, or long enough; they wait until it is left, or long enough."""


class Alone:
    """A node without siblings."""

    latest = 0
    folder: Path | None = None

    def turn(self) -> AbstractAsyncContextManager[None]:
        """At once."""
        return contextlib.nullcontext()

    def tell(self, revision: int) -> None:
        """Nobody hears it."""


@contextlib.contextmanager
def shared_memory() -> Iterator[int]:
    """The open file of a new board, for nodes to inherit."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("dicomlake-board")
    else:
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    try:
        os.write(file, bytes(_BYTES))
        yield file
    finally:
        os.close(file)


class Board:
    """The board as one node sees it."""

    def __init__(self, file: int, cell: int, *, nodes: int) -> None:
        """`file` as `shared_memory` gives it; `cell` is this node's own, from 0; so many `nodes` have one."""
        self._words = memoryview(mmap.mmap(file, _BYTES)).cast("Q")
        step = _CELL_BYTES // self._words.itemsize
        self._mine = cell * step
        self._cells = range(0, nodes * step, step)

    def tell(self, revision: int) -> None:
        """Say up to which entry this node has applied the log."""
        # aligned, so that it is one store of the processor: nobody sees half of it
        self._words[self._mine] = revision

    @property
    def latest(self) -> int:
        """The last entry that any of them has applied."""
        words = self._words
        return max(words[at] for at in self._cells)
