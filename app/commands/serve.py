"""`dicomlake serve`: the archive, until it is told to end."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from app.config import Settings
from app.flags import ALL
from app.sources import Configured
from app.values import ConfigError

if TYPE_CHECKING:
    from app.workers_seat import Seat, Worker

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
    # what the parent of several workers starts each of them with
    parser.add_argument("--as-worker", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Serve."""
    from app.logs import configure_logging
    from app.memory import tune_allocator
    from app.running import run_async
    from app.workers import worker_count
    from app.workers_seat import Seat

    settings = configured.settings
    tune_allocator()
    if arguments.as_worker:
        seat = Seat.parse(arguments.as_worker)
        configure_logging(settings.log, seat.number)
        return run_async(_serve_as_worker(settings, seat, samples=arguments.samples))
    configure_logging(settings.log)
    if worker_count(settings) > 1:
        return run_async(_serve_by_workers(settings, samples=arguments.samples))
    return run_async(_serve(settings, None, samples=arguments.samples))


async def _serve_as_worker(settings: Settings, seat: Seat, *, samples: bool) -> int:
    import signal

    from app.place import node_dir, store_address
    from app.workers_seat import Worker
    from storage.objects.address import Folder

    # when a terminal closes all of its processes are told; the parent alone knows what to do about it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    async with Worker(seat) as worker:
        if not isinstance(store_address(settings), Folder):
            worker.folder = node_dir(settings) / "entries"
        return await _serve(seat.settings(settings, node_dir(settings)), worker, samples=samples)


async def _serve_by_workers(settings: Settings, *, samples: bool) -> int:
    from app.listeners import CannotListen, base_url, open_listeners
    from app.node import claim
    from app.place import node_dir, store_address
    from app.workers import Workers, worker_count
    from storage.archive.siblings import shared_memory
    from storage.objects.address import Memory

    if isinstance(store_address(settings), Memory):
        raise ConfigError("workers: memory:// is the memory of one process; give it one worker")
    try:
        listeners = open_listeners(settings)
    except CannotListen as error:
        print(f"dicomlake: {error}", file=sys.stderr)
        return 2
    given = [argument for argument in sys.argv[1:] if argument != "--samples"]
    url = base_url(settings, listeners[0].getsockname()[1])
    with claim(node_dir(settings)), shared_memory() as board:
        workers = Workers(
            worker_count(settings), (sys.executable, "-m", "app.cli", *given), listeners, board=board
        )
        return await workers.run(
            ["--samples"] if samples else [], lambda: _announce(settings, url, new=workers.new)
        )


async def _serve(settings: Settings, worker: Worker | None, *, samples: bool) -> int:
    from app.anew import Anew, replace_process
    from app.assembly import ARCHIVE, FRONT, NEW, build_application
    from app.listeners import CannotListen
    from app.memory import kept_lean, tune_collector
    from app.web.server import hear_of_end, listening, wait_for_end

    application = build_application(settings, worker)
    tune_collector()
    source = worker.handed if worker else None
    anew = Anew()
    try:
        async with (
            kept_lean(),
            listening(application, settings, lambda: application[FRONT], source=source) as bound,
        ):
            # not into one that was used: who deleted a sample does not want it back at the next start
            if samples and application[ARCHIVE].revision == 0:
                from app.samples import store_samples

                await store_samples(application[ARCHIVE])
            # heard before anybody is told that the server is there, who might end it at once
            told = hear_of_end()
            if worker:
                front = application[FRONT]
                worker.ready(
                    new=application[NEW],
                    metrics=front.telemetry.text,
                    retire=front.retire,
                    orphaned=told.set,
                )
            else:
                _announce(settings, bound.url, new=application[NEW])
            begin = worker.ask_to_renew if worker else partial(anew.begin, told)
            async with anew.watch(application[ARCHIVE], begin):
                await told.wait()
            if anew.wanted:
                print("beginning anew: finishing what is at work", file=sys.stderr, flush=True)
            else:
                await wait_for_end(told)
            if not (worker or anew.wanted):
                print("ending: finishing what is at work", file=sys.stderr, flush=True)
    except CannotListen as error:
        print(f"dicomlake: {error}", file=sys.stderr)
        return 2
    if anew.wanted:
        replace_process()
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
    print(f"  explorer  {base}/ui/")
    print(f"  DICOMweb  {base}/dicom-web")
    print(f"  health    {base}/health/ready")
    print(f"  metrics   {base}/metrics")
    if settings.dicom_port:
        print(f"  DIMSE     not yet: nothing listens on port {settings.dicom_port} (--dicom-port 0 for none)")
    sys.stdout.flush()
