"""The Range header field (RFC 9110 14), for representations of a single part.

One range is honoured; several at once are answered with the whole, as is one that cannot be read.
"""

from __future__ import annotations

import re

from dicomweb.model.ranges import ByteRange
from dicomweb.wire.conditional import strong_match

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*,?\s*", re.ASCII | re.IGNORECASE)
_LONGEST = 19
"""Digits of a position that is looked at; more would be beyond any file."""


class Unsatisfiable(Exception):
    """A range that lies outside the representation: 416 with its `total` length in bytes."""

    def __init__(self, total: int) -> None:
        super().__init__(f"the range lies outside the {total} bytes there are")
        self.total = total


def parse_range(text: str, total: int) -> ByteRange | None:
    """The span asked for of `total` bytes, None for the whole. Raises Unsatisfiable."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    first, last = found.groups()
    if max(len(first), len(last)) > _LONGEST or not (first or last):
        return None
    if not first:
        start, end = max(total - int(last), 0), total
    else:
        start, end = int(first), min(int(last) + 1, total) if last else total
        if last and int(last) < start:
            return None
    if start >= total or start >= end:
        raise Unsatisfiable(total)
    return ByteRange(start, end)


def asked_span(range_field: str, if_range: str, etag: str, total: int) -> ByteRange | None:
    """The span to send, None for the whole; If-Range with another or a weak ETag, or a date, wants the whole.

    Raises Unsatisfiable.
    """
    if not range_field or (if_range and not strong_match(if_range, etag)):
        return None
    return parse_range(range_field, total)


def content_range(span: ByteRange, total: int) -> str:
    """Value of Content-Range; viewers need the total."""
    return f"bytes {span.start}-{span.end - 1}/{total}"
