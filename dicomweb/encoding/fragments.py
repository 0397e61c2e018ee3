"""Reading the items of an encapsulated value (PS3.5 A.4): where each fragment lies, not what is in it.

(7FE0,0010) OB FFFFFFFF | item: Basic Offset Table | item | item | ... | sequence delimitation item
"""

from __future__ import annotations

from array import array
from collections.abc import Generator

from dicomweb.encoding.element import ITEM, SEQUENCE_END, UNDEFINED, Coding
from dicomweb.encoding.head import Fragments, HeadLimits, OverLimit, Truncated, Unreadable
from dicomweb.encoding.window import Window
from dicomweb.model.ranges import ByteRange


def read_fragments(
    window: Window, coding: Coding, limits: HeadLimits, *, open_end: bool
) -> Generator[None, None, tuple[Fragments, bool]]:
    """Read from the first item tag, at which the window stands, to behind the sequence delimitation item.

    Returns the fragments and whether the delimitation item was there: with `open_end` the file may end in its
    place, right behind a fragment. Raises Unreadable, Truncated, OverLimit.
    """
    first = window.position
    table = yield from _offset_table(window, coding, limits)
    starts, lengths = array("Q"), array("Q")
    item, tag_length = coding.order.item, coding.order.tag_length
    add_start, add_length = starts.append, lengths.append
    most = limits.fragments
    data, base, at, stop = window.data, window.base, window.position - window.base, len(window.data)
    while True:
        if at + 8 > stop:
            window.position = base + at
            yield from window.reach(window.position + 8)
            if window.received == window.position and starts and open_end:
                return Fragments(starts, lengths, table, ByteRange(first, window.position)), False
            if window.received < window.position + 8:
                raise Truncated("the file ends within an encapsulated value", window.received)
            data, base, at, stop = window.data, window.base, window.position - window.base, len(window.data)
        word, length = tag_length(data, at)
        if word != item or length == UNDEFINED:
            break
        at += 8
        add_start(base + at)
        add_length(length)
        at += length
        if len(starts) > most:
            raise OverLimit(f"more than {most} fragments", base + at)
    if coding.order.word(word) != SEQUENCE_END:
        raise Unreadable("a fragment of an encapsulated value was expected", base + at)
    window.position = base + at + 8
    return Fragments(starts, lengths, table, ByteRange(first, window.position)), True


def _offset_table(window: Window, coding: Coding, limits: HeadLimits) -> Generator[None, None, bytes]:
    """The value of the first item."""
    first = window.position
    yield from window.reach(first + 8)
    if window.received < first + 8:
        raise Truncated("the file ends where an encapsulated value begins", window.received)
    word, length = coding.order.tag_length(window.data, first - window.base)
    tag = coding.order.word(word)
    if tag == SEQUENCE_END:
        return b""
    if tag != ITEM or length == UNDEFINED:
        raise Unreadable("the Basic Offset Table of an encapsulated value was expected", first)
    if length > 4 * limits.fragments:
        raise OverLimit(f"a Basic Offset Table of more than {limits.fragments} fragments", first)
    yield from window.reach(first + 8 + length)
    if window.received < first + 8 + length:
        raise Truncated("the file ends within a Basic Offset Table", window.received)
    at = first + 8 - window.base
    window.position = first + 8 + length
    return window.data[at : at + length]
