"""A stored object rewritten for another transfer syntax: everything but the pixel data, whatever the chunks."""

from __future__ import annotations

import random
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomweb.encoding.changes import encoded_changes
from dicomweb.encoding.charset import character_set
from dicomweb.encoding.json_values import BadValue
from dicomweb.encoding.reader import read_head
from dicomweb.encoding.rewrite import Rewriter
from dicomweb.encoding.writer import element_header, implicit_header
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    NATIVE,
    element,
    encode,
    image_attributes,
    make_data_set,
    multi_frame,
    pixels,
    to_file,
    uid,
)

PIXELS = b"the pixel data element"


def data_set() -> Dataset:
    """An image with sequences around its pixel data, and a private element."""
    code = Dataset()
    code.CodeValue = "1"
    code.CodeMeaning = "one"
    made = make_data_set(**image_attributes(4, 4), DerivationCodeSequence=[code], DerivationDescription="before")
    made.add_new(0x00091001, "LO", "private")
    made.add_new(0x7FE00010, "OW", pixels(32))
    made.add_new(0xFFFCFFFC, "OB", bytes(20))
    return made


def rewritten(
    file: bytes, *, source: str, target: str, seed: int = 0, value: bytes = PIXELS, **options: Any
) -> bytes:
    """The file in the target syntax, `value` where its pixel data belong."""
    head = read_head(file)
    work = Rewriter(
        head.data_set,
        source=source,
        target=target,
        data_set_offset=head.data_set_offset,
        changes=options.pop("changes", {}),
        without_pixels=options.pop("without_pixels", True),
        **options,
    )
    chooser, at, out = random.Random(seed), 0, []
    while at < len(file):
        size = chooser.choice([1, 2, 3, 7, 12, 400])
        out += [work.pass_through(value) if piece is None else piece for piece in work.feed(file[at : at + size])]
        at += size
    out += [work.pass_through(value) if piece is None else piece for piece in work.finish()]
    return b"".join(out)


@pytest.mark.parametrize("source", NATIVE)
@pytest.mark.parametrize("target", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED, JPEG_BASELINE])
def test_pixel_data_have_their_place_and_all_else_is_kept(source: str, target: str) -> None:
    made = data_set()
    if source == EXPLICIT_BIG:
        made[0x7FE00010].value = b"".join(pixels(32)[n : n + 2][::-1] for n in range(0, 32, 2))
    value = encode(element_of(pixels(32)), IMPLICIT_LITTLE if target == IMPLICIT_LITTLE else EXPLICIT_LITTLE)
    for seed in range(5):
        data = rewritten(to_file(made, source), source=source, target=target, seed=seed, value=value)
        after = pydicom.dcmread(BytesIO(data))
        assert after.file_meta.TransferSyntaxUID == target
        assert after.PixelData == pixels(32)
        assert [e.tag for e in after] == [e.tag for e in made]
        assert after.DerivationCodeSequence == made.DerivationCodeSequence


def element_of(value: bytes) -> Dataset:
    found = Dataset()
    found.add_new(0x7FE00010, "OW", value)
    return found


def test_pixel_data_go_through_where_they_are_not_left_out() -> None:
    for target in (IMPLICIT_LITTLE, DEFLATED):
        data = rewritten(
            to_file(data_set(), EXPLICIT_LITTLE), source=EXPLICIT_LITTLE, target=target, without_pixels=False
        )
        after, before = pydicom.dcmread(BytesIO(data)), data_set()
        after[0x00091001].VR, after[0x00091001].value = "LO", "private"  # Implicit VR does not say what it is
        assert after == before


def test_a_deflated_data_set_has_an_even_length() -> None:
    for length in range(1, 6):
        made = make_data_set(PatientComments="x" * length)
        data = rewritten(to_file(made), source=EXPLICIT_LITTLE, target=DEFLATED)
        assert len(data) % 2 == 0
        assert pydicom.dcmread(BytesIO(data)).PatientComments == "x" * length


def test_changes_take_the_place_of_elements_in_tag_order() -> None:
    changes: dict[str, dict[str, Any]] = {
        "00080008": {"vr": "CS", "Value": ["DERIVED", "PRIMARY"]},
        "00082111": {"vr": "ST", "Value": ["after"]},
        "00089215": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["2"]}}]},
        "00282110": {"vr": "CS", "Value": ["01"]},
    }
    encoded = encoded_changes(changes, element_header)
    encoded[0x00091001] = b""
    data = rewritten(
        to_file(data_set()), source=EXPLICIT_LITTLE, target=EXPLICIT_LITTLE, changes=encoded, without_pixels=False
    )
    after = pydicom.dcmread(BytesIO(data))
    assert list(after.keys()) == sorted(after.keys())
    assert after.ImageType == ["DERIVED", "PRIMARY"]
    assert after.DerivationDescription == "after"
    assert [item.CodeValue for item in after.DerivationCodeSequence] == ["2"]
    assert after.LossyImageCompression == "01"
    assert 0x00091001 not in after
    assert after.PixelData == pixels(32)


def test_a_new_instance_is_named_in_the_file_meta_information() -> None:
    data = rewritten(
        to_file(data_set()), source=EXPLICIT_LITTLE, target=EXPLICIT_LITTLE, without_pixels=False,
        sop_instance=uid("another"),
    )  # fmt: skip
    assert pydicom.dcmread(BytesIO(data)).file_meta.MediaStorageSOPInstanceUID == uid("another")


def test_encapsulated_pixel_data_and_their_tables_are_left_out() -> None:
    file = multi_frame([[b"one "], [b"two ", b"parts "]], trailing=element(0xFFFCFFFC, "OB", bytes(20)))
    listed = multi_frame([[b"one "], [b"two "]], offsets="extended")
    for data in (file, listed):
        after = rewritten(data, source=JPEG_BASELINE, target=EXPLICIT_LITTLE)
        assert b"one " not in after
        assert b"\xe0\x7f\1\0" not in after
        assert PIXELS in after
    assert rewritten(file, source=JPEG_BASELINE, target=EXPLICIT_LITTLE).endswith(
        PIXELS + element(0xFFFCFFFC, "OB", bytes(20))
    )


def test_text_of_changes_is_in_the_character_set_of_the_data_set() -> None:
    changes = {"00082111": {"vr": "ST", "Value": ["geglättet"]}}
    latin, _ = character_set(("ISO_IR 100",))
    utf8, _ = character_set(("ISO_IR 192",))
    assert encoded_changes(changes, element_header, latin)[0x00082111].endswith("geglättet ".encode("latin-1"))
    assert encoded_changes(changes, element_header, utf8)[0x00082111].endswith("geglättet".encode())
    assert encoded_changes(changes, implicit_header, utf8)[0x00082111][4:8] == b"\x0a\0\0\0"


def test_a_value_that_cannot_be_written_is_told() -> None:
    with pytest.raises(BadValue):
        encoded_changes({"00280100": {"vr": "US", "Value": ["many"]}}, element_header)
