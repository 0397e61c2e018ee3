"""The command `dicomlake` as a process of its own, as users run it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
"""How long a start may take on a machine with much else to do."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str


@dataclass(slots=True)
class Running:
    """A server process."""

    process: asyncio.subprocess.Process
    url: str
    """Without a slash at the end."""
    told: str
    """What it printed until it was ready."""

    @property
    def dicomweb(self) -> str:
        """The DICOMweb root."""
        return self.url + "/dicom-web"

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end and wait for that."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 15)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of ours."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DICOMLAKE_")},
        "PYTHONPATH": str(ROOT),
        **(extra or {}),
    }


async def run(*arguments: str, extra: Mapping[str, str] | None = None, given: bytes = b"") -> Ended:
    """Run `dicomlake` with these arguments to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(extra),
    )
    out, err = await asyncio.wait_for(process.communicate(given), START_SECONDS)
    return Ended(process.returncode or 0, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def server(
    store: Path | str, *arguments: str, extra: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[Running]:
    """`dicomlake serve` on a free port; killed at the end if it still runs."""
    command: Sequence[str] = (
        *("serve", "--store", str(store), "--http-port", "0", "--dicom-port", "0"),
        *arguments,
    )
    errors = log.open("wb") if log else None
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.cli",
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors or asyncio.subprocess.DEVNULL,
            env=environment(extra),
        )
        try:
            told = await asyncio.wait_for(_ready(process), START_SECONDS)
            found = re.search(r"DICOMweb +(\S+)/dicom-web", told)
            assert found, told
            yield Running(process, found[1], told)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    finally:
        if errors:
            errors.close()


async def _ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    told = ""
    while "metrics" not in told:
        line = await process.stdout.readline()
        assert line, f"the server ended before it was ready; it printed: {told}"
        told += line.decode()
    return told
