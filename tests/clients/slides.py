"""A whole-slide pyramid that decodes: real JPEG tiles of a picture whose every place looks different."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from tests.build.dicom import JPEG_BASELINE, SLIDE, multi_frame, uid

TILE = 64


def picture(side: int) -> Image.Image:
    """Smooth colours, so that JPEG changes little, with marks that tell tiles apart."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    planes = (columns, rows, 0.5 + 0.5 * np.sin(columns * 9) * np.cos(rows * 7))
    return Image.fromarray((np.stack(planes, axis=-1) * 255).astype(np.uint8), "RGB")


def encoded_tiles(image: Image.Image) -> list[bytes]:
    """Its tiles as JPEG, row by row."""
    return [_jpeg(image.crop((left, top, left + TILE, top + TILE))) for top, left in _corners(image.width)]


def _corners(side: int) -> Iterator[tuple[int, int]]:
    return ((top, left) for top in range(0, side, TILE) for left in range(0, side, TILE))


def _jpeg(tile: Image.Image) -> bytes:
    buffer = BytesIO()
    tile.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def slide(study: str, *, side: int = 512, levels: int = 3) -> list[bytes]:
    """The levels of a slide as files, the largest first, each half as wide as the one before."""
    full = picture(side)
    return [_level(study, full, side >> level, full_side=side) for level in range(levels)]


def _level(study: str, full: Image.Image, side: int, *, full_side: int) -> bytes:
    image = full.resize((side, side), Image.Resampling.BOX) if side != full_side else full
    kind = "NONE" if side == full_side else "RESAMPLED"
    return multi_frame(
        [[tile] for tile in encoded_tiles(image)],
        transfer_syntax=JPEG_BASELINE,
        study=study,
        series=study,
        instance=f"{study} {side}",
        **_slide_attributes(study, side),
        ImageType=["ORIGINAL" if kind == "NONE" else "DERIVED", "PRIMARY", "VOLUME", kind],
    )


def _slide_attributes(study: str, side: int) -> dict[str, Any]:
    """What VL Whole Slide Microscopy Image asks for beside the tiles (PS3.3 A.32.8)."""
    return {
        "SOPClassUID": SLIDE,
        "Modality": "SM",
        "DimensionOrganizationType": "TILED_FULL",
        "TotalPixelMatrixColumns": side,
        "TotalPixelMatrixRows": side,
        "Rows": TILE,
        "Columns": TILE,
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "PhotometricInterpretation": "YBR_FULL_422",
        "FrameOfReferenceUID": uid(f"{study} frame of reference"),
        "ImagedVolumeWidth": 10.0,
        "ImagedVolumeHeight": 10.0,
        "ImagedVolumeDepth": 0.001,
        "TotalPixelMatrixFocalPlanes": 1,
        "NumberOfOpticalPaths": 1,
        "FocusMethod": "AUTO",
        "ExtendedDepthOfField": "NO",
        "SpecimenLabelInImage": "NO",
        "BurnedInAnnotation": "NO",
        "VolumetricProperties": "VOLUME",
        "LossyImageCompression": "01",
        "ContainerIdentifier": "slide",
        "AcquisitionDateTime": "20240229131415",
        "ImageOrientationSlide": [0, 1, 0, 1, 0, 0],
        "TotalPixelMatrixOriginSequence": [
            _item(XOffsetInSlideCoordinateSystem=0, YOffsetInSlideCoordinateSystem=0)
        ],
        "OpticalPathSequence": [_optical_path()],
        "SharedFunctionalGroupsSequence": [_shared_groups(10.0 / side)],
    }


def _optical_path() -> Dataset:
    illumination = _item(CodeValue="111744", CodingSchemeDesignator="DCM", CodeMeaning="Brightfield illumination")
    return _item(OpticalPathIdentifier="1", IlluminationTypeCodeSequence=[illumination])


def _shared_groups(spacing: float) -> Dataset:
    measures = _item(PixelSpacing=[spacing, spacing], SliceThickness=0.001)
    paths = [_item(OpticalPathIdentifier="1")]
    return _item(PixelMeasuresSequence=[measures], OpticalPathIdentificationSequence=paths)


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item
