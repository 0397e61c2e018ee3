"""Makers of small DICOM files.

Two layers: `element`, `item`, `sequence`, `part10` put bytes together and can build what no library would
write; `make_file`, `ct_slice`, `multi_frame`, `segmentation`, `slide_level` give whole files whose
attributes are written by pydicom. Everything is deterministic: the same arguments give the same bytes.

    part10:  128 bytes preamble | "DICM" | (0002,0000) ... | data set
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.uid import UID

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
RLE = "1.2.840.10008.1.2.5"
NATIVE = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED)
"""The transfer syntaxes that store pixel data unencapsulated."""

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MULTI_FRAME_BYTE_SC = "1.2.840.10008.5.1.4.1.1.7.2"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"

UNDEFINED = 0xFFFFFFFF
"""Length of a sequence, item or encapsulated value that ends with a delimitation item."""

_LONG_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])


def uid(name: str) -> str:
    """A UID that is the same for the same name (PS3.5 B.2 shape)."""
    return f"2.25.{int.from_bytes(hashlib.sha256(name.encode()).digest()[:15], 'big')}"


@dataclass(frozen=True, slots=True)
class Coding:
    """How data elements are written."""

    implicit: bool = False
    big: bool = False

    @property
    def order(self) -> str:
        """The byte order as `struct` writes it."""
        return ">" if self.big else "<"


def element(tag: int, vr: str, value: bytes, *, coding: Coding = Coding(), length: int | None = None) -> bytes:
    """One data element (PS3.5 7.1); `length` overrides what the length field says, UNDEFINED included."""
    said = len(value) if length is None else length
    head = struct.pack(coding.order + "HH", tag >> 16, tag & 0xFFFF)
    if coding.implicit:
        return head + struct.pack(coding.order + "L", said) + value
    if vr in _LONG_VRS:
        return head + vr.encode() + b"\0\0" + struct.pack(coding.order + "L", said) + value
    return head + vr.encode() + struct.pack(coding.order + "H", said) + value


def item(content: bytes = b"", *, coding: Coding = Coding(), undefined: bool = False) -> bytes:
    """One item of a sequence or one fragment (PS3.5 7.5)."""
    order = coding.order
    if undefined:
        return struct.pack(order + "HHL", 0xFFFE, 0xE000, UNDEFINED) + content + item_end(coding=coding)
    return struct.pack(order + "HHL", 0xFFFE, 0xE000, len(content)) + content


def item_end(*, coding: Coding = Coding()) -> bytes:
    """The item delimitation item."""
    return struct.pack(coding.order + "HHL", 0xFFFE, 0xE00D, 0)


def sequence_end(*, coding: Coding = Coding()) -> bytes:
    """The sequence delimitation item."""
    return struct.pack(coding.order + "HHL", 0xFFFE, 0xE0DD, 0)


def sequence(tag: int, *items: bytes, vr: str = "SQ", coding: Coding = Coding(), undefined: bool = False) -> bytes:
    """A sequence of items made by `item`."""
    content = b"".join(items)
    if undefined:
        return element(tag, vr, content + sequence_end(coding=coding), coding=coding, length=UNDEFINED)
    return element(tag, vr, content, coding=coding)


def encapsulated(
    fragments: Sequence[bytes], *, table: Sequence[int] = (), tag: int = 0x7FE00010, vr: str = "OB"
) -> bytes:
    """An encapsulated value: the Basic Offset Table with `table`, the fragments as they are (PS3.5 A.4)."""
    offsets = struct.pack(f"<{len(table)}L", *table)
    content = b"".join([item(offsets), *map(item, fragments)])
    return element(tag, vr, content + sequence_end(), length=UNDEFINED)


def part10(
    data_set: bytes,
    transfer_syntax: str | None = EXPLICIT_LITTLE,
    *,
    preamble: bytes = b"\0" * 128,
    group_length: bool = True,
    sop_class: str = SECONDARY_CAPTURE,
    sop_instance: str = "1.2.3",
) -> bytes:
    """A file around the bytes of a data set (PS3.10 7.1), which are deflated if the syntax says so."""

    def text(value: str) -> bytes:
        return value.encode() + b"\0" * (len(value) % 2)

    meta = element(0x00020001, "OB", b"\0\1")
    meta += element(0x00020002, "UI", text(sop_class)) + element(0x00020003, "UI", text(sop_instance))
    if transfer_syntax is not None:
        meta += element(0x00020010, "UI", text(transfer_syntax))
    meta += element(0x00020012, "UI", text("1.2.826.0.1.3680043.10.1628"))
    if group_length:
        meta = element(0x00020000, "UL", struct.pack("<L", len(meta))) + meta
    body = deflate(data_set) if transfer_syntax == DEFLATED else data_set
    return preamble + b"DICM" + meta + body


def deflate(data: bytes) -> bytes:
    """Raw deflate, padded to even length (PS3.5 A.5)."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    return packed + b"\0" * (len(packed) % 2)


