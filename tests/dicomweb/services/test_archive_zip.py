"""Zip archives written in passing, read back by two other implementations."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from dicomweb.services import archive_zip
from dicomweb.services.archive_zip import ZipEntry, write_zip


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 10):
        yield data[start : start + 10]


async def make_zip(files: dict[str, bytes], *, announced: int | None = None) -> bytes:
    async def entries() -> AsyncIterator[ZipEntry]:
        for name, data in files.items():
            yield ZipEntry(name, len(data) if announced is None else announced, chunks(data))

    return b"".join([piece async for piece in write_zip(entries())])


def read_zip(data: bytes) -> dict[str, bytes]:
    archive = zipfile.ZipFile(BytesIO(data))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


FILES = {"1.2/1.3/1.4.dcm": b"first file", "1.2/1.3/1.5.dcm": b"", "1.2/Größe.dcm": bytes(range(256)) * 10}


@pytest.mark.parametrize("announced", [None, 1 << 33], ids=["32 bits", "64 bits"])
async def test_files_come_back(announced: int | None) -> None:
    assert read_zip(await make_zip(FILES, announced=announced)) == FILES


async def test_an_empty_archive_is_one() -> None:
    assert read_zip(await make_zip({})) == {}


async def test_more_files_than_16_bits_count_come_back() -> None:
    files = {f"{number}.dcm": b"x" for number in range(65_540)}
    archive = zipfile.ZipFile(BytesIO(await make_zip(files)))
    assert len(archive.namelist()) == 65_540
    assert archive.read("65539.dcm") == b"x"


async def test_offsets_beyond_32_bits_are_written_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    # a border of 40 bytes in place of 4 GiB: every later entry and the directory lie beyond it
    monkeypatch.setattr(archive_zip, "_MAX32", 40)
    data = await make_zip({"a": b"x" * 30, "b": b"y"})
    wide = data[data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1) :]
    assert wide[46 + 1 : 46 + 1 + 4] == b"\x01\x00\x08\x00"
    assert b"PK\x06\x06" in data
    assert b"PK\x06\x07" in data


async def test_an_entry_that_outgrows_its_announced_width_is_not_written_wrongly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archive_zip, "_MAX32", 40)
    with pytest.raises(ValueError, match="announced"):
        await make_zip({"a": b"x" * 50}, announced=1)


async def test_the_same_files_are_the_same_bytes() -> None:
    assert await make_zip(FILES) == await make_zip(FILES)


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs Info-ZIP's unzip as a second reader")
@pytest.mark.parametrize("announced", [None, 1 << 33], ids=["32 bits", "64 bits"])
async def test_unzip_reads_it(tmp_path: Path, announced: int | None) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(await make_zip(FILES, announced=announced))
    done = subprocess.run(["unzip", "-tq", str(path)], capture_output=True, check=False)  # noqa: ASYNC221  # as above
    assert done.returncode == 0, done.stdout
