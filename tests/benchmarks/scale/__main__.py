"""`make bench-scale`; see the package.

python -m tests.benchmarks.scale --instances 2800000 --keep FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from tests.benchmarks.scale.figures import Figure
from tests.benchmarks.scale.making import Synthetic, fold_all, grow
from tests.benchmarks.scale.measuring import Bench, Effort
from tests.benchmarks.scale.population import INSTANCES_A_STUDY
from tests.benchmarks.scale.progress import say
from tests.benchmarks.scale.storing import compare_workers


def main() -> int:
    """Make the archive, measure it, tell the figures. Exit status 1 if one is not as it should be."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="scale-") as made:
        folder = given.keep or Path(made)
        figures = list(_told(_figures(given, folder, Path(made))))
    if given.json:
        given.json.write_text(json.dumps(_report(given, figures), indent=1))
    return int(any(figure.reached is False for figure in figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--instances", type=int, default=2_800_000)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="make the archive there, or go on with it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that make rows")
    parser.add_argument("--requests", type=int, default=Effort().requests, help="of each kind")
    parser.add_argument("--rounds", type=int, default=Effort().rounds, help="of storing")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each ingest by workers; 0: none")
    parser.add_argument("--repeats", type=int, default=3, help="of the ingest by workers")
    parser.add_argument("--keep-catalog", action="store_true", help="no start on an empty disk")
    parser.add_argument("--only", choices=("make", "measure", "workers"), help="one part of it")
    return parser.parse_args()


def _figures(given: argparse.Namespace, folder: Path, passing: Path) -> Iterator[Figure]:
    if given.only != "workers":
        yield from _archive(given, folder, passing)
    if given.only in (None, "workers") and given.seconds:
        say("ingest by one worker and by two")
        yield from compare_workers(passing, seconds=given.seconds, repeats=given.repeats)


def _archive(given: argparse.Namespace, folder: Path, passing: Path) -> Iterator[Figure]:
    say(f"an archive of {given.instances:,} synthetic instances")
    rows = asyncio.run(grow(folder, -(-given.instances // INSTANCES_A_STUDY), processes=given.processes))
    folded, snapshot = asyncio.run(fold_all(folder))
    for what, made in (("made", rows), ("folded", folded)):
        if made.rows:
            yield Figure(f"rows {what}", made.rows / made.seconds, "1/s", note=f"{made.seconds:.0f} s")
    if given.only == "make":
        return
    effort = replace(Effort(), requests=given.requests, rounds=given.rounds, empty_start=not given.keep_catalog)
    yield from Bench(folder, passing / "empty", Synthetic.read(folder), effort).all(snapshot)


def _told(figures: Iterable[Figure]) -> Iterator[Figure]:
    for figure in figures:
        print(figure.line(), flush=True)
        yield figure


def _report(given: argparse.Namespace, figures: Iterable[Figure]) -> dict[str, object]:
    return {
        "instances": given.instances,
        "when": time.strftime("%Y-%m-%d %H:%M:%S"),
        "processors": os.cpu_count(),
        "figures": [asdict(figure) | {"reached": figure.reached} for figure in figures],
    }


if __name__ == "__main__":
    sys.exit(main())
