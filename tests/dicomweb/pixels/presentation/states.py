"""Presentation states and images with overlays, as files, and what the reader makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomweb.encoding.reader import read_head
from dicomweb.model.query import JsonAttributes
from dicomweb.model.ranges import ByteRange
from dicomweb.pixels.presentation.gsps import read_presentation
from dicomweb.pixels.presentation.model import Presentation
from tests.build.dicom import image_attributes, make_data_set, to_file, uid

GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
COLOUR_STATE = "1.2.840.10008.5.1.4.1.1.11.2"
PSEUDO_COLOUR_STATE = "1.2.840.10008.5.1.4.1.1.11.3"
BLENDING_STATE = "1.2.840.10008.5.1.4.1.1.11.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

Picture = npt.NDArray[np.uint8]


def item(**attributes: Any) -> Dataset:
    """One item of a sequence: keywords and values."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def reference(instance: str = "image", *frames: int) -> Dataset:
    """An item of a Referenced Image Sequence; `instance` is a name for `uid`."""
    made = item(ReferencedSOPClassUID=SECONDARY_CAPTURE, ReferencedSOPInstanceUID=uid(instance))
    if frames:
        made.ReferencedFrameNumber = list(frames)
    return made


def whole_area(rows: int, columns: int, **attributes: Any) -> Dataset:
    """A displayed area of the whole image."""
    return item(
        **{
            "DisplayedAreaTopLeftHandCorner": [1, 1],
            "DisplayedAreaBottomRightHandCorner": [columns, rows],
            "PresentationSizeMode": "SCALE TO FIT",
            "PresentationPixelAspectRatio": [1, 1],
            **attributes,
        }
    )


def make_state(
    *, images: tuple[Dataset, ...] = (), rows: int = 64, columns: int = 64, **attributes: Any
) -> Dataset:
    """A greyscale state of the image named `image` that shows all of it, without any change."""
    series = item(SeriesInstanceUID=uid("images"), ReferencedImageSequence=Sequence(list(images) or [reference()]))
    return make_data_set(
        **{
            "series": "states",
            "instance": "state",
            "SOPClassUID": GSPS,
            "Modality": "PR",
            "ContentLabel": "TEST",
            "ContentDescription": "",
            "PresentationCreationDate": "20240229",
            "PresentationCreationTime": "1200",
            "ContentCreatorName": "",
            "Manufacturer": "",
            "ReferencedSeriesSequence": [series],
            "DisplayedAreaSelectionSequence": [whole_area(rows, columns)],
            "PresentationLUTShape": "IDENTITY",
            **attributes,
        }
    )


def make_image(samples: npt.NDArray[Any], *, bits_stored: int | None = None, **attributes: Any) -> Dataset:
    """A greyscale image named `image` of those samples (rows, columns), or (frames, rows, columns)."""
    frames = samples.shape[0] if samples.ndim == 3 else None
    bits = 8 * samples.itemsize
    made = make_data_set(
        **{
            "series": "images",
            "instance": "image",
            **image_attributes(samples.shape[-2], samples.shape[-1], bits=bits, frames=frames),
            "BitsStored": bits_stored or bits,
            "HighBit": (bits_stored or bits) - 1,
            "PixelRepresentation": int(samples.dtype.kind == "i"),
            **attributes,
        }
    )
    made.add_new(0x7FE00010, "OW" if bits > 8 else "OB", samples.tobytes())
    return made


def add_overlay(
    data_set: Dataset, bits: npt.NDArray[Any], *, group: int = 0x6000, origin: tuple[int, int] = (1, 1),
    kind: str = "G", **more: Any,
) -> None:  # fmt: skip
    """Overlay Data of bits (rows, columns) or (frames, rows, columns); `more` are elements, `e0015="IS 3"`."""
    packed = np.packbits(bits.astype(bool).reshape(-1), bitorder="little").tobytes()
    data_set.add_new((group, 0x0010), "US", bits.shape[-2])
    data_set.add_new((group, 0x0011), "US", bits.shape[-1])
    data_set.add_new((group, 0x0040), "CS", kind)
    data_set.add_new((group, 0x0050), "SS", list(origin))
    data_set.add_new((group, 0x0100), "US", 1)
    data_set.add_new((group, 0x0102), "US", 0)
    data_set.add_new((group, 0x3000), "OW", packed + b"\0" * (len(packed) % 2))
    for name, text in more.items():
        vr, _, value = text.partition(" ")
        data_set.add_new((group, int(name[1:], 16)), vr, value if vr in ("CS", "LO", "IS") else int(value))


def read_file(data: bytes) -> tuple[JsonAttributes, dict[str, bytes]]:
    """The header of a file, and its bulk values by BulkDataURI."""
    head = read_head(data)
    spans = {"/".join(value.path): value.value for value in head.bulk}
    return head.data_set, {
        path: data[span.start : span.end] for path, span in spans.items() if isinstance(span, ByteRange)
    }


def read(data_set: Dataset) -> tuple[JsonAttributes, dict[str, bytes]]:
    """The same of a data set, written to a file."""
    return read_file(to_file(data_set))


def state_of(data_set: Dataset) -> Presentation:
    """The presentation state of a data set."""
    return read_presentation(*read(data_set))


def resize(picture: Picture, rows: int, columns: int) -> Picture:
    """Scales a picture to that size."""
    return np.array(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR))


def graphic(kind: str, data: Iterable[float], **attributes: Any) -> Dataset:
    """A graphic object of columns and rows in turn, in pixels."""
    numbers = [float(number) for number in data]
    return item(
        **{
            "GraphicAnnotationUnits": "PIXEL",
            "GraphicDimensions": 2,
            "NumberOfGraphicPoints": len(numbers) // 2,
            "GraphicData": numbers,
            "GraphicType": kind,
            "GraphicFilled": "N",
            **attributes,
        }
    )


def text(
    value: str, *, box: tuple[float, ...] = (), anchor: tuple[float, ...] = (), units: str = "PIXEL",
    **attributes: Any,
) -> Dataset:  # fmt: skip
    """A text object in a box (left, top, right, bottom), or beside a point (column, row)."""
    made = item(UnformattedTextValue=value)
    if box:
        made.BoundingBoxAnnotationUnits = units
        made.BoundingBoxTopLeftHandCorner = [float(number) for number in box[:2]]
        made.BoundingBoxBottomRightHandCorner = [float(number) for number in box[2:]]
        made.BoundingBoxTextHorizontalJustification = "LEFT"
    if anchor:
        made.AnchorPointAnnotationUnits = units
        made.AnchorPoint = [float(number) for number in anchor]
        made.AnchorPointVisibility = "N"
    for keyword, attribute in attributes.items():
        setattr(made, keyword, attribute)
    return made


def annotation(*objects: Dataset, layer: str = "A", **attributes: Any) -> Dataset:
    """An item of the Graphic Annotation Sequence of graphics and texts."""
    made = item(GraphicLayer=layer, **attributes)
    graphics = [each for each in objects if "GraphicType" in each]
    texts = [each for each in objects if "UnformattedTextValue" in each]
    if graphics:
        made.GraphicObjectSequence = graphics
    if texts:
        made.TextObjectSequence = texts
    return made
