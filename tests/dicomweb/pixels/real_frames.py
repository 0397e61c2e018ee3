"""First frames of the sample files, cut out by pydicom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydicom import dcmread
from pydicom.encaps import generate_frames

from dicomweb.model.instance import ImageSpec
from dicomweb.wire.transfer_syntaxes import transfer_syntax
from tests.build.samples import SAMPLES, sample_ids

FOLDER = "transfer-syntaxes/"


@dataclass(frozen=True, slots=True)
class RealFrame:
    """One frame as stored."""

    name: str
    data: bytes
    spec: ImageSpec
    pixel_vr: str
    syntax: str


@cache
def real_frame(name: str) -> RealFrame | None:
    """The first frame of a sample file; None without ordinary pixel data."""
    assert SAMPLES is not None
    return frame_of_file(SAMPLES / name, name)


def frame_of_file(path: Path, name: str = "") -> RealFrame | None:
    """The first frame of a file."""
    data_set = dcmread(path, force=True)
    if "PixelData" not in data_set or "TransferSyntaxUID" not in data_set.file_meta or "Rows" not in data_set:
        return None
    spec = ImageSpec(
        rows=data_set.Rows,
        columns=data_set.Columns,
        samples_per_pixel=data_set.SamplesPerPixel,
        bits_allocated=data_set.BitsAllocated,
        bits_stored=data_set.BitsStored,
        pixel_representation=data_set.get("PixelRepresentation", 0),
        photometric_interpretation=data_set.PhotometricInterpretation,
        planar_configuration=data_set.get("PlanarConfiguration", 0) or 0,
        frames=int(data_set.get("NumberOfFrames", 1) or 1),
    )
    syntax = data_set.file_meta.TransferSyntaxUID
    if transfer_syntax(syntax).encapsulated:
        data = next(generate_frames(data_set.PixelData, number_of_frames=spec.frames))
    else:
        halved = spec.photometric_interpretation == "YBR_FULL_422"
        bits = spec.rows * spec.columns * spec.samples_per_pixel * spec.bits_allocated * (2 if halved else 3) // 3
        data = data_set.PixelData[: -(-bits // 8)]
    return RealFrame(name, data, spec, data_set["PixelData"].VR, str(syntax))


def real_names(each: int) -> list[str]:
    """Sample files, at most so many of each folder and family."""
    found: dict[str, list[str]] = {}
    for name in sample_ids(FOLDER):
        family = name.rsplit("--", 1)[0]
        found.setdefault(family, []).append(name)
    return [name for names in found.values() for name in names[:: max(1, len(names) // each)][:each]]
