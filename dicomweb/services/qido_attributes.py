"""How a client names an attribute in a search: keyword, tag, or a path of them (PS3.18 8.3.4.1).

    PatientName     00100010     00080102
    RequestAttributesSequence.ScheduledProcedureStepID     00400275.00400009     00400275.ScheduledProcedureStepID

Tags are eight hexadecimal digits in either case, private ones included. What no dictionary knows has the VR UN
and may still be searched: stored headers keep every attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dicomweb.model import tags
from dicomweb.model.query import AttributePath
from dicomweb.wire.exchange import WebError

MAX_DEPTH = 16
"""Steps of a path."""
_TRANSFER_SYNTAX = "00020010"
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_SHOWN = 64


class BadParameter(WebError):
    """A query parameter that cannot be understood: 400, naming it, never its value (it may tell of a patient)."""

    def __init__(self, parameter: str, expected: str) -> None:
        self.parameter = shown(parameter)
        super().__init__(400, f"query parameter {self.parameter}: {expected}")


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute as a client named it."""

    path: AttributePath
    vr: str
    """VR of the last step, `UN` if no dictionary knows it."""


def shown(name: str) -> str:
    """A parameter's name as messages tell it: short, without control characters."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in name[:_SHOWN])
    return f"'{plain}'" if len(name) <= _SHOWN else f"'{plain}...'"


def hint(word: str, others: Iterable[str] = ()) -> str:
    """What was perhaps meant by a word that is no keyword, as the end of a message; `others` are words besides.

    Never the word itself: it may be a value that tells of a patient.
    """
    near = tags.nearest_keyword(word, tuple(others)) if len(word) <= _SHOWN else None
    return f"; did you mean {near}?" if near else ""


def parse_attribute(name: str, *, parameter: str) -> Attribute:
    """The attribute called `name` in the query parameter `parameter`.

    Raises BadParameter if a step is neither a keyword of PS3.6 nor a tag, or something lies below an attribute
    that is no sequence.
    """
    steps = name.split(".")
    if len(steps) > MAX_DEPTH:
        raise BadParameter(parameter, f"an attribute path has at most {MAX_DEPTH} steps")
    found = [_step(step, parameter) for step in steps]
    for tag, vr in found[:-1]:
        if vr not in ("SQ", "UN"):
            raise BadParameter(parameter, f"{tag} is no sequence, so nothing can be named below it")
    return Attribute(tuple(tag for tag, _ in found), found[-1][1])


def _step(step: str, parameter: str) -> tuple[str, str]:
    tag = step.upper() if _TAG.fullmatch(step) else tags.tag_of(step)
    if tag is None:
        expected = "expected a keyword of PS3.6 (PatientName) or a tag of eight hexadecimal digits (00100010)"
        raise BadParameter(parameter, expected + hint(step))
    if tag == _TRANSFER_SYNTAX:
        raise BadParameter(parameter, "the data set does not hold it; search by AvailableTransferSyntaxUID")
    if tag[:4] in ("0000", "0002", "FFFE"):
        raise BadParameter(parameter, f"{tag} does not belong to a data set")
    return tag, tags.vr_of(tag)
