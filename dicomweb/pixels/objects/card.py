"""The card: a picture of words for what has no picture, naming the kind of object and what is worth knowing of it.

It is also what stands in for a painter that could not make sense of an object: in the media type that was asked
for, as far as words can be put into it.
"""

from __future__ import annotations

import html
from dataclasses import replace

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.canvas import GROUND, INK, QUIET, Canvas, Colour, canvas_size, shortened, wrapped
from dicomweb.pixels.objects.contract import Needs, Portrait, PortraitRequest, Source
from dicomweb.pixels.objects.facts import Summary, summary_of
from dicomweb.pixels.render.settings import BadRenderRequest

_SIDE = 512
_BADGE: Colour = (56, 97, 160)
_RULE: Colour = (51, 65, 85)


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """Nothing: a card is made of the header."""
    return Needs()


def portray(
    header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str
) -> Portrait | Picture:
    """The card of an object."""
    return instead(header, wanted, media_type)


def instead(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Portrait | Picture:
    """What the card says, in the media type that was asked for.

    Raises BadRenderRequest where that is a document, a mesh or a video, which words cannot be.
    """
    try:
        summary = summary_of(header)
    except Exception:  # odd headers must not keep a card from being drawn
        summary = Summary(badge="?", title="DICOM object", subtitle="", facts=())
    if wanted.note:
        summary = replace(summary, facts=(("Pixels", wanted.note), *summary.facts))
    if media_type.startswith("image/") and media_type != "image/svg+xml":
        return draw_card(summary, wanted)
    lines = [summary.title, summary.subtitle, *(f"{name}: {value}" for name, value in summary.facts)]
    shown = [line for line in lines if line]
    if media_type == "text/plain":
        return Portrait("text/plain; charset=utf-8", "\n".join(shown).encode())
    if media_type == "text/html":
        return Portrait("text/html; charset=utf-8", _html(shown).encode())
    if media_type == "image/svg+xml":
        return Portrait("image/svg+xml", _svg(shown).encode())
    raise BadRenderRequest(f"this object holds nothing that can be given as {media_type}")


def draw_card(summary: Summary, wanted: PortraitRequest) -> Picture:
    """A picture of the summary, square unless the viewport asks otherwise."""
    width, height = canvas_size(wanted.settings, default=(_SIDE, _SIDE))
    canvas = Canvas(width, height)
    # small pictures get fewer words rather than illegible ones
    unit = max(height / 24, 10.0)
    margin = unit * 1.2
    body, title = round(unit * 0.95), round(unit * 1.35)
    room = width - 2 * margin
    badge = shortened(summary.badge, round(unit * 1.6), room)
    canvas.box(0, 0, width, unit * 3.4, _BADGE)
    canvas.text(margin, unit * 0.9, badge, round(unit * 1.7), INK)
    y = unit * 4.4
    for line in wrapped(summary.title, title, room, 3):
        canvas.text(margin, y, line, title, INK)
        y += title * 1.35
    for line in wrapped(summary.subtitle, body, room, 2):
        canvas.text(margin, y, line, body, QUIET)
        y += body * 1.45
    y += unit * 0.4
    canvas.box(margin, y, width - margin, y + max(1, unit / 16), _RULE)
    y += unit * 0.7
    _draw_facts(canvas, summary, y, margin=margin, size=body)
    return canvas.picture()


def _draw_facts(canvas: Canvas, summary: Summary, y: float, *, margin: float, size: int) -> None:
    """Name and value a line, as many as there is room for."""
    room = canvas.width - 2 * margin
    for name, value in summary.facts:
        if y + size * 1.4 > canvas.height - margin / 2:
            return
        lines = wrapped(value, size, room * 0.7, 2) or [""]
        canvas.text(margin, y, shortened(name, size, room * 0.27), size, QUIET)
        for line in lines:
            if y + size * 1.4 > canvas.height - margin / 2:
                return
            canvas.text(margin + room * 0.3, y, line, size, INK)
            y += size * 1.45


def _html(lines: list[str]) -> str:
    head, *rest = [html.escape(line) for line in lines] or ["DICOM object"]
    body = "".join(f"<p>{line}</p>" for line in rest)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{head}</title></head>'
        f"<body><h1>{head}</h1>{body}</body></html>"
    )


def _svg(lines: list[str]) -> str:
    ground = "#{:02x}{:02x}{:02x}".format(*GROUND)
    rows = "".join(
        f'<text x="24" y="{48 + 26 * place}" font-size="16" fill="#e2e8f0">{html.escape(line)}</text>'
        for place, line in enumerate(lines[:17])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE} {_SIDE}" font-family="sans-serif">'
        f'<rect width="{_SIDE}" height="{_SIDE}" fill="{ground}"/>{rows}</svg>'
    )
