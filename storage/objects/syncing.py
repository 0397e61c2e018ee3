"""What has to be synced so that objects survive a power cut, and the syncing, side by side.

A file survives when its data are synced, and so is every folder that names it or names a folder on the way to it:

    dicom/ab/<study>/<series>/<sop>~<version>.dcm
    root  1   2        3        4 = always, for its new entry; 3, 2, 1, root = unless known to be durable already

A folder is known to be durable for a while after its parent was synced. Only for a while: another process may
remove a folder that fell empty, and make it again, without this one noticing.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from storage.objects.faults import read_fault

LIFETIME = 60.0
"""Seconds a folder is taken to be durable."""
MOST_MARKS = 50_000
"""Folders remembered."""
SHARE = 10
"""Syncs a thread has to do before another is worth its while: the first waits for the disk, and most of those
behind it find their work done."""
FEW = 3
"""Syncs that one thread does alone: those behind the first find most of their work done, and a second thread costs
more than it saves."""
MOST_THREADS = 8
"""Threads for one plan."""

_START_WRITING = 2  # SYNC_FILE_RANGE_WRITE
sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What to sync together."""

    files: tuple[str, ...]
    """Keys of objects."""
    folders: tuple[str, ...]
    """Folders, each once."""
    confirmed: set[str]
    """The folders whose entry in their parent is on disk when the plan is carried out."""


class DurableFolders:
    """The folders whose entry in their parent is known to be on disk; keys without the last slash, root is ``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._under_way: list[SyncPlan] = []

    def made(self, folder: str) -> None:
        """A folder is new, so its entry is not on disk. May be called in any thread."""
        self._until.pop(folder, None)
        for plan in tuple(self._under_way):
            plan.confirmed.discard(folder)

    def plan(self, keys: Collection[str]) -> SyncPlan:
        """What to sync for these objects; to be handed to `done` or `failed`."""
        now = self._clock()
        folders: dict[str, None] = {}
        confirmed: set[str] = set()
        for folder in {key.rpartition("/")[0] for key in keys}:
            folders[folder] = None
            while folder and folder not in confirmed and self._until.get(folder, now) <= now:
                confirmed.add(folder)
                folder = folder.rpartition("/")[0]
                folders[folder] = None
        plan = SyncPlan(tuple(keys), tuple(folders), confirmed)
        self._under_way.append(plan)
        return plan

    def done(self, plan: SyncPlan) -> None:
        """The plan has been carried out."""
        self.failed(plan)
        if len(self._until) > MOST_MARKS:
            self._until.clear()
        until = self._clock() + LIFETIME
        for folder in plan.confirmed:
            self._until[folder] = until

    def failed(self, plan: SyncPlan) -> None:
        """The plan has been given up."""
        self._under_way = [other for other in self._under_way if other is not plan]


class SyncQueue:
    """The work of a plan, shared by several threads."""

    def __init__(self, root: str, plan: SyncPlan) -> None:
        self._root = root
        self._names = deque((*plan.files, *plan.folders))
        few = 1 if len(self._names) <= FEW else 2
        self.threads = min(MOST_THREADS, max(few, len(self._names) // SHARE))
        """How many threads should work."""

    def work(self) -> None:
        """Sync until nothing is left. Raises StoreError, and then the other threads stop too."""
        while True:
            try:
                name = self._names.popleft()
            except IndexError:
                return
            try:
                self._sync(name)
            except OSError as error:
                self._names.clear()
                raise read_fault(name, error) from error

    def _sync(self, name: str) -> None:
        descriptor = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # of a folder too fdatasync writes what is needed to find its entries
            sync_data(descriptor)
        finally:
            os.close(descriptor)


def _sync_file_range() -> Callable[[int], None]:
    """Tell the kernel to begin writing a file, without waiting; does nothing where there is no such call."""
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is None:
        return lambda descriptor: None
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return lambda descriptor: call(descriptor, 0, 0, _START_WRITING)


start_writing: Callable[[int], None] = _sync_file_range()
