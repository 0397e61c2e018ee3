"""Studies, series and instances as files (PS3.18 10.4.1.1.1)."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator
from io import BytesIO

import pydicom
import pytest

from dicomweb.model.keys import InstanceKey
from dicomweb.ports import Damaged
from dicomweb.services.wado import Retrieval, choose_form
from dicomweb.wire.negotiation import NotAcceptable, parse_accepted
from tests.build.asking import make_request
from tests.build.compute import DirectCompute
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    NATIVE,
    ct_slice,
    make_file,
    multi_frame,
    pixels,
    uid,
)
from tests.build.memory_archive import MemoryArchive
from tests.build.web import Told, ask

STUDY = f"/studies/{uid('study')}"
SERIES = f"{STUDY}/series/{uid('series')}"
INSTANCE = f"{SERIES}/instances/{uid('instance')}"
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
PLAIN = 'multipart/related; type="application/dicom"'


async def get(archive: MemoryArchive, path: str, accept: str = AS_STORED, **headers: str) -> Told:
    return await ask(Retrieval(archive, DirectCompute()).handlers(), path, accept=accept, **headers)


def series(number: int = 3) -> list[bytes]:
    return [ct_slice(instance=f"i{n}", seed=n, rows=40) for n in range(number)]


@pytest.mark.parametrize("syntax", [*NATIVE, JPEG_BASELINE])
async def test_what_is_stored_comes_back_bit_for_bit(syntax: str) -> None:
    file = ct_slice(transfer_syntax=syntax) if syntax in NATIVE else multi_frame([[b"ab"]])
    told = await get(MemoryArchive([file]), INSTANCE)
    (part,) = told.parts()
    assert part.data == file
    assert part.content_type == f"application/dicom; transfer-syntax={syntax}"


@pytest.mark.parametrize("path", [STUDY, SERIES])
async def test_a_series_comes_as_a_part_an_instance_with_its_length_known(path: str) -> None:
    files = series()
    told = await get(MemoryArchive(files), path)
    assert told.content_type.startswith('multipart/related; type="application/dicom"; boundary=')
    assert [part.data for part in told.parts()] == files


async def test_the_length_is_announced_only_where_it_is_known() -> None:
    retrieval = Retrieval(MemoryArchive(series()), DirectCompute())
    variables = {"study": uid("study"), "series": uid("series")}
    assert (await retrieval.retrieve(make_request("/", accept=PLAIN), variables)).length is not None
    retrieval = Retrieval(MemoryArchive([ct_slice(transfer_syntax=DEFLATED)]), DirectCompute())
    assert (await retrieval.retrieve(make_request("/", accept=PLAIN), variables)).length is None


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED])
@pytest.mark.parametrize(
    "accept", [PLAIN, f"{PLAIN}; transfer-syntax={EXPLICIT_LITTLE}", "application/dicom", "*/*"]
)
async def test_native_instances_come_as_explicit_little_endian_where_no_syntax_is_named(
    syntax: str, accept: str
) -> None:
    told = await get(MemoryArchive([ct_slice(transfer_syntax=syntax, rows=40)]), INSTANCE, accept)
    data = told.parts()[0].data if told.content_type.startswith("multipart") else told.body
    data_set = pydicom.dcmread(BytesIO(data))
    assert data_set.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert data_set.PixelData == pixels(320)
    assert data_set == pydicom.dcmread(BytesIO(ct_slice(rows=40)))


async def test_a_study_of_mixed_syntaxes_has_each_part_truly_labelled() -> None:
    files = [ct_slice(instance="a", transfer_syntax=IMPLICIT_LITTLE), multi_frame([[b"ab"]], instance="b"),
             ct_slice(instance="c")]  # fmt: skip
    parts = (await get(MemoryArchive(files), STUDY, PLAIN)).parts()
    labels = [part.content_type.partition("transfer-syntax=")[2] for part in parts]
    assert labels == [EXPLICIT_LITTLE, JPEG_BASELINE, EXPLICIT_LITTLE]
    for part, label in zip(parts, labels, strict=True):
        assert pydicom.dcmread(BytesIO(part.data)).file_meta.TransferSyntaxUID == label
    assert [part.data for part in parts[1:]] == files[1:]


async def test_headers_are_fetched_only_to_re_encode() -> None:
    archive = MemoryArchive(series())
    await get(archive, SERIES, PLAIN)
    assert archive.calls["headers"] == 0


async def test_a_single_instance_comes_alone_on_demand() -> None:
    file = ct_slice()
    told = await get(MemoryArchive([file]), INSTANCE, "application/dicom")
    assert (told.status, told.body) == (200, file)
    assert told.content_type == f"application/dicom; transfer-syntax={EXPLICIT_LITTLE}"
    assert told.headers["accept-ranges"] == "bytes"


async def test_a_series_of_one_instance_can_come_as_one_file() -> None:
    assert (await get(MemoryArchive(series(1)), SERIES, "application/dicom")).body == series(1)[0]


async def test_a_series_of_several_cannot() -> None:
    told = await get(MemoryArchive(series(2)), SERIES, "application/dicom")
    assert told.status == 406
    assert b"in multipart/related: application/dicom" in told.body
    assert b"application/zip" in told.body


@pytest.mark.parametrize(
    ("field", "start", "end"), [("bytes=0-9", 0, 10), ("bytes=900-", 900, None), ("bytes=-5", -5, None)]
)
async def test_ranges_of_a_single_file_are_206_with_the_total(field: str, start: int, end: int | None) -> None:
    file = ct_slice(rows=40)
    told = await get(MemoryArchive([file]), INSTANCE, "application/dicom", range=field)
    assert (told.status, told.body) == (206, file[start:end])
    assert told.headers["content-range"].endswith(f"/{len(file)}")


async def test_a_range_of_multipart_or_of_something_re_encoded_is_ignored() -> None:
    archive = MemoryArchive([ct_slice(transfer_syntax=IMPLICIT_LITTLE)])
    assert (await get(archive, INSTANCE, AS_STORED, range="bytes=0-9")).status == 200
    assert (await get(archive, INSTANCE, "application/dicom", range="bytes=0-9")).status == 200


async def test_a_range_outside_the_file_is_416() -> None:
    file = ct_slice()
    told = await get(MemoryArchive([file]), INSTANCE, "application/dicom", range=f"bytes={len(file)}-")
    assert (told.status, told.headers["content-range"]) == (416, f"bytes */{len(file)}")


async def test_if_range_with_another_etag_wants_the_whole() -> None:
    archive = MemoryArchive([ct_slice()])
    tag = (await get(archive, INSTANCE, "application/dicom")).headers["etag"]
    same = await get(archive, INSTANCE, "application/dicom", range="bytes=0-9", if_range=tag)
    other = await get(archive, INSTANCE, "application/dicom", range="bytes=0-9", if_range='"other"')
    assert (same.status, other.status) == (206, 200)


async def test_a_zip_holds_the_files_under_their_uids() -> None:
    files = series()
    told = await get(MemoryArchive(files), SERIES, "application/zip")
    assert told.content_type == "application/zip"
    assert told.headers["content-disposition"] == f'attachment; filename="{uid("series")}.zip"'
    archive = zipfile.ZipFile(BytesIO(told.body))
    assert archive.testzip() is None
    assert [archive.read(name) for name in archive.namelist()] == files
    assert archive.namelist()[0] == f"{uid('study')}/{uid('series')}/{uid('i0')}.dcm"
    assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


async def test_a_zip_is_re_encoded_where_no_syntax_is_named() -> None:
    archive = MemoryArchive([ct_slice(transfer_syntax=EXPLICIT_BIG)])
    plain = zipfile.ZipFile(BytesIO((await get(archive, STUDY, "application/zip")).body))
    stored = zipfile.ZipFile(BytesIO((await get(archive, STUDY, "application/zip; transfer-syntax=*")).body))
    syntaxes = [
        pydicom.dcmread(BytesIO(z.read(z.namelist()[0]))).file_meta.TransferSyntaxUID for z in (plain, stored)
    ]
    assert syntaxes == [EXPLICIT_LITTLE, EXPLICIT_BIG]


async def test_a_client_that_holds_the_series_gets_304() -> None:
    archive = MemoryArchive(series())
    tag = (await get(archive, SERIES)).headers["etag"]
    assert tag.startswith("W/")
    again = await get(archive, SERIES, if_none_match=tag)
    assert (again.status, again.body) == (304, b"")
    archive.put(ct_slice(instance="another"))
    assert (await get(archive, SERIES, if_none_match=tag)).status == 200


async def test_a_syntax_that_is_named_and_not_there_is_406() -> None:
    told = await get(MemoryArchive([ct_slice()]), INSTANCE, f"{PLAIN}; transfer-syntax={JPEG_BASELINE}")
    assert told.status == 406
    assert EXPLICIT_LITTLE.encode() in told.body


async def test_one_instance_that_cannot_be_sent_keeps_the_whole_set_from_being_sent() -> None:
    archive = MemoryArchive([ct_slice(instance="a"), multi_frame([[b"ab"]], instance="b")])
    told = await get(archive, STUDY, f"{PLAIN}; transfer-syntax={JPEG_BASELINE}")
    assert told.status == 406
    assert archive.calls["read"] == 0


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
async def test_what_was_never_there_is_404_and_what_was_deleted_410(path: str) -> None:
    archive = MemoryArchive([ct_slice()])
    assert (await get(MemoryArchive(), path)).status == 404
    await archive.remove(InstanceKey(uid("study"), uid("series"), uid("instance")).scope, door="test", peer="")
    assert (await get(archive, path)).status == 410


async def test_an_object_that_fails_midway_breaks_the_answer_off() -> None:
    archive = MemoryArchive(series())
    archive.failing[InstanceKey(uid("study"), uid("series"), uid("i1"))] = Damaged("a stored object is missing")
    answer = await Retrieval(archive, DirectCompute()).retrieve(
        make_request("/", accept=AS_STORED), {"study": uid("study"), "series": uid("series")}
    )
    assert isinstance(answer.body, AsyncIterator)
    got: list[bytes] = []
    with pytest.raises(Damaged):
        await collect(answer.body, got)
    assert b"".join(got).startswith(b"--")
    assert not got[-1].endswith(b"--\r\n")


async def collect(chunks: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for chunk in chunks:
        into.append(chunk)


async def test_a_first_object_that_is_missing_is_told_before_the_answer_begins() -> None:
    class Missing(MemoryArchive):
        async def read(self, *arguments: object) -> AsyncIterator[bytes]:  # type: ignore[override]  # always fails
            raise Damaged("a stored object is missing")
            yield b""

    archive = Missing(series())
    assert (await get(archive, SERIES)).status == 500
    assert (await get(archive, SERIES, "application/zip")).status == 500


async def test_instances_without_pixel_data_are_retrieved_like_others() -> None:
    file = make_file(Modality="SR")
    assert (await get(MemoryArchive([file]), INSTANCE)).parts()[0].data == file


KINDS = [(EXPLICIT_LITTLE, None, "OW"), (JPEG_BASELINE, None, "OB")]
"""Of pixel data that nothing is known of, nothing can be made."""
ZIP_OR_PLAIN = f"application/zip; transfer-syntax={EXPLICIT_LITTLE}, {AS_STORED}; q=0.5"


def test_a_set_is_sent_in_one_packaging_even_where_single_choices_differ() -> None:
    form = choose_form(parse_accepted("", ZIP_OR_PLAIN), KINDS, single_part=False)
    assert {chosen.multipart for chosen in form.values()} == {True}
    assert [chosen.transfer_syntax for chosen in form.values()] == [EXPLICIT_LITTLE, JPEG_BASELINE]


def test_a_set_that_fits_no_packaging_as_a_whole_is_not_acceptable() -> None:
    accept = f"application/zip; transfer-syntax={EXPLICIT_LITTLE}, {PLAIN}; transfer-syntax={JPEG_BASELINE}"
    with pytest.raises(NotAcceptable):
        choose_form(parse_accepted("", accept), KINDS, single_part=False)
