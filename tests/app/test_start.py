"""What starting costs: nothing is imported that only later work needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.app.processes import ROOT, environment

HEAVY = ["boto3", "botocore", "aiobotocore", "deltalake", "openslide", "pydicom", "pynetdicom", "pandas"]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("app.cli", [*HEAVY, "aiohttp", "duckdb", "numpy", "pyarrow"]),
        ("app.assembly", HEAVY),
    ],
)
def test_importing_brings_no_more_than_is_used(module: str, absent: list[str]) -> None:
    code = f"import sys, {module}; print(*(name for name in {absent!r} if name in sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True
    )

    assert done.stdout.split() == [], done.stderr
