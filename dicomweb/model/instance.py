"""What the archive knows of a stored instance without opening it."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.model.keys import InstanceKey


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The Image Pixel attributes that say how pixel data are to be read (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    """Bits of one sample as stored: 1, 8, 16, 32 or 64."""
    bits_stored: int
    pixel_representation: int
    """0 unsigned, 1 two's complement."""
    photometric_interpretation: str
    planar_configuration: int
    """0 colour by pixel, 1 colour by plane."""
    frames: int
    """Number of Frames, 1 when absent."""


@dataclass(frozen=True, slots=True)
class Original:
    """What an instance was when it came, if it was stored in another transfer syntax."""

    digest: bytes
    """SHA-256 of the data set's bytes (32 bytes)."""
    size: int
    """Bytes of the file."""
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One stored version of an instance, as the catalog tells it."""

    key: InstanceKey
    version: str
    """Names the stored object among all versions of this instance; never used twice."""
    revision: int
    """Number of the log entry that stored this version."""
    size: int
    """Bytes of the stored object."""
    data_set_offset: int
    """First byte of the data set: what lies before is preamble and file meta information."""
    sop_class: str
    """SOP Class UID, empty if the data set has none."""
    transfer_syntax: str
    """Transfer Syntax UID of the stored bytes."""
    digest: bytes
    """SHA-256 of the data set's bytes (32 bytes)."""
    image: ImageSpec | None
    """None when the instance has no pixel data."""
    pixel_vr: str
    """VR of the pixel data element as stored or as its transfer syntax implies; empty without pixel data."""
    original: Original | None = None
    """None if it is stored as it came."""


@dataclass(frozen=True, slots=True)
class Header:
    """The data set of an instance without its bulk values."""

    instance: Instance
    json: bytes
    """A DICOM JSON object (PS3.18 F.2) in UTF-8, no group 0002. Each BulkDataURI in it is relative to the
    instance's `bulkdata/` resource: tags and 1-based item numbers, `7FE00010` or `00480105/1/00282000`."""
