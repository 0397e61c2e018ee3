"""MR spectroscopy (PS3.3 A.36.3, C.8.14): the strongest spectrum of the object as a curve.

Spectroscopy Data (5600,0020) holds 32-bit floats, frame by frame, row by row, voxel by voxel, the points of one
spectrum together, complex ones as pairs. Signals over time are transformed; what is drawn is their magnitude.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import bulk_path, bulk_value, integer, number, text, texts
from dicomweb.pixels.objects.canvas import GROUND, Canvas, Colour, canvas_size, corner_text
from dicomweb.pixels.objects.contract import BulkNeed, Needs, PortraitRequest, Source

_DATA = "56000020"
_SIZE = (640, 400)
_MOST_BYTES = 16 << 20
_CURVE: Colour = (110, 200, 250)
_AXIS: Colour = (71, 85, 105)


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """The spectra, of very many the first ones."""
    path = bulk_path(header, _DATA)
    return Needs((BulkNeed(path, _MOST_BYTES),)) if path else Needs()


def portray(header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str) -> Picture:
    """The curve. Raises ValueError if there is no whole spectrum."""
    spectra = spectra_of(header, source, wanted.transfer_syntax)
    strongest = int(np.argmax(spectra.sum(axis=1)))
    canvas = Canvas(*canvas_size(wanted.settings, default=_SIZE), GROUND)
    margin = max(8, canvas.height // 14)
    floor, room = canvas.height - margin - 24, canvas.height - 2 * margin - 24
    curve = spectra[strongest]
    high = float(curve.max()) or 1.0
    across = np.linspace(margin, canvas.width - margin, len(curve))
    canvas.line([(margin, floor), (canvas.width - margin, floor)], _AXIS)
    canvas.line(
        [(float(x), float(y)) for x, y in zip(across, floor - curve / high * room, strict=True)], _CURVE, 2
    )
    if canvas.width >= 192:
        width, nucleus = number(header, "00189052"), ", ".join(filter(None, texts(header, "00189100")))
        which = f"spectrum {strongest + 1} of {len(spectra)}" if len(spectra) > 1 else ""
        facts = [nucleus, f"{len(curve)} points", f"{width:.5g} Hz wide" if width else "", which]
        corner_text(canvas, [", ".join(filter(None, facts))])
    return canvas.picture()


def spectra_of(header: JsonAttributes, source: Source, transfer_syntax: str) -> npt.NDArray[np.float64]:
    """Magnitudes over frequency, (spectra, points). Raises ValueError if there is no whole spectrum."""
    points = integer(header, "00289002")  # Data Point Columns
    data = bulk_value(header, _DATA, source, transfer_syntax)[:_MOST_BYTES]
    values = np.nan_to_num(np.frombuffer(data, "<f4", len(data) // 4).astype(np.float64), posinf=0, neginf=0)
    complex_pairs = text(header, "00289108") in ("COMPLEX", "")
    step = points * (2 if complex_pairs else 1)
    if step < 1 or len(values) < step:
        raise ValueError("no whole spectrum")
    stored = values[: len(values) // step * step].reshape(-1, step)
    signal = stored[:, 0::2] + 1j * stored[:, 1::2] if complex_pairs else stored.astype(np.complex128)
    if text(header, "00289003") == "TIME":  # Signal Domain Columns
        signal = np.fft.fftshift(np.fft.fft(signal, axis=1), axes=1)
    return np.abs(signal)
