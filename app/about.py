"""Name and version of this program."""

from __future__ import annotations

from importlib import metadata

NAME = "dicomlake"


def version() -> str:
    """The installed version; `unknown` in a source tree that was never installed."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "unknown"
