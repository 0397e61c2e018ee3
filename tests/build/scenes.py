"""Studies that a viewer has something to show of: a volume with a segmentation and contours on it, PET beside CT,
a moving ultrasound, a PDF, a slide. All drawn here; what is where is known, so a test can look for it.

The volume is a cylinder of water with a bright sphere at the right of the picture and a dark one at the left; the
segment is the bright sphere, the contour lies round the dark one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from tests.build.dicom import (
    CT_IMAGE,
    SEGMENTATION,
    SLIDE,
    image_attributes,
    make_data_set,
    multi_frame,
    to_file,
    uid,
)

PET_IMAGE = "1.2.840.10008.5.1.4.1.1.128"
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
ULTRASOUND_FRAMES = "1.2.840.10008.5.1.4.1.1.3.1"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"

SIDE = 128
SPACING = 2.0
"""Millimetres between pixels, and between slices."""
RADIUS = 24.0
"""Of the spheres, in millimetres; their middles are 48 mm right and left of the axis."""
_OFFSET = 48.0
_AXIAL = [1, 0, 0, 0, 1, 0]

CT_STUDY, PET_STUDY, CINE_STUDY = uid("scene ct"), uid("scene pet"), uid("scene cine")
PDF_STUDY, SLIDE_STUDY = uid("scene pdf"), uid("scene slide")


def volume(
    slices: int = 40, *, side: int = SIDE, study: str = "scene ct", **attributes: object
) -> Iterator[bytes]:
    """A CT series, the slices from foot to head."""
    for number in range(slices):
        data_set = _slice(number, slices, side, study, "CT", **attributes)
        data_set.add_new("PixelData", "OW", _water(number, slices, side).tobytes())
        yield to_file(data_set)


def pet(slices: int = 40) -> Iterator[bytes]:
    """CT and PET of one study and frame of reference; the bright sphere is what takes up the tracer."""
    yield from volume(slices, study="scene pet", PatientWeight="70", StudyDescription="PET/CT")
    for number in range(slices):
        data_set = _slice(number, slices, SIDE, "scene pet", "PT", SOPClassUID=PET_IMAGE)
        data_set.SeriesInstanceUID, data_set.SeriesNumber = uid("scene pet PT"), 2
        data_set.RescaleIntercept, data_set.RescaleSlope = 0, 2
        data_set.WindowCenter, data_set.WindowWidth = 10_000, 20_000
        data_set.Units, data_set.DecayCorrection, data_set.CorrectedImage = "BQML", "START", ["ATTN", "DECY"]
        data_set.PatientWeight, data_set.SeriesDate, data_set.SeriesTime = "70", "20240229", "131415"
        data_set.AcquisitionDate, data_set.AcquisitionTime = "20240229", "131415"
        dose = Dataset()
        dose.RadionuclideTotalDose, dose.RadionuclideHalfLife = 350_000_000, 6586.2
        dose.RadiopharmaceuticalStartTime = "121415.000000"
        data_set.RadiopharmaceuticalInformationSequence = [dose]
        samples = np.where(_sphere(number, slices, SIDE, _OFFSET), 9000, 300).astype("<u2")
        data_set.add_new("PixelData", "OW", samples.tobytes())
        yield to_file(data_set)


def segments(slices: int = 40) -> bytes:
    """A binary segmentation of the bright sphere, a frame for each slice it lies in (PS3.3 A.51)."""
    numbers = [n for n in range(slices) if _sphere(n, slices, SIDE, _OFFSET).any()]
    data_set = make_data_set(
        study="scene ct", series="scene seg", instance="scene seg 1", SOPClassUID=SEGMENTATION, Modality="SEG",
        SeriesNumber=10, SeriesDescription="Bright sphere",
        StudyDescription="Spheres in water", PatientName="Scene^Volume", PatientID="SCENE-1",
        ImageType=["DERIVED", "PRIMARY"], FrameOfReferenceUID=uid("scene ct frame of reference"),
        SegmentationType="BINARY", ContentLabel="SPHERE", ContentDescription="", ContentCreatorName="",
        **image_attributes(SIDE, SIDE, bits=1, frames=len(numbers)),
    )  # fmt: skip
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel, segment.SegmentAlgorithmType = 1, "Bright sphere", "MANUAL"
    segment.RecommendedDisplayCIELabValue = [40000, 50000, 50000]
    segment.SegmentedPropertyCategoryCodeSequence = [_code("85756007", "SCT", "Tissue")]
    segment.SegmentedPropertyTypeCodeSequence = [_code("85756007", "SCT", "Tissue")]
    data_set.SegmentSequence = [segment]
    series = Dataset()
    series.SeriesInstanceUID = uid("scene ct CT")
    series.ReferencedInstanceSequence = [_reference(n) for n in range(slices)]
    data_set.ReferencedSeriesSequence = [series]
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [SPACING, SPACING], SPACING
    orientation.ImageOrientationPatient = _AXIAL
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    data_set.SharedFunctionalGroupsSequence = [shared]
    data_set.PerFrameFunctionalGroupsSequence = [_segment_frame(n, slices) for n in numbers]
    data_set.DimensionOrganizationSequence = [_with(DimensionOrganizationUID=uid("scene dimensions"))]
    bits = np.concatenate([_sphere(n, slices, SIDE, _OFFSET).ravel() for n in numbers])
    packed = np.packbits(bits, bitorder="little").tobytes()
    data_set.add_new("PixelData", "OB", packed + b"\0" * (len(packed) % 2))
    return to_file(data_set)


def structures(slices: int = 40) -> bytes:
    """A structure set with one contour round the dark sphere in each slice it lies in (PS3.3 A.19)."""
    data_set = make_data_set(
        study="scene ct", series="scene structures", instance="scene structures 1", SOPClassUID=STRUCTURES,
        Modality="RTSTRUCT", SeriesNumber=11, SeriesDescription="Dark sphere",
        StudyDescription="Spheres in water", PatientName="Scene^Volume",
        PatientID="SCENE-1", StructureSetLabel="SPHERES", StructureSetDate="20240229", StructureSetTime="131415",
    )  # fmt: skip
    frame_of_reference = uid("scene ct frame of reference")
    series = _with(SeriesInstanceUID=uid("scene ct CT"))
    series.ContourImageSequence = [_reference(n) for n in range(slices)]
    study = _with(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=CT_STUDY,
        RTReferencedSeriesSequence=[series],
    )  # fmt: skip
    data_set.ReferencedFrameOfReferenceSequence = [
        _with(FrameOfReferenceUID=frame_of_reference, RTReferencedStudySequence=[study])
    ]
    data_set.StructureSetROISequence = [
        _with(
            ROINumber=1, ReferencedFrameOfReferenceUID=frame_of_reference, ROIName="Dark sphere",
            ROIGenerationAlgorithm="MANUAL",
        )
    ]  # fmt: skip
    data_set.ROIContourSequence = [
        _with(
            ROIDisplayColor=[255, 0, 255], ReferencedROINumber=1,
            ContourSequence=[contour for n in range(slices) if (contour := _contour(n, slices)) is not None],
        )
    ]  # fmt: skip
    data_set.RTROIObservationsSequence = [
        _with(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="ORGAN", ROIInterpreter="")
    ]
    return to_file(data_set)


def cine(frames: int = 12) -> bytes:
    """A multi-frame ultrasound in JPEG, a bright disc that goes round."""
    turn = [2 * np.pi * number / frames for number in range(frames)]
    pictures = [_disc(240, 320, 120 + 70 * np.sin(angle), 160 + 70 * np.cos(angle)) for angle in turn]
    return multi_frame(
        [[imagecodecs.jpeg8_encode(picture, level=90)] for picture in pictures],
        study="scene cine", series="scene cine US", instance="scene cine 1", SOPClassUID=ULTRASOUND_FRAMES,
        Modality="US", PatientName="Scene^Moving", PatientID="SCENE-3", SeriesDescription="Turning disc",
        FrameTime="40", FrameIncrementPointer=0x00181063, LossyImageCompression="01",
        **_colour(240, 320, frames),
    )  # fmt: skip


def pdf(words: str = "Report of a scene") -> bytes:
    """An encapsulated PDF of one page with these words on it (PS3.3 A.45.1)."""
    document = _pdf_file(words)
    data_set = make_data_set(
        study="scene pdf", series="scene pdf DOC", instance="scene pdf 1", SOPClassUID=ENCAPSULATED_PDF,
        Modality="DOC", PatientName="Scene^Report", PatientID="SCENE-4", SeriesDescription="Report",
        DocumentTitle="Report", MIMETypeOfEncapsulatedDocument="application/pdf", BurnedInAnnotation="YES",
        EncapsulatedDocumentLength=len(document),
    )  # fmt: skip
    data_set.add_new("EncapsulatedDocument", "OB", document + b"\0" * (len(document) % 2))
    return to_file(data_set)


def slide(side: int = 2048, levels: int = 3, *, tile: int = 256) -> Iterator[bytes]:
    """A slide pyramid in JPEG tiles: discs of colour on white, each level half as large as the one before."""
    for level in range(levels):
        yield _slide_level(side >> level, level, tile)


def _slide_level(side: int, level: int, tile: int) -> bytes:
    size_mm = 2.0
    picture = _stained(side)
    starts = range(0, side, tile)
    squares = [picture[y : y + tile, x : x + tile] for y in starts for x in starts]
    path = _with(
        OpticalPathIdentifier="1",
        IlluminationTypeCodeSequence=[_code("111744", "DCM", "Brightfield illumination")],
        IlluminationColorCodeSequence=[_code("414298005", "SCT", "Full Spectrum")],
    )
    kind = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"] if level else ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared = _with(
        PixelMeasuresSequence=[_with(PixelSpacing=[size_mm / side, size_mm / side], SliceThickness=0.001)],
        WholeSlideMicroscopyImageFrameTypeSequence=[_with(FrameType=kind)],
    )
    origin = _with(XOffsetInSlideCoordinateSystem=20, YOffsetInSlideCoordinateSystem=40)
    return multi_frame(
        [[imagecodecs.jpeg8_encode(square, level=85)] for square in squares],
        study="scene slide", series="scene slide SM", instance=f"scene slide {level}", SOPClassUID=SLIDE,
        Modality="SM", PatientName="Scene^Slide", PatientID="SCENE-5", InstanceNumber=level + 1, ImageType=kind,
        FrameOfReferenceUID=uid("scene slide frame of reference"), PositionReferenceIndicator="SLIDE_CORNER",
        DimensionOrganizationType="TILED_FULL", TotalPixelMatrixColumns=side, TotalPixelMatrixRows=side,
        ImagedVolumeWidth=size_mm, ImagedVolumeHeight=size_mm, ImagedVolumeDepth=0.001, FocusMethod="AUTO",
        TotalPixelMatrixFocalPlanes=1, NumberOfOpticalPaths=1, OpticalPathSequence=[path],
        ContainerIdentifier="SCENE", SpecimenLabelInImage="NO", BurnedInAnnotation="NO",
        VolumetricProperties="VOLUME", ExtendedDepthOfField="NO", LossyImageCompression="01",
        LossyImageCompressionMethod="ISO_10918_1", LossyImageCompressionRatio=10,
        ImageOrientationSlide=[0, -1, 0, -1, 0, 0], SharedFunctionalGroupsSequence=[shared],
        TotalPixelMatrixOriginSequence=[origin],
        **_colour(tile, tile, len(squares)),
    )  # fmt: skip


def _colour(rows: int, columns: int, frames: int) -> dict[str, object]:
    colour = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "YBR_FULL_422"}
    return {**image_attributes(rows, columns, bits=8, frames=frames), **colour}


def _slice(number: int, slices: int, side: int, study: str, modality: str, **attributes: object) -> Dataset:
    data_set = make_data_set(
        study=study, series=f"{study} {modality}", instance=f"{study} {modality} {number}", SOPClassUID=CT_IMAGE,
        Modality=modality, PatientName="Scene^Volume", PatientID="SCENE-1", StudyDescription="Spheres in water",
        SeriesDescription=f"{modality} of {slices} slices", InstanceNumber=number + 1,
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], FrameOfReferenceUID=uid(f"{study} frame of reference"),
        ImagePositionPatient=[-side * SPACING / 2, -side * SPACING / 2, number * SPACING],
        ImageOrientationPatient=_AXIAL, SliceThickness=SPACING, PixelSpacing=[SPACING, SPACING],
        RescaleIntercept=-1024, RescaleSlope=1, WindowCenter=40, WindowWidth=400, KVP="120",
        **image_attributes(side, side),
    )  # fmt: skip
    for keyword, value in attributes.items():
        setattr(data_set, keyword, value)
    return data_set


def _grid(side: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Millimetres below and right of the middle, for each pixel."""
    places = (np.arange(side) - side / 2) * SPACING
    down, right = np.meshgrid(places, places, indexing="ij")
    return down, right


