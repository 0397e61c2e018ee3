"""CDA documents (HL7 CDA R2, PS3.3 A.45.2) for people: title, sections and their narrative text as HTML or lines.

The narrative has a small vocabulary of its own; what of it HTML has too is kept, every attribute is dropped, all
else is its text. Documents with a document type declaration are not parsed: nothing may be expanded or loaded.
"""

from __future__ import annotations

import html
import xml.etree.ElementTree as Xml
from collections.abc import Iterator

_TAGS = {
    # narrative element: element of HTML
    "paragraph": "p", "list": "ul", "item": "li", "table": "table", "thead": "thead", "tbody": "tbody",
    "tfoot": "tfoot", "tr": "tr", "td": "td", "th": "th", "caption": "caption", "sub": "sub", "sup": "sup",
}  # fmt: skip
_BREAKS = frozenset(("paragraph", "list", "item", "table", "tr", "br", "caption", "title", "text"))
_DEEPEST = 60


def as_html(data: bytes) -> str:
    """The document as HTML. Raises ValueError if it is not CDA that can be read."""
    root = _parsed(data)
    title = html.escape(_title(root))
    body = "".join(_section_html(one, 2) for one in _sections(root))
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:15px/1.45 sans-serif;max-width:52em;margin:2em auto;padding:0 1em}"
        "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .5em;text-align:left}</style>"
        f"</head>\n<body><h1>{title}</h1>\n{body}</body></html>\n"
    )


def as_text(data: bytes) -> str:
    """The document as lines of text. Raises ValueError if it is not CDA that can be read."""
    root = _parsed(data)
    lines = [_title(root), "=" * len(_title(root))]
    for section in _sections(root):
        lines += ["", *_section_lines(section)]
    return "\n".join(lines) + "\n"


def _parsed(data: bytes) -> Xml.Element:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or "<!DOCTYPE".encode("utf-16-le") in data:
        raise ValueError("a document type declaration")
    try:
        root = Xml.fromstring(data.rstrip(b"\0 "))
    except Xml.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    if _name(root) != "ClinicalDocument":
        raise ValueError("not a clinical document")
    return root


def _name(element: Xml.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _child(element: Xml.Element, name: str) -> Xml.Element | None:
    return next((one for one in element if _name(one) == name), None)


def _title(root: Xml.Element) -> str:
    title = _child(root, "title")
    return " ".join("".join(title.itertext()).split()) if title is not None else "Clinical document"


def _sections(element: Xml.Element, depth: int = 0) -> Iterator[Xml.Element]:
    """The sections next below an element, past what only holds them together."""
    for one in element if depth < _DEEPEST else ():
        if _name(one) == "section":
            yield one
        elif _name(one) in ("component", "structuredBody"):
            yield from _sections(one, depth + 1)


def _section_html(section: Xml.Element, level: int) -> str:
    title, text = _child(section, "title"), _child(section, "text")
    parts = []
    if title is not None:
        parts.append(f"<h{min(level, 6)}>{html.escape(''.join(title.itertext()))}</h{min(level, 6)}>")
    if text is not None:
        parts.append(f"<div>{_narrative(text, 0)}</div>")
    parts += [_section_html(one, level + 1) for one in _sections(section)] if level < _DEEPEST else []
    return f"<section>{''.join(parts)}</section>\n"


def _narrative(element: Xml.Element, depth: int) -> str:
    """The content of an element of the narrative."""
    if depth > _DEEPEST:
        return html.escape("".join(element.itertext()))
    parts = [html.escape(element.text or "")]
    for one in element:
        name = _name(one)
        inner = _narrative(one, depth + 1)
        tag = _TAGS.get(name)
        parts.append("<br>" if name == "br" else f"<{tag}>{inner}</{tag}>" if tag else inner)
        parts.append(html.escape(one.tail or ""))
    return "".join(parts)


def _section_lines(section: Xml.Element, depth: int = 0) -> Iterator[str]:
    for name in ("title", "text"):
        found = _child(section, name)
        if found is not None:
            yield from ("  " * depth + line for line in _lines(found))
    for one in _sections(section) if depth < _DEEPEST else ():
        yield from _section_lines(one, depth + 1)


def _lines(element: Xml.Element) -> list[str]:
    """The text of an element, broken where its blocks are."""
    parts: list[str] = []

    def gather(one: Xml.Element, depth: int) -> None:
        name = _name(one)
        parts.append("\n" if name in _BREAKS else "")
        parts.append(" ".join((one.text or "").split()) + " ")
        for child in one if depth < _DEEPEST else ():
            gather(child, depth + 1)
            parts.append(" ".join((child.tail or "").split()) + " ")
        parts.append("\n" if name in _BREAKS else "| " if name in ("td", "th") else "")

    gather(element, 0)
    return [" ".join(line.split()).removesuffix(" |") for line in "".join(parts).split("\n") if line.strip(" |")]
