"""Waveforms as numbers (PS3.3 C.10.9): multiplex groups, their channels, samples in the unit of the channel.

    Waveform Data of a group:  | ch 1 | ch 2 | ... | ch n | ch 1 | ...      one sample each, little endian here

    value = sample x Channel Sensitivity x Correction Factor + Channel Baseline

Only the beginning of a long group is read: `bytes_wanted` says how much.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.objects.attributes import (
    bulk_path,
    bulk_value,
    code_value,
    has_value,
    integer,
    item,
    items,
    meaning,
    number,
    numbers,
    text,
)
from dicomweb.pixels.objects.contract import BulkNeed, Source

WAVEFORMS = "54000100"
DATA = "54001010"
MOST_GROUPS = 4
MOST_CHANNELS = 64
MOST_BYTES = 16 << 20
"""Of one group."""

_TYPES = {
    # Waveform Sample Interpretation (PS3.3 C.10.9.1.5): numpy's type; MB and AB are companded bytes
    "SB": "i1", "UB": "u1", "MB": "u1", "AB": "u1", "SS": "<i2", "US": "<u2", "SL": "<i4", "UL": "<u4",
    "SV": "<i8", "UV": "<u8",
}  # fmt: skip
_BY_BITS = {8: "SB", 16: "SS", 32: "SL", 64: "SV"}
_UNITS = {"{normalized}": "", "1": "", "mm[Hg]": "mmHg"}


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a group."""

    label: str
    """`II`, `aVR`, `Respiration`; never empty."""
    unit: str
    """UCUM code of the values; empty where samples have no unit."""
    values: npt.NDArray[np.float64]
    """One a sample, in the unit; padding values are not numbers."""


@dataclass(frozen=True, slots=True)
class Group:
    """Channels that were sampled together."""

    label: str
    frequency: float
    """Samples a second of each channel."""
    channels: tuple[Channel, ...]
    duration: float
    """Seconds of the whole group, of which `channels` may hold only the beginning."""

    @property
    def electric(self) -> bool:
        """Whether every channel is a voltage of the heart's size, to be drawn on ECG paper."""
        return bool(self.channels) and all(one.unit in ("mV", "uV", "V", "µV") for one in self.channels)


def bulk_needs_of(header: JsonAttributes, seconds: float) -> Iterator[BulkNeed]:
    """The beginnings of the groups' data, as many seconds as are to be drawn."""
    for group in items(header, WAVEFORMS)[:MOST_GROUPS]:
        if path := bulk_path(group, DATA):
            yield BulkNeed(path, bytes_wanted(group, seconds))


def bytes_wanted(group: JsonAttributes, seconds: float) -> int:
    """How many bytes of a group hold that many seconds, within MOST_BYTES."""
    sample = np.dtype(_TYPES[_interpretation(group)]).itemsize * max(1, _channel_count(group))
    wanted = int(_frequency(group) * seconds + 1) * sample
    return max(sample, min(wanted, MOST_BYTES - MOST_BYTES % sample))


def groups_of(header: JsonAttributes, source: Source, transfer_syntax: str, seconds: float) -> list[Group]:
    """The groups that have samples, at most that many seconds of each."""
    found = []
    for place, group in enumerate(items(header, WAVEFORMS)[:MOST_GROUPS]):
        if has_value(group, DATA):
            data = bulk_value(group, DATA, source, transfer_syntax)[: bytes_wanted(group, seconds)]
            made = _group(group, data, place + 1)
            if made.channels and made.channels[0].values.size:
                found.append(made)
    return found


def _group(group: JsonAttributes, data: bytes, place: int) -> Group:
    count, frequency = _channel_count(group), _frequency(group)
    interpretation = _interpretation(group)
    kind = np.dtype(_TYPES[interpretation])
    whole = len(data) // (kind.itemsize * count) if count else 0
    samples = np.frombuffer(data, kind, whole * count).reshape(whole, count) if whole else np.empty((0, 0))
    padding = _padding(group, kind)
    definitions = items(group, "003A0200")
    channels = tuple(
        _channel(definitions[one] if one < len(definitions) else {}, samples[:, one], interpretation, padding, one)
        for one in range(min(samples.shape[1], MOST_CHANNELS))
    )
    declared = integer(group, "003A0010") or whole
    return Group(text(group, "003A0020", f"Group {place}"), frequency, channels, max(declared, whole) / frequency)


def _channel(
    definition: JsonAttributes,
    samples: npt.NDArray[np.generic],
    interpretation: str,
    padding: int | None,
    place: int,
) -> Channel:
    stored = _expanded(samples, interpretation)
    if padding is not None:
        stored = np.where(samples.astype(np.int64) == padding, np.nan, stored)
    sensitivity = number(definition, "003A0210", 1.0) * (number(definition, "003A0212", 1.0) or 1.0)
    unit = code_value(item(definition, "003A0211")) if numbers(definition, "003A0210") else ""
    label = text(definition, "003A0203") or meaning(definition, "003A0208") or f"channel {place + 1}"
    values = stored * (sensitivity or 1.0) + number(definition, "003A0213")
    return Channel(_short(label), _UNITS.get(unit, unit), values)


def _short(label: str) -> str:
    """`Lead II (Einthoven)` as `II`."""
    return label.removeprefix("Lead ").removesuffix(" (Einthoven)").removesuffix(", derived").strip() or label


def _expanded(samples: npt.NDArray[np.generic], interpretation: str) -> npt.NDArray[np.float64]:
    """Samples as numbers; mu-law and A-law bytes are made linear (ITU-T G.711), to about -1 to 1."""
    if interpretation not in ("MB", "AB"):
        return samples.astype(np.float64)
    codes = samples.astype(np.int64) ^ (0xFF if interpretation == "MB" else 0x55)
    # in A-law a set sign bit is positive, in mu-law, after inversion, negative
    sign = np.where((codes & 0x80 != 0) == (interpretation == "AB"), 1.0, -1.0)
    segment, step = codes >> 4 & 7, codes & 15
    if interpretation == "MB":
        return np.asarray(sign * (((2 * step + 33) << segment) - 33) / 8159.0, np.float64)
    size = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return np.asarray(sign * size / 4096.0, np.float64)


def _padding(group: JsonAttributes, kind: np.dtype[np.generic]) -> int | None:
    """Waveform Padding Value (5400,100A), which has the type of a sample and short values only."""
    import base64

    inline = group.get("5400100A", {}).get("InlineBinary")
    if not isinstance(inline, str):
        return None
    data = base64.b64decode(inline)
    return int(np.frombuffer(data, kind, 1)[0]) if len(data) >= kind.itemsize else None


def _channel_count(group: JsonAttributes) -> int:
    return max(0, integer(group, "003A0005") or len(items(group, "003A0200")))


def _frequency(group: JsonAttributes) -> float:
    frequency = number(group, "003A001A")
    return frequency if frequency > 0 else 1.0


def _interpretation(group: JsonAttributes) -> str:
    said = text(group, "54001006").upper()
    bits = integer(group, "54001004", 16)
    if said in _TYPES and np.dtype(_TYPES[said]).itemsize * 8 == bits:
        return said
    return _BY_BITS.get(bits, "SS")