def _sphere(number: int, slices: int, side: int, right_mm: float) -> npt.NDArray[np.bool_]:
    down, right = _grid(side)
    height = (number - (slices - 1) / 2) * SPACING
    inside: npt.NDArray[np.bool_] = down**2 + (right - right_mm) ** 2 + height**2 < RADIUS**2
    return inside


def _water(number: int, slices: int, side: int) -> npt.NDArray[np.uint16]:
    down, right = _grid(side)
    samples = np.where(down**2 + right**2 < (side * SPACING * 0.45) ** 2, 1024, 0)
    samples[_sphere(number, slices, side, _OFFSET)] = 1324
    samples[_sphere(number, slices, side, -_OFFSET)] = 924
    # a ramp that tells slices apart wherever one looks
    return (samples + number).astype("<u2")


def _contour(number: int, slices: int) -> Dataset | None:
    height = (number - (slices - 1) / 2) * SPACING
    if abs(height) >= RADIUS:
        return None
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = np.sqrt(RADIUS**2 - height**2)
    points = [(-_OFFSET + radius * np.cos(a), radius * np.sin(a), number * SPACING) for a in angles]
    return _with(
        ContourImageSequence=[_reference(number)], ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(points), ContourData=[f"{value:.3f}" for point in points for value in point],
    )  # fmt: skip


