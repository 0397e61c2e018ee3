"""`dicomlake show-config`: every setting, its value, and where it came from."""

from __future__ import annotations

import argparse

from app.flags import COMMON
from app.sources import Configured
from app.values import all_settings, shown

NAME = "show-config"
HELP = "print every setting, its value and where it came from"
DESCRIPTION = """Print every setting as a line of TOML, with where its value came from; secrets are masked.
The output can be used as a settings file, the secrets apart."""
SETTINGS: tuple[str, ...] = COMMON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Print them."""
    table = ""
    for info in all_settings():
        group, _, name = info.name.rpartition(".")
        if group != table:
            table = group
            print(f"\n[{group}]")
        masked = info.secret and bool(configured.value(info.name))
        line = f"{name} = {shown(info, configured.value(info.name))}"
        print(f"{'# ' if masked else ''}{line:<60}  # {configured.origins[info.name]}")
    return 0
