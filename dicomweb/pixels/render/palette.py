"""Colours from tables: PALETTE COLOR images, and grey images with a colour supplement (PS3.3 C.7.9, C.7.6.19).

A palette becomes one array of colours of the screen, a row for each entry. Entries of 16 bits keep their high
byte; entries that are said to have 16 bits but are all below 256 were meant as 8 bits, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Undecodable
from dicomweb.pixels.render.attributes import BulkValues
from dicomweb.pixels.render.lookup import Descriptor, raw_values, read_descriptor, read_words
from dicomweb.pixels.render.samples import SampleLayout, look_up

_DESCRIPTORS = ("00281101", "00281102", "00281103")
_PLAIN = ("00281201", "00281202", "00281203")
_SEGMENTED = ("00281221", "00281222", "00281223")


@dataclass(frozen=True, slots=True)
class Palette:
    """A table of colours. It is hashable, so that what is made of it can be kept."""

    first: int
    """The stored value that gives the first colour; lower ones give it too, too high ones the last."""
    data: bytes
    """Red, green, blue of each entry, a byte each."""

    @property
    def colours(self) -> npt.NDArray[np.uint8]:
        """(entries, 3)"""
        return np.frombuffer(self.data, np.uint8).reshape(-1, 3)


def read_palette(attributes: JsonAttributes, bulk: BulkValues, *, signed: bool) -> Palette | None:
    """The palette of a data set or a presentation state; None if one of its three tables is missing.

    `signed`: whether stored values can be negative. Raises Undecodable for segments that make no sense.
    """
    columns: list[npt.NDArray[np.uint8]] = []
    first = 0
    for descriptor_tag, plain_tag, segmented_tag in zip(_DESCRIPTORS, _PLAIN, _SEGMENTED, strict=True):
        descriptor = read_descriptor(attributes, descriptor_tag, signed=signed)
        if descriptor is None:
            return None
        words = _entries(attributes, bulk, descriptor, plain_tag, segmented_tag)
        if not words.size:
            return None
        columns.append(_as_bytes(words, descriptor.bits))
        first = descriptor.first
    entries = min(len(column) for column in columns)
    return Palette(first, np.stack([column[:entries] for column in columns], axis=1).tobytes())


def apply_palette(array: npt.NDArray[np.generic], layout: SampleLayout, palette: Palette) -> npt.NDArray[np.uint8]:
    """The colours of the samples: (rows, columns, 3) for (rows, columns). Raises Undecodable."""
    if not layout.tabular:
        raise Undecodable(f"a palette is for samples of up to 16 bits, not {layout.bits_allocated}")
    return look_up(palette_table(layout, palette), array)


@lru_cache(maxsize=16)
def palette_table(layout: SampleLayout, palette: Palette) -> npt.NDArray[np.uint8]:
    """The colour of every pattern of bits: (2**bits_allocated, 3)."""
    colours = palette.colours
    return colours[np.clip(layout.patterns() - palette.first, 0, len(colours) - 1)]


def _entries(
    attributes: JsonAttributes, bulk: BulkValues, descriptor: Descriptor, plain_tag: str, segmented_tag: str
) -> npt.NDArray[np.uint16]:
    if plain_tag in attributes:
        words = read_words(attributes[plain_tag], bulk, entries=descriptor.entries)
        return words[: descriptor.entries]
    if segmented_tag in attributes:
        wide = descriptor.bits > 8
        segments = raw_values(attributes[segmented_tag], bulk)
        words = np.frombuffer(segments, "<u2" if wide else np.uint8, count=len(segments) // (2 if wide else 1))
        return expand_segments(words.tolist(), entries=descriptor.entries, wide=wide)
    return np.zeros(0, np.uint16)


def _as_bytes(words: npt.NDArray[np.uint16], bits: int) -> npt.NDArray[np.uint8]:
    high = int(words.max()) > 0xFF
    if bits > 8 and high:
        return (words >> 8).astype(np.uint8)
    if high:
        # 8 bits by the descriptor: the byte that means something is the high one if all low ones are alike
        return ((words >> 8) if not (words & 0xFF).any() else (words & 0xFF)).astype(np.uint8)
    return words.astype(np.uint8)


def expand_segments(words: list[int], *, entries: int, wide: bool) -> npt.NDArray[np.uint16]:
    """The entries that segments tell: discrete, linear, indirect (PS3.3 C.7.9.2).

    `words`: opcodes, lengths and values, each as wide as an entry: 16 bits (`wide`) or 8. Raises Undecodable.
    """
    result: list[int] = []
    _expand(words, 0, result, entries=entries, wide=wide, segments=len(words), nested=False)
    return np.array(result[:entries], np.uint16)


def _expand(
    words: list[int], start: int, result: list[int], *, entries: int, wide: bool, segments: int, nested: bool
) -> None:
    """Add what at most `segments` segments from `start` on say."""
    at = start
    while at + 1 < len(words) and segments > 0 and len(result) < entries:
        opcode, length = words[at], words[at + 1]
        segments -= 1
        if opcode == 0:
            result += words[at + 2 : at + 2 + length]
            at += 2 + length
        elif opcode == 1 and result and at + 2 < len(words):
            begin, end = result[-1], words[at + 2]
            result += [begin + round((end - begin) * step / length) for step in range(1, length + 1)]
            at += 3
        elif opcode == 2 and not nested and at + (3 if wide else 5) < len(words):
            # An earlier run of segments again, told by its offset in bytes, low part first (PS3.3 C.7.9.2.3)
            parts = words[at + 2 : at + 4] if wide else words[at + 2 : at + 6]
            offset = sum(part << (16 if wide else 8) * place for place, part in enumerate(parts))
            begin = offset // 2 if wide else offset
            _expand(words, begin, result, entries=entries, wide=wide, segments=length, nested=True)
            at += 2 + len(parts)
        else:
            raise Undecodable(f"segment {opcode} at {at} of a palette cannot be followed (PS3.3 C.7.9.2)")
