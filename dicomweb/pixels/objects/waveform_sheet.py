"""A waveform laid out on paper, in millimetres: where each trace runs, which grid lies below it.

Voltages of the heart are drawn as on ECG paper, 25 mm a second and 10 mm (or 5, or 20) a millivolt, one channel
below the other over all of the time. Others are spread over the width, each channel over its own range. Several
groups follow one another downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.objects.waveform import Channel, Group

SECONDS = 10.0
"""What is drawn of an ECG."""
LONG_SECONDS = 60.0
"""What is read of a waveform that is not: all of it, if it is not longer."""

_WIDTH = 250.0
"""Of the traces, mm."""
_LEFT = 16.0
_TOP = 12.0
_GAP = 8.0
_ROW = 22.0
"""Height of a channel on ECG paper, mm."""
_MOST_COLUMNS = 4
_SPEED = 25.0
"""mm a second."""
_GAINS = (20.0, 10.0, 5.0, 2.5, 1.0)
"""mm a millivolt."""
_BUCKETS = 1250
"""Of a trace: each is drawn from its lowest to its highest sample."""
_MILLIVOLT = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "V": 1e3}


@dataclass(frozen=True, slots=True)
class Grid:
    """Paper, mm."""

    left: float
    top: float
    width: float
    height: float
    fine: float
    """Distance of fine lines; 0 for none."""
    across: float
    """Distance of the bold upright lines."""
    down: float
    """Distance of the bold level lines."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A curve; there may be gaps in it."""

    pieces: tuple[npt.NDArray[np.float64], ...]
    """(points, 2) each: x, y in mm."""


