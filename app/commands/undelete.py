"""`dicomlake undelete`: bring back what a deletion hid."""

from __future__ import annotations

import argparse

from app.sources import Configured

NAME = "undelete"
HELP = "bring back what a deletion hid"
DESCRIPTION = """Bring back what one deletion hid, named by its revision: the number that the answer to the
deletion carries in X-Dicomlake-Revision. What was stored again since stays as it is. Possible until retention ends
(setting retention_days). A server on the same store shows it within a second or so."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which deletion."""
    parser.add_argument("revision", metavar="REVISION", type=int, help="revision of the deletion")


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Bring it back."""
    from app.running import run_async

    return run_async(_undelete(arguments.revision, configured))


async def _undelete(revision: int, configured: Configured) -> int:
    from app.assembly import open_archive

    async with open_archive(configured.settings, beside="commands") as opened:
        archive = opened.archive
        done = await archive.restore(revision, door="command", peer="")
    print(f"brought back {done.instances} instances (revision {done.revision})")
    return 0
