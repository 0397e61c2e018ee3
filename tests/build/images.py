"""Real frames in every transfer syntax that can be written, and files of them: what conversions are tested on.

The frames are encoded by the product's own encoders, which have tests of their own; what is compared are samples.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.transcode import convert_frame, plan_conversion
from dicomweb.wire.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, transfer_syntax
from tests.build.dicom import image_attributes, make_data_set, multi_frame, part10, to_file, uid

SIDE = 16
JPEG_2000_PART_2 = "1.2.840.10008.1.2.4.92"
"""Read and not written; a codestream of part 1 is one of part 2."""


def spec_of(*, bits: int = 8, samples: int = 1, frames: int = 1, signed: bool = False) -> ImageSpec:
    """A square image; `bits` are allocated and stored."""
    return ImageSpec(
        rows=SIDE,
        columns=SIDE,
        samples_per_pixel=samples,
        bits_allocated=bits,
        bits_stored=bits,
        pixel_representation=int(signed),
        photometric_interpretation="MONOCHROME2" if samples == 1 else "RGB",
        planar_configuration=0,
        frames=frames,
    )


def plain_frame(number: int, spec: ImageSpec) -> bytes:
    """A frame as little endian bytes: a ramp with some grain, another for each number."""
    y, x = np.mgrid[0 : spec.rows, 0 : spec.columns]
    grey = (x * 5 + y * 3 + number * 7 + (x * y) % 3)[..., None] + np.arange(spec.samples_per_pixel) * 20
    if spec.bits_allocated == 1:
        return np.packbits(grey.ravel() // 8 % 2, bitorder="little").tobytes()
    scaled = grey * (1 if spec.bits_allocated == 8 else 100) - 2000 * spec.pixel_representation
    data: bytes = (scaled % (1 << spec.bits_allocated)).astype(f"<u{spec.bits_allocated // 8}").tobytes()
    return data


@cache
def frame_in(syntax: str, number: int, spec: ImageSpec) -> bytes:
    """The same frame in that transfer syntax."""
    written = "1.2.840.10008.1.2.4.90" if syntax == JPEG_2000_PART_2 else syntax
    return convert_frame(plain_frame(number, spec), plan_conversion(spec, "OW", EXPLICIT_LITTLE, written))


def file_in(syntax: str, spec: ImageSpec, **attributes: Any) -> bytes:
    """A file of `spec.frames` such frames; `attributes` as for `make_data_set`."""
    after = plan_conversion(spec, "OW", EXPLICIT_LITTLE, syntax).spec
    described = {
        **image_attributes(after.rows, after.columns, bits=after.bits_allocated, frames=after.frames),
        "SamplesPerPixel": after.samples_per_pixel,
        "PhotometricInterpretation": after.photometric_interpretation,
        "PixelRepresentation": after.pixel_representation,
        "BitsStored": after.bits_stored,
        "HighBit": after.bits_stored - 1,
        **({"PlanarConfiguration": 0} if after.samples_per_pixel > 1 else {}),
        **attributes,
    }
    frames = [frame_in(syntax, number, spec) for number in range(1, spec.frames + 1)]
    if transfer_syntax(syntax).encapsulated:
        return compressed_file(frames, syntax, **described)
    data_set = make_data_set(**described)
    value = b"".join(frames)
    if spec.bits_allocated == 1:
        value = joined_bits(frames, spec)
    data_set.add_new(0x7FE00010, "OW" if spec.bits_allocated > 8 else "OB", value + b"\0" * (len(value) % 2))
    return to_file(data_set, syntax)


def compressed_file(frames: list[bytes], syntax: str, **attributes: Any) -> bytes:
    """A file of compressed frames, a fragment each, also in syntaxes that pydicom does not know."""
    data = multi_frame([[frame] for frame in frames], **attributes)
    (length,) = struct.unpack_from("<L", data, 140)
    return part10(data[144 + length :], syntax, sop_instance=uid(attributes.get("instance", "instance")))


def joined_bits(frames: list[bytes], spec: ImageSpec) -> bytes:
    """Frames of 1 bit a sample, one behind the other without padding (PS3.5 8.1.1)."""
    bits = spec.rows * spec.columns
    rows = [np.unpackbits(np.frombuffer(frame, np.uint8), count=bits, bitorder="little") for frame in frames]
    return np.packbits(np.concatenate(rows), bitorder="little").tobytes()


def samples_of(data: bytes, syntax: str, spec: ImageSpec) -> Any:
    """The samples of one frame in that transfer syntax, as an array."""
    described = plan_conversion(spec, "OW", EXPLICIT_LITTLE, syntax).spec if syntax != EXPLICIT_BIG else spec
    return decode_frame(data, described, syntax).array
