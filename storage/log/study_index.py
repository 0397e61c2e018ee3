"""Which files of the table hold which studies, so that a fold looks into few files however many there are.

A study that goes on, is replaced or removed has rows in some file of the table, and least and greatest UID do not
tell in which: a week's studies have UIDs of every scanner. So each file names the studies in it, as hashes, in the
key-value metadata of its footer:

    dicomlake.studies   base64 of the 64-bit hashes, little endian, ascending; about 5 kB for 16 000 instances

and a node keeps them for all files together: 8 bytes a study and file, 10 MB for a million studies. Files never
change, so what was learned of one holds until it leaves the table, and a fold learns of those that are new. Two
studies with one hash cost a look in vain, nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import uuid
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.log.parquet_reads import Footer, read_footer, read_groups
from storage.log.snapshot import TableFile
from storage.objects.contract import ObjectStore

METADATA_KEY = "dicomlake.studies"
_AT_ONCE = 16
"""Files that are looked into side by side."""

Hashes = NDArray[np.uint64]


def hashes_of(studies: Iterable[str]) -> Hashes:
    """The hashes of these UIDs, ascending: BLAKE2b of 8 bytes, as a number of little endian."""
    digests = b"".join(hashlib.blake2b(study.encode(), digest_size=8).digest() for study in studies)
    return np.unique(np.frombuffer(digests, dtype="<u8"))


def studies_in(rows: pa.Table) -> Hashes:
    """Those of the studies in these rows."""
    return hashes_of(pc.drop_null(pc.unique(rows["study"])).to_pylist())


def metadata_of(hashes: Hashes) -> dict[str, str]:
    """What the footer of a file says of the studies in it."""
    return {METADATA_KEY: base64.b64encode(hashes.astype("<u8").tobytes()).decode("ascii")}


async def read_hashes(store: ObjectStore, file: TableFile) -> Hashes:
    """The studies of a file of the table. Raises DamagedTable and the store's errors."""
    footer = await read_footer(store, file.key, file.size)
    told = (footer.metadata.metadata or {}).get(METADATA_KEY.encode())
    return np.frombuffer(base64.b64decode(told), dtype="<u8") if told else await _from_column(store, footer)


async def _from_column(store: ObjectStore, footer: Footer) -> Hashes:
    """Of a file that does not name them."""
    return studies_in(await read_groups(store, footer, range(footer.metadata.num_row_groups), ("study",)))


class StudyIndex:
    """The studies of all files, in pairs of a hash and the number of a file, by hash."""

    def __init__(self) -> None:
        self._hashes: Hashes = np.empty(0, np.uint64)
        self._files: NDArray[np.int32] = np.empty(0, np.int32)
        self._paths: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._next = 0
        self._changed = False

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """What `save` wrote; empty if there is nothing that can be read."""
        index = cls()
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            if path is not None:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                    hashes, files, names = saved["hashes"], saved["files"], saved["paths"]
                if len(hashes) == len(files) and (not len(files) or files.max() < len(names)):
                    index._hashes, index._files = hashes, files
                    index._paths = dict(enumerate(names.tolist()))
                    index._numbers = {name: number for number, name in index._paths.items()}
                    index._next = len(names)
        return index

    def save(self, path: Path | None) -> None:
        """Keep it for the next fold, if anything is new and the disk lets us: it can always be learned again."""
        if path is None or not self._changed:
            return
        renamed = {number: at for at, number in enumerate(self._paths)}
        files = np.array([renamed.get(number, 0) for number in range(self._next)], np.int32)
        passing = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            with passing.open("wb") as out:
                paths = np.array(list(self._paths.values()), dtype=np.str_)
                np.savez(out, hashes=self._hashes, files=files[self._files], paths=paths)
            passing.replace(path)
            self._changed = False
        except OSError:
            with contextlib.suppress(OSError):
                passing.unlink(missing_ok=True)

    async def learn(self, store: ObjectStore, files: Sequence[TableFile]) -> None:
        """Know these files and no others. Raises DamagedTable and the store's errors."""
        there = {file.path for file in files}
        if gone := self._numbers.keys() - there:
            self._forget(gone)
        unknown = [file for file in files if file.path not in self._numbers]
        for start in range(0, len(unknown), _AT_ONCE):
            some = unknown[start : start + _AT_ONCE]
            found = await asyncio.gather(*(read_hashes(store, file) for file in some))
            self.add([(file.path, hashes) for file, hashes in zip(some, found, strict=True)])

    def add(self, files: Sequence[tuple[str, Hashes]]) -> None:
        """Know files by path and the studies in them."""
        come = []
        for path, hashes in files:
            number, self._next = self._next, self._next + 1
            self._paths[number], self._numbers[path] = path, number
            come.append((hashes, np.full(len(hashes), number, np.int32)))
        if come:
            fresh = np.concatenate([hashes for hashes, _ in come])
            order = np.argsort(fresh, kind="stable")
            places = np.searchsorted(self._hashes, fresh[order])
            self._hashes = np.insert(self._hashes, places, fresh[order])
            self._files = np.insert(self._files, places, np.concatenate([numbers for _, numbers in come])[order])
            self._changed = True

    def _forget(self, paths: Iterable[str]) -> None:
        numbers = [self._numbers.pop(path) for path in paths]
        for number in numbers:
            del self._paths[number]
        stay = ~np.isin(self._files, np.array(numbers, np.int32))
        self._hashes, self._files = self._hashes[stay], self._files[stay]
        self._changed = True

    def files_with(self, hashes: Collection[int]) -> dict[str, list[int]]:
        """Which of these studies, or others with the same hash, are in which files, by path."""
        wanted = np.array(sorted(hashes), np.uint64)
        starts = np.searchsorted(self._hashes, wanted, side="left").tolist()
        ends = np.searchsorted(self._hashes, wanted, side="right").tolist()
        found: defaultdict[str, list[int]] = defaultdict(list)
        for value, start, end in zip(wanted.tolist(), starts, ends, strict=True):
            for number in self._files[start:end].tolist():
                found[self._paths[number]].append(value)
        return dict(found)
