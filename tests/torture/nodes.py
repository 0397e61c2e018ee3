"""The nodes that are tortured: `dicomlake serve` in processes of their own on one folder or one bucket."""

from __future__ import annotations

import math
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storage.objects.contract import ObjectStore
from storage.objects.local import LocalStore
from storage.objects.s3 import S3Store
from tests.app.processes import environment
from tests.build.moto_server import moto_server
from tests.build.s3 import make_bucket, s3_settings
from tests.clients.servers import S3_CREDENTIALS
from tests.torture.nursery import Child, Nursery

_WHOLE_STARTS = 10
"""Of so many starts of a node one is a process that imports everything itself."""
_LOOK_SECONDS = 0.02
_TOLD_LINES = 40
"""Of a complaint and what follows it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the archive is."""

    address: str
    arguments: Sequence[str] = ()
    """What else a command needs on its command line."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """What it needs of its environment."""
    endpoint: str = ""
    """Of the bucket."""
    storms: bool = False
    """Whether it is away for some seconds now and then."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ObjectStore]:
        """The store itself, to look behind the nodes."""
        if not self.endpoint:
            async with LocalStore(Path(self.address)) as folder:
                yield folder
            return
        bucket, _, prefix = self.address.removeprefix("s3://").partition("/")
        async with S3Store(s3_settings(self.endpoint, bucket, prefix=prefix)) as store:
            yield store


def bucket_place(endpoint: str, *, seen_at: str = "") -> Place:
    """A new bucket of a server; the nodes go by `seen_at` if that is another URL, a proxy's for instance."""
    address = f"s3://{make_bucket(endpoint)}/archive"
    return Place(address, ("--s3-endpoint", seen_at or endpoint), S3_CREDENTIALS, endpoint)


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[Place]:
    """A new archive: `folder`, below that folder, or `bucket`, on a server of its own."""
    if kind == "folder":
        yield Place(str(folder / "store"))
        return
    with moto_server() as endpoint:
        yield bucket_place(endpoint)


class Node:
    """One node: a process, time and again another one, on the same node folder unless that is wiped."""

    def __init__(
        self,
        place: Place,
        folder: Path,
        *,
        clock_ahead: float = 0.0,
        pace: str = "",
        workers: int = 1,
        nursery: Nursery | None = None,
    ) -> None:
        """`clock_ahead`: seconds by which its clock is wrong; `pace`: of its graces, see `hasty`.

        With `nursery` all starts but the first, and now and then another, are forks.
        """
        self.place = place
        self.folder = folder
        self.clock_ahead = clock_ahead
        self.pace = pace
        self.workers = workers
        self.paused = False
        self.url = ""
        """Empty while it does not serve."""
        self.deaths: list[str] = []
        """Ends that nobody brought about."""
        self.starts = 0
        self.given_up = 0
        """Starts that a storm of the store has ended."""
        self._killed = False
        self._nursery = nursery
        self._process: subprocess.Popen[bytes] | Child | None = None
        self._starting: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def pid(self) -> int:
        """Of its process, 0 if it has none."""
        return self._process.pid if self._process is not None else 0

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def node_dir(self) -> Path:
        return self.folder / "node"

    @property
    def catalogs(self) -> Sequence[Path]:
        """The folders of what its processes keep for themselves."""
        if self.workers == 1:
            return [self.node_dir]
        return sorted(self.node_dir.glob("worker-*"))

    def start(self, *, empty: bool = False) -> None:
        """Start it; returns at once. With `empty` all it kept for itself is gone."""
        self.await_start()
        if empty:
            shutil.rmtree(self.node_dir, ignore_errors=True)
        self.starts += 1
        self._killed = False
        self._process = self._launch()
        self._starting = threading.Thread(target=self._await_url, args=(self._process,))
        self._starting.start()

    def _launch(self) -> subprocess.Popen[bytes] | Child:
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["serve", "--store", self.place.address, *self.place.arguments, "--no-log-access"]
        arguments += ["--node-dir", str(self.node_dir), "--http-port", "0", "--dicom-port", "0"]
        arguments += ["--workers", str(self.workers)] if self.workers > 1 else []
        if self._nursery is not None and self.workers == 1 and self.starts % _WHOLE_STARTS != 1:
            self._out.unlink(missing_ok=True)
            return self._nursery.begin(
                arguments, pace=self.pace, extra=self.place.extra, out=self._out, err=self.log
            )
        program = ["app.cli"]
        if self.pace:
            program = ["tests.torture.hasty", str(self.clock_ahead), self.pace]
        elif self.clock_ahead:
            program = ["tests.torture.skewed", str(self.clock_ahead)]
        with self._out.open("wb") as out, self.log.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", *program, *arguments],
                stdout=out,
                stderr=errors,
                env=environment(self.place.extra),
            )

    @property
    def _out(self) -> Path:
        return self.folder / "start.log"

    def _await_url(self, process: subprocess.Popen[bytes] | Child) -> None:
        """Read what it prints until it serves."""
        told = ""
        while "metrics" not in told:
            ended = process.poll() is not None
            told = self._out.read_text(errors="replace") if self._out.exists() else ""
            if ended and "metrics" not in told:
                said = self.log.read_text(errors="replace").rstrip().rpartition("\n")[2]
                if self.place.storms and said.startswith("dicomlake: ") and said.endswith(": 503"):
                    # a node that finds no store says so, and ends: whoever looks after it begins it again
                    self._killed = True
                    self.given_up += 1
                elif not self._killed:
                    self.deaths.append(f"{self.name} did not start: {told}; {self.log.read_text()[-2000:]}")
                return
            if "metrics" not in told:
                threading.Event().wait(_LOOK_SECONDS)
        if (found := re.search(r"DICOMweb +(\S+)/dicom-web", told)) and not self._killed:
            self.url = found[1]

    def revive(self) -> None:
        """Start it again if it has ended by itself, which is a fault, but no end of the torture."""
        process = self._process
        self_ended = not self._killed or self.given_up > 0
        if process is not None and process.poll() is not None and self_ended:
            self.await_start()
            self.kill()
            self.start()

    def await_start(self) -> None:
        """Wait until the start is over, well or not."""
        if self._starting is not None:
            self._starting.join()

    def kill(self) -> None:
        """`kill -9`, whatever it does; returns when it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.await_start()
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is not None and not self._killed:
            self.deaths.append(f"{self.name} ended by itself with {process.returncode}")
        self._killed, self.url, self.paused = True, "", False
        process.send_signal(number)
        status = process.wait(60)
        self.await_start()
        self.url = ""
        self._process = None
        return status

    def pause(self) -> None:
        """Let it stand still in the middle of whatever it does."""
        if self._process is not None:
            self.paused = True
            self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self.paused = False
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def complaints(self) -> list[str]:
        """Lines of its log that tell of a fault of its own."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        lines = text.splitlines()
        told = [number for number, line in enumerate(lines) if "Traceback" in line or " ERROR " in line]
        return [f"{self.name}: " + "\n".join(lines[number : number + _TOLD_LINES]) for number in told]


