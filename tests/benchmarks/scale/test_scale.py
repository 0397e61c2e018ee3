"""That a synthetic archive is one, and the tiny form of `make bench-scale`, so that it goes on working."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from dicomweb.encoding.bulk_index import BulkIndex
from dicomweb.encoding.head import HeadLimits
from dicomweb.model.frames import FrameIndex
from storage.archive.inspect import inspect_whole, instance_key
from storage.log.codec import decode_entry
from storage.log.columns import column_values
from storage.log.events import StoredVersion
from storage.objects.local import LocalStore
from tests.benchmarks.scale.batches import batches
from tests.benchmarks.scale.figures import Figure, ratio_bound
from tests.benchmarks.scale.header import ATTRIBUTES
from tests.benchmarks.scale.images import ct_image, typical_header
from tests.benchmarks.scale.making import Synthetic, encode_batch, fold_all, grow
from tests.benchmarks.scale.measuring import Bench, Effort
from tests.benchmarks.scale.population import BIG, block, sizes_of

_OF_THE_MOULD = {"00080018", "0020000D", "0020000E", "00200013", "00280010", "00280011"}
"""What `ct_image` has of its own."""


def first_versions() -> list[StoredVersion]:
    """What a node reads from the first entry of an archive."""
    batch = next(batches(block(0, 20), 200))
    entry = decode_entry(encode_batch(batch, number=1, epoch="e"), number=1, epoch="e")
    return [event.stored for event in entry.events if event.stored]


def test_the_typical_header_is_what_the_archives_reader_makes_of_the_typical_image() -> None:
    inspected = inspect_whole(ct_image(16), "v", HeadLimits())
    told, template = orjson.loads(inspected.version.header), orjson.loads(typical_header())
    assert len(template) == ATTRIBUTES
    assert list(told) == list(template)
    assert {tag for tag in told if told[tag] != template[tag]} <= _OF_THE_MOULD


def test_columns_and_indexes_of_a_synthetic_row_say_what_its_header_says() -> None:
    for stored in first_versions():
        header: dict[str, Any] = orjson.loads(stored.header)
        assert column_values(header) == stored.columns
        assert instance_key(header) == stored.key
        assert stored.header_size == len(stored.header)
        assert header["00080016"]["Value"] == [stored.sop_class]
        assert orjson.loads(stored.file_meta)["00020003"]["Value"] == [stored.key.instance]
        (span,) = FrameIndex.from_bytes(stored.frames).ranges(1)
        bulk = BulkIndex.from_bytes(stored.bulk).find(("7FE00010",))
        assert bulk is not None
        assert bulk.value == span
        assert span.end == stored.size
        assert stored.image is not None
        assert span.length == 2 * stored.image.rows * stored.image.columns


def test_images_differ_in_what_differs_between_real_ones() -> None:
    versions = first_versions()
    for values in (
        {stored.key for stored in versions},
        {stored.version for stored in versions},
        {stored.digest for stored in versions},
        {stored.header for stored in versions},
    ):
        assert len(values) == len(versions)
    assert len({orjson.loads(stored.header)["00281051"]["Value"][0] for stored in versions}) > 10


@pytest.mark.parametrize("studies", [1, 20, 1000])
def test_studies_have_four_series_and_twenty_eight_instances_on_average(studies: int) -> None:
    counts, sizes = sizes_of(studies, np.random.default_rng(1))
    assert (counts.sum(), len(sizes), sizes.sum()) == (4 * studies, 4 * studies, 28 * studies)
    assert sizes.min() >= 1
    assert (sizes == BIG).sum() == {1: 0, 20: 1, 1000: 64}[studies]


def test_a_block_is_the_same_whenever_it_is_made() -> None:
    one, again = (pa.Table.from_batches(batches(block(40, 20), 100)) for _ in range(2))
    assert one.equals(again)


async def test_an_archive_is_made_larger_and_what_is_missing_is_made_again(tmp_path: Path) -> None:
    await grow(tmp_path, 30, processes=1)
    (entry, *_) = (tmp_path / "store" / "log").glob("*/*.arrow")
    entry.unlink()
    assert (await grow(tmp_path, 30, processes=1)).rows == 30 * 28
    assert (await grow(tmp_path, 30, processes=1)).rows == 0
    assert (await grow(tmp_path, 50, processes=1)).rows == 20 * 28
    folded, snapshot = await fold_all(tmp_path)
    assert folded.rows == sum(file.rows for file in snapshot.files) == Synthetic.read(tmp_path).instances == 1400


def test_a_ratio_has_a_bound_that_narrows_with_agreement() -> None:
    close = ratio_bound([1.0, 1.01, 0.99, 1.0], [1.0, 1.0, 1.01, 0.99])
    apart = ratio_bound([1.0, 1.5, 0.6, 0.9], [1.0, 1.2, 0.8, 1.0])
    assert close[0] == pytest.approx(1.0, abs=0.01)
    assert close[0] < close[1] < 1.05 < apart[1]


def test_a_figure_says_whether_it_is_as_it_should_be() -> None:
    assert Figure("f", 2.0, "ms", 4.0).reached
    assert not Figure("f", 5.0, "ms", 4.0).reached
    assert Figure("f", 5.0, "times", 4.0, at_least=True).reached
    assert Figure("f", 5.0, "ms").reached is None


async def test_an_archive_of_a_few_thousand_instances_is_measured(tmp_path: Path) -> None:
    await grow(tmp_path / "archive", 100, processes=1)
    _, snapshot = await fold_all(tmp_path / "archive")
    effort = Effort(requests=3, rounds=2, store_requests=1, settled_seconds=0.3)
    there = Synthetic.read(tmp_path / "archive")
    found = {figure.name: figure for figure in Bench(tmp_path / "archive", tmp_path, there, effort).all(snapshot)}
    assert found["table, bytes an instance (header included)"].reached
    assert {name.rpartition(",")[0] for name in found} > {"PatientID", "modality", "study list, any page"}
    assert all(figure.value > 0 for name, figure in found.items() if "folded" not in name)
    async with LocalStore(tmp_path / "archive" / "store") as store:
        # what was stored by the way is there as well, behind the synthetic entries
        assert len([info async for info in store.list("dicom/")]) > 0
