"""`python -m tests.gallery [FOLDER]`: store every sample file in an archive of its own, render it, write the page.

Without sample data the gallery shows the images that come with pydicom; with `--files` those of yours.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.app.archives import open_house
from tests.build.samples import SAMPLES, manifest
from tests.gallery.exhibit import Exhibit, exhibits
from tests.gallery.page import write_gallery

_VIEWPORT = 480
"""Pixels of the square into which pictures are scaled."""


def files_to_show(only: str) -> list[tuple[str, str, Path]]:
    """Name, words and path of every file whose name holds `only`."""
    if SAMPLES is not None:
        found = [(row["path"], _about(row), SAMPLES / row["path"]) for row in manifest()]
    else:
        from pydicom.data import get_testdata_files

        found = [("pydicom/" + Path(one).name, "", Path(one)) for one in get_testdata_files("*.dcm")]
    return [one for one in found if only in one[0]]


def own_files(paths: Sequence[Path], only: str) -> list[tuple[str, str, Path]]:
    """The same of these files, and of all below these folders."""
    found: list[tuple[str, str, Path]] = []
    for path in paths:
        below = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        found += [(str(one.relative_to(path.parent)), "", one) for one in below]
    return [one for one in found if only in one[0]]


def _about(row: dict[str, str]) -> str:
    words = (row["sop_class"].removesuffix(" Storage"), row["transfer_syntax"], row["rows_x_cols_x_frames"])
    return ", ".join(word for word in (*words, row["photometric"]) if word)


async def show(files: Sequence[tuple[str, str, Path]], folder: Path, *, documents: bool = True) -> list[Exhibit]:
    """Render the files through an archive that lives as long as this takes, and write the gallery."""
    shown: list[Exhibit] = []
    with tempfile.TemporaryDirectory() as store:
        async with open_house(Path(store)) as house:
            async for one in exhibits(house, files, viewport=_VIEWPORT, documents=documents):
                shown.append(one)
    write_gallery(shown, folder)
    return shown


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.gallery", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/gallery"))
    parser.add_argument("--files", nargs="+", type=Path, metavar="PATH", help="files and folders of yours to show")
    parser.add_argument("--only", default="", help="part of the names of the files to show")
    parser.add_argument("--no-documents", action="store_true", help="pictures alone: no HTML, text, SVG, PDF")
    chosen = parser.parse_args()
    files = own_files(chosen.files, chosen.only) if chosen.files else files_to_show(chosen.only)
    shown = asyncio.run(show(files, chosen.folder, documents=not chosen.no_documents))
    wrong = [one for one in shown if not one.picture]
    print(f"{len(shown) - len(wrong)} of {len(shown)} files have a picture: {chosen.folder / 'index.html'}")
    for one in wrong:
        print(f"  {one.name}: {one.status} {one.trouble}")


if __name__ == "__main__":
    main()