@contextmanager
def nodes_on(
    place: Place,
    folder: Path,
    count: int,
    *,
    skew: float = 0.0,
    pace: str = "",
    workers: int = 1,
    forked: bool = False,
) -> Iterator[Sequence[Node]]:
    """So many nodes, all serving; none is left afterwards.

    `skew`: seconds by which the clock of the second is ahead, and that of the third behind, and so on. `forked`:
    most of their later starts are forks.
    """
    clocks = [(0.0, skew, -skew)[number % 3] for number in range(count)]
    with ExitStack() as stack:
        nurseries = {clock: stack.enter_context(Nursery(clock)) for clock in set(clocks)} if forked else {}
        nodes = [
            Node(
                place,
                folder / f"node {number + 1}",
                clock_ahead=clock,
                pace=pace,
                workers=workers,
                nursery=nurseries.get(clock),
            )
            for number, clock in enumerate(clocks)
        ]
        try:
            # the first begins the archive
            for some in (nodes[:1], nodes[1:]):
                for node in some:
                    node.start()
                for node in some:
                    node.await_start()
            assert all(node.url for node in nodes), [node.deaths for node in nodes]
            yield nodes
        finally:
            for node in nodes:
                node.wake()
                node.kill()


@dataclass
class Killer:
    """Kills, pauses and starts nodes at random moments."""

    nodes: Sequence[Node]
    chance: random.Random
    pauses_at: float = 0.08
    """Share of the strikes that are pauses."""
    longest_pause: float = 3.0
    """Seconds that a node may be stopped for."""
    kills: int = 0
    early: int = 0
    """Of them, before the node had come to serve."""
    pauses: int = 0
    outlasted: int = 0
    """Pauses that came to their end, at which the node went on with what it did."""
    emptied: int = 0
    """Starts on an empty node folder."""
    _wakes: dict[Node, float] = field(default_factory=dict)
    """When those that stand still go on."""

    def strike(self, *, most_seconds: float) -> None:
        """Wait for a random time, then do one thing to one node."""
        chance = self.chance
        threading.Event().wait(chance.uniform(0.02, most_seconds))
        self.wake(before=time.monotonic())
        for node in self.nodes:
            node.revive()
        serving = [node for node in self.nodes if node.url and not node.paused]
        if not serving or (len(serving) == 1 and chance.random() < 0.7):
            # give clients something to talk to, most of the time
            for node in self.nodes:
                node.await_start()
            return
        if chance.random() < self.pauses_at:
            self._pause(chance.choice(serving))
            return
        # of those that stand still few are killed: it is their waking up that is of interest
        node = chance.choice(self.nodes if chance.random() < 0.2 else serving)
        self.early += not node.url
        self._wakes.pop(node, None)
        node.kill()
        self.kills += 1
        empty = chance.random() < 0.1
        self.emptied += empty
        node.start(empty=empty)

    def _pause(self, node: Node) -> None:
        seconds = self.chance.uniform(min(0.2, self.longest_pause), self.longest_pause)
        node.pause()
        self._wakes[node] = time.monotonic() + seconds
        self.pauses += 1

    def wake(self, *, before: float = math.inf) -> None:
        """Let those go on whose time has come; all of them, if nothing is said."""
        for node in [node for node, until in self._wakes.items() if until <= before]:
            del self._wakes[node]
            node.wake()
            self.outlasted += 1
