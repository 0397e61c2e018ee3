"""`dicomlake repair`: put a damaged entry of the log back together."""

from __future__ import annotations

import argparse

from app.flags import COMMON
from app.sources import Configured

NAME = "repair"
HELP = "mend a damaged entry of the log"
DESCRIPTION = """Put a damaged or missing entry of the log back together from the checkpoint table. A server that
meets such an entry serves what was stored before it, refuses to store, and names the entry in /health/ready. The
damaged bytes are kept beside the new entry. An entry that the table does not hold cannot be mended.

  dicomlake repair 1234 --store ./dicomlake-data"""
SETTINGS: tuple[str, ...] = COMMON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which entry."""
    parser.add_argument("number", metavar="NUMBER", type=int, help="number of the entry (/health/ready tells it)")


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Mend it, or say why not."""
    from app.running import run_async

    return run_async(_repair(arguments.number, configured))


async def _repair(number: int, configured: Configured) -> int:
    from app.assembly import open_archive
    from storage.log.repair import NotRepairable, repair_entry

    async with open_archive(configured.settings, beside="commands") as opened:
        archive = opened.archive
        assert archive.checkpoint is not None
        try:
            done = await repair_entry(archive.journal, archive.checkpoint, number)
        except NotRepairable as error:
            print(f"entry {number} cannot be mended: {error}")
            return 1
    if not done.was_damaged:
        print(f"entry {number} is whole: nothing to mend")
        return 0
    print(f"entry {number} is mended, with {done.events} events; servers go on by themselves")
    return 0
