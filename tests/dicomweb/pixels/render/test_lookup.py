from __future__ import annotations

import numpy as np
import pytest

from dicomweb.pixels.render.attributes import NO_BULK_VALUES, BulkValues
from dicomweb.pixels.render.lookup import LookupTable, read_descriptor, read_lookup_table
from tests.dicomweb.pixels.render.headers import entry, inline, table


def looked_up(found: LookupTable | None, *inputs: float) -> list[float]:
    assert found is not None
    return [float(each) for each in found.look_up(np.array(inputs, np.float64))]


def test_inputs_outside_of_the_table_get_its_first_and_last_entry() -> None:
    found = read_lookup_table(table(10, [100, 200, 300], 16), NO_BULK_VALUES, signed=False)
    assert looked_up(found, 0, 10, 11, 12, 13, 1e9) == [100, 100, 200, 300, 300, 300]


def test_zero_entries_mean_65536() -> None:
    descriptor = read_descriptor({"00283002": entry("US", 0, 0, 16)}, "00283002", signed=False)
    assert descriptor is not None
    assert descriptor.entries == 65_536


def test_the_first_value_of_signed_samples_is_negative_although_written_as_unsigned() -> None:
    item = table(0xFFFE, [1, 2, 3, 4], 16)
    assert looked_up(read_lookup_table(item, NO_BULK_VALUES, signed=True), -3, -2, -1, 1) == [1, 1, 2, 4]
    unsigned = read_lookup_table(item, NO_BULK_VALUES, signed=False)
    assert looked_up(unsigned, 0, 0xFFFF) == [1, 2]


def test_entries_of_eight_bits_are_read_as_bytes() -> None:
    item = {"00283002": entry("US", 4, 0, 8), "00283006": inline(bytes([0, 85, 170, 255]))}
    assert looked_up(read_lookup_table(item, NO_BULK_VALUES, signed=False), 0, 1, 2, 3) == [0, 85, 170, 255]


def test_entries_written_as_numbers_are_read_too() -> None:
    item = {"00283002": entry("US", 3, 0, 12), "00283006": entry("US", 0, 2000, 4095)}
    assert looked_up(read_lookup_table(item, NO_BULK_VALUES, signed=False), 1, 2) == [2000, 4095]


@pytest.mark.parametrize("entries", [2, 9])
def test_a_number_of_entries_that_is_wrong_gives_way_to_the_data(entries: int) -> None:
    item = table(0, [5, 6, 7], 16) | {"00283002": entry("US", entries, 0, 16)}
    found = read_lookup_table(item, NO_BULK_VALUES, signed=False)
    assert looked_up(found, 2) == [7 if entries == 9 else 6]


def test_bits_that_are_too_few_for_the_entries_are_corrected() -> None:
    found = read_lookup_table(table(0, [0, 4095], 8), NO_BULK_VALUES, signed=False)
    assert found is not None
    assert found.normalized(np.array([1.0])).tolist() == [1.0]


def test_bulk_data_are_taken_by_their_uri() -> None:
    item = {"00283002": entry("US", 2, 0, 16), "00283006": {"vr": "OW", "BulkDataURI": "00283010/1/00283006"}}
    given = BulkValues({"00283010/1/00283006": b"\x01\0\x02\0"})
    assert looked_up(read_lookup_table(item, given, signed=False), 0, 1) == [1, 2]
    assert read_lookup_table(item, BulkValues({}), signed=False) is None


@pytest.mark.parametrize("descriptor", [[], [1, 2], ["x", 0, 16], [None, 0, 16]])
def test_a_descriptor_that_is_none_reads_as_no_table(descriptor: list[object]) -> None:
    item = table(0, [1, 2], 16) | {"00283002": entry("US", *descriptor)}
    assert read_lookup_table(item, NO_BULK_VALUES, signed=False) is None
