"""Viewers that the explorer offers to open a study with: those that are installed, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Opener:
    """A viewer."""

    id: str
    """For the pages' scripts: `ohif`."""
    name: str
    """As a user knows it: `OHIF`."""
    study: str
    """Where a study opens, below the server's address: `ohif/viewer?StudyInstanceUIDs={study}`."""
    series: str = ""
    """The same for a series, with `{series}` too; empty if it opens whole studies only."""
    modalities: tuple[str, ...] = ()
    """Those it is offered for; empty for all."""


class Openers(Protocol):
    """Finds out what is installed."""

    def __call__(self) -> Sequence[Opener]:
        """The viewers that can be had now, the best first."""


def no_openers() -> Sequence[Opener]:
    """None is installed."""
    return ()
