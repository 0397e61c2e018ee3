"""Which instances are wanted in another transfer syntax, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.encoding.reader import read_head
from dicomweb.model.outcome import AsItCame, Unconverted
from dicomweb.ports import Transcoded
from dicomweb.services.intake_policy import TARGETS, read_policy
from dicomweb.services.intake_transcoder import PolicyTranscoder
from tests.build.compute import DirectCompute
from tests.build.dicom import ct_slice

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
HTJ2K, RPCL = TARGETS["htj2k-lossless"], TARGETS["htj2k-lossless-rpcl"]


def transcoder(*entries: str, **limits: Any) -> PolicyTranscoder:
    return PolicyTranscoder(read_policy(entries), DirectCompute(), **limits)


def smooth_slice() -> bytes:
    return ct_slice(rows=64, columns=64).replace(bytes(range(64)), bytes(64))


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

    made = await one.transcode(smooth_slice(), header(), TARGETS["rle"])

    assert isinstance(made, Transcoded)
    assert made.transfer_syntax == TARGETS["rle"] == read_head(made.data).transfer_syntax
    assert compute.runs == 1


async def test_what_cannot_be_converted_without_loss_is_told_with_its_reason() -> None:
    signed, wanted = ct_slice(PixelRepresentation=1), TARGETS["jpeg-xl-lossless"]

    left = await transcoder("CT=jpeg-xl-lossless").transcode(signed, {}, wanted)

    assert left == AsItCame(
        Unconverted.NOT_HELD, "JPEG XL Lossless does not hold signed samples of MONOCHROME2 here"
    )


async def test_what_is_large_when_uncompressed_is_told_as_such() -> None:
    left = await transcoder("CT=rle", most_bytes=10).transcode(ct_slice(), {}, TARGETS["rle"])

    assert isinstance(left, AsItCame)
    assert left.reason is Unconverted.TOO_LARGE


async def test_what_becomes_larger_is_not_converted_unless_it_is_to_be_uncompressed() -> None:
    made = await transcoder("CT=rle").transcode(smooth_slice(), {}, TARGETS["rle"])
    assert isinstance(made, Transcoded)

    back = await transcoder("CT=explicit").transcode(made.data, {}, TARGETS["explicit"])

    assert isinstance(back, Transcoded)
    assert len(back.data) > len(made.data)


@pytest.mark.parametrize(
    ("entry", "stored", "reason"),
    [
        ("CT=htj2k-lossless", RPCL, Unconverted.AS_WANTED),
        ("CT=explicit", IMPLICIT, Unconverted.AS_WANTED),
        ("CT=htj2k-lossless", JPEG, Unconverted.LOSSY),
        ("CT=htj2k-lossless", "1.2.3.4", Unconverted.NOT_HELD),
        ("CT=htj2k-lossless", EXPLICIT, None),
        ("MR=htj2k-lossless", JPEG, None),
    ],
)
def test_why_nothing_else_is_wanted_of_an_instance_is_told(
    entry: str, stored: str, reason: Unconverted | None
) -> None:
    spared = transcoder(entry).spared(header(), stored)

    assert (spared.reason if spared else None) == reason
