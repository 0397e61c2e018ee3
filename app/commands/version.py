"""`dicomlake version`: which one this is."""

from __future__ import annotations

import argparse

from app.sources import Configured

NAME = "version"
HELP = "print the version"
DESCRIPTION = "Print the version of this program and of the Python it runs on."
SETTINGS: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Print it."""
    import platform

    from app.about import version

    print(f"dicomlake {version()} (Python {platform.python_version()}, {platform.system()} {platform.machine()})")
    return 0