@dataclass(frozen=True, slots=True)
class Words:
    """Lettering with its baseline at a point, mm."""

    x: float
    y: float
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything on the paper."""

    width: float
    height: float
    grids: tuple[Grid, ...]
    traces: tuple[Trace, ...]
    words: tuple[Words, ...]


def lay_out(groups: list[Group], title: str) -> Sheet:
    """All groups on one sheet."""
    grids: list[Grid] = []
    traces: list[Trace] = []
    words = [Words(_LEFT, 8.0, title)]
    top, width = _TOP, _WIDTH
    for group in groups:
        shown = min(SECONDS if group.electric else LONG_SECONDS, group.duration)
        if group.electric:
            grid = _ecg(group, shown, top + 5.0, traces, words)
        else:
            grid = _spread(group, shown, top + 5.0, traces, words)
        grids.append(grid)
        top = grid.top + grid.height + _GAP
    return Sheet(_LEFT + width + 6.0, top, tuple(grids), tuple(traces), tuple(words))


def _ecg(group: Group, shown: float, top: float, traces: list[Trace], words: list[Words]) -> Grid:
    """A group on ECG paper: 1 mm and 5 mm squares."""
    speed = _SPEED
    while speed * shown > _WIDTH:
        speed /= 2
    swings = [_swing(one.values * _MILLIVOLT[one.unit]) for one in group.channels]
    gain = next((one for one in _GAINS[1:] if one * max(swings, default=0.0) <= 1.8 * _ROW), _GAINS[-1])
    if max(swings, default=0.0) * _GAINS[0] <= 0.5 * _ROW:
        gain = _GAINS[0]
    # short ones, as single beats are, stand side by side
    columns = min(max(1, int(_WIDTH / (speed * shown + 12.0))), len(group.channels), _MOST_COLUMNS)
    rows = -(-len(group.channels) // columns)
    for place, channel in enumerate(group.channels):
        across = place // rows * (_WIDTH / columns)
        middle = top + 2.0 + _ROW * (place % rows + 0.5)
        values = channel.values * _MILLIVOLT[channel.unit]
        traces.append(_trace(values - _resting(values), group, shown, (_LEFT + across, middle), speed, gain))
        label = (2.0, middle + 1.0) if columns == 1 else (_LEFT + across + 1.0, middle - 6.0)
        words.append(Words(*label, channel.label))
    note = f"{speed:g} mm/s, {gain:g} mm/mV{_part(group, shown)}"
    words.append(Words(_LEFT, top - 1.5, f"{group.label}   {note}", quiet=True))
    return Grid(_LEFT, top, _WIDTH, _ROW * rows + 4.0, 1.0, 5.0, 5.0)


def _spread(group: Group, shown: float, top: float, traces: list[Trace], words: list[Words]) -> Grid:
    """A group over the whole width, each channel over its own range."""
    row = min(60.0, max(_ROW, 100.0 / max(1, len(group.channels))))
    speed = _WIDTH / max(shown, 1e-9)
    for place, channel in enumerate(group.channels):
        low, high = _span(channel)
        gain = row * 0.84 / (high - low)
        middle = top + row * (place + 0.5)
        traces.append(_trace(channel.values - (low + high) / 2, group, shown, (_LEFT, middle), speed, gain))
        words.append(Words(_LEFT + 1.0, middle - row / 2 + 3.6, channel.label))
        words.append(Words(1.0, middle - row * 0.42 + 2.0, f"{high:.3g}", quiet=True))
        words.append(Words(1.0, middle + row * 0.42, f"{low:.3g}", quiet=True))
        words.append(Words(1.0, middle + 1.0, channel.unit, quiet=True))
    step = _round_step(shown / 10)
    note = f"{step:g} s between lines{_part(group, shown)}"
    words.append(Words(_LEFT, top - 1.5, f"{group.label}   {note}", quiet=True))
    return Grid(_LEFT, top, _WIDTH, row * len(group.channels), 0.0, step * speed, row)


def _part(group: Group, shown: float) -> str:
    """What is said where only the beginning is drawn."""
    return f", the first {shown:g} s of {group.duration:.4g} s" if group.duration > shown * 1.001 else ""


def _trace(
    values: npt.NDArray[np.float64],
    group: Group,
    shown: float,
    start: tuple[float, float],
    speed: float,
    gain: float,
) -> Trace:
    """The curve of values, zero of which begins at `start`, mm."""
    values = values[: max(1, round(shown * group.frequency))]
    step = max(1, -(-len(values) // _BUCKETS))
    if step > 1:
        values, places = _envelope(values, step)
    else:
        places = np.arange(len(values), dtype=np.float64)
    points = np.column_stack((start[0] + places / group.frequency * speed, start[1] - values * gain))
    known = np.isfinite(points[:, 1])
    edges = np.flatnonzero(np.diff(known.astype(np.int8))) + 1
    pieces = [piece for piece in np.split(points, edges) if len(piece) and np.isfinite(piece[0, 1])]
    return Trace(tuple(pieces))


def _envelope(
    values: npt.NDArray[np.float64], step: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The lowest and the highest of every `step` samples, in the order in which they come, and their places."""
    whole = len(values) // step
    parts = values[: whole * step].reshape(whole, step)
    known = np.isfinite(parts)
    low = np.argmin(np.where(known, parts, np.inf), axis=1)
    high = np.argmax(np.where(known, parts, -np.inf), axis=1)
    order = np.sort(np.stack((low, high), axis=1), axis=1)
    picked = np.take_along_axis(parts, order, axis=1).ravel()
    return picked, (order + np.arange(whole)[:, None] * step).ravel().astype(np.float64)


def _resting(values: npt.NDArray[np.float64]) -> float:
    """Where the line of a heart at rest lies."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0


def _swing(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.ptp(known)) if known.size else 0.0


def _span(channel: Channel) -> tuple[float, float]:
    known = channel.values[np.isfinite(channel.values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _round_step(length: float) -> float:
    """1, 2 or 5 times a power of ten, at least the length."""
    power = 10.0 ** np.floor(np.log10(max(length, 1e-9)))
    return float(next(one * power for one in (1, 2, 5, 10) if one * power >= length * 0.999))
