"""Where the real DICOM files lie: a folder beside the checkout, which need not be there.

Tests over real files skip without it; everything they prove is also proved on built files.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "data"

SAMPLES: Path | None = _BESIDE if (_BESIDE / "manifest.tsv").is_file() else None
"""The folder with `manifest.tsv`, None where it is missing."""


@cache
def manifest() -> tuple[dict[str, str], ...]:
    """The rows of the manifest, column name to text; empty without sample data."""
    if SAMPLES is None:
        return ()
    header, *rows = (SAMPLES / "manifest.tsv").read_text(encoding="utf-8").splitlines()
    names = header.split("\t")
    return tuple(dict(zip(names, row.split("\t"), strict=False)) for row in rows)


def sample_files(folder: str = "") -> list[Path]:
    """All sample files, or those below `folder` (`"malformed"`), in the order of the manifest."""
    if SAMPLES is None:
        return []
    return [SAMPLES / row["path"] for row in manifest() if row["path"].startswith(folder)]


def sample_ids(folder: str = "") -> list[str]:
    """Paths of `sample_files(folder)` as they stand in the manifest: names for parametrised tests."""
    return [row["path"] for row in manifest() if row["path"].startswith(folder)]
