"""What we encode, decoded by DCMTK's tools out of files that we encapsulate; skipped where there are none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicomweb.encoding.encapsulate import encapsulated_value
from dicomweb.pixels.encode import encode_frame
from dicomweb.pixels.holdings import held_as
from tests.build.dicom import image_attributes, make_data_set, to_file
from tests.dicomweb.pixels.images import JPEG, RLE, Kind, decibels, frame_of, smooth

TOOLS = {JPEG + "50": "dcmdjpeg", JPEG + "51": "dcmdjpeg", JPEG + "70": "dcmdjpeg", JPEG + "80": "dcmdjpls"} | {
    JPEG + "81": "dcmdjpls",
    RLE: "dcmdrle",
}
BYTE, TWELVE, SIGNED, RGB = Kind(8, 8), Kind(12, 16), Kind(16, 16, signed=True), Kind(8, 8, photometric="RGB")


def decoded_by_dcmtk(kind: Kind, syntax: str, folder: Path) -> np.ndarray:
    """The second of two frames that went through a file and DCMTK; the first is its mirror image."""
    tool = shutil.which(TOOLS[syntax])
    if tool is None:
        pytest.skip(f"{TOOLS[syntax]} is not installed")
    array = smooth(kind)
    described = held_as(kind.spec, syntax)
    frames = [
        encode_frame(frame_of(np.ascontiguousarray(turned), kind), kind.spec, syntax)
        for turned in (array[::-1], array)
    ]
    attributes = image_attributes(kind.rows, kind.columns, bits=described.bits_allocated, frames=2) | {
        "SamplesPerPixel": kind.samples,
        "PhotometricInterpretation": described.photometric_interpretation,
        "PixelRepresentation": int(kind.signed),
        "BitsStored": described.bits_stored,
        "HighBit": described.bits_stored - 1,
        "PlanarConfiguration": 0 if kind.samples == 3 else None,
    }
    stored, decoded = folder / "in.dcm", folder / "out.dcm"
    stored.write_bytes(to_file(make_data_set(**attributes), syntax) + encapsulated_value(frames))
    subprocess.run([tool, str(stored), str(decoded)], check=True, capture_output=True, timeout=30)
    return dcmread(decoded).pixel_array[1]


@pytest.mark.parametrize("kind", [BYTE, TWELVE, SIGNED, Kind(12, 16, signed=True), RGB], ids=str)
@pytest.mark.parametrize("syntax", [JPEG + "70", JPEG + "80", RLE])
def test_dcmtk_reads_what_is_encoded_without_loss(syntax: str, kind: Kind, tmp_path: Path) -> None:
    assert np.array_equal(decoded_by_dcmtk(kind, syntax, tmp_path), smooth(kind))


@pytest.mark.parametrize(
    ("syntax", "kind", "floor"),
    [
        (JPEG + "50", BYTE, 42), (JPEG + "50", RGB, 34), (JPEG + "51", TWELVE, 50), (JPEG + "81", TWELVE, 60),
        (JPEG + "81", SIGNED, 85),
    ],
)  # fmt: skip
def test_dcmtk_reads_what_is_encoded_with_loss(syntax: str, kind: Kind, floor: float, tmp_path: Path) -> None:
    decoded = decoded_by_dcmtk(kind, syntax, tmp_path)

    assert decibels(decoded, smooth(kind), kind.bounds[1] - kind.bounds[0]) >= floor
