"""What a worker is given by the process that started it, and how it tells that one that it is ready.

    parent ── {"retire": true} ────────────────▶ worker     finish with your clients
           ◀── {"ready": true, "new": false} ──             send me connections
           ◀── {"want_turn": 5} ───────────────             may I commit? (app/workers_turns.py)
           ── {"turn": 5} ───────────────────▶
           ◀── {"end_turn": 5} ────────────────
           ◀── {"ask_metrics": 7} ─────────────             what does everybody count?
           ── {"tell_metrics": 3} ────────────▶             what do you count?
           ◀── {"metrics": "...", "for": 3} ───
           ── {"all_metrics": "...", "for": 7} ▶

Lines of JSON over a pair of sockets. Members that are not known are skipped: after an upgrade in place the parent
is older than its workers. When the parent's end closes, the worker ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.config import Settings
from app.telemetry import Labels
from app.workers_handing import Handed
from storage.archive.siblings import Board

PATIENCE_SECONDS = 3.0
"""How long a worker waits for its turn to commit."""
LONGEST_LINE = 16 << 20
"""Bytes of one message."""
METRICS_SECONDS = 1.0
"""How long the parent waits for what a worker counts; one that is busy or stands still is left out."""
ALL_METRICS_SECONDS = 2.0


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
        self.folder: Path | None = None
        """See `storage.archive.siblings.Siblings`."""
        for file in seat.files:
            os.set_inheritable(file, False)
        self.handed = Handed(socket.socket(fileno=seat.connections))
        self._board = Board(seat.board, seat.number - 1, nodes=seat.of)
        self._control = socket.socket(fileno=seat.control)
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._text: Callable[[], str] = str
        self._asked: dict[int, asyncio.Future[str]] = {}
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._numbers = itertools.count(1)
        self._retire: Callable[[], None] = lambda: None
        self._orphaned: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._control, limit=LONGEST_LINE)
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

    @property
    def labels(self) -> Labels:
        """By which the worker's metrics are told from the others'."""
        return (("worker", str(self.seat.number)),)

    def tell(self, revision: int) -> None:
        """See `storage.archive.siblings.Siblings`."""
        self._board.tell(revision)

    def ask_to_renew(self) -> None:
        """Ask the parent to restart this worker and the others, one after the other."""
        self._tell({"renew": True})

    @property
    def latest(self) -> int:
        """See `storage.archive.siblings.Siblings`."""
        return self._board.latest

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See `storage.archive.siblings.Siblings`."""
        number = next(self._numbers)
        turn = self._turns[number] = asyncio.get_running_loop().create_future()
        self._tell({"want_turn": number})
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await turn
            yield
        finally:
            del self._turns[number]
            self._tell({"end_turn": number})

    async def metrics_of_all(self, text: Callable[[], str]) -> str:
        """The metrics of the parent and all workers; of this one alone, which `text` gives, if nobody answers."""
        number, asked = next(self._numbers), asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        try:
            self._tell({"ask_metrics": number})
            return await asyncio.wait_for(asked, ALL_METRICS_SECONDS)
        except TimeoutError:
            return text()
        finally:
            del self._asked[number]

    def ready(
        self, *, new: bool, metrics: Callable[[], str], retire: Callable[[], None], orphaned: Callable[[], None]
    ) -> None:
        """Tell the parent that connections may come.

        `metrics` is called when it wants to know them, `retire` when this worker is to finish with its clients,
        `orphaned` when it has gone.
        """
        self._text, self._retire, self._orphaned = metrics, retire, orphaned
        self._tell({"ready": True, "new": new})
        if self._listening is not None and self._listening.done():
            orphaned()

    def _tell(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                said = json.loads(line)
                if said.get("retire"):
                    self._retire()
                if (turn := self._turns.get(said.get("turn"))) and not turn.done():
                    turn.set_result(None)
                if number := said.get("tell_metrics"):
                    self._tell({"metrics": self._text(), "for": number})
                if "all_metrics" in said and (asked := self._asked.get(said["for"])) and not asked.done():
                    asked.set_result(said["all_metrics"])
        self._orphaned()
