"""`serve` with several workers: one process that starts them, hands them connections, and sees to their lives.

A worker is a whole node: a process with an interpreter, a catalog and a node folder of its own, that follows the
log as the node of any other machine does. The parent serves nothing and opens no archive. It

    accepts and hands on            app/workers_handing.py
    starts again whoever dies       after a pause that grows with every death that comes soon
    SIGTERM, SIGINT                 ends all, within ten seconds
    SIGHUP                          restarts them one by one, with the settings and the code as they are then

Workers are spawned as new interpreters, by the command line that started this one: neither delta-rs nor DuckDB
survives a fork, and a restart reads the settings anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from app.config import Settings
from app.telemetry import Sample, Telemetry, merged
from app.workers_handing import Spreader
from app.workers_slot import Office, Slot
from app.workers_turns import Turns

_LOG = logging.getLogger(__name__)
END_SECONDS = 9.8
"""When workers that have not ended are killed; each ends itself a little before."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LONG_LIFE = 60.0
"""A worker that lived for this long is started again as if none had died."""


def worker_count(settings: Settings) -> int:
    """How many workers the settings want."""
    if settings.workers:
        return settings.workers
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """All workers of one server."""

    def __init__(
        self, count: int, command: Sequence[str], listeners: Sequence[socket.socket], *, board: int
    ) -> None:
        """`command` starts a worker, given `--as-worker`; `board` is the open file of the memory they share."""
        self._spreader = Spreader(listeners)
        self._told_to_end = asyncio.Event()
        self._told_to_renew = asyncio.Event()
        office = Office(
            command=tuple(command),
            spreader=self._spreader,
            port=listeners[0].getsockname()[1],
            workers=count,
            board=board,
            turns=Turns(),
            metrics=self.metrics,
            renew=self._told_to_renew.set,
        )
        self._slots = [Slot(number, office) for number in range(1, count + 1)]
        self._serving = False
        self._deaths = dict.fromkeys(range(1, count + 1), 0)
        self._telemetry = Telemetry((("worker", "parent"),))
        self._telemetry.add_source(self._samples)

    @property
    def new(self) -> bool:
        """Whether the archive was begun at this start."""
        return any(slot.new for slot in self._slots)

    async def run(self, first: Sequence[str], announce: Callable[[], None]) -> int:
        """Serve until told to end; the exit status.

        The first start of the first worker has the arguments `first`. `announce` is called once all are ready.
        """
        self._hear()
        keeping = [asyncio.create_task(self._keep(self._slots[0], first))]
        try:
            # the first alone: it may begin the archive, and what hinders it would hinder all
            if await self._begun(keeping):
                keeping += [asyncio.create_task(self._keep(slot)) for slot in self._slots[1:]]
                if await self._begun(keeping):
                    self._serving = True
                    announce()
                    await self._renew_until_the_end()
        finally:
            self._spreader.close()
            status = await self._end(keeping)
        return status

    async def metrics(self) -> str:
        """What all of them count, and the parent."""
        return merged([*await asyncio.gather(*(slot.metrics() for slot in self._slots)), self._telemetry.text()])

    def _samples(self) -> Iterable[Sample]:
        for number, deaths in self._deaths.items():
            help = "Workers that ended by themselves, by the place they had"
            yield Sample("worker_deaths_total", deaths, help, (("of", str(number)),))

    def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_end.set)
        loop.add_signal_handler(signal.SIGHUP, self._told_to_renew.set)

    async def _begun(self, keeping: Sequence[asyncio.Task[int]]) -> bool:
        """Whether all that were started are ready; False if one could not start, or all are to end."""
        waits = [asyncio.create_task(slot.ready.wait()) for slot in self._slots[: len(keeping)]]
        told = asyncio.create_task(self._told_to_end.wait())
        while not (all(wait.done() for wait in waits) or told.done() or any(task.done() for task in keeping)):
            pending = [wait for wait in waits if not wait.done()]
            await asyncio.wait([*pending, told, *keeping], return_when=asyncio.FIRST_COMPLETED)
        begun = all(wait.done() for wait in waits) and not told.done()
        for task in (told, *waits):
            task.cancel()
        return begun

    async def _renew_until_the_end(self) -> None:
        renewing = asyncio.create_task(self._renew())
        await self._told_to_end.wait()
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing

    async def _renew(self) -> None:
        """Restart all, one after the other, whenever asked to."""
        while True:
            await self._told_to_renew.wait()
            self._told_to_renew.clear()
            _LOG.info("restarting the workers one by one")
            for slot in self._slots:
                if not await slot.renew():
                    _LOG.error("worker %d did not start; the others go on as they are", slot.number)
                    break
                _LOG.info("worker %d was restarted", slot.number)

    async def _end(self, keeping: Sequence[asyncio.Task[int]]) -> int:
        """Have every worker end; the exit status of the whole."""
        if self._serving:
            print("ending: finishing what is at work", file=sys.stderr, flush=True)
        self._told_to_end.set()
        for slot in self._slots:
            slot.send(signal.SIGTERM)
        _, late = await asyncio.wait(keeping, timeout=END_SECONDS)
        for slot in self._slots if late else ():
            slot.send(signal.SIGKILL)
        return max(await asyncio.gather(*keeping))

    async def _keep(self, slot: Slot, first: Sequence[str] = ()) -> int:
        """Have a worker in this slot until all are to end; an exit status.

        One that ends by itself before all are ready ends the whole: what it said of the reason is to be read.
        """
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            status = await slot.live(first)
            first = ()
            if self._told_to_end.is_set():
                return max(status, 0)
            if not self._serving:
                return status if status > 0 else 1
            if slot.retiring:
                slot.retiring = False
                continue
            self._deaths[slot.number] += 1
            pause = _FIRST_PAUSE if time.monotonic() - began > _LONG_LIFE else pause
            _LOG.error(
                "worker %d (process %d) %s; starting it again in %.1f s",
                slot.number,
                slot.pid,
                _fate(status),
                pause,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_end.wait(), pause)
                return 0
            pause = min(2 * pause, _LONGEST_PAUSE)


def _fate(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
