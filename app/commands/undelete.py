"""`dicomlake undelete`: bring back what a deletion hid."""

from __future__ import annotations

import argparse

from app.flags import COMMON
from app.sources import Configured

NAME = "undelete"
HELP = "bring back what a deletion hid"
DESCRIPTION = """Bring back what one deletion hid, named by its revision: the number that the answer to the
deletion carries in X-Dicomlake-Revision. Without a revision: list the deletions that can be undone. What was
stored again since stays as it is. Possible until retention ends (setting retention_days). A server on the same
store shows it within a second or so.

  dicomlake undelete --store ./dicomlake-data
  dicomlake undelete 42 --store ./dicomlake-data"""
SETTINGS: tuple[str, ...] = COMMON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which deletion."""
    parser.add_argument(
        "revision", metavar="REVISION", type=int, nargs="?", help="revision of the deletion; none lists them"
    )


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Bring it back, or list what could be."""
    from app.running import run_async

    if arguments.revision is None:
        return run_async(_list(configured))
    return run_async(_undelete(arguments.revision, configured))


async def _list(configured: Configured) -> int:
    from app.assembly import open_archive

    async with open_archive(configured.settings, beside="commands") as opened:
        found = await opened.archive.catalog.removals()
    if not found:
        print("no deletion can be undone")
        return 0
    print("revision  time (UTC)           instances  what")
    for removal in found:
        scope = removal.scope
        uids = "/".join(uid for uid in (scope.study, scope.series, scope.instance) if uid)
        told = removal.time.strftime("%Y-%m-%d %H:%M:%S")
        print(f"{removal.revision:<8}  {told}  {removal.hidden:<9}  {scope.level.name.lower()} {uids}")
    return 0


async def _undelete(revision: int, configured: Configured) -> int:
    from app.assembly import open_archive

    async with open_archive(configured.settings, beside="commands") as opened:
        archive = opened.archive
        done = await archive.restore(revision, door="command", peer="")
    print(f"brought back {done.instances} instances (revision {done.revision})")
    return 0
