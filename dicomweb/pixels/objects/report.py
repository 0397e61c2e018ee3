"""Structured reports and key object selections: as HTML, as plain text, and their first page as a picture.

All three are written from the tree of `report_tree`, whatever template it follows. Nothing of the report gets into
the HTML unescaped; it holds no scripts and loads nothing. The picture leaves out who the patient is and the names
of persons.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from dicomweb.model.query import JsonAttributes
from dicomweb.model.tags import uid_name
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import text
from dicomweb.pixels.objects.canvas import WHITE, Canvas, Colour, canvas_size, drawable, wrapped
from dicomweb.pixels.objects.contract import Needs, Portrait, PortraitRequest, Source
from dicomweb.pixels.objects.report_tree import Item, Reference, about, read_tree, references, whose

_PAGE = (620, 800)
"""Pixels of the first page."""
_LETTERS: Colour = (25, 28, 38)
_QUIET: Colour = (95, 102, 118)
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_STYLE = (
    "body{font:15px/1.45 sans-serif;max-width:52em;margin:2em auto;padding:0 1em;color:#191c26}"
    "h1{font-size:1.5em}h2,h3,h4,h5,h6{margin:1.1em 0 .3em;font-size:1.12em}dl{display:grid;"
    "grid-template-columns:max-content 1fr;gap:.1em 1em;color:#444}dt,dd{margin:0}ul{padding-left:1.2em;"
    "margin:.2em 0}.name{color:#555}.how{color:#888;font-size:.85em}.text{white-space:pre-wrap}"
    "section section{padding-left:1em;border-left:2px solid #e3e6ee}"
)
_PLAIN_RELATIONSHIPS = ("", "CONTAINS", "HAS PROPERTIES")
_NOT_HERE = "not stored here"
_CONTEXT = ("HAS CONCEPT MOD", "HAS OBS CONTEXT", "HAS ACQ CONTEXT")


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """Nothing: a report stands in the header."""
    return Needs()


def referenced(header: JsonAttributes, media_type: str) -> list[tuple[str, str, str]]:
    """Study, series and instance of the objects that text of the report refers to."""
    if not media_type.startswith("text/"):
        return []
    return [(one.study, one.series, one.instance) for one in references(header)]


def portray(
    header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str
) -> Portrait | Picture:
    """The report in the wanted form."""
    root = read_tree(header)
    if media_type == "text/html":
        return Portrait("text/html; charset=utf-8", report_html(header, root, wanted).encode())
    if media_type == "text/plain":
        return Portrait("text/plain; charset=utf-8", report_text(header, root, wanted.missing).encode())
    return first_page(_title(header, root), list(page_lines(header, root)), wanted)


def _title(header: JsonAttributes, root: Item) -> str:
    return root.name or (uid_name(text(header, "00080016")) or "Report").removesuffix(" Storage")


def report_html(header: JsonAttributes, root: Item, wanted: PortraitRequest) -> str:
    """The report as an HTML document."""
    title = html.escape(_title(header, root))
    rows = [(name, value) for name, value in (*whose(header), *about(header)) if value]
    head = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in rows)
    body = "".join(_html_children(root.children, wanted, 2))
    return (
        f'<!DOCTYPE html>\n<html lang="{_language(root)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n"
        f"<body><header><h1>{title}</h1><dl>{head}</dl></header>\n<main>{body}</main></body></html>\n"
    )


def _language(root: Item) -> str:
    """The language the report says it is written in, English if it does not."""
    for one in root.children:
        if one.relationship == "HAS CONCEPT MOD" and one.name.startswith("Language of"):
            names = {
                "german": "de",
                "french": "fr",
                "spanish": "es",
                "italian": "it",
                "dutch": "nl",
                "japanese": "ja",
            }
            return names.get(one.value.split()[0].lower() if one.value else "", "en")
    return "en"


def _html_children(children: tuple[Item, ...], wanted: PortraitRequest, level: int) -> Iterator[str]:
    """Containers as sections, runs of other items as lists."""
    listed = False
    for one in children:
        section = one.kind == "CONTAINER"
        if section and listed:
            yield "</ul>\n"
        if not section and not listed:
            yield "<ul>"
        listed = not section
        if section:
            heading = f"h{min(level, 6)}"
            title = f"<{heading}>{html.escape(one.name)}</{heading}>" if one.name else ""
            yield f"<section>{title}" + "".join(_html_children(one.children, wanted, level + 1)) + "</section>\n"
        else:
            below = "".join(_html_children(one.children, wanted, level))
            yield f"<li>{_html_item(one, wanted)}{below}</li>\n"
    if listed:
        yield "</ul>\n"


def _html_item(one: Item, wanted: PortraitRequest) -> str:
    how = "" if one.relationship in (*_PLAIN_RELATIONSHIPS, *_CONTEXT) else one.relationship.lower()
    parts = [
        f'<span class="how">{html.escape(how)}</span>' if how else "",
        f'<span class="name">{html.escape(one.name)}:</span>' if one.name else "",
        f'<span class="text">{html.escape(one.value)}</span>' if one.value else "",
        _link(one.reference, wanted) if one.reference else "",
    ]
    return " ".join(filter(None, parts))


def _link(reference: Reference, wanted: PortraitRequest) -> str:
    """A link to the rendered object where it is known in which series it is, else words."""
    words, root = html.escape(_reference_words(reference)), wanted.root
    if reference.instance in wanted.missing:
        return f'{words} <span class="how">{_NOT_HERE}</span>'
    uids = (reference.study, reference.series, reference.instance)
    if not root or not all(_UID.fullmatch(one) for one in uids):
        return words
    frames = f"/frames/{','.join(map(str, reference.frames))}" if reference.frames else ""
    address = f"{root}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}{frames}/rendered"
    return f'<a href="{html.escape(address, quote=True)}">{words}</a>'


def _reference_words(reference: Reference, *, whole: bool = True) -> str:
    """What is referred to, its UID with it if `whole`."""
    name = (uid_name(reference.sop_class) or "Object").removesuffix(" Storage")
    frames = f", frame {', '.join(map(str, reference.frames))}" if reference.frames else ""
    return f"{name}{frames} ({reference.instance})" if whole else f"{name}{frames}"


def report_text(header: JsonAttributes, root: Item, missing: frozenset[str] = frozenset()) -> str:
    """The report as lines of plain text, indented by their place in the tree."""
    title = _title(header, root)
    head = [f"{name}: {value}" for name, value in (*whose(header), *about(header)) if value]
    return (
        "\n".join(
            [title, "=" * len(title), *head, "", *_text_lines(root.children, 0, named=True, missing=missing)]
        )
        + "\n"
    )


def page_lines(header: JsonAttributes, root: Item) -> Iterator[str]:
    """The lines of the picture: without who the patient is, and without names of persons."""
    yield from (f"{name}: {value}" for name, value in about(header) if value and name in ("State", "Date"))
    yield ""
    yield from _text_lines(root.children, 0, named=False)


def _text_lines(
    children: tuple[Item, ...], depth: int, *, named: bool, missing: frozenset[str] = frozenset()
) -> Iterator[str]:
    indent = "  " * min(depth, 12)
    for one in children:
        personal = one.kind == "PNAME" or (one.kind == "TEXT" and "Name" in one.name)
        if not named and (personal or one.relationship in _CONTEXT):
            continue
        words = one.value or (_reference_words(one.reference, whole=named) if one.reference else "")
        if one.reference and one.reference.instance in missing:
            words = f"{words}, {_NOT_HERE}"
        first, *rest = words.splitlines() or [""]
        label = f"{one.name}: " if one.name and words else one.name
        if label or first:
            yield f"{indent}{label}{first}"
        yield from (f"{indent}  {line}" for line in rest)
        yield from _text_lines(one.children, depth + 1, named=named, missing=missing)


def first_page(title: str, lines: list[str], wanted: PortraitRequest) -> Picture:
    """A white page with a title and as many lines as there is room for."""
    width, height = canvas_size(wanted.settings, default=_PAGE)
    canvas = Canvas(width, height, WHITE)
    size = max(9, round(height / 52))
    margin = size * 2
    y = float(margin)
    for line in wrapped(title, round(size * 1.5), width - 2 * margin, 2):
        canvas.text(margin, y, line, round(size * 1.5), _LETTERS)
        y += size * 2
    canvas.box(margin, y + size * 0.2, width - margin, y + size * 0.3, _QUIET)
    y += size
    for line in lines:
        shown = drawable(line)
        if not shown:
            y += 0 if line.strip() else size * 0.5
            continue
        inset = margin + (len(line) - len(line.lstrip())) * size * 0.5
        for piece in wrapped(shown, size, width - margin - inset, 6):
            if y > height - margin - size:
                return canvas.picture()
            canvas.text(inset, y, piece, size, _LETTERS if inset > margin or ":" not in line else _QUIET)
            y += size * 1.45
    return canvas.picture()
