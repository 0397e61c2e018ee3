"""The gallery shows what the archive shows, and says what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.build.dicom import ct_slice, make_data_set, make_file, to_file
from tests.gallery.__main__ import files_to_show, own_files, show
from tests.gallery.exhibit import Exhibit, with_identifiers
from tests.gallery.page import contact_sheet, page

REPORT = "1.2.840.10008.5.1.4.1.1.88.11"


def write(folder: Path, **files: bytes) -> list[tuple[str, str, Path]]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [(f"some/{name}", "words & more", folder / name) for name in files]


async def test_each_file_gets_its_picture_documents_or_the_reason_why_not(tmp_path: Path) -> None:
    nameless = to_file(make_data_set(StudyInstanceUID=None))
    files = write(
        tmp_path,
        ct=ct_slice(rows=40, columns=40),
        report=make_file(SOPClassUID=REPORT, instance="report", ValueType="CONTAINER"),
        nameless=nameless,
        junk=b"this is no DICOM file" * 20,
    )

    shown = await show(files, tmp_path / "gallery")

    assert [one.status for one in shown] == [200, 200, 200, 400]
    assert all(one.picture.startswith(b"\x89PNG") for one in shown[:3])
    assert [kind for kind, _ in shown[1].documents] == ["html", "txt"]
    assert "shown is a copy" in shown[2].about
    assert "not stored" in shown[3].trouble
    written = (tmp_path / "gallery" / "index.html").read_text(encoding="utf-8")
    assert "3 of 4 files have a picture" in written
    assert "words &amp; more" in written
    assert (tmp_path / "gallery" / "pictures" / "001.html").is_file()
    with Image.open(tmp_path / "gallery" / "sheet-01.png") as sheet:
        assert sheet.width == 1800


def test_files_of_ones_own_are_found_in_folders(tmp_path: Path) -> None:
    inner = tmp_path / "mine" / "deeper"
    inner.mkdir(parents=True)
    for path in (inner / "b", tmp_path / "mine" / "a", tmp_path / "single"):
        path.write_bytes(b"")

    found = own_files([tmp_path / "mine", tmp_path / "single"], "")

    assert [name for name, _, _ in found] == ["mine/a", "mine/deeper/b", "single"]
    assert own_files([tmp_path / "mine"], "deeper") == [("mine/deeper/b", "", inner / "b")]


def test_the_page_tells_errors_first_and_escapes_them() -> None:
    shown = [Exhibit("a/b.dcm", "", 406, b"", "cannot <decode>", 1.0)]

    written = page(shown)

    assert "0 of 1 files" in written
    assert "cannot &lt;decode&gt;" in written
    assert written.index("cannot") < written.index("<main>")


def test_forty_fit_on_a_sheet() -> None:
    one = Exhibit("a/b.dcm", "", 500, b"", "x", 1.0)

    assert contact_sheet([one] * 40, first=0).size == (1800, 950)
    assert contact_sheet([one], first=40).size == (1800, 190)


def test_a_file_that_can_be_stored_is_not_copied() -> None:
    assert with_identifiers(ct_slice(), "ct") is None
    assert with_identifiers(b"junk", "junk") is None


@pytest.mark.parametrize("only", ["", "no file has this name"])
def test_files_are_chosen_by_name(only: str) -> None:
    assert bool(files_to_show(only)) == (only == "")
