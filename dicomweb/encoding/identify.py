"""Who an instance says it is."""

from __future__ import annotations

from typing import NamedTuple

from dicomweb.encoding.head import Head
from dicomweb.model.query import JsonAttributes


class Identity(NamedTuple):
    """The UIDs of an instance as its data set has them, not checked; empty where there is none."""

    study: str
    series: str
    instance: str
    sop_class: str


def identify(head: Head) -> Identity:
    """The identity of an instance. The data set counts, not the meta information, which copies two of them."""
    attributes = head.data_set
    return Identity(
        _uid(attributes, "0020000D"),
        _uid(attributes, "0020000E"),
        _uid(attributes, "00080018"),
        _uid(attributes, "00080016"),
    )


def _uid(attributes: JsonAttributes, tag: str) -> str:
    values = attributes.get(tag, {}).get("Value")
    return values[0] if values and isinstance(values[0], str) else ""
