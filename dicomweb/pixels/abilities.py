"""Which transfer syntaxes the pixel code can take apart and put together: the one table of it.

What is called decodable is proved by the tests on real or generated frames, encodable by those of `encode`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dicomweb.wire.transfer_syntaxes import TRANSFER_SYNTAXES

_JPEG = "1.2.840.10008.1.2.4."

_DECODED = frozenset(
    (
        *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"),
        *("1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"),
        # the retired processes with arithmetic coding (52, 54, 56, 58) and the hierarchical ones (59 to 66) are
        # left out: nothing to prove a decoder with exists, and no modality is known to write them
        *(_JPEG + end for end in ("50", "51", "53", "55", "57", "70")),
        *(_JPEG + end for end in ("80", "81", "90", "91", "92", "93")),
        *(_JPEG + end for end in ("201", "202", "203", "110", "111", "112")),
    )
)

_ENCODED = frozenset(
    (
        *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"),
        *("1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"),
        *(_JPEG + end for end in ("50", "51", "57", "70", "80", "81", "90", "91")),
        *(_JPEG + end for end in ("201", "202", "203", "110", "112")),
    )
)


@dataclass(frozen=True, slots=True)
class Ability:
    """What can be done with a transfer syntax."""

    decodable: bool
    encodable: bool
    lossy: bool
    """Whether its encoding may lose something (PS3.5 8.2)."""


SYNTAXES: Mapping[str, Ability] = MappingProxyType(
    {uid: Ability(uid in _DECODED, uid in _ENCODED, syntax.lossy) for uid, syntax in TRANSFER_SYNTAXES.items()}
)
"""By UID, as many as `TRANSFER_SYNTAXES`."""

_NONE = Ability(decodable=False, encodable=False, lossy=True)


def can_decode(uid: str) -> bool:
    """Whether frames of that transfer syntax can be decoded."""
    return SYNTAXES.get(uid, _NONE).decodable


def can_encode(uid: str) -> bool:
    """Whether frames can be encoded in that transfer syntax."""
    return SYNTAXES.get(uid, _NONE).encodable
