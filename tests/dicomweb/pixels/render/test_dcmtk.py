"""Pictures against those of DCMTK's dcmj2pnm, on real files: within 1 grey level with the same window.

DCMTK cuts fractions of a grey off where we round, which is the difference that is let through.
"""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from dicomweb.encoding.head import Unreadable
from dicomweb.pixels.frame import PixelError
from dicomweb.pixels.render.attributes import FrameAttributes, first_text
from dicomweb.pixels.render.grey import value_extent
from dicomweb.pixels.render.modality import read_modality
from dicomweb.pixels.render.samples import read_layout
from dicomweb.pixels.render.settings import RenderSettings, Window
from tests.build.samples import SAMPLES, manifest
from tests.dicomweb.pixels.render.images import ImageFile

DCMJ2PNM = shutil.which("dcmj2pnm")

pytestmark = pytest.mark.skipif(DCMJ2PNM is None or SAMPLES is None, reason="needs dcmj2pnm and the sample data")

EXCEPTIONS = {
    "multiframe/dcm_qa_enh--IM_0027_fMAP.dcm": "the rescale is in functional groups, which dcmj2pnm does not read",
    "studies/mr-enhanced-philips/dti/IM-0001-3835-0001.dcm": "the rescale is in functional groups",
    "studies/mr-enhanced-philips/fmri/IM-0001-9600-0001.dcm": "the rescale is in functional groups",
    "objects/rt/pydicom--rtdose_expb.dcm": "dcmj2pnm exchanges the halves of big endian words of 32 bits",
}
"""Grey files whose pictures differ by more than 1, and why ours is right."""

COLOUR_EXCEPTIONS = {
    "modalities/healthcare-dicom-dicomweb-adapter--example-mg.dcm": "JPEG is YCbCr, the data set says RGB",
    "modalities/healthcare-dicom-dicomweb-adapter--example.dcm": "JPEG is YCbCr, the data set says RGB",
    "wsi/pathml-dicom/small_dicom.dcm": "JPEG is YCbCr, the data set says RGB",
}
"""Colour files whose pictures differ, and why ours is right."""

_FOLDERS = ("modalities", "multiframe", "objects", "studies", "transfer-syntaxes", "wsi")
_FILES_A_FOLDER = 2


def _chosen() -> list[str]:
    """All files with pixels that may take a while to compare; of folders of like ones the first few."""
    names: list[str] = []
    seen: dict[tuple[str, str, str], int] = {}
    for row in manifest():
        kind = (row["path"].rpartition("/")[0], row["transfer_syntax"], row["photometric"])
        if not row["path"].startswith(_FOLDERS) or not row["photometric"] or not row["path"].endswith(".dcm"):
            continue
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= _FILES_A_FOLDER or row["path"] in EXCEPTIONS | COLOUR_EXCEPTIONS:
            names.append(row["path"])
    return names


def dcmtk(name: str, *options: str) -> npt.NDArray[np.uint8]:
    """Its picture of the first frame; skips the test where it has none."""
    assert SAMPLES is not None
    assert DCMJ2PNM is not None
    done = subprocess.run([DCMJ2PNM, "-O", *options, "+op", SAMPLES / name], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        pytest.skip("dcmj2pnm cannot read it")
    return np.asarray(Image.open(io.BytesIO(done.stdout)))


def opened(name: str) -> ImageFile:
    """The file, if it has a frame that can be decoded."""
    assert SAMPLES is not None
    try:
        file = ImageFile.open(SAMPLES / name)
        file.frame()
    except (ValueError, IndexError, Unreadable, PixelError) as error:
        pytest.skip(f"no frame: {error}")
    return file


def a_window(file: ImageFile) -> Window:
    """A window that cuts off dark and bright values of the first frame."""
    frame = file.frame()
    attributes = FrameAttributes(file.header, 1)
    layout = read_layout(frame, attributes)
    extent = value_extent(frame.array, layout, read_modality(attributes, signed=layout.signed), padding=None)
    whole = extent.highest - extent.lowest
    sigmoid = first_text(file.header, "00281056") == "SIGMOID"
    center, width = round(extent.lowest + 0.45 * whole, 1), max(2.0, round(0.6 * whole, 1))
    # dcmj2pnm spreads the window that it is told as the image says of its own
    return Window(center, width, "sigmoid" if sigmoid else "linear")


def furthest(ours: npt.NDArray[np.uint8], theirs: npt.NDArray[np.uint8]) -> int:
    assert ours.shape == theirs.shape
    return int(np.abs(ours.astype(np.int16) - theirs).max())


@pytest.mark.parametrize("name", _chosen())
def test_pictures_are_those_of_dcmtk(name: str) -> None:
    file = opened(name)
    if file.frame().array.ndim == 3 or file.frame().photometric_interpretation == "PALETTE COLOR":
        distance = furthest(file.render(RenderSettings(overlays=False)).array, dcmtk(name))
        assert (distance > 1) == (name in COLOUR_EXCEPTIONS)
        return
    window = a_window(file)
    picture = file.render(RenderSettings(window=window, overlays=False)).array
    if picture.ndim == 3:
        pytest.skip("a supplemental palette, which dcmj2pnm does not show")
    distance = furthest(picture, dcmtk(name, "+Ww", str(window.center), str(window.width)))
    assert (distance > 1) == (name in EXCEPTIONS)


def test_the_first_voi_table_of_the_image_gives_the_picture_of_dcmtk() -> None:
    name = "modalities/fo-dicom--GH133.dcm"
    file = opened(name)
    for tag in ("00281050", "00281051"):
        del file.header[tag]
    assert furthest(file.render(RenderSettings(overlays=False)).array, dcmtk(name, "+Wl", "1")) <= 1


WITH_WINDOW = (
    "modalities/fo-dicom--GH133.dcm",
    "modalities/orthanc--KarstenHilbertRF.dcm",
    "modalities/pydicom--examples_overlay.dcm",
    "studies/pet-tcia/1.dcm",
    "transfer-syntaxes/colour/orthanc--Monochrome1-Jpeg.dcm",
)


@pytest.mark.parametrize("name", WITH_WINDOW)
def test_the_first_window_of_the_image_gives_the_picture_of_dcmtk(name: str) -> None:
    file = opened(name)
    assert furthest(file.render(RenderSettings(overlays=False)).array, dcmtk(name, "+Wi", "1")) <= 1
