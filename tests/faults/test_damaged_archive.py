"""Damage to what an archive is made of, told by name by `doctor`, the rest served, and mended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import main
from storage.log.checkpoint import Checkpoint
from storage.log.format import FORMAT_VERSION
from storage.objects.address import Folder
from storage.objects.local import LocalStore
from tests.build.dicom import ct_slice
from tests.build.lake import open_lake, store_files

FILES = [ct_slice(study=f"study {number}", instance=f"{number}") for number in range(3)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of three entries, all folded into its table."""
    folder = tmp_path / "store"

    async def make() -> None:
        async with LocalStore(folder) as store:
            async with open_lake(store, tmp_path / "making") as lake:
                for file in FILES:
                    await store_files(lake, file)
            await Checkpoint(store, Folder(folder)).fold()

    asyncio.run(make())
    return folder


def told_by(capsys: pytest.CaptureFixture[str], *words: str, store: Path) -> tuple[int, str]:
    """Exit status and all that a command prints."""
    node = store.parent / "node"
    status = main([*words, "--store", str(store), "--node-dir", str(node)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out + captured.err


def doctor(capsys: pytest.CaptureFixture[str], store: Path) -> tuple[int, str]:
    return told_by(capsys, "doctor", "--http-port", "0", store=store)


def test_doctor_finds_a_whole_archive_well(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = doctor(capsys, archive)
    assert status == 0
    assert f"format {FORMAT_VERSION}, the latest" in told
    assert "1 files, up to revision 3" in told


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("damage", [empty, cut, Path.unlink], ids=["empty", "cut", "missing"])
def test_a_damaged_file_of_the_table_is_named_the_rest_served_and_the_table_made_anew(
    damage: Callable[[Path], None], archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = (archive / "instances").glob("*.parquet")
    damage(file)

    status, told = doctor(capsys, archive)
    assert status == 1
    assert f"instances/{file.name}" in told
    assert "dicomlake repair --table" in told
    # on an empty disk too
    assert told_by(capsys, "verify", store=archive) == (0, f"3 objects, {_size()}: all as stored\n")

    status, told = told_by(capsys, "repair", "--table", store=archive)
    assert (status, told) == (0, "the table is made anew: 3 rows of 3 log entries, up to revision 3\n")
    assert doctor(capsys, archive)[0] == 0


def _size() -> str:
    from app.progress import readable_bytes

    return readable_bytes(sum(map(len, FILES)))


def test_a_damaged_log_of_the_table_is_told(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (archive / "instances" / "_delta_log").glob("*.json"):
        file.write_text("{")
    status, told = doctor(capsys, archive)
    assert status == 1
    assert "dicomlake repair --table" in told
    assert told_by(capsys, "repair", "--table", store=archive)[0] == 0
    assert doctor(capsys, archive)[0] == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"archive": 1}'])
def test_a_damaged_format_is_told_with_what_to_do(
    content: str, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / "format.json").write_text(content)
    for words in (("doctor", "--http-port", "0"), ("verify",), ("ingest", str(archive.parent))):
        status, told = told_by(capsys, *words, store=archive)
        assert status == (1 if words[0] == "doctor" else 2)
        assert "format.json cannot be read" in told
        assert "dicomlake rebuild" in told


def test_an_archive_of_a_later_release_is_told_with_what_to_do(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = archive / "format.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"writer": FORMAT_VERSION + 1, "release": "9.1"}))
    for words in (("doctor", "--http-port", "0"), ("verify",), ("rebuild",), ("repair", "--table"), ("upgrade",)):
        status, told = told_by(capsys, *words, store=archive)
        assert status == (1 if words[0] == "doctor" else 2), words
        assert f"format {FORMAT_VERSION + 1} (dicomlake 9.1)" in told
        assert "run dicomlake 9.1 or later on it" in told


def test_doctor_says_that_an_upgrade_is_due(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = archive / "format.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"writer": 1}))
    status, told = doctor(capsys, archive)
    assert status == 0
    assert "format 1; `dicomlake upgrade` gives it format 2" in told
    status, told = told_by(capsys, "upgrade", "--dry-run", store=archive)
    assert status == 1
    assert "nothing was changed" in told
