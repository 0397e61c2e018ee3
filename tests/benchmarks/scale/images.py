"""Real CT images to store: the typical header with pixels behind it, and bodies of STOW-RS requests of them.

Made once, then only UIDs and numbers are put in place: what clients compute is taken from the server on a machine
that both share.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from pydicom.dataset import Dataset

from dicomweb.wire.multipart import closing, new_boundary, part_head
from tests.benchmarks.scale.batches import batches
from tests.benchmarks.scale.population import block
from tests.build.dicom import pixels, to_file

_ROOT = "1.2.826.0.1.3680043.10.99.50."
_DIGITS = 20
_STUDY, _SERIES, _SOP = (f"{_ROOT}{place}{'7' * (_DIGITS - 1)}" for place in (1, 2, 3))
_NUMBER = "4711"


def uid(level: int, number: int) -> str:
    """A UID of a study (1), series (2) or instance (3); all have the same length."""
    return f"{_ROOT}{level}{number:0{_DIGITS - 1}}"


def typical_header() -> str:
    """The header of an image of a synthetic series, DICOM JSON."""
    batch = next(batches(block(0, 20), 1))
    header: bytes = batch["header"][0].as_py()
    return header.decode()


def ct_image(rows: int) -> bytes:
    """A CT image with the typical header and `rows` by `rows` pixels; a mould for `body`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom on values that no dictionary has, which is not the point here
        data_set = Dataset.from_json(typical_header(), bulk_data_uri_handler=lambda *_: b"")
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID = _STUDY, _SERIES, _SOP
    data_set.InstanceNumber = _NUMBER
    data_set.Rows = data_set.Columns = rows
    del data_set.PixelData
    data_set.add_new(0x7FE00010, "OW", pixels(2 * rows * rows))
    return to_file(data_set)


@dataclass(frozen=True, slots=True)
class Body:
    """A STOW-RS request (PS3.18 10.5)."""

    content_type: str
    data: bytes
    instances: int


def body(mould: bytes, *, study: int, series: int, first: int, instances: int) -> Body:
    """So many images of a series, numbered from `first`, each with UIDs of its own."""
    boundary = new_boundary()
    shared = mould.replace(_STUDY.encode(), uid(1, study).encode())
    shared = shared.replace(_SERIES.encode(), uid(2, series).encode())
    parts = []
    for at in range(instances):
        image = shared.replace(_SOP.encode(), uid(3, series * 10_000 + first + at).encode())
        image = image.replace(_NUMBER.encode(), f"{1000 + first + at:04}".encode(), 1)
        parts += [part_head(boundary, "application/dicom", first=at == 0), image]
    data = b"".join([*parts, closing(boundary)])
    return Body(f'multipart/related; type="application/dicom"; boundary={boundary}', data, instances)
