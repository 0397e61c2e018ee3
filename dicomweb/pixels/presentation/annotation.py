"""Who and what is on the picture, written into its corners: the `annotation` parameter (PS3.18 8.3.5.1.1).

    patient     top left       name, ID, date of birth and sex
    technique   bottom left    when, what, which image, and how it was made

The standard leaves it to the server which of these are shown, and where.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.presentation.drawing import Canvas, Label, letter_size
from dicomweb.pixels.presentation.text import line_height, shortened
from dicomweb.pixels.render.attributes import first_number, first_text, values_of

_NAME, _ID, _BIRTH, _SEX = "00100010", "00100020", "00100030", "00100040"
_SMALLEST = 8.0
"""Height of letters in pixels."""


def annotate(
    picture: npt.NDArray[np.uint8], header: JsonAttributes, number: int, which: Collection[str]
) -> npt.NDArray[np.uint8]:
    """The picture with the annotations named written into it: `patient`, `technique`; itself without any.

    `picture` is (rows, columns) or (rows, columns, 3), `number` that of the frame (1-based).
    """
    above = patient_lines(header) if "patient" in which else []
    below = technique_lines(header, number) if "technique" in which else []
    if not above and not below:
        return picture
    canvas = Canvas(picture)
    size = max(_SMALLEST, min(letter_size(*picture.shape[:2]), picture.shape[0] / 14))
    step, margin = line_height(size), max(2.0, size / 3)
    # so many lines find room; of the technique the first ones are dropped last
    room = max(1, int((canvas.rows - 2 * margin) // step))
    below = below[: max(1, room - len(above))] if room > len(above) or not above else []
    _write(canvas, above[:room], margin, margin, size)
    _write(canvas, below, margin, canvas.rows - margin - step * len(below), size)
    return canvas.picture


def _write(canvas: Canvas, lines: list[str], left: float, top: float, size: float) -> None:
    text = "\n".join(shortened(line, size, canvas.columns - 2 * left) for line in lines)
    canvas.write(Label(text, left, top, size))


def patient_lines(header: JsonAttributes) -> list[str]:
    """Name, ID, and what else says who it is."""
    born = _date(first_text(header, _BIRTH))
    person = " ".join(part for part in (f"*{born}" if born else "", first_text(header, _SEX)) if part)
    return [line for line in (_name(header), _text(header, _ID), person) if line]


def technique_lines(header: JsonAttributes, number: int) -> list[str]:
    """When and how the image was made, the more important first."""
    date = _date(
        first_text(header, "00080023") or first_text(header, "00080022") or first_text(header, "00080020")
    )
    time = first_text(header, "00080033") or first_text(header, "00080032") or first_text(header, "00080030")
    clock = f"{time[:2]}:{time[2:4]}" if time[:4].isdigit() and len(time) >= 4 else ""
    frames = int(first_number(header, "00280008") or 1)
    series, instance = _text(header, "00200011"), _text(header, "00200013")
    where = [f"Se {series}" if series else "", f"Im {instance}" if instance else ""]
    where += [f"Fr {number}/{frames}"] if frames > 1 else []
    lines = [
        _joined([first_text(header, "00080060"), date, clock]),
        _joined(where),
        _text(header, "0008103E") or _text(header, "00081030"),
        _joined([_number(header, tag, form) for tag, form in _PHYSICS]),
    ]
    return [line for line in lines if line]


_PHYSICS = (
    ("00180050", "{} mm"),
    ("00201041", "at {} mm"),
    ("00180060", "{} kV"),
    ("00181151", "{} mA"),
    ("00181152", "{} mAs"),
    ("00180080", "TR {} ms"),
    ("00180081", "TE {} ms"),
    ("00180082", "TI {} ms"),
)
"""Slice Thickness, Slice Location, KVP, X-Ray Tube Current, Exposure, Repetition, Echo and Inversion Time."""


def _name(header: JsonAttributes) -> str:
    """The name as a person writes it; of its three forms the one most likely in Latin letters."""
    values = values_of(header, _NAME)
    groups = values[0] if values else None
    if isinstance(groups, dict):
        forms = [groups.get(form) for form in ("Alphabetic", "Phonetic", "Ideographic")]
        groups = next((form for form in forms if isinstance(form, str) and form.strip("^ ")), "")
    if not isinstance(groups, str):
        return ""
    family, *others = [part.strip() for part in groups.split("=")[0].split("^")][:3]
    given = " ".join(part for part in others if part)
    return ", ".join(part for part in (family, given) if part)


def _date(text: str) -> str:
    """A date with its parts apart (ISO 8601); as it stands if it is none."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text[:16]


def _text(header: JsonAttributes, tag: str) -> str:
    """The first value, be it text or a whole number, in one line."""
    values = values_of(header, tag)
    value = values[0] if values else None
    return " ".join(str(value).split())[:64] if isinstance(value, str | int) else ""


def _number(header: JsonAttributes, tag: str, form: str) -> str:
    number = first_number(header, tag)
    return "" if number is None else form.format(f"{number:.6g}")


def _joined(parts: list[str]) -> str:
    return "  ".join(part for part in parts if part)
