"""Transfer syntaxes as the web sees them: name, byte order, how frames lie, media type of one frame.

Names and UIDs are those of PS3.6 Table A-1, media types those of PS3.18 Tables 8.7.3-2 to 8.7.3-5. A syntax that
is not in the table is treated as what nearly all unknown ones are: explicit little endian, encapsulated, its
frames given as application/octet-stream under their own label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"

OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One transfer syntax."""

    uid: str
    name: str
    """As PS3.6 Table A-1 has it, without the remark on defaults."""
    media_type: str
    """Of one frame, or of a video as a whole; application/octet-stream where the standard names none."""
    encapsulated: bool
    """Pixel data lie in fragments (PS3.5 A.4); a native one can be read by position."""
    lossy: bool
    """Whether the encoding may lose something (PS3.5 8.2)."""

    @property
    def big_endian(self) -> bool:
        """Whether values lie with their most significant byte first."""
        return self.uid == EXPLICIT_BIG

    @property
    def is_default(self) -> bool:
        """Whether its media type without a transfer syntax means this one, or one this is a special case of."""
        return DEFAULTS.get(self.media_type) == self.uid or self.uid in _NARROWER

    @property
    def deflated(self) -> bool:
        """Whether the whole data set is one deflated stream (PS3.5 A.5)."""
        return self.uid == DEFLATED_LITTLE


_JPEG = "image/jpeg"
_JP2 = "image/jp2"
_JPX = "image/jpx"
_JPHC = "image/jphc"
_JXL = "image/jxl"
_MPEG = "video/mpeg"
_MP4 = "video/mp4"

_NATIVE = (
    (IMPLICIT_LITTLE, "Implicit VR Little Endian"),
    (EXPLICIT_LITTLE, "Explicit VR Little Endian"),
    (DEFLATED_LITTLE, "Deflated Explicit VR Little Endian"),
    (EXPLICIT_BIG, "Explicit VR Big Endian"),
)

# UID, name, media type, lossy. PS3.18 names no type for the retired JPEG processes, which are JPEG all the same.
_ENCAPSULATED = (
    ("1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian", OCTETS, False),
    ("1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", _JPEG, True),
    ("1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", _JPEG, True),
    ("1.2.840.10008.1.2.4.52", "JPEG Extended (Process 3 and 5)", _JPEG, True),
    ("1.2.840.10008.1.2.4.53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)", _JPEG, True),
    ("1.2.840.10008.1.2.4.54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)", _JPEG, True),
    ("1.2.840.10008.1.2.4.55", "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)", _JPEG, True),
    ("1.2.840.10008.1.2.4.56", "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)", _JPEG, True),
    ("1.2.840.10008.1.2.4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", _JPEG, False),
    ("1.2.840.10008.1.2.4.58", "JPEG Lossless, Non-Hierarchical (Process 15)", _JPEG, False),
    ("1.2.840.10008.1.2.4.59", "JPEG Extended, Hierarchical (Process 16 and 18)", _JPEG, True),
    ("1.2.840.10008.1.2.4.60", "JPEG Extended, Hierarchical (Process 17 and 19)", _JPEG, True),
    ("1.2.840.10008.1.2.4.61", "JPEG Spectral Selection, Hierarchical (Process 20 and 22)", _JPEG, True),
    ("1.2.840.10008.1.2.4.62", "JPEG Spectral Selection, Hierarchical (Process 21 and 23)", _JPEG, True),
    ("1.2.840.10008.1.2.4.63", "JPEG Full Progression, Hierarchical (Process 24 and 26)", _JPEG, True),
    ("1.2.840.10008.1.2.4.64", "JPEG Full Progression, Hierarchical (Process 25 and 27)", _JPEG, True),
    ("1.2.840.10008.1.2.4.65", "JPEG Lossless, Hierarchical (Process 28)", _JPEG, False),
    ("1.2.840.10008.1.2.4.66", "JPEG Lossless, Hierarchical (Process 29)", _JPEG, False),
    (
        "1.2.840.10008.1.2.4.70",
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
        _JPEG,
        False,
    ),
    ("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless Image Compression", "image/jls", False),
    ("1.2.840.10008.1.2.4.81", "JPEG-LS Lossy (Near-Lossless) Image Compression", "image/jls", True),
    ("1.2.840.10008.1.2.4.90", "JPEG 2000 Image Compression (Lossless Only)", _JP2, False),
    ("1.2.840.10008.1.2.4.91", "JPEG 2000 Image Compression", _JP2, True),
    ("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)", _JPX, False),
    ("1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2 Multi-component Image Compression", _JPX, True),
    ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level", _MPEG, True),
    ("1.2.840.10008.1.2.4.100.1", "Fragmentable MPEG2 Main Profile / Main Level", _MPEG, True),
    ("1.2.840.10008.1.2.4.101", "MPEG2 Main Profile / High Level", _MPEG, True),
    ("1.2.840.10008.1.2.4.101.1", "Fragmentable MPEG2 Main Profile / High Level", _MPEG, True),
    ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", _MP4, True),
    ("1.2.840.10008.1.2.4.102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", _MP4, True),
    ("1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", _MP4, True),
    (
        "1.2.840.10008.1.2.4.103.1",
        "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
        _MP4,
        True,
    ),
    ("1.2.840.10008.1.2.4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", _MP4, True),
    (
        "1.2.840.10008.1.2.4.104.1",
        "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video",
        _MP4,
        True,
    ),
    ("1.2.840.10008.1.2.4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", _MP4, True),
    (
        "1.2.840.10008.1.2.4.105.1",
        "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video",
        _MP4,
        True,
    ),
    ("1.2.840.10008.1.2.4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", _MP4, True),
    ("1.2.840.10008.1.2.4.106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", _MP4, True),
    ("1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile / Level 5.1", _MP4, True),
    ("1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10 Profile / Level 5.1", _MP4, True),
    ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", _JXL, False),
    ("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression", _JXL, True),
    ("1.2.840.10008.1.2.4.112", "JPEG XL", _JXL, True),
    ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 Image Compression (Lossless Only)", _JPHC, False),
    (
        "1.2.840.10008.1.2.4.202",
        "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
        _JPHC,
        False,
    ),
    ("1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000 Image Compression", _JPHC, True),
    ("1.2.840.10008.1.2.5", "RLE Lossless", "image/dicom-rle", False),
    ("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", OCTETS, False),
)

