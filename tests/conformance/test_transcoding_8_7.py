"""Transfer syntaxes of what is retrieved, PS3.18 8.7 by section: real images of each family on a real archive."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.transcode import plan_conversion
from dicomweb.services.bulkdata import BulkData
from dicomweb.services.conversions import made_of_frames, made_of_instances
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.frames import Frames
from dicomweb.services.handler import Handler
from dicomweb.services.wado import Retrieval
from dicomweb.wire.transfer_syntaxes import DEFAULTS, transfer_syntax
from storage.archive.archive import LakeArchive
from storage.objects.memory import MemoryStore
from tests.build.compute import DirectCompute
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    element,
    make_data_set,
    make_file,
    multi_frame,
    to_file,
    uid,
)
from tests.build.images import file_in, frame_in, joined_bits, plain_frame, samples_of, spec_of
from tests.build.lake import open_lake, store_files
from tests.build.web import Told, ask

_J = "1.2.840.10008.1.2.4."
JLS, NEAR, J2K, J2K_LOSSY = _J + "80", _J + "81", _J + "90", _J + "91"
HTJ2K, RPCL, JPEG_LOSSLESS, PROCESS_14, JXL = _J + "201", _J + "202", _J + "70", _J + "57", _J + "110"
RLE, DEFLATED_FRAMES, ENCAPSULATED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.1.98"
OCTETS = "application/octet-stream"
RELATED = f'multipart/related; type="{OCTETS}"'
OHIF = f"multipart/related; type={OCTETS}; transfer-syntax=*"
PLAIN = 'multipart/related; type="application/dicom"'

SPECS: Mapping[str, ImageSpec] = {
    "grey8": spec_of(bits=8, frames=3),
    "grey16": spec_of(bits=16, frames=3),
    "signed16": spec_of(bits=16, frames=2, signed=True),
    "rgb": spec_of(bits=8, samples=3, frames=2),
    "bits": replace(spec_of(bits=1, frames=3), rows=5, columns=5),
}
SOURCES: Mapping[str, tuple[str, ...]] = {
    "grey8": (EXPLICIT_LITTLE, JLS, J2K, HTJ2K, JPEG_LOSSLESS, RLE, JXL, ENCAPSULATED, DEFLATED_FRAMES),
    "grey16": (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED, JLS, J2K, RPCL, PROCESS_14, RLE, JXL),
    "signed16": (EXPLICIT_LITTLE, EXPLICIT_BIG, J2K, HTJ2K, RLE),
    "rgb": (EXPLICIT_LITTLE, J2K, HTJ2K, JPEG_LOSSLESS, RLE),
    "bits": (EXPLICIT_LITTLE, DEFLATED, DEFLATED_FRAMES, ENCAPSULATED),
}
CASES = [(name, source) for name, sources in SOURCES.items() for source in sources]


def stored(name: str, source: str) -> bytes:
    return file_in(source, SPECS[name], study=f"{name} {source}")


def instance_path(study: str, instance: str = "instance") -> str:
    return f"/studies/{uid(study)}/series/{uid('series')}/instances/{uid(instance)}"


def path_of(name: str, source: str) -> str:
    return instance_path(f"{name} {source}")


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(MemoryStore(), tmp_path) as lake:
        yield lake


def handlers_on(archive: LakeArchive, *, as_stored: bool = False) -> Mapping[str, Handler]:
    compute = DirectCompute()
    converter = FrameConverter(archive, compute)
    services = (
        Frames(archive, compute, converter=converter, as_stored=as_stored),
        Retrieval(archive, compute, converter=converter, as_stored=as_stored),
        BulkData(archive, compute, converter=converter, as_stored=as_stored),
    )
    return {name: handler for service in services for name, handler in service.handlers().items()}


async def holding(archive: LakeArchive, *files: bytes, as_stored: bool = False) -> Mapping[str, Handler]:
    receipts = await store_files(archive, *files)
    assert all(receipt.key is not None for receipt in receipts)
    return handlers_on(archive, as_stored=as_stored)


def read(data: bytes) -> FileDataset:
    return pydicom.dcmread(io.BytesIO(data))


def frames_of(data_set: FileDataset, spec: ImageSpec) -> list[np.ndarray]:
    """The samples of each frame of a file of ours."""
    syntax = str(data_set.file_meta.TransferSyntaxUID)
    if not transfer_syntax(syntax).encapsulated:
        value = data_set.PixelData
        if spec.bits_allocated == 1:
            return [np.frombuffer(value, np.uint8)]
        size = spec.rows * spec.columns * spec.samples_per_pixel * spec.bits_allocated // 8
        parts = [value[n * size : (n + 1) * size] for n in range(spec.frames)]
        return [samples_of(part, EXPLICIT_LITTLE, spec) for part in parts]
    return [
        samples_of(frame, syntax, spec)
        for frame in generate_frames(data_set.PixelData, number_of_frames=spec.frames)
    ]


def expected_frames(spec: ImageSpec, target: str) -> list[np.ndarray]:
    plain = [plain_frame(number, spec) for number in range(1, spec.frames + 1)]
    if spec.bits_allocated == 1 and not transfer_syntax(target).encapsulated:
        value = joined_bits(plain, spec)
        return [np.frombuffer(value + b"\0" * (len(value) % 2), np.uint8)]
    return [samples_of(frame, EXPLICIT_LITTLE, spec) for frame in plain]


def loses(spec: ImageSpec, source: str, target: str) -> bool:
    """Whether the conversion is lossy: a lossless stream can stand for itself in a wider syntax."""
    read_as = source if transfer_syntax(source).encapsulated else EXPLICIT_LITTLE
    return not plan_conversion(spec, "OB", read_as, target).lossless


def near(left: np.ndarray, right: np.ndarray, lossy: bool) -> bool:
    if left.shape != right.shape:
        return False
    difference = np.abs(left.astype(np.int64) - right.astype(np.int64))
    return bool(difference.max() <= (np.ptp(right.astype(np.int64)) * 0.12 if lossy else 0))


@pytest.mark.parametrize(("name", "source"), CASES)
async def test_8_7_3_3_frames_come_in_every_syntax_that_can_be_made(
    archive: LakeArchive, name: str, source: str
) -> None:
    spec = SPECS[name]
    handlers = await holding(archive, stored(name, source))
    made = made_of_frames((source, spec, "OB"))
    assert len(made) > 5
    for target in made:
        accept = f"{transfer_syntax(target).media_type}; transfer-syntax={target}"
        told = await ask(handlers, f"{path_of(name, source)}/frames/2", accept=accept)
        assert (told.status, told.content_type) == (200, accept), target
        expected = samples_of(plain_frame(2, spec), EXPLICIT_LITTLE, spec)
        assert near(samples_of(told.body, target, spec), expected, loses(spec, source, target)), target


@pytest.mark.parametrize(("name", "source"), CASES)
async def test_8_7_3_1_instances_come_in_every_syntax_that_can_be_made(
    archive: LakeArchive, name: str, source: str
) -> None:
    spec = SPECS[name]
    file = stored(name, source)
    handlers = await holding(archive, file)
    before = read(file)
    for target in made_of_instances((source, spec, "OB")):
        accept = f"application/dicom; transfer-syntax={target}"
        told = await ask(handlers, path_of(name, source), accept=accept)
        assert (told.status, told.content_type) == (200, accept), target
        after = read(told.body)
        assert after.file_meta.TransferSyntaxUID == target
        assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
        lossy = loses(spec, source, target)
        assert (after.SOPInstanceUID != before.SOPInstanceUID) == lossy, target
        if not lossy:
            described = {"PhotometricInterpretation", "PixelData", "PlanarConfiguration"}
            assert {e.keyword for e in after} - described == {e.keyword for e in before} - described
            kept = [e for e in after if e.keyword not in described]
            assert kept == [before[e.tag] for e in kept]
        found, expected = frames_of(after, spec), expected_frames(spec, target)
        assert len(found) == len(expected), target
        assert all(near(*pair, lossy) for pair in zip(found, expected, strict=True)), target


@pytest.mark.parametrize("name", ["grey8", "grey16", "rgb"])
@pytest.mark.parametrize("target", [EXPLICIT_LITTLE, JPEG_LOSSLESS, JLS, J2K, HTJ2K, RLE])
async def test_pydicom_reads_what_we_convert(archive: LakeArchive, name: str, target: str) -> None:
    spec = SPECS[name]
    handlers = await holding(archive, stored(name, RLE))
    told = await ask(handlers, path_of(name, RLE), accept=f"application/dicom; transfer-syntax={target}")
    expected = [samples_of(plain_frame(n, spec), EXPLICIT_LITTLE, spec) for n in range(1, spec.frames + 1)]
    assert (read(told.body).pixel_array == np.stack(expected)).all()


@pytest.mark.parametrize(
    ("media", "default"),
    [pair for pair in DEFAULTS.items() if pair[0] not in ("image/jpx", "video/mpeg", "video/mp4")],
)
async def test_8_7_3_3_2_a_media_type_without_a_syntax_is_its_default(
    archive: LakeArchive, media: str, default: str
) -> None:
    handlers = await holding(archive, stored("grey8", EXPLICIT_LITTLE))
    told = await ask(handlers, path_of("grey8", EXPLICIT_LITTLE) + "/frames/1", accept=media)
    assert told.content_type == f"{media}; transfer-syntax={default}"


@pytest.mark.parametrize("accept", ["*/*", "", RELATED, f"{RELATED}; transfer-syntax={EXPLICIT_LITTLE}"])
@pytest.mark.parametrize("resource", ["/frames/2", "/pixeldata", "/bulkdata/7FE00010"])
async def test_8_7_3_3_1_lossless_pixel_data_are_uncompressed_where_no_syntax_is_named(
    archive: LakeArchive, accept: str, resource: str
) -> None:
    spec = SPECS["grey16"]
    handlers = await holding(archive, stored("grey16", J2K))
    told = await ask(handlers, path_of("grey16", J2K) + resource, accept=accept)
    every = [plain_frame(number, spec) for number in (1, 2, 3)]
    data = told.parts()[0].data if told.content_type.startswith("multipart") else told.body
    assert data == (every[1] if "frames" in resource else b"".join(every))
    assert EXPLICIT_LITTLE in told.body.decode("latin-1") + told.content_type


@pytest.mark.parametrize("accept", ["*/*", "", "image/jpeg", 'multipart/related; type="image/*"'])
async def test_8_7_3_lossy_frames_are_as_stored_where_no_syntax_is_named(
    archive: LakeArchive, accept: str
) -> None:
    handlers = await holding(archive, stored("grey8", JPEG_BASELINE))
    told = await ask(handlers, path_of("grey8", JPEG_BASELINE) + "/frames/1", accept=accept)
    data = told.parts()[0].data if told.content_type.startswith("multipart") else told.body
    frame = frame_in(JPEG_BASELINE, 1, SPECS["grey8"])
    assert data.rstrip(b"\0") == frame.rstrip(b"\0")


@pytest.mark.parametrize(("source", "sent"), [(J2K, EXPLICIT_LITTLE), (JPEG_BASELINE, JPEG_BASELINE)])
async def test_8_7_3_instances_default_to_explicit_little_endian_unless_lossy(
    archive: LakeArchive, source: str, sent: str
) -> None:
    handlers = await holding(archive, stored("grey8", source))
    (part,) = (await ask(handlers, path_of("grey8", source), accept=PLAIN)).parts()
    assert read(part.data).file_meta.TransferSyntaxUID == sent
    assert part.content_type == f"application/dicom; transfer-syntax={sent}"


@pytest.mark.parametrize("source", [J2K, EXPLICIT_BIG, IMPLICIT_LITTLE])
async def test_default_transfer_syntax_stored_gives_everything_as_stored(
    archive: LakeArchive, source: str
) -> None:
    file = stored("grey16", source)
    handlers = await holding(archive, file, as_stored=True)
    for accept in ("", PLAIN):
        (part,) = (await ask(handlers, path_of("grey16", source), accept=accept)).parts()
        assert part.data == file
    told = await ask(handlers, path_of("grey16", source) + "/frames/1", accept=RELATED)
    assert told.parts()[0].data.rstrip(b"\0") == frame_in(source, 1, SPECS["grey16"]).rstrip(b"\0")


async def test_8_7_3_5_2_a_star_is_what_is_stored_whatever_else_is_accepted(archive: LakeArchive) -> None:
    file = stored("grey16", J2K)
    handlers = await holding(archive, file)
    accept = f"image/jls; transfer-syntax={JLS}; q=0.9, {OHIF}"
    (part,) = (await ask(handlers, path_of("grey16", J2K) + "/frames/1", accept=accept)).parts()
    assert part.content_type == f"{OCTETS}; transfer-syntax={J2K}"
    assert part.data.rstrip(b"\0") == frame_in(J2K, 1, SPECS["grey16"]).rstrip(b"\0")


@pytest.mark.parametrize(
    ("query", "accept", "sent"),
    [
        ("accept=image/jls&{}=" + NEAR, "*/*", ("image/jls", NEAR)),
        ("accept=application/octet-stream&{}=" + JLS, "*/*", (OCTETS, JLS)),
        ("accept=image/jls;transfer-syntax=" + JLS + "&{}=" + NEAR, "*/*", ("image/jls", JLS)),
        ("{}=" + HTJ2K, "image/jphc", ("image/jphc", HTJ2K)),
        ("{}=" + RPCL + "," + HTJ2K, "image/jphc", ("image/jphc", HTJ2K)),
        ("{}=*", OCTETS, (OCTETS, J2K)),
    ],
)
async def test_8_7_8_2_the_transfer_syntax_parameter_is_for_ranges_that_name_none(
    archive: LakeArchive, query: str, accept: str, sent: tuple[str, str]
) -> None:
    handlers = await holding(archive, stored("grey16", J2K))
    media, syntax = sent
    for spelling in ("transfer-syntax", "transferSyntax", "TransferSyntax"):
        path = f"{path_of('grey16', J2K)}/frames/1?{query.format(spelling)}"
        told = await ask(handlers, path, accept=accept)
        assert told.content_type == f"{media}; transfer-syntax={syntax}"


_REASONS = {
    JPEG_BASELINE: "JPEG Baseline (Process 1) holds 2 to 8 bits a sample here, not 16",
    EXPLICIT_BIG: "Explicit VR Big Endian is given only where it is stored",
    _J + "100": "no encoder for MPEG2 Main Profile / Main Level",
    "1.2.3": "1.2.3 is no transfer syntax that is known here",
    JXL: "JPEG XL Lossless does not hold signed samples of MONOCHROME2 here",
}


@pytest.mark.parametrize("target", _REASONS)
async def test_8_7_8_what_cannot_be_made_is_406_and_names_what_can(archive: LakeArchive, target: str) -> None:
    handlers = await holding(archive, stored("signed16", EXPLICIT_LITTLE))
    for resource in ("", "/frames/1", "/pixeldata", "/bulkdata/7FE00010"):
        media = transfer_syntax(target).media_type if resource else "application/dicom"
        accept = f'multipart/related; type="{media}"; transfer-syntax={target}'
        told = await ask(handlers, path_of("signed16", EXPLICIT_LITTLE) + resource, accept=accept)
        assert told.status == 406
        for offered in (EXPLICIT_LITTLE, J2K, HTJ2K, RLE):
            assert f"({offered})".encode() in told.body
        assert _REASONS[target].encode() in told.body
        assert len(told.body) < 2000


async def test_8_7_8_a_study_of_images_and_reports_comes_in_one_syntax(archive: LakeArchive) -> None:
    files = [
        file_in(EXPLICIT_LITTLE, SPECS["grey16"], study="mixed", instance="ct"),
        file_in(RLE, SPECS["rgb"], study="mixed", instance="us"),
        make_file(study="mixed", instance="sr", Modality="SR", transfer_syntax=IMPLICIT_LITTLE),
    ]
    handlers = await holding(archive, *files)
    study = f"/studies/{uid('mixed')}"
    parts = (await ask(handlers, study, accept=f"{PLAIN}; transfer-syntax={J2K}")).parts()
    assert {str(read(part.data).file_meta.TransferSyntaxUID) for part in parts} == {J2K}
    zipped = await ask(handlers, study, accept=f"application/zip; transfer-syntax={HTJ2K}")
    contents = zipfile.ZipFile(io.BytesIO(zipped.body))
    assert contents.testzip() is None
    found = [read(contents.read(entry)) for entry in contents.namelist()]
    assert {str(one.file_meta.TransferSyntaxUID) for one in found} == {HTJ2K}
    assert {one.Modality for one in found} == {"OT", "SR"}


async def test_elements_around_the_pixel_data_are_kept(archive: LakeArchive) -> None:
    spec = SPECS["grey8"]
    icon = pydicom.Dataset()
    icon.Rows = icon.Columns = 2
    icon.PixelData = b"\1\2\3\4"
    icon["PixelData"].VR = "OB"
    behind = element(0xFFFCFFFC, "OB", bytes(range(40)))
    plain = make_data_set(study="around")
    plain.add_new(0x00091001, "LO", "private")
    frames = [frame_in(JLS, number, spec) for number in (1, 2, 3)]
    file = multi_frame(
        [[frame] for frame in frames], transfer_syntax=JLS, offsets="extended", trailing=behind, study="around",
        Rows=spec.rows, Columns=spec.columns, IconImageSequence=[icon], PatientComments="behind the image",
    )  # fmt: skip
    handlers = await holding(archive, file)
    for target in (EXPLICIT_LITTLE, HTJ2K, DEFLATED, IMPLICIT_LITTLE):
        told = await ask(handlers, instance_path("around"), accept=f"application/dicom; transfer-syntax={target}")
        after = read(told.body)
        assert after[0xFFFCFFFC].value == bytes(range(40))
        assert after.IconImageSequence[0].PixelData == b"\1\2\3\4"
        assert after.PatientComments == "behind the image"
        assert 0x7FE00001 not in after
        assert 0x7FE00002 not in after


async def test_a_lossy_conversion_makes_a_derived_image_that_names_its_source(archive: LakeArchive) -> None:
    handlers = await holding(archive, stored("rgb", EXPLICIT_LITTLE))
    accept = f"application/dicom; transfer-syntax={JPEG_BASELINE}"
    told = [await ask(handlers, path_of("rgb", EXPLICIT_LITTLE), accept=accept) for _ in range(2)]
    after = read(told[0].body)
    assert told[0].body == told[1].body
    assert after.LossyImageCompression == "01"
    assert float(after.LossyImageCompressionRatio) > 0
    assert after.ImageType[0] == "DERIVED"
    assert after.SourceImageSequence[0].ReferencedSOPInstanceUID == uid("instance")
    assert after.PhotometricInterpretation == "YBR_FULL_422"
    assert after.PatientName == "Doe^Jane"


async def test_text_in_another_character_set_survives_a_lossy_conversion(archive: LakeArchive) -> None:
    data_set = read(stored("grey8", EXPLICIT_LITTLE))
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.DerivationDescription = "geglättet"
    data_set.PatientName = "Müller"
    handlers = await holding(archive, to_file(data_set))
    told = await ask(
        handlers, path_of("grey8", EXPLICIT_LITTLE), accept=f"application/dicom; transfer-syntax={NEAR}"
    )
    after = read(told.body)
    assert after.PatientName == "Müller"
    assert after.DerivationDescription.startswith("geglättet")


def damaged(number: int, spec: ImageSpec = SPECS["grey16"]) -> bytes:
    """A file of three frames in JPEG 2000, one of them cut off."""
    frames = [frame_in(J2K, n, spec) for n in (1, 2, 3)]
    frames[number - 1] = frames[number - 1][:60]
    return multi_frame(
        [[frame] for frame in frames], transfer_syntax=J2K, study="damaged", Rows=spec.rows, Columns=spec.columns,
        BitsAllocated=16, BitsStored=16, HighBit=15,
    )  # fmt: skip


async def test_a_damaged_frame_is_an_error_for_that_frame_alone(archive: LakeArchive) -> None:
    handlers = await holding(archive, damaged(2))
    path = instance_path("damaged") + "/frames/"
    for number in (1, 3):
        told = await ask(handlers, f"{path}{number}", accept=OCTETS)
        assert (told.status, told.body) == (200, plain_frame(number, SPECS["grey16"]))
    told = await ask(handlers, f"{path}2", accept=OCTETS)
    assert told.status == 406
    assert told.body.startswith(b"frame 2: ")
    assert (await ask(handlers, f"{path}1,2,3", accept=RELATED)).status == 406
    assert (await ask(handlers, f"{path}1,2,3", accept=OHIF)).status == 200


@pytest.mark.parametrize("resource", ["", "/frames", "/pixeldata", "/bulkdata/7FE00010"])
async def test_an_image_whose_first_frame_is_damaged_is_told_with_a_status(
    archive: LakeArchive, resource: str
) -> None:
    handlers = await holding(archive, damaged(1))
    for media in ("application/dicom", PLAIN) if not resource else (RELATED,):
        accept = f"{media}; transfer-syntax={EXPLICIT_LITTLE}"
        told = await ask(handlers, instance_path("damaged") + resource, accept=accept)
        assert (told.status, told.body[:9]) == (406, b"frame 1: ")


async def test_attributes_that_declare_too_much_are_refused_before_memory_is_taken(archive: LakeArchive) -> None:
    bomb = multi_frame(
        [[frame_in(RLE, 1, SPECS["grey8"])]], transfer_syntax=RLE, study="bomb", Rows=65535, Columns=65535
    )
    handlers = await holding(archive, bomb)
    told = await ask(handlers, instance_path("bomb") + "/frames/1", accept=OCTETS)
    assert told.status == 413


async def test_ranges_of_converted_pixel_data_decode_only_their_frames(archive: LakeArchive) -> None:
    spec = SPECS["grey16"]
    handlers = await holding(archive, damaged(3))
    path = instance_path("damaged") + "/bulkdata/7FE00010"
    whole = b"".join(plain_frame(number, spec) for number in (1, 2))
    for start, end in ((0, 9), (500, 700), (511, 512), (1000, 1023)):
        told = await ask(handlers, path, accept=OCTETS, range=f"bytes={start}-{end}")
        assert (told.status, told.body) == (206, whole[start : end + 1])
        assert told.headers["content-range"] == f"bytes {start}-{end}/1536"


@pytest.mark.parametrize(("name", "source"), [("bits", DEFLATED_FRAMES), ("grey8", RLE)])
async def test_converted_pixel_data_have_the_length_they_promise(
    archive: LakeArchive, name: str, source: str
) -> None:
    spec = SPECS[name]
    handlers = await holding(archive, stored(name, source))
    told: Told = await ask(handlers, path_of(name, source) + "/bulkdata/7FE00010", accept=OCTETS)
    assert told.body == b"".join(frame.tobytes() for frame in expected_frames(spec, EXPLICIT_LITTLE))
    part = await ask(handlers, path_of(name, source) + "/bulkdata/7FE00010", accept=OCTETS, range="bytes=3-5")
    assert part.body == told.body[3:6]


async def test_etags_tell_forms_apart(archive: LakeArchive) -> None:
    handlers = await holding(archive, stored("grey16", J2K))
    path = path_of("grey16", J2K) + "/frames/1"
    accepts = (OCTETS, "image/jls", "image/jp2", "image/jphc", f"{OCTETS}; transfer-syntax={JLS}")
    tags = [(await ask(handlers, path, accept=accept)).headers["etag"] for accept in accepts]
    assert len(set(tags)) == len(tags)
    for accept, tag in zip(accepts, tags, strict=True):
        assert (await ask(handlers, path, accept=accept, if_none_match=tag)).status == 304