def make_data_set(
    *, study: str = "study", series: str = "series", instance: str = "instance", **attributes: Any
) -> Dataset:
    """A data set with the four identifiers and a patient; keywords set, and None removes, attributes.

    `study`, `series`, `instance` are names for `uid`, so that tests can tell and find them again.
    """
    data_set = Dataset()
    data_set.SOPClassUID = SECONDARY_CAPTURE
    data_set.SOPInstanceUID = uid(instance)
    data_set.StudyInstanceUID = uid(study)
    data_set.SeriesInstanceUID = uid(series)
    data_set.PatientName = "Doe^Jane"
    data_set.PatientID = "P-1"
    data_set.PatientBirthDate = "19700131"
    data_set.PatientSex = "F"
    data_set.StudyDate = "20240229"
    data_set.StudyTime = "131415"
    data_set.StudyID = "1"
    data_set.AccessionNumber = "A-1"
    data_set.ReferringPhysicianName = ""
    data_set.Modality = "OT"
    data_set.SeriesNumber = 1
    data_set.InstanceNumber = 1
    for keyword, value in attributes.items():
        if value is None:
            if keyword in data_set:
                del data_set[keyword]
        else:
            setattr(data_set, keyword, value)
    return data_set


def encode(data_set: Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """The bytes of a data set, not deflated."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = transfer_syntax == IMPLICIT_LITTLE
    buffer.is_little_endian = transfer_syntax != EXPLICIT_BIG
    write_dataset(buffer, data_set)
    return buffer.getvalue()


def to_file(data_set: Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """The data set as a Part 10 file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(data_set.get("SOPClassUID", SECONDARY_CAPTURE))
    meta.MediaStorageSOPInstanceUID = UID(data_set.get("SOPInstanceUID", "1.2.3"))
    meta.TransferSyntaxUID = UID(transfer_syntax)
    data_set.file_meta = meta
    buffer = BytesIO()
    dcmwrite(buffer, data_set, enforce_file_format=True)
    return buffer.getvalue()


def make_file(*, transfer_syntax: str = EXPLICIT_LITTLE, **attributes: Any) -> bytes:
    """A file without pixel data: `make_data_set` of the attributes."""
    return to_file(make_data_set(**attributes), transfer_syntax)


def image_attributes(rows: int, columns: int, *, bits: int = 16, frames: int | None = None) -> dict[str, Any]:
    """Image Pixel attributes of a greyscale image (PS3.3 C.7.6.3)."""
    attributes: dict[str, Any] = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
    }
    if frames is not None:
        attributes["NumberOfFrames"] = frames
    return attributes