def _segment_frame(number: int, slices: int) -> Dataset:
    source = _reference(number)
    source.PurposeOfReferenceCodeSequence = [_code("121322", "DCM", "Source image for image processing operation")]
    derivation = _with(
        SourceImageSequence=[source], DerivationCodeSequence=[_code("113076", "DCM", "Segmentation")]
    )
    position = [-SIDE * SPACING / 2, -SIDE * SPACING / 2, number * SPACING]
    return _with(
        FrameContentSequence=[_with(DimensionIndexValues=[1, number + 1])],
        PlanePositionSequence=[_with(ImagePositionPatient=position)],
        SegmentIdentificationSequence=[_with(ReferencedSegmentNumber=1)],
        DerivationImageSequence=[derivation],
    )


def _reference(number: int) -> Dataset:
    return _with(ReferencedSOPClassUID=CT_IMAGE, ReferencedSOPInstanceUID=uid(f"scene ct CT {number}"))


def _with(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _with(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _disc(rows: int, columns: int, row: float, column: float) -> npt.NDArray[np.uint8]:
    down, right = np.mgrid[0:rows, 0:columns]
    picture = np.full((rows, columns, 3), 30, np.uint8)
    picture[(down - row) ** 2 + (right - column) ** 2 < 30**2] = (240, 200, 120)
    return picture


def _stained(side: int) -> npt.NDArray[np.uint8]:
    down, right = np.mgrid[0:side, 0:side] / side
    picture = np.full((side, side, 3), 245, np.uint8)
    picture[(down - 0.5) ** 2 + (right - 0.5) ** 2 < 0.16] = (214, 120, 170)
    for row, column, radius in ((0.35, 0.4, 0.06), (0.6, 0.55, 0.09), (0.45, 0.65, 0.04)):
        picture[(down - row) ** 2 + (right - column) ** 2 < radius**2] = (90, 50, 140)
    return picture


def _pdf_file(words: str) -> bytes:
    content = f"BT /F1 36 Tf 60 700 Td ({words}) Tj ET 0.2 0.4 0.9 rg 60 500 400 120 re f".encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    document, starts = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        starts.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    end = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(document))
    return document + end + trailer


SCENES: dict[str, Callable[[], Iterator[bytes]]] = {
    CT_STUDY: lambda: iter([*volume(), segments(), structures()]),
    PET_STUDY: pet,
    CINE_STUDY: lambda: iter([cine()]),
    PDF_STUDY: lambda: iter([pdf()]),
    SLIDE_STUDY: slide,
}
"""The files of each study, by its UID."""
