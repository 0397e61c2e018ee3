"""What a worker is given by the process that started it, and how it tells that one that it is ready.

    parent ── {"retire": true} ──▶ worker
           ◀── {"ready": true, "new": false} ──

Lines of JSON over a pair of sockets. Members that are not known are skipped: after an upgrade in place the parent
is older than its workers. When the parent's end closes, the worker ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.config import Settings
from app.workers_handing import Handed


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker's place among all."""

    number: int
    """From 1."""
    of: int
    """Workers in all."""
    port: int
    """The port that the parent listens on."""
    connections: int
    """Open file over which connections come."""
    control: int
    """Open file over which parent and worker talk."""
    board: int
    """Open file of the memory that all workers share."""

    def text(self) -> str:
        """As an argument of the command line."""
        parts = (self.number, self.of, self.port, self.connections, self.control, self.board)
        return ":".join(map(str, parts))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The seat that `text` says."""
        return cls(*map(int, text.split(":")))

    @property
    def files(self) -> tuple[int, ...]:
        """The open files that the worker inherits."""
        return self.connections, self.control, self.board

    def settings(self, settings: Settings, node_dir: Path) -> Settings:
        """What this worker goes by: a node folder of its own, and its share of the disk for caches."""
        return replace(
            settings,
            http_port=self.port,
            node_dir=str(node_dir / f"worker-{self.number}"),
            cache=replace(settings.cache, header_bytes=settings.cache.header_bytes // self.of),
            pixels=replace(settings.pixels, disk_bytes=settings.pixels.disk_bytes // self.of),
        )


class Worker:
    """The worker's end of what leads to its parent; an async context manager."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        for file in seat.files:
            os.set_inheritable(file, False)
        self.handed = Handed(socket.socket(fileno=seat.connections))
        self._control = socket.socket(fileno=seat.control)
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._retire: Callable[[], None] = lambda: None
        self._orphaned: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._control)
        self._listening = asyncio.create_task(self._listen(reader))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        if self._writer is not None:
            self._writer.close()

    def ready(self, *, new: bool, retire: Callable[[], None], orphaned: Callable[[], None]) -> None:
        """Tell the parent that connections may come.

        `retire` is called when it wants this worker to finish with its clients, `orphaned` when it has gone.
        """
        self._retire, self._orphaned = retire, orphaned
        self._tell({"ready": True, "new": new})
        if self._listening is not None and self._listening.done():
            orphaned()

    def _tell(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                if json.loads(line).get("retire"):
                    self._retire()
        self._orphaned()
