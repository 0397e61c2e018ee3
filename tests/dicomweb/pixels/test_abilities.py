"""The table of abilities says what encoding and decoding really do."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from dicomweb.pixels.abilities import SYNTAXES
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.encode import ENCODABLE, encode_frame, is_lossy_encoding
from dicomweb.pixels.encoders.jpeg_xl import pack_jpeg
from dicomweb.pixels.frame import DecodedFrame, UnsupportedSyntax
from dicomweb.pixels.transcode import plan_conversion
from tests.dicomweb.pixels.images import EXPLICIT_LITTLE, JPEG, Kind, smooth

KINDS = {JPEG + "51": Kind(12, 16)}
FOREIGN = {
    JPEG + "53": lambda array: imagecodecs.jpeg8_encode(array, 90),
    JPEG + "55": lambda array: imagecodecs.jpeg8_encode(array, 90),
    JPEG + "92": lambda array: imagecodecs.jpeg2k_encode(array, codecformat="j2k", level=0, reversible=True),
    JPEG + "93": lambda array: imagecodecs.jpeg2k_encode(array, codecformat="j2k", level=0, reversible=True),
    JPEG + "111": lambda array: pack_jpeg(imagecodecs.jpeg8_encode(array, 90)),
}
"""How frames of syntaxes come about that are decoded and not encoded; retired ones hold wider families too."""


def test_what_is_called_encodable_is_what_the_encoders_write() -> None:
    assert {uid for uid, ability in SYNTAXES.items() if ability.encodable} == ENCODABLE


def test_what_is_encoded_with_loss_is_called_lossy() -> None:
    assert all(SYNTAXES[uid].lossy for uid in ENCODABLE if is_lossy_encoding(uid))


@pytest.mark.parametrize("uid", sorted(ENCODABLE))
def test_what_is_encoded_can_be_decoded(uid: str) -> None:
    kind = KINDS.get(uid, Kind(8, 8))
    array = smooth(kind)
    target = plan_conversion(kind.spec, "OW", EXPLICIT_LITTLE, uid).spec
    data = encode_frame(DecodedFrame(array, kind.photometric), kind.spec, uid)

    decoded = decode_frame(data, target, uid).array

    assert SYNTAXES[uid].decodable
    largest = int(np.abs(decoded.astype(int) - array).max())
    assert largest <= (kind.bounds[1] // 10 if is_lossy_encoding(uid) else 0)


@pytest.mark.parametrize(
    "uid", sorted(uid for uid, ability in SYNTAXES.items() if ability.decodable and not ability.encodable)
)
def test_what_is_decoded_only_is_decoded(uid: str) -> None:
    kind = Kind(8, 8)
    array = smooth(kind)

    decoded = decode_frame(FOREIGN[uid](array), kind.spec, uid).array

    assert int(np.abs(decoded.astype(int) - array).max()) < 26


@pytest.mark.parametrize("uid", sorted(uid for uid, ability in SYNTAXES.items() if not ability.decodable))
def test_what_is_not_decoded_is_refused_by_name(uid: str) -> None:
    with pytest.raises(UnsupportedSyntax, match="no decoder"):
        decode_frame(bytes(64), Kind(8, 8).spec, uid)
