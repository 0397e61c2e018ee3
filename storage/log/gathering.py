"""Which files of the table a fold writes anew: those in which rows have changed, and small ones of one size.

Every fold leaves a file of its own, often of a few rows. Files of like size are gathered once there are several of
them, smaller sizes first, as log-structured merge trees do by tiers:

    rows of a file    1 .. 32 ..  256 ..  2 048 ..  8 192 and more: full, left alone
                        8 of one size are gathered into one of the next

so that a row is written once for each of the five sizes at most, whatever the pace at which rows come, and small
files are some dozens however large the archive. Full files stay as they are until a row in them changes: a removal
rewrites the files that hold the study, and that they are not larger is what keeps a removal cheap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from storage.log.snapshot import TableFile


@dataclass(frozen=True, slots=True)
class FoldLimits:
    """Bounds of a fold's memory and of what it writes anew."""

    chunk_bytes: int = 96 << 20
    """Content of the entries folded in one transaction."""
    file_rows: int = 16_384
    """Rows of a full file."""
    file_bytes: int = 8 << 20
    """Bytes of it; headers are about fifteen times that when unpacked."""
    small_files: int = 8
    """Files of one size from which on they are gathered; also how much larger the next size is."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Which files are written anew, beside what new rows need."""

    gathered: tuple[TableFile, ...] = ()
    """Together with the new rows, into one."""
    alone: tuple[TableFile, ...] = ()
    """Each for itself, because rows in it have changed."""


def plan_rewriting(files: Iterable[TableFile], changed: Iterable[str], limits: FoldLimits) -> Rewriting:
    """Files whose rows have changed, and small ones once there are many of a size; `changed` names paths."""
    changed = set(changed)
    sizes: defaultdict[int, list[TableFile]] = defaultdict(list)
    files = sorted(files, key=lambda file: (file.revisions, file.path))
    for file in files:
        if size := _size(file, limits):
            sizes[size].append(file)
    many = [size for size, alike in sizes.items() if len(alike) >= limits.small_files]
    gathered = _fitting(sizes[max(many)], limits) if many else []
    return Rewriting(tuple(gathered), tuple(f for f in files if f.path in changed and f not in gathered))


def _size(file: TableFile, limits: FoldLimits) -> int:
    """0 for a full file, 1 for one that is less than half full, 2 for one `small_files` times smaller, ..."""
    if file.size >= limits.file_bytes // 2:
        return 0
    # by rows alone: of a file of few rows most bytes are the footer, and ten of them are no larger
    size, bound = 0, limits.file_rows / 2
    while file.rows < bound:
        size, bound = size + 1, bound / limits.small_files
    return size


def _fitting(files: Iterable[TableFile], limits: FoldLimits) -> list[TableFile]:
    """As many of them, from the oldest on, as make one file."""
    together: list[TableFile] = []
    rows = size = 0
    for file in files:
        rows, size = rows + file.rows, size + file.size
        if rows > limits.file_rows or size > limits.file_bytes:
            break
        together.append(file)
    return together
