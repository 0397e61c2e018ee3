"""Objects that somebody deleted or cut short behind the archive's back: told as an error where nothing is out yet,
else by a connection that breaks off. No client ever takes a part for the whole."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.build.dicom import ct_slice, uid
from tests.clients.raw import RawAnswer, ask
from tests.clients.servers import Server, serving_folder
from tests.faults.checks import AS_STORED, RELATED, assert_alive, related

PLAIN = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two studies of four 2 MB slices; of the third in each the object is missing or cut."""
    with serving_folder(tmp_path_factory.mktemp("damaged")) as server:
        for study in ("missing", "cut"):
            files = [slice_of(study, number) for number in range(1, 5)]
            assert ask(server, "/studies", RELATED, method="POST", body=related(*files)).status == 200
        object_of(server, "missing").unlink()
        with object_of(server, "cut").open("r+b") as file:
            file.truncate(1_000_000)
        yield server


def slice_of(study: str, number: int) -> bytes:
    """A slice of 2 MB."""
    return ct_slice(
        rows=1024, columns=1024, study=study, series=study, instance=f"{study} {number}", InstanceNumber=number
    )


def object_of(server: Server, study: str) -> Path:
    """The file of the third slice."""
    assert isinstance(server.store, Path)
    (found,) = server.store.glob(f"dicom/*/{uid(study)}/*/{uid(f'{study} 3')}~*.dcm")
    return found


def third(study: str) -> str:
    """The path of the third slice."""
    return f"/studies/{uid(study)}/series/{uid(study)}/instances/{uid(f'{study} 3')}"


@pytest.mark.parametrize("study", ["missing", "cut"])
def test_a_study_breaks_off_at_the_damaged_object(damaged: Server, study: str) -> None:
    answer = ask(damaged, f"/studies/{uid(study)}", PLAIN)
    assert answer.status == 200
    assert not answer.whole
    # what was sent before may be lost with the connection, if the client is slow to take it
    assert slice_of(study, 4) not in answer.body
    assert not answer.body.rstrip().endswith(b"--")


def test_a_zip_breaks_off_too(damaged: Server) -> None:
    answer = ask(damaged, f"/studies/{uid('missing')}", {"Accept": "application/zip"})
    assert not answer.whole
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(BytesIO(answer.body))


def told_500(answer: RawAnswer) -> bool:
    """Whether it is an error of ours, with words."""
    return answer.status == 500 and answer.error()["HttpStatus"] == 500


def test_what_is_missing_is_500(damaged: Server) -> None:
    assert told_500(ask(damaged, third("missing"), AS_STORED))
    assert told_500(ask(damaged, third("missing") + "/frames/1"))
    assert told_500(ask(damaged, third("missing") + "/bulkdata/7FE00010"))


def test_what_is_cut_is_500_or_breaks_off(damaged: Server) -> None:
    answer = ask(damaged, third("cut"), AS_STORED)
    assert answer.status == 500 or not answer.whole
    assert told_500(ask(damaged, third("cut") + "/frames/1"))


def test_the_rest_is_served_and_metadata_need_no_object(damaged: Server) -> None:
    for study in ("missing", "cut"):
        first = f"/studies/{uid(study)}/series/{uid(study)}/instances/{uid(f'{study} 1')}"
        assert ask(damaged, first, AS_STORED).body == slice_of(study, 1)
        assert ask(damaged, f"/studies/{uid(study)}/metadata").status == 200
    assert_alive(damaged)
