"""`dicomlake doctor`: see whether this machine, these settings and this store will do."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from app.flags import COMMON
from app.sources import Configured

if TYPE_CHECKING:
    from app.checkup import Finding
    from app.config import Settings

NAME = "doctor"
HELP = "check settings, store, ports, codecs, disk and clock"
DESCRIPTION = """Check what an archive needs before it is started: that the settings can be used, that the store
can be reached and keeps the promises the archive builds on (conditional writes among them), that the ports are
free, codecs present, disk room left and the clock right. Writes a few small objects to the store (where a folder
does not exist yet, beside it) and removes them; begins no archive.

Exit status: 0 all is well, 1 there are problems."""
SETTINGS: tuple[str, ...] = (
    *COMMON,
    "host",
    "http_port",
    "dicom_port",
    "web.tls_certificate",
    "web.tls_key",
    "trusted_proxies",
    "public_url",
)

_MARKS = {"ok": "ok       ", "warning": "warning  ", "problem": "PROBLEM  "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Check and tell."""
    from app.running import run_async

    return run_async(_doctor(configured))


async def _doctor(configured: Configured) -> int:
    from app.checkup import State

    set_names = [name for name, origin in configured.origins.items() if origin != "default"]
    print(f"{_MARKS['ok']}settings  {len(set_names)} set ({', '.join(set_names) or 'all default'})")
    bad = 0
    async for finding in _findings(configured.settings):
        bad += finding.state is State.BAD
        print(f"{_MARKS[finding.state.value]}{finding.topic:<9} {finding.words}", flush=True)
    return 1 if bad else 0


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    from app import checkup
    from app.assembly import bare_store, node_dir, store_address
    from app.checkup_store import check_address
    from storage.objects.address import Folder

    for check in (checkup.check_access, checkup.check_ports, checkup.check_tls):
        for finding in check(settings):
            yield finding
    for finding in checkup.check_codecs():
        yield finding
    address = store_address(settings)
    if isinstance(address, Folder):
        for finding in checkup.check_disk("store", address.path):
            yield finding
    for finding in (*checkup.check_disk("node_dir", node_dir(settings)), *checkup.check_clock()):
        yield finding
    async for finding in check_address(settings.store, address, bare_store):
        yield finding
