"""The words of the command line, one module each.

A command has NAME, HELP (a line), DESCRIPTION (a paragraph), `add_arguments(parser)` and
`run(arguments, configured)`, which returns the exit status. What it needs beyond that it imports when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Protocol, cast

from app.commands import doctor, hash_password, ingest, purge, serve, show_config, undelete, verify, version
from app.sources import Configured


class Command(Protocol):
    """What a module of this folder has."""

    NAME: str
    HELP: str
    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the command takes beside the settings."""

    def run(self, arguments: argparse.Namespace, configured: Configured) -> int:
        """Do it; returns the exit status."""


COMMANDS: Sequence[Command] = cast(
    "Sequence[Command]",
    (serve, ingest, undelete, purge, verify, show_config, doctor, hash_password, version),
)
