"""`dicomlake repair`: put a damaged entry of the log back together from the table, or the table from the log."""

from __future__ import annotations

import argparse

from app.flags import COMMON
from app.sources import Configured

NAME = "repair"
HELP = "mend a damaged entry of the log, or the table"
DESCRIPTION = """Put a damaged or missing entry of the log back together from the checkpoint table. A server that
meets such an entry serves what was stored before it, refuses to store, and names the entry in /health/ready. The
damaged bytes are kept beside the new entry. An entry that the table does not hold cannot be mended.

A table that is damaged (`dicomlake doctor` tells) keeps no server from its work, only other programs that read it.
It is made anew from the log, which takes the longer the more there is; servers may run meanwhile.

  dicomlake repair 1234 --store ./dicomlake-data
  dicomlake repair --table --store ./dicomlake-data"""
SETTINGS: tuple[str, ...] = COMMON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "number", metavar="NUMBER", type=int, nargs="?", help="number of the entry (/health/ready tells it)"
    )
    what.add_argument("--table", action="store_true", help="make the table anew from the log")


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Mend it, or say why not."""
    from app.running import run_async

    return run_async(_repair_table(configured) if arguments.table else _repair(arguments.number, configured))


async def _repair_table(configured: Configured) -> int:
    from app.assembly import open_archive

    async with open_archive(configured.settings, beside="commands") as opened:
        assert opened.archive.checkpoint is not None
        done = await opened.archive.checkpoint.rebuild()
    print(f"the table is made anew: {done.rows} rows of {done.entries} log entries, up to revision {done.last}")
    return 0


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
