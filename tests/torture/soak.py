"""`make soak`: half an hour of mixed load on two nodes and one bucket, and whether anything grows.

python -m tests.torture.soak --minutes 30 --rate 20 --out FOLDER

Every ten seconds memory, open files and threads of each node are taken, and what it has on disk. Caches are made
small, so that they are full before the last two thirds, through which a line is laid; upkeep runs every minute or
so (`hasty`, pace `brisk`) and bytes of what was deleted go after two minutes, so that the archive itself stays as
large as it is. What is left to grow is the log, which is kept for good, and leaks. Exit status 1 if something
rises.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.torture.nodes import Node, Place, nodes_on, place_of
from tests.torture.soak_load import Load, LoadClient
from tests.torture.trend import Trend, sparkline, trend

SMALL_CACHES = (
    *("--cache-metadata-bytes", "4MiB", "--cache-frame-index-bytes", "1MiB", "--pixels-memory-bytes", "4MiB"),
    *("--pixels-disk-bytes", "16MiB", "--cache-header-bytes", "16MiB", "--cache-inflated-bytes", "16MiB"),
)
TOLERANCES = {"memory": 0.05, "own memory": 0.05, "files": 0.05, "threads": 0.05, "processes": 0.05}
"""By figure: the rise by hour, as a share of its mean, that is still called flat. Others are told, not judged."""
_EVERY = 10.0
_SETTLE_SECONDS = 20.0


@dataclass
class Soak:
    """What was sampled."""

    times: list[float] = field(default_factory=list)
    """Seconds since the beginning."""
    samples: dict[str, list[float]] = field(default_factory=dict)
    """By node and figure; bytes or numbers."""
    load: Load = field(default_factory=Load)

    def take(self, nodes: Sequence[Node], begun: float) -> None:
        """One sample of everything."""
        self.times.append(time.monotonic() - begun)
        for node in nodes:
            for name, value in figures(node).items():
                self.samples.setdefault(f"{node.name}: {name}", []).append(value)
        operations = sum(self.load.counts.values()) - self.load.counts["instances stored"]
        self.samples.setdefault("operations", []).append(operations)

    def trends(self) -> dict[str, Trend]:
        """The line through each figure."""
        return {
            name: trend(self.times, values, tolerance=TOLERANCES.get(name.rpartition(": ")[2], 0.0))
            for name, values in self.samples.items()
            if name != "operations"
        }


def figures(node: Node) -> dict[str, float]:
    """What a node takes: its processes together, but for those that fold the log for a second, and its folder."""
    found = {"memory": 0.0, "own memory": 0.0, "files": 0.0, "threads": 0.0, "processes": 0.0}
    for pid in _family(node.pid):
        with contextlib.suppress(OSError):
            folder = Path(f"/proc/{pid}")
            if b"storage.log.fold" in (folder / "cmdline").read_bytes():
                continue
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            found["memory"] += 1024 * int(status["VmRSS"].split()[0])
            found["own memory"] += 1024 * int(status["RssAnon"].split()[0])
            found["threads"] += int(status["Threads"])
            found["files"] += len(list((folder / "fd").iterdir()))
            found["processes"] += 1
    for part in ("catalog", "derived"):
        found[f"{part} on disk"] = float(sum(_size(folder / part) for folder in node.catalogs))
    return found


def _family(pid: int) -> Iterator[int]:
    """A process and those that it began."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _size(folder: Path) -> int:
    size = 0
    with contextlib.suppress(OSError):
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                size += path.stat().st_size
    return size


def soak(place: Place, folder: Path, given: argparse.Namespace) -> Soak:
    """Run the load and take samples."""
    found = Soak()
    with nodes_on(place, folder, given.nodes, pace="brisk", workers=given.workers) as nodes:
        clients = [
            LoadClient(number, given.seed, nodes, found.load, rate=given.rate / given.clients)
            for number in range(given.clients)
        ]
        for client in clients:
            client.thread.start()
        begun, ended = time.monotonic(), threading.Event()
        try:
            ended.wait(_SETTLE_SECONDS)
            while time.monotonic() - begun < 60 * given.minutes:
                found.take(nodes, begun)
                if len(found.times) % 30 == 1:
                    print(f"  {time.strftime('%H:%M:%S')} {_brief(found)}", flush=True)
                    _write(found, given, {})
                ended.wait(_EVERY)
        finally:
            found.load.stop.set()
            for client in clients:
                client.thread.join()
        found.load.faults += [line for node in nodes for line in (*node.complaints(), *node.deaths)]
    return found


def _brief(found: Soak) -> str:
    latest = {name: values[-1] for name, values in found.samples.items()}
    memory = " ".join(f"{value / 1e6:.0f}" for name, value in latest.items() if name.endswith(": memory"))
    return f"{latest['operations']:.0f} operations, memory {memory} MB, {len(found.load.faults)} faults"


def report(found: Soak, trends: dict[str, Trend]) -> str:
    """For a reader."""
    lines = [f"{'':28}{'mean':>12}{'slope an hour':>26}  verdict"]
    for name, line in trends.items():
        unit, digits = (1e6, 2) if "memory" in name or "disk" in name else (1.0, 2)
        told = f"{line.slope / unit:+.{digits}f} +- {line.margin / unit:.{digits}f}"
        verdict = line.verdict if line.tolerance else ""
        lines.append(f"{name:28}{line.mean / unit:12.1f}{told:>26}  {verdict:10}{sparkline(found.samples[name])}")
    seconds = found.times[-1] - found.times[0]
    done = found.samples["operations"][-1] - found.samples["operations"][0]
    lines.append(f"{done / seconds:.1f} operations a second for {seconds / 60:.1f} minutes; MB where it is bytes")
    lines += [
        f"  {work}: {number}, {1000 * found.load.seconds[work] / number:.0f} ms each"
        if work in found.load.seconds
        else f"  {work}: {number}"
        for work, number in sorted(found.load.counts.items())
    ]
    return "\n".join([*lines, *(f"FAULT {fault}" for fault in found.load.faults[:20])])


def _write(found: Soak, given: argparse.Namespace, trends: dict[str, Trend]) -> None:
    given.out.mkdir(parents=True, exist_ok=True)
    told = {
        "minutes": given.minutes,
        "rate": given.rate,
        "nodes": given.nodes,
        "workers": given.workers,
        "seed": given.seed,
        "times": [round(one, 1) for one in found.times],
        "samples": found.samples,
        "trends": {name: asdict(line) | {"verdict": line.verdict} for name, line in trends.items()},
        "counts": found.load.counts,
        "faults": found.load.faults,
    }
    (given.out / "soak.json").write_text(json.dumps(told, indent=1))


def main() -> int:
    """Soak, and tell whether anything rises."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--store", choices=("folder", "bucket"), default="bucket")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=20.0, help="operations a second, all clients together")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="of each node")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(), help="where soak.json is written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as made, place_of(given.store, Path(made)) as place:
        place = replace(place, arguments=(*place.arguments, *SMALL_CACHES))
        found = soak(place, Path(made), given)
    trends = found.trends()
    _write(found, given, trends)
    text = report(found, trends)
    (given.out / "soak.txt").write_text(text + "\n")
    print(text)
    rising = any(line.verdict == "rising" for line in trends.values() if line.tolerance)
    return int(rising or bool(found.load.faults))


if __name__ == "__main__":
    sys.exit(main())