def pixels(length: int, *, seed: int = 0) -> bytes:
    """Bytes that differ from place to place, so that a wrong span shows."""
    pattern = hashlib.sha256(seed.to_bytes(8, "big")).digest() + bytes(range(251))
    return (pattern * (length // len(pattern) + 1))[:length]


def ct_slice(
    *, rows: int = 4, columns: int = 4, transfer_syntax: str = EXPLICIT_LITTLE, seed: int = 0, **attributes: Any
) -> bytes:
    """A CT image with native 16-bit pixel data; `seed` varies the pixels."""
    data_set = make_data_set(
        **{
            "SOPClassUID": CT_IMAGE,
            "Modality": "CT",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "ImagePositionPatient": [-100.5, -99.25, 12.0],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [0.5, 0.5],
            "SliceThickness": 1.25,
            "FrameOfReferenceUID": uid("frame of reference"),
            "RescaleIntercept": -1024,
            "RescaleSlope": 1,
            **image_attributes(rows, columns),
            **attributes,
        }
    )
    samples = pixels(rows * columns * 2, seed=seed)
    if transfer_syntax == EXPLICIT_BIG:
        words = array("H", samples)
        words.byteswap()
        samples = words.tobytes()
    data_set.add_new(0x7FE00010, "OW", samples)
    return to_file(data_set, transfer_syntax)


def native_frames(
    frames: int, *, rows: int = 4, columns: int = 4, bits: int = 8, transfer_syntax: str = EXPLICIT_LITTLE,
    **attributes: Any,
) -> bytes:  # fmt: skip
    """A multi-frame image with native pixel data; 1 bit a sample packs frames without padding (PS3.5 8.1.1)."""
    data_set = make_data_set(
        **{
            "SOPClassUID": MULTI_FRAME_BYTE_SC,
            **image_attributes(rows, columns, bits=bits, frames=frames),
            **attributes,
        }
    )
    length = (frames * rows * columns * bits + 7) // 8
    data_set.add_new(0x7FE00010, "OW" if bits > 8 else "OB", pixels(length + length % 2))
    return to_file(data_set, transfer_syntax)


def segmentation(frames: int = 3, *, rows: int = 5, columns: int = 5, **attributes: Any) -> bytes:
    """A binary segmentation: 1 bit a pixel, frames not aligned to bytes, per-frame functional groups."""
    groups = []
    for number in range(1, frames + 1):
        content = Dataset()
        content.DimensionIndexValues = [1, number]
        group = Dataset()
        group.FrameContentSequence = [content]
        groups.append(group)
    return native_frames(
        frames,
        rows=rows,
        columns=columns,
        bits=1,
        **{
            "SOPClassUID": SEGMENTATION,
            "Modality": "SEG",
            "SegmentationType": "BINARY",
            "PerFrameFunctionalGroupsSequence": groups,
            **attributes,
        },
    )


def multi_frame(
    frames: Sequence[Sequence[bytes]], *, offsets: str = "basic", transfer_syntax: str = JPEG_BASELINE,
    trailing: bytes = b"", **attributes: Any,
) -> bytes:  # fmt: skip
    """An image with encapsulated pixel data, each frame given as its fragments.

    `offsets`: "basic" fills the Basic Offset Table, "extended" writes the Extended Offset Table (PS3.3
    C.7.6.3.1.8; one fragment a frame), "none" leaves both empty. Fragments of odd length get a padding byte.
    `trailing` are elements, as bytes, behind Pixel Data.
    """
    even = [[fragment + b"\0" * (len(fragment) % 2) for fragment in frame] for frame in frames]
    starts: list[int] = []
    position = 0
    for frame in even:
        starts.append(position)
        position += sum(8 + len(fragment) for fragment in frame)
    data_set = make_data_set(
        **{
            "SOPClassUID": MULTI_FRAME_BYTE_SC,
            **image_attributes(8, 8, bits=8, frames=len(frames)),
            **attributes,
        }
    )
    if offsets == "extended":
        data_set.add_new(0x7FE00001, "OV", struct.pack(f"<{len(starts)}Q", *starts))
        lengths = [sum(map(len, frame)) for frame in frames]
        data_set.add_new(0x7FE00002, "OV", struct.pack(f"<{len(starts)}Q", *lengths))
    fragments = [fragment for frame in even for fragment in frame]
    pixel_data = encapsulated(fragments, table=starts if offsets == "basic" else ())
    head = to_file(data_set, transfer_syntax)
    return head + pixel_data + trailing


def slide_level(
    side: int = 32, *, tile: int = 8, offsets: str = "basic", transfer_syntax: str = JPEG_BASELINE,
    **attributes: Any,
) -> bytes:  # fmt: skip
    """A tiled whole-slide level (TILED_FULL), `side` pixels square, each tile some bytes of its own."""
    across = -(-side // tile)
    tiles = [[pixels(20 + number % 7, seed=number)] for number in range(across * across)]
    return multi_frame(
        tiles,
        offsets=offsets,
        transfer_syntax=transfer_syntax,
        **{
            "SOPClassUID": SLIDE,
            "Modality": "SM",
            "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
            "DimensionOrganizationType": "TILED_FULL",
            "TotalPixelMatrixColumns": side,
            "TotalPixelMatrixRows": side,
            "Rows": tile,
            "Columns": tile,
            **attributes,
        },
    )
