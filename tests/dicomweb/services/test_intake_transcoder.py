"""Which instances are wanted in another transfer syntax, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.encoding.reader import read_head
from dicomweb.services.intake_policy import TARGETS, read_policy
from dicomweb.services.intake_transcoder import PolicyTranscoder
from tests.build.compute import DirectCompute
from tests.build.dicom import ct_slice, segmentation

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
HTJ2K, RPCL = TARGETS["htj2k-lossless"], TARGETS["htj2k-lossless-rpcl"]


def transcoder(*entries: str, **limits: Any) -> PolicyTranscoder:
    return PolicyTranscoder(read_policy(entries), DirectCompute(), **limits)


def header(**changes: Any) -> dict[str, Any]:
    found = dict(read_head(ct_slice()).data_set)
    for tag, value in changes.items():
        if value is None:
            del found[tag.removeprefix("t")]
        else:
            found[tag.removeprefix("t")] = value
    return found


@pytest.mark.parametrize(
    ("entry", "stored", "wanted"),
    [
        ("CT=htj2k-lossless", EXPLICIT, HTJ2K),
        ("CT=htj2k-lossless", IMPLICIT, HTJ2K),
        ("CT=htj2k-lossless", JPEG_LOSSLESS, HTJ2K),
        ("CT=htj2k-lossless", HTJ2K, ""),
        ("CT=htj2k-lossless", RPCL, ""),
        ("CT=htj2k-lossless-rpcl", HTJ2K, RPCL),
        ("CT=htj2k-lossless", JPEG, ""),
        ("CT=htj2k-lossless", "1.2.840.10008.1.2.4.102", ""),
        ("CT=htj2k-lossless", "1.2.3.4", ""),
        ("CT=explicit", JPEG_LOSSLESS, EXPLICIT),
        ("CT=explicit", DEFLATED, EXPLICIT),
        ("CT=explicit", IMPLICIT, ""),
        ("MR=htj2k-lossless", EXPLICIT, ""),
        ("*=htj2k-lossless", EXPLICIT, HTJ2K),
    ],
)
def test_what_is_wanted_depends_on_policy_and_stored_syntax(entry: str, stored: str, wanted: str) -> None:
    assert transcoder(entry).wanted(header(), stored) == wanted


@pytest.mark.parametrize(
    "changes",
    [
        {"t00280010": None},
        {"t00080060": None},
        {"t00080060": {"vr": "CS"}},
        {"t00080060": {"vr": "CS", "Value": [None]}},
    ],
)
def test_an_instance_without_pixels_or_modality_is_kept(changes: dict[str, Any]) -> None:
    assert transcoder("CT=htj2k-lossless").wanted(header(**changes), EXPLICIT) == ""


async def test_an_instance_is_converted_off_the_event_loop() -> None:
    compute = DirectCompute()
    one = PolicyTranscoder(read_policy(["CT=rle"]), compute)

    made = await one.transcode(ct_slice(), header(), TARGETS["rle"])

    assert made is not None
    assert made.transfer_syntax == TARGETS["rle"] == read_head(made.data).transfer_syntax
    assert compute.runs == 1


async def test_what_cannot_be_converted_without_loss_is_none() -> None:
    assert await transcoder("SEG=rle").transcode(segmentation(), {}, TARGETS["rle"]) is None


async def test_what_is_large_when_uncompressed_is_none() -> None:
    assert await transcoder("CT=rle", most_bytes=10).transcode(ct_slice(), {}, TARGETS["rle"]) is None
