"""Bad input to the Store transaction on a real archive: told as the standard says, nothing half stored, and the
next request is fine (PS3.18 10.5.3, I.2.2)."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import orjson
import pytest

from dicomweb.model.keys import Scope
from dicomweb.ports import Gone, NotStored
from dicomweb.services.handler import Handler
from dicomweb.services.limits import Limits
from dicomweb.services.removal import Removals
from dicomweb.services.stow import Store
from storage.archive.archive import LakeArchive
from storage.objects.memory import MemoryStore
from tests.build.asking import ask, body_chunks, field_of, multipart, related, whole_body
from tests.build.compute import DirectCompute
from tests.build.dicom import ct_slice, element, make_data_set, make_file, part10, sequence, to_file, uid
from tests.build.lake import open_lake, read_whole
from tests.build.samples import sample_files

DICOM = "application/dicom"
GOOD = ct_slice(study="good", instance="good")


@pytest.fixture
async def lake(tmp_path: Path) -> AsyncIterator[LakeArchive]:
    """An empty archive in memory."""
    async with open_lake(MemoryStore(), tmp_path) as opened:
        yield opened


def handlers(lake: LakeArchive) -> Mapping[str, Handler]:
    """Store and removal on the archive."""
    return {**Store(lake, DirectCompute(), Limits()).handlers(), **Removals(lake).handlers()}


def nested(depth: int) -> bytes:
    """A file with sequences in sequences."""
    inner = b""
    for _ in range(depth):
        # An item of undefined length, so that the outermost does not need to know the innermost.
        item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner + b"\xfe\xff\x0d\xe0\x00\x00\x00\x00"
        inner = element(0x00081140, "SQ", item + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00", length=0xFFFFFFFF)
    return part10(inner + element(0x0020000D, "UI", b"1.2.3\0"))


def bad_files() -> dict[str, bytes]:
    """Files that must be refused, by what is wrong with them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of the UIDs that it is made to write
        return _bad_files()


def _bad_files() -> dict[str, bytes]:
    return {
        "not DICOM": b"certainly not DICOM" * 100,
        "nothing": b"",
        "a preamble alone": bytes(128) + b"DICM",
        "truncated in the header": GOOD[:400],
        "truncated in pixel data": GOOD[:-8],
        "truncated in a sequence": part10(sequence(0x00081140, b"\xfe\xff\x00\xe0\x00\x01\x00\x00")[:-2]),
        "an element longer than the file": part10(element(0x00100010, "PN", b"Doe", length=4000)),
        "no SOP Instance UID": to_file(make_data_set(SOPInstanceUID=None)),
        "no Study Instance UID": make_file(StudyInstanceUID=None),
        "no Series Instance UID": make_file(SeriesInstanceUID=None),
        "a UID that climbs out": make_file(StudyInstanceUID="../../../etc/passwd"),
        "a UID with a slash": make_file(SeriesInstanceUID="1.2/3"),
        "a UID that is too long": make_file(StudyInstanceUID="1." + "2" * 70),
        "an empty UID": make_file(StudyInstanceUID=""),
        "nested ten thousand deep": nested(10_000),
    }


BAD = bad_files()


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_instance_is_refused_with_a_reason_and_the_good_one_beside_it_is_stored(
    lake: LakeArchive, name: str
) -> None:
    body = multipart(({"Content-Type": DICOM}, BAD[name]), ({"Content-Type": DICOM}, GOOD))
    answer = await ask(
        handlers(lake), "POST", "/studies", body=body_chunks(body, 1000), headers={"content-type": related(DICOM)}
    )
    told = orjson.loads(await whole_body(answer))
    assert answer.status == 202
    (failure,) = told.get("0008119A", told.get("00081198"))["Value"]
    assert failure["00081197"]["Value"][0] in (0xC000, 0xA900, 0x0110)
    assert len(failure["00000902"]["Value"][0]) > 10
    (stored,) = await lake.find_instances(Scope(uid("good")))
    assert await read_whole(lake, stored) == GOOD


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_instance_alone_leaves_nothing_and_the_next_request_is_fine(
    lake: LakeArchive, name: str
) -> None:
    revision = lake.revision
    answer = await ask(handlers(lake), "POST", "/studies", body=BAD[name], headers={"content-type": DICOM})
    assert answer.status in (400, 409)
    assert lake.revision == revision
    again = await ask(handlers(lake), "POST", "/studies", body=GOOD, headers={"content-type": DICOM})
    assert again.status == 200


async def test_a_study_mismatch_with_the_url_is_409_and_stores_nothing(lake: LakeArchive) -> None:
    answer = await ask(handlers(lake), "POST", "/studies/1.2.3", body=GOOD, headers={"content-type": DICOM})
    assert answer.status == 409
    (failure,) = orjson.loads(await whole_body(answer))["00081198"]["Value"]
    assert failure["00081197"]["Value"] == [0xA900]
    with pytest.raises(NotStored):
        await lake.find_instances(Scope(uid("good")))


async def test_a_connection_dropped_midway_stores_no_torn_instance(lake: LakeArchive) -> None:
    async def dropped() -> AsyncIterator[bytes]:
        yield multipart(({"Content-Type": DICOM}, GOOD))[:-100]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await ask(handlers(lake), "POST", "/studies", body=dropped(), headers={"content-type": related(DICOM)})
    with pytest.raises(NotStored):
        await lake.find_instances(Scope(uid("good")))
    assert (
        await ask(handlers(lake), "POST", "/studies", body=GOOD, headers={"content-type": DICOM})
    ).status == 200


async def test_deleted_stored_again_and_deleted(lake: LakeArchive) -> None:
    served = handlers(lake)
    url = f"/studies/{uid('good')}"
    for _ in range(2):
        stored = await ask(served, "POST", "/studies", body=GOOD, headers={"content-type": DICOM})
        assert stored.status == 200
        removed = await ask(served, "DELETE", url)
        assert removed.status == 204
        assert int(field_of(removed, "X-Dicomlake-Revision") or 0) > int(
            field_of(stored, "X-Dicomlake-Revision") or 0
        )
        with pytest.raises(Gone):
            await ask(served, "DELETE", url)


async def test_every_malformed_sample_is_stored_whole_or_refused_with_a_reason(lake: LakeArchive) -> None:
    samples = sample_files("malformed")
    if not samples:
        pytest.skip("no sample data beside the checkout")
    for path in samples:
        data = path.read_bytes()
        answer = await ask(
            handlers(lake), "POST", "/studies", body=body_chunks(data), headers={"content-type": DICOM}
        )
        told = orjson.loads(await whole_body(answer))
        assert answer.status in (200, 202, 400, 409), path.name
        if answer.status in (400, 409):
            assert told.get("0008119A") or told.get("00081198"), path.name
            continue
        url = told["00081199"]["Value"][0]["00081190"]["Value"][0].split("/")
        (stored,) = await lake.find_instances(Scope(url[-5], url[-3], url[-1]))
        assert await read_whole(lake, stored) == data, path.name
