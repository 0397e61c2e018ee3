"""`dicomlake ingest`: store what lies in folders, zips and on DICOMDIR media."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from app.flags import COMMON, report_file
from app.sources import Configured

if TYPE_CHECKING:
    from app.ingesting import Report
    from app.progress import Progress

NAME = "ingest"
HELP = "store files from folders, zips and media"
DESCRIPTION = """Store every DICOM instance found in the given files, folders (all levels), zips and media with a
DICOMDIR. Begun again, it goes on where it stopped. It may run while a server serves the same store.

Exit status: 0 everything is in the archive, 1 something was refused, or a file that you named is not DICOM (the
report says what and why)."""
SETTINGS: tuple[str, ...] = (
    *COMMON,
    "duplicates",
    "intake_transcoding",
    "limits.zip_ratio",
    "cache.intake_bytes",
    "pixels.intake_bytes",
)

_NAMED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to store, and where to report."""
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="file, folder or zip")
    parser.add_argument("--report", metavar="FILE", type=report_file, help="write the whole report there, as JSON")
    parser.add_argument("--again", action="store_true", help="look at files again that an earlier run has stored")


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Store them."""
    from app.logs import configure_logging
    from app.memory import tune_allocator
    from app.running import run_async

    missing = [path for path in arguments.paths if not path.exists()]
    if missing:
        print(f"dicomlake: there is no {missing[0]}", file=sys.stderr)
        return 2
    tune_allocator()
    configure_logging(configured.settings.log)
    return run_async(_ingest(arguments, configured))


async def _ingest(arguments: argparse.Namespace, configured: Configured) -> int:
    from app.about import version
    from app.assembly import node_dir, open_archive
    from app.ingesting import Ingest
    from app.progress import Progress
    from app.resume import Done
    from storage.upkeep.attendance import Attendance

    settings = configured.settings
    progress = Progress(sys.stderr)
    async with (
        open_archive(settings, beside="commands", begin=True) as opened,
        Attendance(opened.archive.store, node=opened.archive.node, release=version()),
    ):
        archive = opened.archive
        if opened.new:
            print(f"new archive in {settings.store}", file=sys.stderr, flush=True)
        state = node_dir(settings) / "ingest" / f"{archive.epoch}.done"
        if arguments.again:
            state.unlink(missing_ok=True)
        with Done(state) as done:
            ingest = Ingest(
                archive,
                done,
                zip_ratio=settings.limits.zip_ratio,
                tell=lambda report: progress.show(_line(report)),
            )
            report = await ingest.run(arguments.paths)
    progress.end()
    if arguments.report:
        arguments.report.write_text(
            json.dumps(_told(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    _print(report, progress)
    return 1 if report.refused else 0


def _line(report: Report) -> str:
    from app.progress import readable_bytes

    return (
        f"{report.files} files: {report.stored} stored ({readable_bytes(report.bytes_read)} read), "
        f"{report.already} already there, {len(report.replaced)} replaced, {len(report.refused)} refused"
    )


def _print(report: Report, progress: Progress) -> None:
    from app.progress import readable_bytes

    print(f"stored         {report.stored}")
    print(f"already there  {report.already}")
    if report.replaced:
        print(f"replaced       {len(report.replaced)} (other bytes for a known instance, current now)")
        _name(report.replaced)
    if report.kept:
        print(f"kept           {len(report.kept)} (other bytes for a known instance, which stays current)")
        _name(report.kept)
    if report.converted:
        saved = report.bytes_before - report.bytes_after
        before, after = readable_bytes(report.bytes_before), readable_bytes(report.bytes_after)
        percent = f"{100 * saved / report.bytes_before:.0f} %"
        print(f"converted      {report.converted} (intake_transcoding: {before} became {after}, {percent} saved)")
    if report.as_they_came:
        _print_unconverted(report)
    if report.dicomdirs:
        print(f"DICOMDIR       {len(report.dicomdirs)} (what they list is found by itself)")
    print(f"not DICOM      {len(report.passed_over)}")
    print(f"refused        {len(report.refused)}")
    _name([f"{refused.name}: {refused.reason}" for refused in report.refused])
    if report.warned:
        print(f"stored, but odd  {len(report.warned)}; --report FILE says how")
    print(f"read {readable_bytes(report.bytes_read)} in {progress.seconds:.1f} s")


def _print_unconverted(report: Report) -> None:
    from dicomweb.model.outcome import Unconverted

    words = {
        Unconverted.AS_WANTED: "already so",
        Unconverted.LOSSY: "compressed with loss",
        Unconverted.NOT_SMALLER: "not smaller",
        Unconverted.NOT_HELD: "cannot be held",
        Unconverted.TOO_LARGE: "too large",
        Unconverted.FAILED: "failed",
    }
    reasons = ", ".join(f"{number} {words[reason]}" for reason, number in report.as_they_came.most_common())
    print(f"as they came   {report.as_they_came.total()} (intake_transcoding: {reasons})")
    _name([f"{number}: {why}" for why, number in report.why.most_common()])


def _name(lines: Sequence[str]) -> None:
    for line in lines[:_NAMED]:
        print(f"  {line}")
    if len(lines) > _NAMED:
        print(f"  and {len(lines) - _NAMED} more; --report FILE names them all")


def _told(report: Report) -> dict[str, object]:
    return {
        "stored": report.stored,
        "already_there": report.already,
        "replaced": report.replaced,
        "kept": report.kept,
        "dicomdir": report.dicomdirs,
        "not_dicom": report.passed_over,
        "bytes_read": report.bytes_read,
        "converted": report.converted,
        "converted_bytes_before": report.bytes_before,
        "converted_bytes_after": report.bytes_after,
        "not_converted": {str(reason): number for reason, number in report.as_they_came.most_common()},
        "not_converted_because": dict(report.why.most_common()),
        "refused": [asdict(one) for one in report.refused],
        "odd": [asdict(one) for one in report.warned],
    }
