"""What storing costs an instance, on a large archive and on an empty one, in turns.

Small images, so that pixels do not hide what catalog and log cost. A round stores several series and waits until
the catalog has them on disk; its figure is the CPU time of the server's processes, not of those that fold.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.scale.figures import Figure
from tests.benchmarks.scale.images import body, ct_image, uid
from tests.benchmarks.scale.progress import Progress
from tests.benchmarks.scale.server import Client, Server, serving

_SMALL, _TYPICAL = 64, 512
"""Rows and columns."""
_REQUEST = 10
"""Instances of a request."""
_WARM = 1.0
"""Seconds of storing that are not counted."""
_fresh = itertools.count(time.time_ns() // 1_000_000 % 10**9 * 1000)
"""Numbers that no earlier run has stored under."""


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series that was stored by STOW-RS."""

    study: str
    series: str
    instances: tuple[str, ...]


def store_series(client: Client, mould: bytes, *, instances: int) -> StoredSeries:
    """A series of a new study in one request."""
    number = next(_fresh)
    client.store(*_said(mould, number, instances))
    sops = tuple(uid(3, number * 10_000 + at) for at in range(instances))
    return StoredSeries(uid(1, number), uid(2, number), sops)


def _said(mould: bytes, number: int, instances: int) -> tuple[bytes, str]:
    made = body(mould, study=number, series=number, first=0, instances=instances)
    return made.data, made.content_type


def rounds(
    servers: dict[str, Server], *, count: int, requests: int, settled_seconds: float
) -> dict[str, list[float]]:
    """Milliseconds of CPU an instance, by the name of the server; one round more before that is not counted.

    `settled_seconds` after a round the catalog has taken its rows: longer than they wait for its next batch.
    """
    mould = ct_image(_SMALL)
    found: dict[str, list[float]] = {name: [] for name in servers}
    progress = Progress("rounds of storing", (count + 1) * len(servers))
    with ExitStack() as stack:
        clients = {name: stack.enter_context(server.client()) for name, server in servers.items()}
        for number in range(count + 1):
            # turn about, so that what else the machine does meets both
            for name in sorted(servers, reverse=bool(number % 2)):
                bodies = [_said(mould, next(_fresh), _REQUEST) for _ in range(requests)]
                before = servers[name].cpu_seconds()
                for one in bodies:
                    clients[name].store(*one)
                time.sleep(settled_seconds)
                spent = (servers[name].cpu_seconds() - before) * 1000 / (requests * _REQUEST)
                if number:
                    found[name].append(spent)
                progress.advance(1)
    return found


@dataclass(frozen=True, slots=True)
class Ingest:
    """What some client processes had stored."""

    instances: int
    seconds: float
    server_cpu_seconds: float
    client_cpu_seconds: float

    @property
    def rate(self) -> float:
        """Instances a second."""
        return self.instances / self.seconds


def ingest(folder: Path, *, workers: int, clients: int, seconds: float, rows: int = _TYPICAL) -> Ingest:
    """A new archive with so many workers takes what clients send as fast as they can."""
    mould = folder / "mould.dcm"
    mould.write_bytes(ct_image(rows))
    place = folder / f"{workers}-{next(_fresh)}"
    place.mkdir()
    with (
        serving(place / "store", place / "node", "--workers", str(workers)) as (server, _),
        ProcessPoolExecutor(clients, mp_context=get_context("spawn")) as pool,
    ):
        said = [(server.host, server.port, str(mould), next(_fresh)) for _ in range(clients)]
        # connections lead to a worker each for good: short ones first, so that all have met the code they need
        list(pool.map(_send, [(*one, _WARM) for one in said]))
        before, begun = server.cpu_seconds(), time.perf_counter()
        sent = list(pool.map(_send, [(*one, seconds) for one in said]))
        taken = time.perf_counter() - begun
        spent = server.cpu_seconds() - before
    return Ingest(sum(count for count, _ in sent), taken, spent, sum(cpu for _, cpu in sent))


def _send(said: tuple[str, int, str, int, float]) -> tuple[int, float]:
    """Store new series for some seconds; instances, and the CPU time of this process."""
    host, port, path, number, seconds = said
    mould = Path(path).read_bytes()
    client = Client(host, port)
    begun, until, stored = time.process_time(), time.monotonic() + seconds, 0
    for series in itertools.count(number * 10_000 + (seconds > _WARM) * 5000):
        if time.monotonic() > until:
            break
        client.store(*_said(mould, series % 10**14, _REQUEST))
        stored += _REQUEST
    client.close()
    return stored, time.process_time() - begun


def compare_workers(folder: Path, *, seconds: float, repeats: int, rows: int = _TYPICAL) -> Iterator[Figure]:
    """Ingest by two workers against one, turn about."""
    runs: dict[int, list[Ingest]] = {1: [], 2: []}
    for _ in range(repeats):
        for workers, found in runs.items():
            found.append(ingest(folder, workers=workers, clients=4, seconds=seconds, rows=rows))
    for workers, found in runs.items():
        yield Figure(f"ingest by {workers} worker(s)", _mean(one.rate for one in found), "1/s", note=_told(found))
    ratio = _mean(one.rate for one in runs[2]) / _mean(one.rate for one in runs[1])
    yield Figure("ingest by 2 workers against 1, clients beside them", ratio, "times", 1.6, at_least=True)
    costs = {n: _mean(one.server_cpu_seconds / one.instances for one in found) for n, found in runs.items()}
    cores = _mean(one.server_cpu_seconds / one.seconds for one in runs[1])
    yield Figure(
        "the same if clients were elsewhere, from CPU time",
        2 * costs[1] / costs[2] / max(cores, 1.0),
        "times",
        1.6,
        at_least=True,
        note=f"one worker kept {cores:.2f} cores at work",
    )


def _told(found: list[Ingest]) -> str:
    cpu = 1000 * _mean(one.server_cpu_seconds / one.instances for one in found)
    server = _mean(one.server_cpu_seconds / one.seconds for one in found)
    clients = _mean(one.client_cpu_seconds / one.seconds for one in found)
    return f"{cpu:.2f} ms server CPU an instance; cores: server {server:.2f}, clients {clients:.2f}"


def _mean(values: Iterable[float]) -> float:
    every = list(values)
    return sum(every) / len(every)


def keep(path: Path, stored: list[StoredSeries]) -> None:
    """Remember what was stored, for a later run."""
    path.write_text(json.dumps([(one.study, one.series, one.instances) for one in stored]))


def kept(path: Path) -> list[StoredSeries]:
    """What an earlier run stored."""
    if not path.exists():
        return []
    return [StoredSeries(study, series, tuple(sops)) for study, series, sops in json.loads(path.read_text())]
