"""`dicomlake scrub`: read everything that is stored again, slowly, and compare it with the log."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from app.flags import COMMON
from app.sources import Configured

if TYPE_CHECKING:
    from storage.upkeep.scrub_state import ScrubState

NAME = "scrub"
HELP = "read everything stored again at a set rate, and compare it with the log"
DESCRIPTION = """Read every stored object at a set rate and name those that are missing, cut short, or whose digest
is not that of what was stored; removed and replaced versions too, while their bytes are kept. Digests that a
rebuild left open are filled on the way. Begun again after an interruption, it goes on where it stopped. It may run
while servers do; they can do the same by themselves (settings scrub_days and scrub_rate). To look at one study at
once, there is `dicomlake verify`.

  dicomlake scrub --rate 20 --store ./dicomlake-data

Exit status: 0 all are as they were stored, 1 some are not (each is named)."""
SETTINGS: tuple[str, ...] = COMMON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much, how fast."""
    parser.add_argument(
        "--rate", metavar="MB/S", type=_positive, default=0.0, help="read no faster (default: as fast as it goes)"
    )
    parser.add_argument(
        "--sample",
        metavar="SHARE",
        type=_share,
        default=1.0,
        help="read this share of all, chosen by chance: 0.05",
    )
    parser.add_argument("--again", action="store_true", help="begin anew where an earlier run was interrupted")


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not greater than 0")
    return value


def _share(text: str) -> float:
    value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is neither between 0 and 1 nor a percentage")
    return value


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Read and compare."""
    from app.logs import configure_logging
    from app.running import run_async

    configure_logging(configured.settings.log)
    return run_async(_scrub(arguments, configured))


async def _scrub(arguments: argparse.Namespace, configured: Configured) -> int:
    from app.assembly import open_archive
    from app.progress import Progress
    from storage.layout import scrub_key
    from storage.upkeep.scrub import ScrubSettings, scrub
    from storage.upkeep.scrub_state import begin_pass, read_state, write_state

    progress = Progress(sys.stderr)
    async with open_archive(configured.settings, beside="commands") as opened:
        archive = opened.archive
        key = scrub_key(f"{archive.epoch}-command")
        state = await read_state(archive.store, key)
        if state is None or state.finished or arguments.again:
            state = begin_pass(None)
        elif state.checked:
            print(f"going on behind {state.checked} objects", file=sys.stderr, flush=True)
        named = set[str]()

        async def save(now: ScrubState) -> None:
            await write_state(archive.store, key, now)

        def tell(now: ScrubState) -> None:
            for damaged in now.problems.keys() - named:
                named.add(damaged)
                progress.end()
                print(f"{damaged}: {now.problems[damaged]}", flush=True)
            progress.show(_line(now))

        await scrub(
            archive, state, ScrubSettings(arguments.rate * 1_000_000, arguments.sample), save, tell
        )  # fmt: skip
    progress.end()
    return _conclude(state)


def _line(state: ScrubState) -> str:
    from app.progress import readable_bytes

    filled = int(20 * state.share)
    bar = "#" * filled + "." * (20 - filled)
    return (
        f"[{bar}] {100 * state.share:3.0f} %  {state.checked} objects, {readable_bytes(state.bytes)}: "
        f"{state.wrong} damaged"
    )


def _conclude(state: ScrubState) -> int:
    from app.progress import readable_bytes

    told = f"{state.wrong} damaged" if state.wrong else "all as stored"
    print(f"{state.checked} objects, {readable_bytes(state.bytes)}: {told}")
    return 1 if state.wrong else 0
