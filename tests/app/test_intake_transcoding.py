"""New instances become smaller on their way in: the whole application, from setting to answer, report, metrics."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from aiohttp import ClientSession

from app.assembly import FRONT, archive_settings, build_application
from app.cli import main
from app.web.server import listening
from dicomweb.encoding.reader import read_head
from dicomweb.services.intake_policy import TARGETS
from tests.app.archives import RELATED, related
from tests.app.serving import settings_of
from tests.build.dicom import ct_slice, multi_frame, uid

HTJ2K = TARGETS["htj2k-lossless"]
INSTANCE = f"/studies/{uid('study')}/series/{uid('series')}/instances/{uid('instance')}"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands set up the root logger of their process, which here is that of all tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def smooth_slice(**attributes: object) -> bytes:
    """A slice that compresses well, as real ones do."""
    data_set = pydicom.dcmread(BytesIO(ct_slice(rows=256, columns=256, **attributes)))
    data_set.PixelData = b"".join(
        (row * column // 50).to_bytes(2, "little") for row in range(256) for column in range(256)
    )
    written = BytesIO()
    data_set.save_as(written)
    return written.getvalue()


@contextlib.asynccontextmanager
async def served(store: Path) -> AsyncIterator[tuple[ClientSession, str]]:
    """A client, and the URL of an archive that converts CT."""
    settings = settings_of(
        {"store": str(store), "log.access": False, "intake_transcoding": "CT=htj2k-lossless,*=keep"}
    )
    application = build_application(settings)
    async with listening(application, settings, lambda: application[FRONT]) as bound, ClientSession() as client:
        yield client, bound.url


async def store(client: ClientSession, url: str, *instances: bytes) -> int:
    headers = {"Content-Type": RELATED, "Accept": "application/dicom+json"}
    async with client.post(
        f"{url}/dicom-web/studies", data=BytesIO(related(instances)), headers=headers
    ) as answer:
        await answer.read()
        return answer.status


async def retrieve(client: ClientSession, url: str, accept: str) -> bytes:
    """The one part of the answer."""
    headers = {"Accept": accept}
    async with client.get(f"{url}/dicom-web{INSTANCE}", headers=headers) as answer:
        body = await answer.read()
        assert answer.status == 200, body
    boundary = body[: body.index(b"\r\n")]
    return body[body.index(b"\r\n\r\n") + 4 : body.rindex(b"\r\n" + boundary)]


async def metrics(client: ClientSession, url: str) -> dict[str, float]:
    async with client.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


async def test_what_was_stored_smaller_is_given_as_stored_or_as_it_came(tmp_path: Path) -> None:
    came = smooth_slice()
    async with served(tmp_path) as (client, url):
        assert await store(client, url, came) == 200
        assert await store(client, url, came) == 200

        stored = await retrieve(client, url, 'multipart/related; type="application/dicom"; transfer-syntax=*')
        given = await retrieve(client, url, 'multipart/related; type="application/dicom"')
        told = await metrics(client, url)

    assert read_head(stored).transfer_syntax == HTJ2K
    assert len(stored) < len(came) / 2
    assert read_head(given).transfer_syntax == "1.2.840.10008.1.2.1"
    assert pydicom.dcmread(BytesIO(given)).PixelData == pydicom.dcmread(BytesIO(came)).PixelData
    assert told['dicomlake_intake_transcoding_total{result="converted"}'] == 1
    assert told['dicomlake_intake_transcoding_total{result="not_smaller"}'] == 0
    assert told['dicomlake_intake_transcoding_bytes_total{of="original"}'] == len(came)
    assert told['dicomlake_intake_transcoding_bytes_total{of="stored"}'] == len(stored)


def test_ingest_goes_the_same_way_and_reports_what_was_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "media"
    source.mkdir()
    for name, modality in (("ct", "CT"), ("mr", "MR")):
        (source / name).write_bytes(smooth_slice(instance=name, Modality=modality))
    (source / "lossy").write_bytes(multi_frame([[b"lossy"]], instance="lossy", Modality="CT"))
    (source / "odd").write_bytes(ct_slice(instance="odd", NumberOfFrames=2))
    ingest = ["ingest", "--store", str(tmp_path / "store"), "--intake-transcoding", "CT=htj2k-lossless"]

    assert main([*ingest, str(source), "--report", str(tmp_path / "report.json")]) == 0

    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["stored"], report["converted"]) == (4, 1)
    assert report["not_converted"] == {"lossy": 1, "not_held": 1}
    why = "the pixel data do not have as many frames as the attributes say"
    assert report["not_converted_because"] == {why: 1}
    assert report["converted_bytes_before"] == (source / "ct").stat().st_size
    assert report["converted_bytes_after"] < report["converted_bytes_before"] / 2
    told = capsys.readouterr().out
    assert "converted      1 (intake_transcoding: " in told
    assert (
        f"as they came   2 (intake_transcoding: 1 compressed with loss, 1 cannot be held)\n  1: {why}\n" in told
        or f"as they came   2 (intake_transcoding: 1 cannot be held, 1 compressed with loss)\n  1: {why}\n" in told
    )
    assert main(["verify", "--store", str(tmp_path / "store")]) == 0
    assert main([*ingest, str(source), "--again"]) == 0
    assert "already there  4" in capsys.readouterr().out


def test_a_policy_that_says_nothing_is_refused_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"

    assert main(["ingest", "--store", str(store), "--intake-transcoding", "CT=jpeg", str(tmp_path)]) == 2

    assert "intake_transcoding: 'jpeg' in 'CT=jpeg' is not a lossless transfer syntax" in capsys.readouterr().err
    assert not store.exists()


def test_the_bound_of_what_is_converted_reaches_the_archive() -> None:
    assert archive_settings(settings_of({"pixels.intake_bytes": "5 MB"})).conversion_bytes == 5_000_000
