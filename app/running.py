"""Runs a coroutine as the whole of a command, on uvloop where there is one; faults become a sentence."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from app.node import NodeDirTaken, NodeDirUnusable
from dicomweb.ports import ArchiveError


def run_async(work: Coroutine[Any, Any, int]) -> int:
    """The exit status that `work` returns; 2 if the archive cannot be opened or used."""
    from storage.log.errors import LogError
    from storage.objects.contract import StoreError

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except (NodeDirTaken, NodeDirUnusable, StoreError, LogError, ArchiveError) as error:
        print(f"dicomlake: {error}", file=sys.stderr)
        return 2


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
