"""Every sample file: what decodes, what does not and why, and that the samples are right.

Three sorts of proof: the decoders of pydicom (exact, but for the last bit of a cosine transform), DCMTK for what
those cannot do, and the same image stored in several transfer syntaxes.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels.processing import convert_color_space

from dicomweb.encoding.head import Unreadable
from dicomweb.pixels.codecs.codestream import Samples
from dicomweb.pixels.frame import Undecodable
from tests.build.samples import SAMPLES, sample_ids
from tests.dicomweb.pixels.stored_frames import StoredFrames, stored_frames

pytestmark = pytest.mark.skipif(SAMPLES is None, reason="needs the sample files")

JPEG = "1.2.840.10008.1.2.4."
LOSSY_DCT = frozenset(JPEG + end for end in ("50", "51", "53", "55"))

NOT_STORED = {
    "malformed/orthanc--2026-05-06-Deeply-Nested-Sequence.dcm": "sequences nested deeper than is let in",
    "malformed/pydicom--DICOMDIR-nooffset": "an item reaches beyond its sequence",
    "malformed/pydicom--MR_truncated.dcm": "the file ends within its pixel data",
    "wsi/orthanc/OrthancLogoRaw.tiff": "not DICOM",
    "wsi/vendor/boxes.tiff": "not DICOM",
    "wsi/vendor/small_HE.svs": "not DICOM",
    "wsi/vendor/small_HE_levels.tiff": "not DICOM",
    "wsi/vendor/smalltif.tif": "not DICOM",
    "wsi/vendor/unopenable.tiff": "not DICOM",
    "wsi/vendor/unreadable.svs": "not DICOM",
}
"""Files that the archive refuses, so that there is nothing to decode."""

NO_FRAMES = {
    "malformed/orthanc--2026-05-26-oob-monochrome-46341.dcm": "46341 x 46341 declared, a few bytes stored",
    "malformed/orthanc--2026-05-26-oob-monochrome-65535.dcm": "65535 x 65535 declared, a few bytes stored",
    "malformed/pydicom--nested_priv_SQ.dcm": "pixel data without rows, columns and bits",
    "objects/rt/pyorthanc--RTSTRUCT.dcm": "empty pixel data without rows, columns and bits",
}
"""Pixel data that hold no frame."""

UNDECODABLE = {
    "malformed/ruby-dicom--invalid_compression.dcm": "a sentence in place of a JPEG image",
    "transfer-syntaxes/pydicom-misc/pydicom--JPEG2000-embedded-sequence-delimiter.dcm":
        "a delimiter was written into its JPEG 2000 header, which now tells of 14 million tiles",
}  # fmt: skip
"""Frames that no decoder can make sense of."""

NOT_COMPARED = {
    "malformed/DICOMSamples--CT_Implicit_Little_Headless_Retired.dcm": "pydicom wants Photometric Interpretation",
    "malformed/dicomweb-conformance-tests--test_synthetic.dcm": "pydicom wants Photometric Interpretation",
    "malformed/dtf--20-wrong-transfer-syntax.dcm": "native pixel data that call themselves JPEG-LS",
    "malformed/fo-dicom--GH1339.dcm": "pydicom does not find the pixel data",
    "malformed/fo-dicom--GH340.dcm": "12 bits allocated",
    "malformed/fo-dicom--GH626.dcm": "pydicom does not find the pixel data",
    "malformed/pydicom--badVR.dcm": "pydicom wants a Number of Frames that is a number",
    "multiframe/orthanc--MultiframeWindowing.dcm": "pydicom wants Pixel Representation",
    "objects/seg/pydicom-data--liver_nonbyte_aligned_rle.dcm": "RLE of single bits",
    "objects/seg/pydicom-data--liver_rle.dcm": "RLE of single bits",
    "transfer-syntaxes/deflated-frame/pydicom-data--liver_deflate.dcm": "Deflated Image Frame Compression",
    "transfer-syntaxes/nema-wg04/NM1_JPLY.dcm": "12-bit JPEG; DCMTK below",
    "transfer-syntaxes/nema-wg04/XA1_JPLY.dcm": "12-bit JPEG; DCMTK below",
    "transfer-syntaxes/orthanc/orthanc--1.2.840.10008.1.2.4.51.dcm": "12-bit JPEG; DCMTK below",
}
"""Files that decode here and not in pydicom, and why there."""

CT_ALL = "transfer-syntaxes/ctimage-all/cornerstone3D--CTImage.dcm_"
PROCESS_10_12 = CT_ALL + "JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm"
PROCESS_6_8 = CT_ALL + "JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm"
PROCESS_2_4 = CT_ALL + "JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm"
RETIRED = {PROCESS_10_12: "a retired process; DCMTK below", PROCESS_6_8: "a retired process; DCMTK below"}


@pytest.mark.parametrize("name", sample_ids())
def test_a_sample_file_decodes_unless_it_is_known_why_not(name: str) -> None:
    try:
        stored = stored_frames(name)
    except Unreadable:
        assert name in NOT_STORED
        return
    assert name not in NOT_STORED
    if not stored.frames:
        assert (name in NO_FRAMES) == bool(stored.pixel_vr)
        return
    assert name not in NO_FRAMES
    for number in range(1, len(stored.frames) + 1):
        if name in UNDECODABLE:
            with pytest.raises(Undecodable):
                stored.decode(number)
        else:
            _has_the_form_it_declares(stored, number)


def _has_the_form_it_declares(stored: StoredFrames, number: int) -> None:
    spec, decoded = stored.spec, stored.decode(number)
    assert spec is not None
    colour = (spec.samples_per_pixel,) if spec.samples_per_pixel > 1 else ()
    assert decoded.array.shape == (spec.rows, spec.columns, *colour)
    assert decoded.array.flags.c_contiguous
    assert decoded.array.dtype.isnative
    assert decoded.array.itemsize == -(-spec.bits_allocated // 8)


@pytest.mark.parametrize(
    "name", sorted(set(sample_ids()) - NOT_STORED.keys() - NO_FRAMES.keys() - UNDECODABLE.keys())
)
def test_samples_are_those_of_pydicom(name: str) -> None:
    stored = stored_frames(name)
    if not stored.frames:
        return
    theirs = _by_pydicom(name, stored)
    assert (theirs is None) == (name in NOT_COMPARED or name in RETIRED)
    if theirs is None:
        return
    for number, expected in zip(range(1, len(stored.frames) + 1), theirs, strict=True):
        ours = _comparable(stored, number)
        assert ours.shape == expected.shape
        difference = np.abs(ours.astype(np.float64) - expected)
        if stored.syntax not in LOSSY_DCT and "dcmjs--sample-op" not in name:
            assert not difference.any()
        elif ours.ndim == 2:
            # implementations of the cosine transform may round differently
            assert difference.max() <= 1
        else:
            # and on its edges chroma is interpolated in different ways
            assert difference.max() <= 12
            assert difference.mean() < 0.25


def _by_pydicom(name: str, stored: StoredFrames) -> list[Samples] | None:
    """The first and the last frame, colour as RGB, unused bits cleared; None if it cannot."""
    assert SAMPLES is not None
    assert stored.spec is not None
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data_set = dcmread(SAMPLES / name, force=True)
            if "TransferSyntaxUID" not in data_set.file_meta:
                data_set.file_meta.TransferSyntaxUID = stored.syntax
            array = data_set.pixel_array
    except Exception:  # whatever it says: the table above says why
        return None
    finally:
        logging.disable(logging.NOTSET)
    frames = [array] if array.ndim == (2 if stored.spec.samples_per_pixel == 1 else 3) else list(array)
    chosen = [frames[0], frames[-1]] if len(stored.frames) == 2 else frames[:1]
    return [_cleared(frame, stored) for frame in chosen]


def _comparable(stored: StoredFrames, number: int) -> Samples:
    decoded = stored.decode(number)
    array = decoded.array
    if decoded.photometric_interpretation.startswith("YBR"):
        array = convert_color_space(array, decoded.photometric_interpretation, "RGB")
    return _cleared(array, stored)


def _cleared(array: Samples, stored: StoredFrames) -> Samples:
    """Without the bits above Bits Stored, where native pixel data may hold an overlay and pydicom clears them."""
    assert stored.spec is not None
    if stored.syntax.startswith(JPEG) or array.dtype.kind == "f" or stored.spec.bits_stored >= array.itemsize * 8:
        return array
    result: Samples = array & array.dtype.type((1 << stored.spec.bits_stored) - 1)
    return result


@pytest.mark.skipif(shutil.which("dcmdjpeg") is None, reason="needs DCMTK")
@pytest.mark.parametrize(
    "name", [PROCESS_10_12, PROCESS_6_8, PROCESS_2_4, *(n for n in NOT_COMPARED if "DCMTK" in NOT_COMPARED[n])]
)
def test_12_bit_jpeg_is_what_dcmtk_makes_of_it(name: str, tmp_path: Path) -> None:
    assert SAMPLES is not None
    native = tmp_path / "native.dcm"
    subprocess.run(["dcmdjpeg", SAMPLES / name, native], check=True, capture_output=True, timeout=60)
    expected: Any = dcmread(native).pixel_array
    assert np.abs(stored_frames(name).decode().array.astype(np.int64) - expected).max() <= 1


NEMA = "transfer-syntaxes/nema-wg04/"
CAPSULE = "transfer-syntaxes/encapsulation/dicomParser--"
MR = "transfer-syntaxes/pydicom-mr-small/pydicom--MR_small"
SC = "transfer-syntaxes/pydicom-sc-rgb/pydicom--SC_rgb_"
PATTERN = "transfer-syntaxes/testpattern/cornerstone3D--TestPattern_"
ORTHANC = "transfer-syntaxes/orthanc/orthanc--1.2.840.10008.1.2."
DATA = "transfer-syntaxes/pydicom-data/pydicom-data--"
JLS = "transfer-syntaxes/pydicom-jls/pydicom-data--JLSL_"

SAME = {
    CT_ALL + "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm": [
        CT_ALL + "BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
        CT_ALL + "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99.dcm",
        CT_ALL + "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm",
        CT_ALL + "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm",
        CT_ALL + "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm",
        CT_ALL + "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57.dcm",
        CT_ALL + "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm",
        CT_ALL + "RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm",
    ],
    # one set of coefficients, sent in one scan or in several
    PROCESS_2_4: [PROCESS_6_8, PROCESS_10_12],
    CAPSULE + "CT1_UNC.explicit_little_endian.dcm": [
        *(f"{NEMA}CT1_{end}.dcm" for end in ("RLE", "J2KR", "JLSL", "JPLL")),
        *(f"{CAPSULE}CT1_UNC.{end}_jpeg_ls.80.dcm" for end in ("fragmented_bot", "fragmented_no_bot")),
        CAPSULE + "CT1_UNC.not_fragmented_bot_jpeg_ls.80.dcm",
        "transfer-syntaxes/encapsulation/fo-dicom--D_CLUNIE_CT1_RLE_FRAGS.dcm",
    ],
    CAPSULE + "CT0012.explicit_little_endian.dcm": [
        *(f"{CAPSULE}CT0012.fragmented_no_bot_jpeg_{end}.dcm" for end in ("lossless.57", "lossless.70", "ls.80")),
        *(f"{CAPSULE}CT0012.not_fragmented_{end}.dcm" for end in ("bot_jpeg_ls.80", "no_bot_jpeg_ls.80")),
        *(f"{CAPSULE}CT0012.not_fragmented_{end}.dcm" for end in ("bot_rle", "no_bot_rle")),
    ],
    NEMA + "NM1_UNC.dcm": [NEMA + "NM1_JPLL.dcm", ORTHANC + "4.80.dcm", ORTHANC + "4.90.dcm", ORTHANC + "5.dcm"],
    NEMA + "VL1_RLE.dcm": [NEMA + "VL1_J2KR.dcm"],
    NEMA + "XA1_RLE.dcm": [NEMA + "XA1_J2KR.dcm"],
    MR + ".dcm": [
        f"{MR}_{end}.dcm"
        for end in ("RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded")
    ],
    SC + "rle.dcm": [SC + "jpeg_gdcm.dcm", SC + "gdcm_KY.dcm"],
    PATTERN + "RGB.dcm": [PATTERN + "JPEG-LS-Lossless.dcm", PATTERN + "JPEG-Lossless_RGB.dcm"],
    JLS + "RGB_ILV0.dcm": [JLS + "RGB_ILV2.dcm"],
    DATA + "color-px.dcm": [DATA + "color-pl.dcm"],
    DATA + "OBXXXX1A_rle.dcm": [DATA + "OBXXXX1A_expb.dcm", DATA + "OBXXXX1A_rle_2frame.dcm"],
    DATA + "SC_rgb_16bit.dcm": [DATA + "SC_rgb_expb_16bit.dcm", SC + "rle_16bit_2frame.dcm"],
    DATA + "SC_rgb_32bit.dcm": [SC + "rle_32bit.dcm"],
    SC + "small_odd.dcm": [SC + "small_odd_big_endian.dcm"],
    "objects/seg/pydicom-data--liver.dcm": [
        "objects/seg/pydicom-data--liver_rle.dcm",
        "transfer-syntaxes/deflated-frame/pydicom-data--liver_deflate.dcm",
    ],
}
"""The same image, stored without loss in other ways."""

NEAR = [
    (CT_ALL + "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm",
     CT_ALL + "JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91.dcm", 73),
    (CT_ALL + "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm",
     CT_ALL + "JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81.dcm", 74),
    (NEMA + "CT1_RLE.dcm", NEMA + "CT1_JLSN.dcm", 64),
    (NEMA + "NM1_UNC.dcm", NEMA + "NM1_J2KI.dcm", 31),
    (NEMA + "NM1_UNC.dcm", NEMA + "NM1_JLSN.dcm", 43),
    (NEMA + "NM1_UNC.dcm", NEMA + "NM1_JPLY.dcm", 37),
    (NEMA + "VL1_RLE.dcm", NEMA + "VL1_J2KI.dcm", 40),
    (NEMA + "XA1_RLE.dcm", NEMA + "XA1_JPLY.dcm", 42),
    (CAPSULE + "CT0012.explicit_little_endian.dcm", CAPSULE + "CT0012.fragmented_no_bot_jpeg_ls.81.dcm", 61),
    (PATTERN + "RGB.dcm", PATTERN + "JPEG-Baseline_YBR422.dcm", 39),
    (PATTERN + "RGB.dcm", PATTERN + "JPEG-Baseline_YBRFull.dcm", 44),
    (PATTERN + "RGB.dcm", PATTERN + "JPEG-LS-NearLossless.dcm", 45),
    (SC + "rle.dcm", SC + "dcmtk_eb_cr.dcm", 56),
    (SC + "rle.dcm", SC + "dcmtk_eb_cy_s2.dcm", 46),
    (SC + "rle.dcm", SC + "jls_lossy_line.dcm", 46),
    (SC + "rle.dcm", SC + "jls_lossy_sample.dcm", 46),
]  # fmt: skip
"""An image, the same with loss, and their signal to noise ratio in dB, at least."""


@pytest.mark.parametrize("reference", SAME)
def test_an_image_stored_in_several_ways_is_the_same_image(reference: str) -> None:
    first = stored_frames(reference).decode()
    for name in SAME[reference]:
        other = stored_frames(name).decode()
        assert other.array.dtype == first.array.dtype
        np.testing.assert_array_equal(other.array, first.array, err_msg=name)
        assert other.photometric_interpretation == first.photometric_interpretation


@pytest.mark.parametrize(("reference", "lossy", "decibels"), NEAR)
def test_an_image_stored_with_loss_is_near_it(reference: str, lossy: str, decibels: int) -> None:
    first, other = stored_frames(reference).decode().array.astype(float), stored_frames(lossy).decode().array
    noise = np.mean((first - other) ** 2)
    assert 10 * np.log10((first.max() - first.min()) ** 2 / noise) >= decibels


def test_reasons_are_given_for_files_that_exist() -> None:
    assert {*NOT_STORED, *NO_FRAMES, *UNDECODABLE, *NOT_COMPARED, *RETIRED} <= set(sample_ids())
