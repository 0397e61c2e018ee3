"""The index of studies: a file that holds a study is never left out."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from storage.log.fold import fold
from storage.log.journal import Journal
from storage.log.parquet_writes import write_parquet
from storage.log.rows import SCHEMA, conformed
from storage.log.snapshot import TableFile
from storage.log.study_index import METADATA_KEY, StudyIndex, hashes_of, metadata_of, read_hashes
from storage.objects.address import Folder
from tests.storage.log.conftest import Place
from tests.storage.log.make import key, stored


def holders(index: StudyIndex, study: str) -> set[str]:
    (value,) = hashes_of([study]).tolist()
    return set(index.files_with([value]))


@pytest.mark.parametrize("seed", range(5))
def test_every_file_with_a_study_is_found_whatever_comes_and_goes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    there: dict[str, set[str]] = {}
    index = StudyIndex()
    for step in range(30):
        come = {
            f"file-{step}-{n}": {f"1.2.{chance.randrange(40)}" for _ in range(chance.randrange(8))}
            for n in range(chance.randrange(3))
        }
        go = {path for path in there if chance.random() < 0.2}
        index._forget(go)
        index.add([(path, hashes_of(studies)) for path, studies in come.items()])
        there = {path: studies for path, studies in (there | come).items() if path not in go}
        if chance.random() < 0.5:
            index.save(tmp_path / "index.npz")
            index = StudyIndex.load(tmp_path / "index.npz")

        for study in {f"1.2.{n}" for n in range(40)}:
            assert holders(index, study) == {path for path, studies in there.items() if study in studies}


def test_studies_with_one_hash_are_both_told() -> None:
    index = StudyIndex()
    index.add([("a", np.array([7], np.uint64)), ("b", np.array([7, 9], np.uint64))])

    assert index.files_with([7]) == {"a": [7], "b": [7]}
    assert index.files_with([9, 8]) == {"b": [9]}


@pytest.mark.parametrize("content", [b"", b"no index", b"PK\x03\x04 torn"], ids=["empty", "other", "torn"])
def test_an_index_that_cannot_be_read_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.npz"
    path.write_bytes(content)

    assert StudyIndex.load(path).files_with([1]) == {}
    assert StudyIndex.load(tmp_path / "none.npz").files_with([1]) == {}


def test_an_index_that_cannot_be_kept_costs_nothing_but_requests(tmp_path: Path) -> None:
    index = StudyIndex()
    index.add([("a", hashes_of(["1.2"]))])

    index.save(tmp_path / "nowhere" / "index.npz")

    assert holders(index, "1.2") == {"a"}
    assert list(tmp_path.iterdir()) == []


async def folded(place: Place, studies: int) -> tuple[TableFile, Path]:
    journal = await Journal.open(place.store, node="writer")
    await journal.append(1, [stored(key(study=n)) for n in range(studies)], "c1")
    _, snapshot = await fold(place.store, place.address)
    assert isinstance(place.address, Folder)
    [file] = snapshot.files
    return file, place.address.path / file.key


async def test_a_file_names_its_studies_in_its_footer(folder: Place) -> None:
    file, path = await folded(folder, 9)
    expected = hashes_of(f"1.2.{n}" for n in range(9))

    told = (pq.read_metadata(path).metadata or {})[METADATA_KEY.encode()].decode()

    assert metadata_of(expected) == {METADATA_KEY: told}
    assert (await read_hashes(folder.store, file)).tolist() == expected.tolist()


async def test_of_a_file_that_does_not_name_them_the_studies_are_read(folder: Place) -> None:
    file, path = await folded(folder, 9)
    data = write_parquet(conformed(pq.read_table(path), SCHEMA.names))
    path.unlink()
    path.write_bytes(data)

    found = await read_hashes(folder.store, TableFile(file.path, data.size, 9, file.studies, file.revisions))

    assert found.tolist() == hashes_of(f"1.2.{n}" for n in range(9)).tolist()