TRANSFER_SYNTAXES: Mapping[str, TransferSyntax] = MappingProxyType(
    {uid: TransferSyntax(uid, name, OCTETS, False, False) for uid, name in _NATIVE}
    | {uid: TransferSyntax(uid, name, media, True, lossy) for uid, name, media, lossy in _ENCAPSULATED}
)
"""By UID. The JPIP syntaxes are not here: their pixel data lie elsewhere. Nor is Papyrus, which nobody writes."""

DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        _JPEG: "1.2.840.10008.1.2.4.70",
        "image/dicom-rle": "1.2.840.10008.1.2.5",
        "image/jls": "1.2.840.10008.1.2.4.80",
        _JP2: "1.2.840.10008.1.2.4.90",
        _JPX: "1.2.840.10008.1.2.4.92",
        _JPHC: "1.2.840.10008.1.2.4.201",
        _JXL: "1.2.840.10008.1.2.4.110",
        _MPEG: "1.2.840.10008.1.2.4.100",
        _MP4: "1.2.840.10008.1.2.4.102",
    }
)
"""What a compressed media type means where no transfer syntax is named (PS3.18 Table 8.7.3-5)."""

_NARROWER = frozenset(("1.2.840.10008.1.2.4.202",))
"""Syntaxes whose streams are streams of their type's default too: .202 is .201 with some options fixed."""

LEGACY_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "image/x-jls": "image/jls",
        "image/x-dicom-rle": "image/dicom-rle",
        "image/jhc": "image/jphc",
        "image/jph": "image/jphc",
        "image/jpg": "image/jpeg",
        "image/dicom+jpeg": "image/jpeg",
        "image/dicom+jpeg-ls": "image/jls",
        "image/dicom+jls": "image/jls",
        "image/dicom+jp2": "image/jp2",
        "image/dicom+jpx": "image/jpx",
        "image/dicom+rle": "image/dicom-rle",
        "video/mpeg2": "video/mpeg",
        "application/x-zip-compressed": "application/zip",
    }
)
"""Names that clients still send, some of them of former editions of PS3.18, and the present ones."""


def transfer_syntax(uid: str) -> TransferSyntax:
    """The syntax of that UID; for an unknown one what is most likely."""
    return TRANSFER_SYNTAXES.get(uid) or TransferSyntax(uid, uid, OCTETS, encapsulated=True, lossy=True)
