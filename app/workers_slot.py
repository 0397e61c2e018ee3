"""One worker's place among all: the process that has it now, and what leads to that process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.workers_handing import Post, Spreader, channel
from app.workers_seat import LONGEST_LINE, METRICS_SECONDS, Seat
from app.workers_turns import Turns

RETIRE_SECONDS = 60.0
"""How long a worker that is restarted may take over what its clients have asked."""
READY_SECONDS = 600.0
"""How long one may take to start in the place of another; it may have to read a catalog from the table."""


@dataclass(frozen=True, slots=True)
class Office:
    """What all workers have in common."""

    command: tuple[str, ...]
    """Starts a worker, given `--as-worker`."""
    spreader: Spreader
    port: int
    workers: int
    board: int
    """Open file of the memory that they share."""
    turns: Turns
    metrics: Callable[[], Awaitable[str]]
    """What all of them count."""
    renew: Callable[[], None]
    """Has all of them restarted, one after the other."""


class Slot:
    """A worker's place."""

    def __init__(self, number: int, office: Office) -> None:
        self.number = number
        self.retiring = False
        """Whether its worker is being restarted, so that its end is no surprise."""
        self.ready = asyncio.Event()
        """Set while its worker serves."""
        self.new = False
        """Whether its worker began the archive."""
        self._asked: dict[int, asyncio.Future[str]] = {}
        self._numbers = itertools.count(1)
        self._answering: set[asyncio.Task[None]] = set()
        self._office = office
        self._ended = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._post: Post | None = None
        self._control: asyncio.StreamWriter | None = None

    async def live(self, arguments: Sequence[str] = ()) -> int:
        """Start a worker and see it through to its end; its exit status, negative if a signal killed it."""
        office = self._office
        self._ended.clear()
        ours, theirs = channel()
        control, other_end = socket.socketpair()
        with theirs, other_end:
            seat = Seat(
                self.number, office.workers, office.port, theirs.fileno(), other_end.fileno(), office.board
            )
            self._process = await asyncio.create_subprocess_exec(
                *office.command, *arguments, "--as-worker", seat.text(), pass_fds=seat.files
            )
        reader, self._control = await asyncio.open_unix_connection(sock=control, limit=LONGEST_LINE)
        self._post = Post(ours)
        self._post.watch()
        try:
            await self._listen(reader, self._post)
            return await self._process.wait()
        finally:
            self.ready.clear()
            self._ended.set()
            office.spreader.remove(self._post)
            office.turns.forget(self._post)
            self._post.close()
            self._control.close()

    async def _listen(self, reader: asyncio.StreamReader, post: Post) -> None:
        """Take what the worker says, until it ends."""
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                said = json.loads(line)
                if said.get("ready"):
                    self.new = bool(said.get("new"))
                    self.ready.set()
                    self._office.spreader.add(post)
                if number := said.get("want_turn"):
                    self._office.turns.ask(post, number, lambda number: self._tell({"turn": number}))
                if number := said.get("end_turn"):
                    self._office.turns.end(post, number)
                if said.get("renew"):
                    self._office.renew()
                if number := said.get("ask_metrics"):
                    self._answering.add(task := asyncio.create_task(self._answer_metrics(number)))
                    task.add_done_callback(self._answering.discard)
                if "metrics" in said and (asked := self._asked.get(said["for"])) and not asked.done():
                    asked.set_result(said["metrics"])

    async def _answer_metrics(self, number: int) -> None:
        self._tell({"all_metrics": await self._office.metrics(), "for": number})

    async def metrics(self) -> str:
        """What its worker counts; empty if it does not answer."""
        if not self.ready.is_set():
            return ""
        number, asked = next(self._numbers), asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        try:
            self._tell({"tell_metrics": number})
            return await asyncio.wait_for(asked, METRICS_SECONDS)
        except TimeoutError:
            return ""
        finally:
            del self._asked[number]

    def _tell(self, message: dict[str, Any]) -> None:
        if self._control is not None and not self._control.is_closing():
            self._control.write(json.dumps(message).encode() + b"\n")

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    @property
    def pid(self) -> int:
        """Of the process that has, or had, the place."""
        return self._process.pid if self._process is not None else 0

    async def renew(self) -> bool:
        """Have another worker in the place of this one; whether it came to serve.

        Clients are let go first: each is told with its next answer to come by another connection, and gets another
        worker then.
        """
        if self.ready.is_set() and self._post is not None:
            self.retiring = True
            self._office.spreader.remove(self._post)
            self._tell({"retire": True})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._post.cleared.wait(), RETIRE_SECONDS)
            self.ready.clear()
            self.send(signal.SIGTERM)
            await self._ended.wait()
            self._ended.clear()
        return await self._one_of(self.ready, self._ended)

    async def _one_of(self, wanted: asyncio.Event, other: asyncio.Event) -> bool:
        """Whether the first came before the other, and in time."""
        waits = [asyncio.create_task(event.wait()) for event in (wanted, other)]
        try:
            await asyncio.wait(waits, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return wanted.is_set()
