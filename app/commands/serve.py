"""`dicomlake serve`: the archive, until it is told to end."""

from __future__ import annotations

import argparse
import sys

from app.config import Settings
from app.flags import ALL
from app.sources import Configured

NAME = "serve"
HELP = "start the archive"
DESCRIPTION = """Start the archive and serve it over DICOMweb until SIGTERM or Ctrl-C, then finish what is at work.

  dicomlake serve --store ./dicomlake-data
  dicomlake serve --store s3://BUCKET/PREFIX --s3-endpoint https://s3.example.org"""
SETTINGS: tuple[str, ...] = ALL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to begin with sample data."""
    parser.add_argument(
        "--samples", action="store_true", help="store seven small sample studies first, if the archive is empty"
    )


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Serve."""
    from app.logs import configure_logging
    from app.memory import tune_allocator
    from app.running import run_async

    settings = configured.settings
    tune_allocator()
    configure_logging(settings.log)
    return run_async(_serve(settings, samples=arguments.samples))


async def _serve(settings: Settings, *, samples: bool) -> int:
    from app.assembly import ARCHIVE, FRONT, NEW, build_application
    from app.memory import kept_lean, tune_collector
    from app.web.server import CannotListen, hear_of_end, listening, wait_for_end

    application = build_application(settings)
    tune_collector()
    try:
        async with kept_lean(), listening(application, settings, lambda: application[FRONT]) as bound:
            # not into one that was used: who deleted a sample does not want it back at the next start
            if samples and application[ARCHIVE].revision == 0:
                from app.samples import store_samples

                await store_samples(application[ARCHIVE])
            # heard before anybody is told that the server is there, who might end it at once
            told = hear_of_end()
            _announce(settings, bound.url, new=application[NEW])
            await wait_for_end(told)
            print("ending: finishing what is at work", file=sys.stderr, flush=True)
    except CannotListen as error:
        print(f"dicomlake: {error}", file=sys.stderr)
        return 2
    return 0


def _announce(settings: Settings, url: str, *, new: bool) -> None:
    from app.about import version
    from app.cautions import cautions

    for words in cautions(settings):
        print(f"dicomlake: note: {words}", file=sys.stderr, flush=True)
    base = settings.public_url or url + settings.url_prefix
    print(f"dicomlake {version()} serves {settings.store}")
    if new:
        print(f"  new archive in {settings.store}")
    print(f"  DICOMweb  {base}/dicom-web")
    print(f"  health    {base}/health/ready")
    print(f"  metrics   {base}/metrics")
    if settings.dicom_port:
        print(f"  DIMSE     not yet: nothing listens on port {settings.dicom_port} (--dicom-port 0 for none)")
    sys.stdout.flush()
