"""An older release of this program: the same tree, copied, with the latest format version that it knows put back.

Everything that a format brought hangs on that number (`storage.log.format`), so the copy neither writes nor knows
it; and as it is a whole tree of its own, the processes that a node starts are of the older release too.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.app.processes import ROOT
from tests.torture.nodes import Place

_ROOMS = ("app", "storage", "dicomweb")
_KNOWN = re.compile(r"^FORMAT_VERSION = \d+$", re.MULTILINE)


def older_release(folder: Path, *, knows: int) -> Mapping[str, str]:
    """Make one that knows formats up to `knows`; the environment in which `python -m app.cli` is that one."""
    for room in _ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "storage" / "log" / "format.py"
    text, changed = _KNOWN.subn(f"FORMAT_VERSION = {knows}", path.read_text(encoding="utf-8"))
    assert changed == 1, f"{path} has {changed} lines that tell the format version"
    path.write_text(text, encoding="utf-8")
    # else what lies in the working directory would be found first
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


def at_release(place: Place, environment: Mapping[str, str]) -> Place:
    """The same archive for nodes of that release."""
    return replace(place, extra={**place.extra, **environment})
