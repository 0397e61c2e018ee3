"""Keeps the allocator from giving memory back between two requests and asking for it again.

glibc returns freed memory at the heap's end at once and maps blocks from 128 kB on afresh, so each received
chunk of 256 kB costs page faults: 0.73 ms CPU for a body of 528 kB, 0.34 ms with what is set here. Blocks over
4 MB are still mapped, and go back to the system when freed. What a rush of requests leaves behind is given back a
little later, when it is more than a server at work needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def tune_allocator() -> None:
    """Set it for this process, before threads start. Does nothing where the C library is not glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_TRIM_THRESHOLD, 64 << 20)
    mallopt(_MMAP_THRESHOLD, 4 << 20)


def tune_collector() -> None:
    """Look for reference cycles after many new objects, not after few.

    A node holds some hundred thousand objects that stay, and a search makes some thousand that go by themselves.
    With Python's own thresholds the latter set off passes over the former: 20 to 400 ms each, at every two
    hundredth study list. What was made before the server runs is not looked at any more.
    """
    gc.freeze()
    gc.set_threshold(20_000, 25, 50)


_AT_WORK = 256 << 20
"""Bytes resident up to which nothing is given back."""
_PAUSE_SECONDS = 10.0


@contextlib.asynccontextmanager
async def kept_lean() -> AsyncIterator[None]:
    """Gives freed memory back now and then, while it is open. Does nothing where the C library is not glibc."""
    task = asyncio.create_task(_give_back())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _give_back() -> None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    while True:
        await asyncio.sleep(_PAUSE_SECONDS)
        if resident_bytes() > _AT_WORK:
            await asyncio.to_thread(trim, 0)


def resident_bytes() -> int:
    """Bytes of this process in memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
