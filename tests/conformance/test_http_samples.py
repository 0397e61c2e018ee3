"""Every real file beside the checkout, through HTTP to a folder and to a bucket: it comes back bit for bit, or is
refused with a reason; and whatever is stored can be asked for its metadata and frames.

What is refused stands in a table here, so that a change of mind shows.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from requests import Response, Session

from tests.build.samples import SAMPLES, manifest
from tests.clients.servers import Server

NO_STUDY = "Study Instance UID (0020,000D) is missing or empty"
NO_SERIES = "Series Instance UID (0020,000E) is missing or empty"
NO_INSTANCE = "SOP Instance UID (0008,0018) is missing or empty"
LONG_UID = "a UID has 1 to 64 digits and dots, this one does not"
NOT_DICOM = "this is not a DICOM file: neither DICM at byte 128 nor a data element at its beginning"
TRUNCATED = "the file ends within a value"
TOO_DEEP = "sequences nested more than 64 deep"
ITEM_BEYOND = "an item reaches beyond its sequence"

REFUSED: Mapping[str, tuple[str, ...]] = {
    NO_STUDY: (
        "charsets/pydicom--chrSQEncoding.dcm",
        "charsets/ruby-dicom--encoding_iso8859-1.dcm",
        "charsets/ruby-dicom--encoding_utf8.dcm",
        "malformed/DICOMSamples--CT_Implicit_Little_Headless_Retired.dcm",
        "malformed/dcm4che--no_preamble_dicm_in_data.dcm",
        "malformed/dwv--dwv-test-simple.dcm",
        "malformed/fo-dicom--GH220.dcm",
        "malformed/fo-dicom--GH340.dcm",
        "malformed/fo-dicom--GH626.dcm",
        "malformed/orthanc--Issue196.dcm",
        "malformed/pydicom--DICOMDIR-empty.dcm",
        "malformed/pydicom--DICOMDIR-reordered",
        "malformed/pydicom--empty_charset_LEI.dcm",
        "malformed/pydicom--nested_priv_SQ.dcm",
        "malformed/pydicom--no_meta_group_length.dcm",
        "malformed/ruby-dicom--at_invalid.dcm",
        "malformed/ruby-dicom--at_no_value.dcm",
        "malformed/ruby-dicom--duplicates.dcm",
        "modalities/nibabel--decimal_rescale.dcm",
        "objects/hanging-protocol/weasis-dicom-tools--NeurosurgeryPlan.dcm",
        "objects/palette/pydicom--pet.dcm",
        "objects/palette/pydicom--spring.dcm",
        "objects/ups/tdwii_plus_examples--UPSCFind_TDWII_FX1.dcm",
        "objects/ups/tdwii_plus_examples--UPSCFind_TDWII_SCHEDULED_FX1.dcm",
        "studies/dicomdir-tiny/DICOMDIR",
        "transfer-syntaxes/htj2k/pydicom-data--HTJ2KLossless_08_RGB.dcm",
        "transfer-syntaxes/pydicom-jls/pydicom-data--JLSL_08_07_0_1F.dcm",
        "transfer-syntaxes/pydicom-jls/pydicom-data--JLSL_RGB_ILV0.dcm",
        "transfer-syntaxes/pydicom-jls/pydicom-data--JLSL_RGB_ILV2.dcm",
        "transfer-syntaxes/pydicom-misc/pydicom--JPEGLSNearLossless_08.dcm",
        "transfer-syntaxes/pydicom-sc-rgb/pydicom--SC_rgb_jls_lossy_line.dcm",
        "transfer-syntaxes/pydicom-sc-rgb/pydicom--SC_rgb_jls_lossy_sample.dcm",
        "transfer-syntaxes/pylibjpeg/pylibjpeg-data--JPEGLosslessP14SV1_1s_1f_u_16_16.dcm",
    ),
    NO_SERIES: (
        "worklists/orig.7814.other.station.dump.wl",
        "worklists/wklist1.wl",
        "worklists/wklist10.wl",
        "worklists/wklist3.wl",
        "worklists/wklist4.wl",
        "worklists/wklist6.wl",
        "worklists/wklist7.wl",
        "worklists/wklist9.wl",
    ),
    NO_INSTANCE: ("charsets/fo-dicom--FreezePattern.dcm",),
    LONG_UID: (
        "transfer-syntaxes/encapsulation/weasis-dicom-tools--jpeg2000-multiframe-multifragments.dcm",
        "wsi/pathml-dicom/small_dicom.dcm",
    ),
    NOT_DICOM: (
        "wsi/orthanc/OrthancLogoRaw.tiff",
        "wsi/vendor/boxes.tiff",
        "wsi/vendor/small_HE.svs",
        "wsi/vendor/small_HE_levels.tiff",
        "wsi/vendor/smalltif.tif",
        "wsi/vendor/unopenable.tiff",
        "wsi/vendor/unreadable.svs",
    ),
    TRUNCATED: ("malformed/pydicom--MR_truncated.dcm",),
    TOO_DEEP: ("malformed/orthanc--2026-05-06-Deeply-Nested-Sequence.dcm",),
    ITEM_BEYOND: ("malformed/pydicom--DICOMDIR-nooffset",),
}
"""Why, and which; all with reason C000, cannot understand."""

SAME_DATA_SET = {"modalities/highdicom--ct_image.dcm": "malformed/pynetdicom--CTImageStorage_bad_meta.dcm"}
"""A file whose data set is stored already under another file meta information is that instance: what is compared
are the bytes from the data set on."""

FRAMELESS = {
    # told to have 46341 and 65535 rows and columns, and some bytes of pixels
    "malformed/orthanc--2026-05-26-oob-monochrome-46341.dcm",
    "malformed/orthanc--2026-05-26-oob-monochrome-65535.dcm",
    # an empty Pixel Data element
    "objects/rt/pyorthanc--RTSTRUCT.dcm",
}
"""With Pixel Data of which no frame can be made: 404."""

UNDECODABLE = {"malformed/ruby-dicom--invalid_compression.dcm"}
"""With pixel data that are not in their transfer syntax: the standard's default cannot be made of them, 406."""

