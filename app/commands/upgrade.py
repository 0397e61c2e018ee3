"""`dicomlake upgrade`: give an archive the format of this release."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from app.flags import COMMON
from app.sources import Configured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.upkeep.attendance import Present

NAME = "upgrade"
HELP = "give the archive the format of this release"
DESCRIPTION = """Give the archive the format of this release, once all nodes run it. A newer release reads and
writes an archive of an older format as it is, beside nodes of the older release; only this command changes the
format.

  1. Replace the nodes one by one: SIGTERM, then start the new release (or kill -HUP for --workers).
  2. dicomlake upgrade --store s3://BUCKET/PREFIX

Nothing is converted and no node has to be restarted: it takes seconds whatever the size. From then on nodes of
releases that do not know the format refuse to start, and those that run refuse to store. There is no way back.

Refuses while a node of such a release is seen. Done again it changes nothing.

Exit status: 0 the archive has the format of this release, 1 with --dry-run: it has not yet, 2 refused."""
SETTINGS: tuple[str, ...] = COMMON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument(
        "--force", action="store_true", help="even if nodes of older releases run: they become read-only"
    )


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Upgrade it, or say why not."""
    from app.running import run_async

    return run_async(_upgrade(arguments, configured))


async def _upgrade(arguments: argparse.Namespace, configured: Configured) -> int:
    from app.about import version
    from app.assembly import bare_store, store_address
    from app.node import node_name
    from app.presence import NoArchive, has_archive
    from storage.log.checkpoint import Checkpoint
    from storage.log.format import FORMAT_VERSION
    from storage.upkeep.upgrade import look, upgrade

    settings, address = configured.settings, store_address(configured.settings)
    if not await has_archive(address, bare_store):
        raise NoArchive(settings.store)
    node = node_name()
    async with bare_store(address) as store:
        state = await look(store, node=node)
        before = state.format.writer
        if not state.due:
            by = f", by dicomlake {state.format.release}" if state.format.release else ""
            print(f"the archive has format {before}{by}, the latest this dicomlake knows: nothing to do")
            return 0
        print(f"the archive has format {before}, this dicomlake ({version()}) writes format {FORMAT_VERSION}")
        if state.too_old:
            print(_too_old(state.too_old), file=sys.stderr)
            if not arguments.force:
                return 2
        if arguments.dry_run:
            print(f"it would get format {FORMAT_VERSION}; nothing was changed")
            return 1
        done = await upgrade(
            store,
            Checkpoint(store, address),
            state,
            node=node,
            release=version(),
            force=arguments.force,
            tell=lambda text: print(text, file=sys.stderr, flush=True),
        )
    print(f"the archive has format {done.now} from revision {done.revision} on; nodes go on by themselves")
    return 0


def _too_old(nodes: Sequence[Present]) -> str:
    from storage.log.format import FORMAT_VERSION
    from storage.upkeep.attendance import GONE_SECONDS

    named = "\n".join(
        f"  {one.node}   dicomlake {one.release}, knows formats up to {one.format}, "
        f"seen {one.seen.total_seconds() / 60:.0f} minutes ago"
        for one in nodes
    )
    return (
        f"nodes that do not know format {FORMAT_VERSION} are running:\n{named}\n"
        "End them or start this release in their place, then upgrade. A node that was killed counts as running "
        f"for {GONE_SECONDS / 60:.0f} minutes. --force does not wait: these nodes read on and refuse to store."
    )
