"""The rows of a block of studies as the log has them: made column by column, thousands at a time.

What belongs to a series is made once and repeated; what differs from image to image (UIDs, times, positions, dose,
window, digests, ids) is drawn for each, so that what the rows take when compressed is what real ones take. Digests
and ids are random bytes, which nothing makes smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dicomweb.encoding.bulk_index import BulkIndex, StoredBulk
from dicomweb.model.frames import FrameIndex, NativeFrames
from dicomweb.model.ranges import ByteRange
from storage.log.events import Kind
from storage.log.schema import FIELDS, TYPES
from tests.benchmarks.scale.header import Template, template
from tests.benchmarks.scale.population import Block, Series

_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_META_BYTES = 362
_FILE_META = (
    '{"00020000":{"vr":"UL","Value":[218]},"00020001":{"vr":"OB","InlineBinary":"AAE="},"00020002":{"vr":"UI","Value":['
    '%(sop_class)s]},"00020003":{"vr":"UI","Value":["',
    f'"]}},"00020010":{{"vr":"UI","Value":["{_EXPLICIT_LITTLE}"]}},"00020012":{{"vr":"UI","Value":'
    '["1.2.276.0.7230010.3.0.3.6.4"]},"00020013":{"vr":"SH","Value":["OFFIS_DCMTK_364"]}}',
)
_BETWEEN_IMAGES_US = 40_000
"""Between two instances as they come, microseconds."""
_STARTS = range(3900, 3964, 2)
"""Where pixel data begin: headers differ a little in length."""

Numbers = npt.NDArray[np.int64]


def batches(block: Block, rows: int) -> Iterator[pa.RecordBatch]:
    """All rows of a block in the order they came, at most so many at a time; without an entry's facts."""
    sizes = np.array([series.instances for series in block.series])
    owners = np.repeat(np.arange(len(sizes)), sizes)
    numbers = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    for start in range(0, len(owners), rows):
        some = slice(start, start + rows)
        first, last = int(owners[some][0]), int(owners[some][-1])
        yield _Rows(block, block.series[first : last + 1], owners[some] - first, numbers[some]).batch()


