"""Entries to bytes and back."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb.model.instance import ImageSpec, Original
from dicomweb.model.keys import Scope
from storage.log.codec import decode_batch, decode_entry, encode_entry
from storage.log.columns import COLUMNS
from storage.log.errors import DamagedEntry, NewerVersion, UnknownKind
from storage.log.events import Entry, Kind
from storage.log.format import FORMAT_VERSION
from tests.storage.log.make import (
    EPOCH,
    entry,
    event,
    key,
    labelled,
    removed,
    restored,
    stored,
    unlabelled,
    version,
)

EVERY_KIND = (
    stored(key(), number=1),
    removed(Scope("1.2.1", "1.2.1.1")),
    stored(key(instance=2), current=False),
    restored(Scope("1.2.1"), target=3),
    event(Kind.VOIDED, key().scope, version="v1", detail="torn object"),
    event(Kind.CONDEMNED, None, object_key="dicom/aa/1/2/3~v.dcm", door="upkeep", peer=""),
    event(Kind.PURGED, key().scope, version="v1", node="another-node"),
    labelled(Scope("1.2.1"), "urgent"),
    unlabelled(key().scope, "a-b_C9"),
)


def reread(written: Entry) -> Entry:
    return decode_entry(encode_entry(written), number=written.number, epoch=EPOCH)


def test_an_entry_comes_back_as_it_was() -> None:
    written = entry(7, *EVERY_KIND)

    assert reread(written) == written


def test_what_an_entry_tells_other_writers_comes_back() -> None:
    written = replace(entry(7, *EVERY_KIND), lost=3, waits='["note", "node", 0.9]')

    assert reread(written) == written


@pytest.mark.parametrize("one", EVERY_KIND, ids=lambda one: str(one.kind))
def test_an_event_alone_comes_back_as_it_was(one: object) -> None:
    written = entry(1, one)  # type: ignore[arg-type]  # the tuple holds events

    assert reread(written) == written


def test_an_instance_without_pixel_data_and_columns_comes_back() -> None:
    plain = replace(version(key()), image=None, columns={}, frames=b"", bulk=b"", header=b"", pixel_vr="")
    written = entry(1, replace(stored(key()), stored=plain), stored(key(instance=2)))

    assert reread(written) == written


def test_an_image_with_a_value_for_every_column_comes_back() -> None:
    full = {column.name: 5 if column.integer else "text" for column in COLUMNS}
    image = ImageSpec(1, 2, 3, 4, 5, 6, "RGB", 7, 8)
    written = entry(1, replace(stored(key()), stored=replace(version(key()), columns=full, image=image)))

    assert reread(written) == written


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from([c.name for c in COLUMNS if not c.integer]), st.text(min_size=1)))
def test_any_text_comes_back(texts: dict[str, str]) -> None:
    written = entry(1, replace(stored(key()), stored=replace(version(key()), columns=texts)))

    assert reread(written) == written


def test_a_value_its_column_cannot_hold_does_not_keep_the_batch_out() -> None:
    odd = replace(version(key()), columns={"instance_number": 1 << 80, "patient_id": "a\ud800b", "rows": 4})
    written = entry(1, replace(stored(key()), stored=odd), stored(key(instance=2)))

    first, second = reread(written).events

    assert first.stored is not None
    assert first.stored.columns == {"patient_id": "a?b", "rows": 4}
    assert second == written.events[1]


@pytest.mark.parametrize("cut", [0, 1, 7, 100, -1])
def test_a_truncated_entry_is_damaged(cut: int) -> None:
    data = encode_entry(entry(3, *EVERY_KIND))

    with pytest.raises(DamagedEntry) as caught:
        decode_entry(data[:cut], number=3, epoch=EPOCH)

    assert caught.value.number == 3


def test_every_flipped_bit_is_seen() -> None:
    written = entry(3, stored(key()))
    data = encode_entry(written)

    for place in range(len(data)):
        harmed = bytearray(data)
        harmed[place] ^= 1 << place % 8
        try:
            # a bit of the frame header that says nothing about the content may change nothing
            assert decode_entry(bytes(harmed), number=3, epoch=EPOCH) == written, place
        except DamagedEntry:
            continue


def test_an_entry_under_another_number_or_epoch_is_damaged() -> None:
    data = encode_entry(entry(3, stored(key())))

    with pytest.raises(DamagedEntry):
        decode_entry(data, number=4, epoch=EPOCH)
    with pytest.raises(DamagedEntry):
        decode_entry(data, number=3, epoch="another")


def rewritten(written: Entry, *, facts: dict[bytes, bytes] | None = None, **columns: list[object]) -> bytes:
    """The entry as a later version of the program might have written it."""
    stream = pa.ipc.open_stream(zstandard.decompress(encode_entry(written)))
    batch = stream.read_next_batch()
    for name, values in columns.items():
        if name in batch.schema.names:
            batch = batch.set_column(batch.schema.get_field_index(name), name, pa.array(values))
        else:
            batch = batch.append_column(name, pa.array(values))
    batch = batch.replace_schema_metadata(dict(stream.schema.metadata) | (facts or {}))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return zstandard.compress(sink.getvalue())


def test_an_unknown_column_is_skipped() -> None:
    written = entry(1, stored(key()))

    assert decode_entry(rewritten(written, colour=["blue"]), number=1, epoch=EPOCH) == written


def test_an_unknown_kind_marked_ignorable_is_skipped() -> None:
    written = entry(1, stored(key()), removed(key().scope), stored(key(instance=2)))
    data = rewritten(written, kind=["stored", "praised", "stored"], ignorable=[None, True, None])

    assert decode_entry(data, number=1, epoch=EPOCH).events == (written.events[0], written.events[2])


def test_an_unknown_kind_not_so_marked_needs_a_later_program() -> None:
    data = rewritten(entry(9, stored(key()), removed(key().scope)), kind=["stored", "split"])

    with pytest.raises(UnknownKind) as caught:
        decode_entry(data, number=9, epoch=EPOCH)

    assert (caught.value.number, caught.value.kind) == (9, "split")


def test_a_later_format_needs_a_later_program() -> None:
    data = rewritten(entry(1, stored(key())), facts={b"dicomlake.format": str(FORMAT_VERSION + 1).encode()})

    with pytest.raises(NewerVersion):
        decode_entry(data, number=1, epoch=EPOCH)


def test_a_lost_row_is_damage() -> None:
    data = rewritten(entry(1, stored(key())), facts={b"dicomlake.rows": b"2"})

    with pytest.raises(DamagedEntry):
        decode_entry(data, number=1, epoch=EPOCH)


def test_a_missing_value_that_every_row_has_is_damage() -> None:
    harmed = rewritten(entry(1, stored(key())), time=[None])

    with pytest.raises(DamagedEntry):
        decode_entry(harmed, number=1, epoch=EPOCH)


def test_headers_of_a_series_share_their_bytes() -> None:
    events = [stored(key(instance=n), number=n, elements=95) for n in range(50)]
    raw = sum(len(one.stored.header) for one in events if one.stored)

    assert len(encode_entry(entry(1, *events))) < raw / 10


def test_what_an_instance_was_when_it_came_comes_back() -> None:
    converted = replace(version(key()), original=Original(b"d" * 32, 526_338, "1.2.840.10008.1.2"))
    written = entry(1, replace(stored(key()), stored=converted), stored(key(instance=2)))

    assert reread(written) == written


def test_an_entry_whose_instances_are_stored_as_they_came_has_no_columns_about_it() -> None:
    batch = decode_batch(encode_entry(entry(1, stored(key()))), number=1, epoch=EPOCH)

    assert not any(name.startswith("original") for name in batch.schema.names)
