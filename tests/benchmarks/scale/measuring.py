"""The measurement of one archive: starts, searches, reading, storing, sizes."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storage.log.snapshot import Snapshot
from tests.benchmarks.scale.asking import (
    all_studies,
    ask,
    ask_frames,
    frame_path,
    measure,
    metadata_of_synthetic,
    searches,
)
from tests.benchmarks.scale.figures import Figure, Spread, ratio_bound
from tests.benchmarks.scale.images import ct_image
from tests.benchmarks.scale.making import Synthetic
from tests.benchmarks.scale.progress import say
from tests.benchmarks.scale.server import Server, Started, serving
from tests.benchmarks.scale.storing import StoredSeries, rounds, store_series

_SERIES, _SLICES, _ROWS = 30, 30, 256
"""Of the images that are really stored, to ask for metadata and frames."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What the figures should be, by the size of the archive."""

    list_ms: float
    exact_ms: float
    start_seconds: float
    empty_start_seconds: float
    memory_mb: float
    row_bytes: float = 600
    slope: float = 1.25


SMALLER = Targets(25, 4, 3, 60, 1024)
"""Up to some million instances."""
LARGER = Targets(80, 4, 5, 600, 2048)


def targets_of(instances: int) -> Targets:
    """Those for an archive of that size."""
    return SMALLER if instances <= 6_000_000 else LARGER


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is asked for."""

    requests: int = 200
    rounds: int = 12
    store_requests: int = 12
    settled_seconds: float = 3.5
    empty_start: bool = True


class Bench:
    """One archive, and an empty one beside it."""

    def __init__(self, folder: Path, empty: Path, there: Synthetic, effort: Effort) -> None:
        self._folder = folder
        self._empty = empty
        self._there = there
        self._effort = effort
        self._targets = targets_of(there.instances)
        self._studies = there.some_studies(20)

    def all(self, snapshot: Snapshot) -> Iterator[Figure]:
        """Every figure, as soon as it is known."""
        yield from self.sizes(snapshot)
        yield from self.starts()
        with self._serving(self._folder) as (ours, started), self._serving(self._empty) as (base, _):
            yield Figure("start with its catalog on disk", started.seconds, "s", self._targets.start_seconds,
                         note=f"CPU {started.cpu_seconds:.2f} s; load before it {_load()}")  # fmt: skip
            yield Figure("memory after the start", started.resident_mb, "MB", note=f"peak {started.peak_mb:.0f}")
            # storing first: servers that have answered alike are compared
            yield from self.stored(ours, base)
            yield from self.read(ours, base)
            yield from self.searched(ours)
            peak, other = ours.memory_mb(peak=True), base.memory_mb()
            yield Figure("memory of the node after all that", ours.memory_mb(), "MB", self._targets.memory_mb,
                         note=f"peak {peak:.0f}; empty archive {other:.0f}")  # fmt: skip
            yield Figure("CPU of the processes that folded meanwhile", ours.folding_cpu_seconds(), "s")

    @contextmanager
    def _serving(self, folder: Path) -> Iterator[tuple[Server, Started]]:
        folder.mkdir(parents=True, exist_ok=True)
        with serving(folder / "store", folder / "node", "--workers", "1") as running:
            yield running

    def sizes(self, snapshot: Snapshot) -> Iterator[Figure]:
        """Bytes an instance."""
        rows, table = sum(file.rows for file in snapshot.files), sum(file.size for file in snapshot.files)
        yield Figure("table, bytes an instance (header included)", table / rows, "bytes", self._targets.row_bytes,
                     note=f"{len(snapshot.files)} files, {rows:,} rows, {table / 1e6:,.0f} MB")  # fmt: skip
        log = _tree_bytes(self._folder / "store" / "log")
        yield Figure("log, bytes an instance", log / rows, "bytes", note=f"{log / 1e6:,.0f} MB")

    def starts(self) -> Iterator[Figure]:
        """A start on an empty disk, if the catalog is not there or all is to be measured."""
        node = self._folder / "node"
        if self._effort.empty_start or not node.exists():
            shutil.rmtree(node, ignore_errors=True)
            say("start on an empty disk")
            with self._serving(self._folder) as (_, started):
                yield Figure("start on an empty disk", started.seconds, "s", self._targets.empty_start_seconds,
                             note=f"CPU {started.cpu_seconds:.1f} s, load {_load()}")  # fmt: skip
                yield Figure("peak memory of that start", started.peak_mb, "MB", self._targets.memory_mb)
        else:
            with self._serving(self._folder):
                pass
        catalog = _tree_bytes(node)
        yield Figure("catalog on the node's disk, bytes an instance", catalog / self._there.instances, "bytes",
                     note=f"{catalog / 1e6:,.0f} MB")  # fmt: skip

    def searched(self, ours: Server) -> Iterator[Figure]:
        """Every kind of search."""
        with ours.client() as client:
            total = all_studies(client)
            for kind in searches(self._studies, total):
                spread = measure(ours, client, kind, requests=self._effort.requests)
                target = {"list": self._targets.list_ms, "exact": self._targets.exact_ms}.get(kind.target)
                yield Figure(f"{kind.name}, p95", spread.p95, "ms", target, note=spread.note)

    def read(self, ours: Server, base: Server) -> Iterator[Figure]:
        """Metadata and frames of the same series here and on the empty archive."""
        found = [self._read(server) for server in (ours, base)]
        for name in found[0]:
            here, there = found[0][name], found[1][name]
            yield Figure(f"{name}, p50", here.p50, "ms", note=f"{here.note}; empty archive p50 {there.p50:.2f}")
            yield Figure(f"{name}, CPU against an empty archive", here.cpu_p50 / there.cpu_p50, "times", 1.25,
                         note=f"{here.cpu_p50:.2f} and {there.cpu_p50:.2f} ms")  # fmt: skip
        with ours.client() as client:
            kind = metadata_of_synthetic(self._studies)
            spread = measure(ours, client, kind, requests=self._effort.requests)
            yield Figure(f"{kind.name}, p95", spread.p95, "ms", note=spread.note)

    def _read(self, server: Server) -> dict[str, Spread]:
        with server.client() as client:
            mould = ct_image(_ROWS)
            count = max(3, min(_SERIES, self._effort.requests // 4))
            series = [store_series(client, mould, instances=_SLICES) for _ in range(count)]
            metadata = [f"/dicom-web/studies/{one.study}/series/{one.series}/metadata" for one in series]
            frames = _frames(series, self._effort.requests)
            list(map(client.get, metadata[:2]))
            ask_frames(server, client, iter(frames[:20]))
            return {
                "metadata of a series of 30, first time": ask(server, client, iter(metadata[2:])),
                "metadata of a series of 30, again": ask(server, client, iter(metadata * 3)),
                "one frame": ask_frames(server, client, iter(frames)),
            }

    def stored(self, ours: Server, base: Server) -> Iterator[Figure]:
        """What storing costs here and on the empty archive."""
        effort = self._effort
        found = rounds(
            {"ours": ours, "base": base},
            count=effort.rounds,
            requests=effort.store_requests,
            settled_seconds=effort.settled_seconds,
        )
        ratio, bound = ratio_bound(found["ours"], found["base"])
        means = {name: sum(values) / len(values) for name, values in found.items()}
        yield Figure("STOW, CPU an instance", means["ours"], "ms", note=f"empty archive {means['base']:.2f}")
        yield Figure("STOW, CPU against an empty archive", ratio, "times")
        yield Figure("STOW, upper end of its 95 % interval", bound, "times", self._targets.slope,
                     note=f"{effort.rounds} rounds of {effort.store_requests * 10} instances each")  # fmt: skip


def _frames(series: Sequence[StoredSeries], count: int) -> list[str]:
    chance = random.Random(3)
    chosen = [chance.choice(series) for _ in range(count)]
    return [frame_path(one.study, one.series, chance.choice(one.instances)) for one in chosen]


def _tree_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
