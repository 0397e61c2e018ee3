"""The README is true: its tables are those of the program, its commands run."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from app.assembly import open_archive
from dicomweb.model.keys import Scope
from tests.app.processes import environment
from tests.app.serving import settings_of
from tests.build.dicom import ct_slice, uid
from tests.build.lake import store_files
from tests.build.readme import PARTS, README, part_pattern

TEXT = README.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
MAKEFILE = (README.parent / "Makefile").read_text(encoding="utf-8")
START_SECONDS = 60


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_table_says_what_the_program_has(name: str) -> None:
    found = part_pattern(name).search(TEXT)

    assert found, f"the README has no part {name}"
    assert found[0].strip() == PARTS[name](), "run `python -m tests.build.readme`"


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"(?<![\w-])make ([a-z]+)(?=[`\n])", TEXT))

    assert {"setup", "run", "test", "lint", "bench"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_make_run_serves_the_samples_that_the_readme_speaks_of() -> None:
    assert "dicomlake serve --store $(STORE) --samples" in MAKEFILE
    assert "STORE ?= ./dicomlake-data" in MAKEFILE


@pytest.mark.skipif(not shutil.which("curl"), reason="the README's commands use curl")
async def test_the_commands_of_the_readme_run_one_after_the_other(tmp_path: Path) -> None:
    """In a folder of their own, by a shell, on the server that `make run` starts; only the port is another."""
    (tmp_path / "image.dcm").write_bytes(ct_slice(SOPInstanceUID=uid("readme")))
    (tmp_path / "my-studies").mkdir()
    (tmp_path / "my-studies" / "one.dcm").write_bytes(ct_slice(SOPInstanceUID=uid("readme too")))
    path = f"{_command_folder(tmp_path)}:{os.environ['PATH']}"
    surroundings = environment({"PATH": path, "DICOMLAKE_DICOM_PORT": "0"})
    server = await asyncio.create_subprocess_exec(
        *(
            "dicomlake",
            "serve",
            "--store",
            "./dicomlake-data",
            "--samples",
            "--http-port",
            "0",
            "--dicom-port",
            "0",
        ),
        cwd=tmp_path,
        env=surroundings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert server.stdout
        told = await asyncio.wait_for(server.stdout.readuntil(b"/metrics"), START_SECONDS)
        found = re.search(rb"127\.0\.0\.1:(\d+)/dicom-web", told)
        assert found
        script = "set -eu\n" + "\n".join(_runnable(block) for block in BLOCKS)
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", script.replace(":8042", f":{int(found[1])}")),
            cwd=tmp_path,
            env=surroundings,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode(errors="replace")[-3000:]
    finally:
        server.send_signal(signal.SIGTERM)
        await server.wait()

    assert (tmp_path / "study.zip").read_bytes().startswith(b"PK")
    assert (tmp_path / "instance.dcm").read_bytes()[128:132] == b"DICM"
    assert (tmp_path / "series.json").read_bytes().startswith(b"[{")
    assert (tmp_path / "frame.raw").stat().st_size == 256 * 256 * 2
    for picture in ("image.jpg", "thumbnail.jpg"):
        assert (tmp_path / picture).read_bytes().startswith(b"\xff\xd8\xff")
    assert (tmp_path / "image.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "users.txt").read_text(encoding="ascii").startswith("alice:scrypt$")


@pytest.mark.parametrize("engine", ["duckdb", "polars", "pyarrow"])
async def test_the_table_is_read_as_the_readme_does(engine: str, tmp_path: Path) -> None:
    """With no server running, in a process of its own."""
    (example,) = [one for one in EXAMPLES if one.startswith(f"import {engine}")]
    settings = settings_of({"store": str(tmp_path / "dicomlake-data")})
    async with open_archive(settings, begin=True) as opened:
        await store_files(opened.archive, *(ct_slice(seed=n, instance=f"i{n}") for n in range(3)))
        await opened.archive.remove(Scope(uid("study"), uid("series"), uid("i0")), door="test", peer="")
        assert opened.archive.checkpoint is not None
        await opened.archive.checkpoint.fold()

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", example),
        cwd=tmp_path,
        env=environment({}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()

    assert process.returncode == 0, out.decode(errors="replace")[-3000:]
    assert re.search(r"CT\W+(size_count\W+)?2\b", out.decode())


def _runnable(block: str) -> str:
    """The block without what starts a server or sets up the checkout: those have tests of their own."""
    return "\n".join(line for line in block.splitlines() if not line.startswith(("make ", "dicomlake serve ")))


def _command_folder(tmp_path: Path) -> Path:
    """A folder with the command `dicomlake` of this checkout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "dicomlake"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m app.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return folder
