"""Finding instances on media."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from app.media import Candidate, CannotRead, Finding, PassedOver, Unusable, find_candidates, read_chunks
from tests.build.dicom import ct_slice


def found(*paths: Path, zip_ratio: int = 200) -> list[Finding]:
    """Everything found."""
    return list(find_candidates(paths, zip_ratio=zip_ratio))


def names(findings: list[Finding], kind: type) -> list[str]:
    """Last parts of the names of one kind."""
    return [one.name.rpartition("/")[2] for one in findings if isinstance(one, kind)]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A disc as modalities write it, with what else is on such discs."""
    data = ct_slice()
    (tmp_path / "DICOM" / "S1").mkdir(parents=True)
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"rest")
    (tmp_path / "DICOM" / "S1" / "I00001").write_bytes(data)
    (tmp_path / "DICOM" / "S1" / "I00002.dcm").write_bytes(data)
    (tmp_path / "DICOM" / "S1" / "odd.xyz").write_bytes(data)
    (tmp_path / "DICOM" / "S1" / "1.2.840.10008.5").write_bytes(data[132:])
    (tmp_path / "AUTORUN.INF").write_bytes(b"[autorun]")
    (tmp_path / "VIEWER.EXE").write_bytes(b"MZ" + b"\0" * 200)
    (tmp_path / "empty").write_bytes(b"")
    return tmp_path


def test_everything_that_may_be_an_instance_is_offered_in_order(media: Path) -> None:
    findings = found(media)

    assert names(findings, Candidate) == ["1.2.840.10008.5", "I00001", "I00002.dcm", "odd.xyz"]
    assert names(findings, PassedOver) == ["AUTORUN.INF", "DICOMDIR", "VIEWER.EXE", "empty"]
    assert names(findings, Unusable) == []


def test_the_index_of_a_medium_stands_for_the_medium(media: Path) -> None:
    assert found(media / "DICOMDIR") == found(media)


async def test_zips_are_looked_into(tmp_path: Path) -> None:
    data = ct_slice()
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/one.dcm", data)
        archive.writestr("a/readme.txt", "hello")
    (tmp_path / "renamed.bin").write_bytes((tmp_path / "study.zip").read_bytes())

    findings = found(tmp_path)

    assert names(findings, Candidate) == ["one.dcm", "one.dcm"]
    assert names(findings, PassedOver) == ["readme.txt", "readme.txt"]
    for candidate in findings:
        if isinstance(candidate, Candidate):
            assert b"".join([chunk async for chunk in read_chunks(candidate)]) == data


def test_a_zip_bomb_a_damaged_zip_and_an_unreadable_file_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", b"\0" * (40 << 20))
    (tmp_path / "cut.zip").write_bytes((tmp_path / "bomb.zip").read_bytes()[:1000])

    findings = found(tmp_path, zip_ratio=10)

    reasons = {one.name.rpartition("/")[2]: one.reason for one in findings if isinstance(one, Unusable)}
    assert set(reasons) == {"bomb.zip!bomb.dcm", "cut.zip"}
    assert "limits.zip_ratio" in reasons["bomb.zip!bomb.dcm"]
    assert "damaged zip" in reasons["cut.zip"]


def test_a_name_that_is_not_utf_8_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"M\xfcller.dcm")).write_bytes(ct_slice())

    assert names(found(tmp_path), Candidate) == ["M\\udcfcller.dcm"]


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "one.dcm").write_bytes(ct_slice())
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)

    assert names(found(tmp_path), Candidate) == ["one.dcm"]


def test_a_dangling_link_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "gone.dcm").symlink_to(tmp_path / "nowhere")

    assert names(found(tmp_path), Unusable) == ["gone.dcm"]


def test_a_file_that_has_gone_since_its_folder_was_listed_is_nothing(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(ct_slice())
    findings = find_candidates([tmp_path], zip_ratio=200)
    first = next(findings)
    (tmp_path / "b").unlink()
    assert names([first, *findings], Candidate) == ["a", "c"]
    assert names(found(tmp_path / "b"), Unusable) == ["b"]


async def test_a_file_that_goes_away_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(ct_slice())
    (candidate,) = found(tmp_path)
    assert isinstance(candidate, Candidate)
    (tmp_path / "one.dcm").unlink()

    with pytest.raises(CannotRead):
        [chunk async for chunk in read_chunks(candidate)]


def test_a_changed_file_has_another_mark(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(ct_slice())
    (before,) = found(path)
    os.utime(path, ns=(1, 1))
    (after,) = found(path)

    assert isinstance(before, Candidate)
    assert isinstance(after, Candidate)
    assert before.mark != after.mark
