"""`make torture`: kills by the hundred. Exit status 1 if anything was lost, doubled or different.

python -m tests.torture --store both --kills 200 --minutes 20 --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.torture.campaign import Plan, torture
from tests.torture.nodes import place_of
from tests.torture.weather import weather


def main() -> int:
    """Torture a folder, a bucket or one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--store", choices=("folder", "bucket", "both"), default="both")
    parser.add_argument("--kills", type=int, default=200, help="of each store")
    parser.add_argument("--minutes", type=float, default=20.0, help="for each store at most")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--trouble", type=float, default=0.0, help="share of requests to the bucket that fail")
    parser.add_argument("--skew", type=float, default=0.0, metavar="SECONDS", help="one clock ahead, one behind")
    parser.add_argument("--pauses", type=float, default=0.08, help="share of strikes that stop a node for a while")
    parser.add_argument("--hasty", action="store_true", help="nodes whose graces are shorter than a long pause")
    parser.add_argument("--workers", type=int, default=1, help="of each node")
    parser.add_argument("--longest-pause", type=float, default=3.0, metavar="SECONDS")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave stores and logs there")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if given.seed is None else given.seed
    plan = Plan(
        seed,
        given.kills,
        60 * given.minutes,
        given.nodes,
        given.clients,
        pauses=given.pauses,
        longest_pause=given.longest_pause,
        hasty=given.hasty,
        workers=given.workers,
        trouble=given.trouble,
        skew=given.skew,
    )
    failed = False
    for kind in ("folder", "bucket") if given.store == "both" else (given.store,):
        with tempfile.TemporaryDirectory(prefix="torture-") as made, contextlib.ExitStack() as stack:
            folder = (given.keep or Path(made)) / kind
            place, sky = stack.enter_context(place_of(kind, folder)), None
            if given.trouble and place.endpoint:
                sky = stack.enter_context(weather(place.endpoint, seed, hasty=given.hasty))
                place = replace(place, arguments=("--s3-endpoint", sky.url), storms=given.hasty)
            print(f"{kind}: seed {seed}", flush=True)
            campaign = torture(place, folder, plan, _tell, sky)
            print(campaign.report(), flush=True)
            failed = failed or bool(campaign.faults)
    return int(failed)


def _tell(what: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
