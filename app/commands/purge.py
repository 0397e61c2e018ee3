"""`dicomlake purge`: erase for good."""

from __future__ import annotations

import argparse
import sys

from app.flags import COMMON
from app.scopes import add_scope_arguments, scope_of
from app.sources import Configured
from dicomweb.model.keys import Scope

NAME = "purge"
HELP = "erase a study, series or instance for good"
DESCRIPTION = """Erase a study, series or instance for good: its bytes, those of its former versions, and its
header wherever the log holds it. UIDs, times and digests stay, as a record that it was there and was erased.
This cannot be undone. A deletion over DICOMweb can; see `dicomlake undelete`."""
SETTINGS: tuple[str, ...] = COMMON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, and whether to ask."""
    add_scope_arguments(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask whether it is meant")


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Ask, then erase."""
    from app.running import run_async

    scope = scope_of(arguments)
    assert scope is not None
    if not arguments.yes and not _meant(scope):
        print("nothing was erased", file=sys.stderr)
        return 1
    return run_async(_purge(scope, configured))


def _meant(scope: Scope) -> bool:
    if not sys.stdin.isatty():
        print("dicomlake: say --yes to erase without being asked", file=sys.stderr)
        return False
    said = input(f"Erase this {scope.level.name.lower()} for good? It cannot be brought back. Type yes: ")
    return said.strip().lower() == "yes"


async def _purge(scope: Scope, configured: Configured) -> int:
    from app.assembly import open_archive
    from storage.upkeep.purge import purge

    async with open_archive(configured.settings, beside="commands") as opened:
        archive = opened.archive
        done = await purge(archive, scope)
    print(f"erased {done.versions} stored versions (revision {done.revision})")
    return 0
