"""Seven small sample studies: files that pydicom ships, and a phantom drawn here. Nothing is downloaded.

Always the same bytes, so storing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomweb.ports import Archive

STUDY = "2.25.229876004811823095721410357331286711"
"""Study Instance UID of the phantom."""
_SERIES = STUDY + ".1"
_SLICES = 24
_SIDE = 256
_SHIPPED = (
    "CT_small.dcm",
    "MR_small.dcm",
    "examples_jpeg2k.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "reportsi.dcm",
    "waveform_ecg.dcm",
)


async def store_samples(archive: Archive) -> int:
    """Store the samples; how many there are."""
    count = 0
    async with archive.submit(door="samples", peer="", expect=None) as submission:
        for data in sample_files():
            await submission.add(_once(data))
            count += 1
        await submission.finish()
    return count


def sample_files() -> Iterator[bytes]:
    """The sample instances as DICOM files."""
    shipped = Path(pydicom.__file__).parent / "data" / "test_files"
    for name in _SHIPPED:
        if (shipped / name).exists():
            yield (shipped / name).read_bytes()
    for number in range(1, _SLICES + 1):
        yield _phantom_slice(number)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _phantom_slice(number: int) -> bytes:
    data_set = Dataset()
    data_set.SOPClassUID = CTImageStorage
    data_set.SOPInstanceUID = f"{_SERIES}.{number}"
    data_set.StudyInstanceUID = STUDY
    data_set.SeriesInstanceUID = _SERIES
    data_set.StudyDate = data_set.SeriesDate = "20260101"
    data_set.StudyTime = data_set.SeriesTime = "120000"
    data_set.AccessionNumber = "SAMPLE1"
    data_set.Modality = "CT"
    data_set.Manufacturer = "Dicomlake"
    data_set.StudyDescription = "Sample: spheres in water"
    data_set.SeriesDescription = "Phantom, 24 slices"
    data_set.ReferringPhysicianName = "Sample^Referring"
    data_set.PatientName = "Phantom^Sample"
    data_set.PatientID = "SAMPLE"
    data_set.PatientBirthDate = ""
    data_set.PatientSex = ""
    data_set.StudyID = "1"
    data_set.SeriesNumber = 1
    data_set.InstanceNumber = number
    data_set.FrameOfReferenceUID = STUDY + ".2"
    data_set.PositionReferenceIndicator = ""
    data_set.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    data_set.ImagePositionPatient = [-_SIDE / 2, -_SIDE / 2, float(number * 10)]
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data_set.SliceThickness = 10
    data_set.PixelSpacing = [1, 1]
    data_set.RescaleIntercept, data_set.RescaleSlope = -1024, 1
    data_set.WindowCenter, data_set.WindowWidth = 40, 400
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = data_set.Columns = _SIDE
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = 16, 12, 11, 0
    data_set.add_new("PixelData", "OW", _phantom_pixels(number).tobytes())
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written = BytesIO()
    pydicom.dcmwrite(written, data_set, enforce_file_format=True)
    return written.getvalue()


def _phantom_pixels(number: int) -> NDArray[np.uint16]:
    """One slice of a cylinder of water with a bright and a dark sphere; values of 12 bits, rescaled by -1024."""
    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE] - _SIDE / 2
    height = (number - (_SLICES + 1) / 2) * 10
    pixels = np.zeros((_SIDE, _SIDE), np.uint16)
    pixels[rows**2 + columns**2 < 110**2] = 1024
    pixels[rows**2 + (columns - 45) ** 2 + height**2 < 40**2] = 1324
    pixels[rows**2 + (columns + 45) ** 2 + height**2 < 40**2] = 924
    return pixels