class _Rows:
    """Some of a block's rows."""

    def __init__(self, block: Block, series: Sequence[Series], owners: Numbers, numbers: Numbers) -> None:
        self._block = block
        self._series = series
        self._places = pa.array(owners)
        self._owners = owners
        self._numbers = numbers
        self._count = len(owners)
        self._chance = block.chance

    def batch(self) -> pa.RecordBatch:
        """The rows, columns in the log's order."""
        columns = self._facts() | self._searched() | self._instance()
        names = [field.name for field in FIELDS if field.name in columns]
        arrays = [columns[name].cast(TYPES[name]) for name in names]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([(name, TYPES[name]) for name in names]))

    def _of_series(self, values: Sequence[Any]) -> pa.Array:
        return pa.array(values).take(self._places)

    def _drawn(self, low: int, high: int) -> pa.Array:
        return pa.array(self._chance.integers(low, high, self._count))

    def _same(self, value: Any) -> pa.Array:
        return pa.repeat(value, self._count)

    def _facts(self) -> dict[str, pa.Array]:
        came = np.array([series.came for series in self._series])[self._owners]
        came = came + self._numbers * _BETWEEN_IMAGES_US
        return {
            "kind": self._same(str(Kind.STORED)),
            "event_id": self._ids(came // 1000 + 180),
            "time": pa.array(came + 180_000, pa.timestamp("us", tz="UTC")),
            "door": self._same("stow"),
            "peer": self._of_series([f"10.20.{s.study % 5}.{s.study % 12 + 10}" for s in self._series]),
            "current": self._same(True),
            "version": self._ids(came // 1000),
            "transfer_syntax": self._same(_EXPLICIT_LITTLE),
            "meta_digest": self._random(32),
            "digest": self._random(32),
            "data_set_offset": self._same(_META_BYTES),
        }

    def _searched(self) -> dict[str, pa.Array]:
        """The columns of study and series, and what describes the image."""
        studies = [self._block.studies[series.study] for series in self._series]
        found = {"study": self._of_series([study.uid for study in studies])}
        found["series"] = self._of_series([series.uid for series in self._series])
        for name in studies[0].columns:
            found[name] = self._of_series([study.columns[name] for study in studies])
        for name in self._series[0].columns:
            found[name] = self._of_series([series.columns[name] for series in self._series])
        found["sop_class"] = self._of_series([series.texts["sop_class"].strip('"') for series in self._series])
        image = {"rows": found["rows"], "columns": found["columns"]} | {
            name: self._same(value)
            for name, value in (
                ("samples_per_pixel", 1),
                ("bits_allocated", 16),
                ("bits_stored", 16),
                ("pixel_representation", 1),
                ("photometric_interpretation", "MONOCHROME2"),
                ("planar_configuration", 0),
                ("frames", 1),
            )
        }
        return found | {f"image_{name}": values for name, values in image.items()}

    def _instance(self) -> dict[str, pa.Array]:
        """What each image says of itself, and the header with it."""
        number = pa.array(self._numbers + 1)
        unlike = pc.add(pc.multiply(self._drawn(10**7, 10**8), 1000), number)
        sop = _joined(self._of_series([f"{series.uid}." for series in self._series]), _text(unlike))
        begun = np.array([series.begun for series in self._series])[self._owners]
        taken = begun * 10**6 + self._numbers * 310_000 + self._chance.integers(0, 9000, self._count)
        own = self._own_values(number, sop, taken)
        header = self._header(own)
        start = self._chance.integers(0, len(_STARTS), self._count)
        pixels = np.array([_pixel_bytes(series) for series in self._series])[self._owners]
        sop_class = [_FILE_META[0] % series.texts for series in self._series]
        return {
            "instance": sop,
            "instance_number": number,
            "acquisition_time": own["acquisition_time"],
            "content_time": own["content_time"],
            "header": header,
            "header_size": pc.binary_length(header),
            "file_meta": _joined(self._of_series(sop_class), sop, self._same(_FILE_META[1])),
            "size": pa.array(pixels + _STARTS.start + 2 * start),
            "pixel_vr": self._same("OW"),
            **self._indexes(start),
        }

    def _own_values(self, number: pa.Array, sop: pa.Array, taken: Numbers) -> dict[str, pa.Array]:
        """What each image says of itself: UID and times as text, the rest as JSON."""
        first = np.array([series.first_z for series in self._series])[self._owners]
        apart = np.array([series.spacing for series in self._series])[self._owners]
        current = self._chance.integers(80, 640, self._count)
        return {
            "sop": sop,
            "instance_number": number,
            "acquisition_time": _time(taken),
            "content_time": _time(taken + 260_000),
            "creation_time": _time(taken + 1_900_000),
            "z": pa.array(first - apart * self._numbers + self._chance.integers(0, 9, self._count) / 16),
            "current": pa.array(current),
            "exposure": pa.array(current * 6 // 10),
            "dose": pa.array(current * 0.02125),
            "least": self._drawn(-1100, -900),
            "greatest": self._drawn(700, 3071),
            "window_center": pa.array(self._chance.integers(20, 60, self._count) + 0.5),
            "window_width": pa.array(self._chance.integers(180, 420, self._count) * 2.0),
        }

    def _header(self, own: dict[str, pa.Array]) -> pa.Array:
        form = _template()
        stretches = list(zip(*(form.of_series(series.texts) for series in self._series), strict=True))
        parts: list[pa.Array] = []
        quoted = ("sop", "acquisition_time", "content_time", "creation_time")
        for stretch, name in zip(stretches, (*form.own, None), strict=True):
            parts.append(self._of_series(stretch))
            if name is not None:
                text = _text(own[name])
                parts.append(_joined(self._same('"'), text, self._same('"')) if name in quoted else text)
        return _joined(*parts).cast(pa.binary())

    def _indexes(self, start: Numbers) -> dict[str, pa.Array]:
        """Where frame and pixel data lie, made by the archive's own words for it, once for each that differs."""
        pixels = np.array([_pixel_bytes(series) for series in self._series])[self._owners]
        kinds, places = np.unique(pixels * 1000 + start, return_inverse=True)
        frames, bulk = [], []
        for kind in kinds.tolist():
            length, begin = kind // 1000, _STARTS[kind % 1000]
            frames.append(FrameIndex(1, NativeFrames(begin, 8 * length), inflated=False, declared=1).to_bytes())
            span = ByteRange(begin, begin + length)
            bulk.append(BulkIndex((StoredBulk(("7FE00010",), "OW", span),)).to_bytes())
        return {
            "frames": pa.array(frames, pa.binary()).take(pa.array(places)),
            "bulk": pa.array(bulk, pa.binary()).take(pa.array(places)),
        }

    def _random(self, length: int) -> pa.Array:
        return _fixed(self._chance.bytes(length * self._count), length, pa.binary())

    def _ids(self, milliseconds: Numbers) -> pa.Array:
        """Ids as `storage.archive.identifiers` makes them: 12 digits of time, 16 random ones."""
        times = milliseconds.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
        chance = np.frombuffer(self._chance.bytes(8 * self._count), np.uint8).reshape(-1, 8)
        return _fixed(np.hstack((times, chance)).tobytes().hex().encode(), 28, pa.utf8())


@cache
def _template() -> Template:
    return template()


def _pixel_bytes(series: Series) -> int:
    return 2 * int(series.columns["rows"]) * int(series.columns["columns"])


def _fixed(data: bytes, length: int, kind: pa.DataType) -> pa.Array:
    """Values of equal length that lie one behind the other."""
    count = len(data) // length
    offsets = np.arange(count + 1, dtype=np.int32) * length
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)])


def _text(values: pa.Array) -> pa.Array:
    return values if values.type == pa.utf8() else values.cast(pa.utf8())


def _joined(*parts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _time(microseconds: Numbers) -> pa.Array:
    """DICOM times (PS3.5 6.2, TM) of microseconds since midnight."""
    seconds = microseconds // 10**6
    clock = seconds // 3600 % 24 * 10**10 + seconds // 60 % 60 * 10**8 + seconds % 60 * 10**6
    digits = pc.utf8_lpad(_text(pa.array(clock + microseconds % 10**6)), 12, "0")
    return _joined(
        pc.utf8_slice_codeunits(digits, 0, 6),
        pa.repeat(".", len(digits)),
        pc.utf8_slice_codeunits(digits, 6, 12),
    )