BATCH = 60
RELATED = 'multipart/related; type="application/dicom"; boundary=samples'
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
PIXELS = ("7FE00008", "7FE00009", "7FE00010")


@dataclass(frozen=True, slots=True)
class Sample:
    """A file and its name in the manifest."""

    name: str
    instance: str
    """SOP Instance UID, empty where the manifest knows none."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a sample: an URL or a refusal."""

    sample: Sample
    url: str = ""
    reason: int = 0
    comment: str = ""


def batches() -> Iterator[list[Sample]]:
    """All samples; those that share a SOP Instance UID in different ones, since the later replaces the earlier."""
    assert SAMPLES is not None
    left = [Sample(row["path"], row["sop_instance_uid"], _read(SAMPLES / row["path"])) for row in manifest()]
    while left:
        batch: list[Sample] = []
        rest: list[Sample] = []
        for one in left:
            known = {other.instance for other in batch} - {""}
            (rest if len(batch) >= BATCH or one.instance in known else batch).append(one)
        yield batch
        left = rest


def _read(path: Path) -> bytes:
    return path.read_bytes()


def store(session: Session, root: str, batch: Sequence[Sample]) -> list[Told]:
    """Store samples in one request."""
    parts = [b"--samples\r\nContent-Type: application/dicom\r\n\r\n" + one.data + b"\r\n" for one in batch]
    body = b"".join(parts) + b"--samples--\r\n"
    answer = session.post(root + "/studies", data=body, headers={"Content-Type": RELATED})
    assert answer.status_code in (200, 202, 400, 409), answer.text
    module = answer.json()
    refused = {}
    for item in itertools.chain(_items(module, "00081198"), _items(module, "0008119A")):
        label, _, comment = item["00000902"]["Value"][0].partition(": ")
        refused[int(label.removeprefix("part "))] = item["00081197"]["Value"][0], comment
    urls = iter([item["00081190"]["Value"][0] for item in _items(module, "00081199")])
    told = [
        Told(one, "", *refused[number]) if number in refused else Told(one, next(urls))
        for number, one in enumerate(batch, 1)
    ]
    assert next(urls, None) is None
    return told


def _items(module: Mapping[str, Any], tag: str) -> list[Any]:
    found: list[Any] = module.get(tag, {}).get("Value", [])
    return found


class Checker:
    """Asks for what is stored, on several threads, and notes what is wrong."""

    def __init__(self) -> None:
        self._sessions = threading.local()
        self.wrong: list[str] = []

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """One request on the thread's own connection."""
        if not hasattr(self._sessions, "one"):
            self._sessions.one = Session()
        answer: Response = self._sessions.one.get(url, headers=headers)
        return answer

    def check(self, told: Told) -> None:
        """Bytes, metadata, first and last frame of one instance."""
        name = told.sample.name
        answer = self.get(told.url, AS_STORED)
        kind = answer.headers["Content-Type"]
        if answer.status_code != 200 or not kind.startswith("application/dicom;"):
            self.wrong.append(f"{name}: {answer.status_code} {kind}")
        elif answer.content != told.sample.data and name not in SAME_DATA_SET:
            self.wrong.append(f"{name}: {sha256(answer.content).hexdigest()} came back, other bytes")
        answer = self.get(told.url + "/metadata")
        if answer.status_code != 200:
            self.wrong.append(f"{name}: metadata {answer.status_code} {answer.text}")
            return
        (metadata,) = json.loads(answer.content)
        for number in {1, _frames(metadata)}:
            self._check_frame(told, number, pixels=any(tag in metadata for tag in PIXELS))

    def _check_frame(self, told: Told, number: int, *, pixels: bool) -> None:
        answer = self.get(f"{told.url}/frames/{number}")
        name = told.sample.name
        expected = 200 if pixels and name not in FRAMELESS else 404
        if name in UNDECODABLE:
            expected = 406
        if answer.status_code != expected:
            self.wrong.append(f"{name}: frame {number} {answer.status_code} {answer.text[:200]}")


def _frames(metadata: Mapping[str, Any]) -> int:
    """Number of Frames, 1 where it says nothing usable."""
    text = str((metadata.get("00280008", {}).get("Value") or [1])[0])
    return max(int(text), 1) if text.isdigit() else 1


@pytest.mark.skipif(SAMPLES is None, reason="no sample data beside the checkout")
@pytest.mark.parametrize("kind", ["archive", "bucket_archive"])
def test_all_samples_come_back_bit_for_bit_or_are_refused_with_a_reason(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    checker = Checker()
    refused: dict[str, str] = {}
    with Session() as session, ThreadPoolExecutor(4) as threads:
        for batch in batches():
            told = store(session, server.dicomweb, batch)
            refused |= {one.sample.name: f"{one.reason:04X} {one.comment}" for one in told if not one.url}
            list(threads.map(checker.check, [one for one in told if one.url]))

    assert checker.wrong == []
    reasons = {name: reason for reason, names in REFUSED.items() for name in names}
    assert refused.keys() == reasons.keys()
    wrong = {name: refused[name] for name, reason in reasons.items() if reason not in refused[name]}
    assert wrong == {}
    assert {reason[:4] for reason in refused.values()} == {"C000"}
