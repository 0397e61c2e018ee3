"""Nodes that all commit to one log on a slow store: how long answers take, and how often a number is lost.

    python -m tests.benchmarks.commit_contention --nodes 1 4 8 --seconds 10

All nodes run in this process, on a store in memory that takes 50 ms for every request; `--vary` has it take more
or less (log-normal, and one in fifty ten times as long), `--slow` makes one node's requests take longer. So what
is seen is how the nodes get in each other's way at the log; their CPU time, which is that of one core here, adds
to it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from dicomweb.model.outcome import Outcome
from storage.archive.archive import LakeArchive
from storage.archive.settings import ArchiveSettings
from storage.layout import LOG
from storage.objects.contract import ObjectExists
from storage.objects.memory import MemoryStore
from tests.build.dicom import ct_slice
from tests.build.lake import open_lake, store_files
from tests.doubles import Around


class SlowStore(Around):
    """One node's way to the store: every request takes its time, and lost log numbers are counted."""

    def __init__(self, store: MemoryStore, seconds: float, chance: random.Random | None) -> None:
        super().__init__(store, when=lambda kind, key: kind != "settle")
        self.seconds = seconds
        self.chance = chance
        self.won = self.lost = self.most_in_a_row = self._in_a_row = 0

    async def before(self, kind: str, key: str, size: int) -> None:
        self.touched.clear()
        factor = 1.0
        if self.chance is not None:
            factor = 10.0 if self.chance.random() < 0.02 else min(10.0, self.chance.lognormvariate(0.0, 0.5))
        await asyncio.sleep(self.seconds * factor)

    async def put(self, key: str, data: object, *, create: bool = False) -> None:
        mine = create and key.startswith(LOG)
        try:
            await super().put(key, data, create=create)  # type: ignore[arg-type]  # handed on as it is
        except ObjectExists:
            if mine:
                self.lost += 1
                self._in_a_row += 1
                self.most_in_a_row = max(self.most_in_a_row, self._in_a_row)
            raise
        if mine:
            self.won += 1
            self._in_a_row = 0


@dataclass
class Measured:
    """One run."""

    seconds: list[float] = field(default_factory=list)
    """Of every answer."""

    def share(self, part: float) -> float:
        """A quantile, in ms."""
        return 1000 * sorted(self.seconds)[int(part * (len(self.seconds) - 1))]


async def _send(archive: LakeArchive, name: str, until: float, measured: Measured) -> None:
    number = 0
    while time.monotonic() < until:
        number += 1
        data = ct_slice(study=name, series=name, instance=f"{name} {number}", rows=8, columns=8)
        begun = time.monotonic()
        (receipt,) = await store_files(archive, data)
        measured.seconds.append(time.monotonic() - begun)
        assert receipt.outcome is Outcome.STORED, receipt


async def contend(nodes: int, clients: int, seconds: float, delay: float, slow: float, vary: bool) -> str:
    """One line of figures; requests of the first node take `slow` seconds, if that is not 0."""
    truth, measured = MemoryStore(), Measured()
    chance = random.Random(1) if vary else None
    stores = [SlowStore(truth, slow if slow and n == 0 else delay, chance) for n in range(nodes)]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        archives = [
            await stack.enter_async_context(
                open_lake(store, Path(folder) / f"{n}", node=f"n{n}", settings=ArchiveSettings())
            )
            for n, store in enumerate(stores)
        ]
        begun, cpu = time.monotonic(), time.process_time()
        sends = [
            _send(archive, f"{n} {client}", begun + seconds, measured)
            for n, archive in enumerate(archives)
            for client in range(clients)
        ]
        await asyncio.gather(*sends)
        took, burnt = time.monotonic() - begun, time.process_time() - cpu
    won, lost = sum(one.won for one in stores), sum(one.lost for one in stores)
    return (
        f"{nodes:5} {clients:7} {statistics.median(measured.seconds) * 1000:9.0f} {measured.share(0.95):9.0f} "
        f"{measured.share(1.0):9.0f} {won / took:11.1f} {len(measured.seconds) / took:13.1f} {lost:6} "
        f"{max(one.most_in_a_row for one in stores):9} {burnt / took:9.2f}   {stores[0].won:9}"
    )


def main() -> int:
    """Print a line for each number of nodes."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.commit_contention", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--clients", type=int, default=2, help="of each node")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds a request to the store takes")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds they take for the first node")
    parser.add_argument("--vary", action="store_true", help="have them vary, with a long tail")
    given = parser.parse_args()
    print(
        "nodes clients median ms    p95 ms   most ms   commits/s   instances/s   lost  in a row  CPU share",
        "  won by the first",
    )
    for nodes in given.nodes:
        measured = contend(nodes, given.clients, given.seconds, given.delay, given.slow, given.vary)
        print(asyncio.run(measured), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
