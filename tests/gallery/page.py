"""The page of the gallery, and its contact sheets: plain files in one folder."""

from __future__ import annotations

import html
from collections.abc import Sequence
from io import BytesIO
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.gallery.exhibit import Exhibit

_STYLE = (
    "body{font:14px/1.4 sans-serif;background:#20242c;color:#dfe3ea;margin:1.5em}"
    "main{display:grid;grid-template-columns:repeat(auto-fill,minmax(270px,1fr));gap:14px}"
    "h2{grid-column:1/-1;margin:1.2em 0 0;font-size:1.1em}figure{margin:0;background:#2b303a;padding:8px}"
    "figure img{width:100%;height:250px;object-fit:contain;background:#111418}figcaption{overflow-wrap:anywhere}"
    ".about,.time{color:#9aa3b2}.error{color:#ff9d8a}a{color:#8ab8ff}.error-box{height:250px;padding:8px;"
    "background:#3a2424;overflow:auto;box-sizing:border-box}"
)
_COLUMNS, _ROWS = 8, 5
_CELL = (225, 190)
"""Pixels of a cell of a contact sheet."""


def write_gallery(shown: Sequence[Exhibit], folder: Path) -> list[Path]:
    """`index.html`, its pictures and documents, and the contact sheets; everything written, the page first."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    written = [folder / "index.html"]
    for place, one in enumerate(shown):
        if one.picture:
            written.append(_write(folder / "pictures" / f"{place:03}.png", one.picture))
        written += [_write(folder / "pictures" / f"{place:03}.{kind}", data) for kind, data in one.documents]
    _write(written[0], page(shown).encode())
    for start in range(0, len(shown), _COLUMNS * _ROWS):
        sheet = contact_sheet(shown[start : start + _COLUMNS * _ROWS], first=start)
        buffer = BytesIO()
        sheet.save(buffer, "PNG")
        written.append(_write(folder / f"sheet-{start // (_COLUMNS * _ROWS) + 1:02}.png", buffer.getvalue()))
    return written


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def page(shown: Sequence[Exhibit]) -> str:
    """One page for all, folder by folder; what went wrong is told first."""
    wrong = [(place, one) for place, one in enumerate(shown) if not one.picture]
    parts = [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Gallery</title><style>{_STYLE}</style>'
        f"</head><body><h1>{len(shown) - len(wrong)} of {len(shown)} files have a picture</h1><ul>"
    ]
    parts += [
        f'<li><a href="#f{place}">{html.escape(one.name)}</a> <span class="error">{one.status} '
        f"{html.escape(one.trouble)}</span></li>"
        for place, one in wrong
    ]
    parts.append("</ul><main>")
    for folder, group in groupby(enumerate(shown), lambda each: each[1].name.rpartition("/")[0]):
        parts.append(f"<h2>{html.escape(folder)}</h2>")
        parts += [_figure(place, one) for place, one in group]
    return "\n".join([*parts, "</main></body></html>\n"])


def _figure(place: int, one: Exhibit) -> str:
    name = html.escape(one.name.rpartition("/")[2])
    source = f"pictures/{place:03}"
    if one.picture:
        inner = f'<a href="{source}.png"><img loading="lazy" src="{source}.png" alt="{name}"></a>'
    else:
        inner = f'<div class="error-box error">{one.status} {html.escape(one.trouble)}</div>'
    links = " ".join(f'<a href="{source}.{kind}">{kind}</a>' for kind, _ in one.documents)
    return (
        f'<figure id="f{place}">{inner}<figcaption>{name}<br><span class="about">{html.escape(one.about)}</span> '
        f'<span class="time">{one.milliseconds:.0f} ms</span> {links}</figcaption></figure>'
    )


def contact_sheet(shown: Sequence[Exhibit], *, first: int) -> Image.Image:
    """Up to forty exhibits on one picture, each with its number and the end of its name below it."""
    width, height = _CELL
    sheet = Image.new("RGB", (_COLUMNS * width, -(-len(shown) // _COLUMNS) * height), (52, 57, 68))
    pen = ImageDraw.Draw(sheet)
    face = ImageFont.load_default(11)
    for place, one in enumerate(shown):
        left, top = place % _COLUMNS * width, place // _COLUMNS * height
        if one.picture:
            picture = Image.open(BytesIO(one.picture)).convert("RGB")
            picture.thumbnail((width - 4, height - 20))
            sheet.paste(picture, (left + (width - picture.width) // 2, top + 2))
        else:
            words = f"{one.status} {one.trouble}"
            lines = "\n".join(words[start : start + 36] for start in range(0, min(len(words), 288), 36))
            pen.rectangle((left + 2, top + 2, left + width - 3, top + height - 20), fill=(84, 40, 40))
            pen.multiline_text((left + 6, top + 6), lines, font=face, fill=(255, 200, 190))
        label = f"{first + place} {one.name.rpartition('/')[2]}"
        pen.text((left + 3, top + height - 16), label[:38], font=face, fill=(225, 228, 235))
    return sheet
