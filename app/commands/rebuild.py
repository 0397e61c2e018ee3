"""`dicomlake rebuild`: log and table made anew from the DICOM objects alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.flags import COMMON, report_file
from app.sources import Configured

if TYPE_CHECKING:
    from app.progress import Progress
    from storage.upkeep.rebuild_epoch import LogState
    from storage.upkeep.rebuild_findings import Findings

NAME = "rebuild"
HELP = "make a lost log anew from the DICOM objects"
DESCRIPTION = """Make log and table anew from the DICOM objects alone, when the log is lost or damaged beyond what
`dicomlake repair` can mend. Of each object the header is read, pixels are not. Versions come back in their order,
deletions are honoured. Nothing changes for readers until all is done; nodes that still run become read-only, and
have to be restarted afterwards. Begun again, it goes on where it stopped.

What nothing in the store can tell is lost: who stored and deleted what and by which way it came; labels; which
instances were purged; deletions that were undone; what instances were before intake_transcoding converted them.

  dicomlake rebuild --store ./dicomlake-data

Exit status: 0 everything came back, 1 something did not (each is named), 2 not begun, since the log is whole."""
SETTINGS: tuple[str, ...] = (*COMMON, "duplicates", "limits.header_bytes", "limits.zip_ratio")

_NAMED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How."""
    parser.add_argument("--force", action="store_true", help="even if the log is whole: its history is given up")
    parser.add_argument(
        "--digests",
        action="store_true",
        help="read every object whole: slow, but no digest stays open until `dicomlake scrub` has read it",
    )
    parser.add_argument(
        "--nodes-stopped", action="store_true", help="no node runs on this archive: do not wait for any to notice"
    )
    parser.add_argument("--report", metavar="FILE", type=report_file, help="write the whole report there, as JSON")


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Make it anew."""
    from app.logs import configure_logging
    from app.memory import tune_allocator
    from app.running import run_async

    tune_allocator()
    configure_logging(configured.settings.log)
    return run_async(_rebuild(arguments, configured))


async def _rebuild(arguments: argparse.Namespace, configured: Configured) -> int:
    from app.assembly import archive_settings, bare_store, node_dir, store_address
    from app.node import claim, node_name
    from app.presence import NoArchive, has_archive
    from app.progress import Progress
    from storage.log.checkpoint import Checkpoint
    from storage.upkeep.rebuild import RebuildSettings
    from storage.upkeep.rebuild_epoch import WAIT_SECONDS, RebuildTaken, look
    from storage.upkeep.rebuild_run import rebuild

    settings, address = configured.settings, store_address(configured.settings)
    if not await has_archive(address, bare_store):
        raise NoArchive(settings.store)
    progress, node = Progress(sys.stderr), node_name()
    with claim(node_dir(settings) / "commands"):
        async with bare_store(address) as store:
            print("looking at what is left of the log", file=sys.stderr, flush=True)
            state = await look(store, node=node)
            if not (state.problem or state.under_way or arguments.force):
                print(_nothing_to_do(state), file=sys.stderr)
                return 2
            wait_seconds = 0.0 if arguments.nodes_stopped else WAIT_SECONDS
            print(_beginning(state, wait_seconds), file=sys.stderr, flush=True)
            try:
                findings = await rebuild(
                    store,
                    Checkpoint(store, address),
                    state,
                    RebuildSettings(archive_settings(settings), arguments.digests),
                    node=node,
                    wait_seconds=wait_seconds,
                    tell=lambda found, share: progress.show(_line(found, share)),
                )
            except RebuildTaken as error:
                print(f"dicomlake: {error}", file=sys.stderr)
                return 1
    progress.end()
    if arguments.report:
        _write_report(findings, arguments.report)
    _print(findings, progress)
    return 1 if findings.lost else 0


def _nothing_to_do(state: LogState) -> str:
    return (
        f"the log is whole, with {state.entries} entries: there is nothing to rebuild. --force gives up its "
        "history and makes it anew all the same"
    )


def _beginning(state: LogState, wait_seconds: float) -> str:
    if state.under_way:
        told = "going on with a rebuild that was interrupted"
    elif state.problem:
        told = f"the log cannot be used: {state.problem}"
    else:
        return f"the log is whole, with {state.entries} entries; its history is given up"
    return f"{told}; waiting {wait_seconds:.0f} s for nodes to notice" if wait_seconds else told


def _line(findings: Findings, share: float) -> str:
    from app.progress import readable_bytes

    counts = findings.counts
    filled = int(20 * share)
    bar = "#" * filled + "." * (20 - filled)
    return (
        f"[{bar}] {100 * share:3.0f} %  {counts.objects} objects of {counts.studies} studies "
        f"({readable_bytes(counts.bytes)}): {counts.stored} came back, {len(findings.damaged)} did not"
    )


def _print(findings: Findings, progress: Progress) -> None:
    from app.progress import readable_bytes

    counts = findings.counts
    print(f"came back      {counts.stored} versions, in {counts.studies} studies ({readable_bytes(counts.bytes)})")
    if counts.replaced:
        print(f"  of them      {counts.replaced} are further versions of an instance, by the time they came")
    if counts.open_digests:
        print(
            f"  of them      {counts.open_digests} were not read whole; `dicomlake scrub` reads them in its time"
        )
    if counts.converted:
        print(f"  of them      {counts.converted} were converted when they came; what they came as is lost")
    print(f"removals       {counts.removals} are in force again")
    _name("repeated", "left behind by an interrupted writer, left alone", findings.repeated)
    _name(
        "doubtful", "current by their ids, while by the store's times another was written last", findings.doubtful
    )
    _name("not ours", "under names that no archive writes", findings.strange)
    _name("NOT HONOURED", "removals whose notes cannot be read", _reasons(findings.damaged_notes))
    _name("LOST", "objects that cannot be read", _reasons(findings.damaged))
    print(
        "not in objects: history and labels, undone deletions, what was purged, originals of converted instances"
    )
    print(f"done in {progress.seconds:.1f} s; start nodes now, restart those that run")


def _reasons(found: dict[str, str]) -> list[str]:
    return [f"{key}: {reason}" for key, reason in found.items()]


def _name(what: str, told: str, names: list[str]) -> None:
    if not names:
        return
    print(f"{what:<14} {len(names)} ({told})")
    for name in names[:_NAMED]:
        print(f"  {name}")
    if len(names) > _NAMED:
        print(f"  and {len(names) - _NAMED} more; --report FILE names them all")


def _write_report(findings: Findings, path: Path) -> None:
    import json
    from dataclasses import asdict

    path.write_text(json.dumps(asdict(findings), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
