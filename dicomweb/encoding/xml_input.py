"""Attributes from a Native DICOM Model document (PS3.19 A.1) that a client sent.

Safe against hostile documents: no document type declaration, so no entities to expand and nothing to fetch; size
and nesting are bounded. Strict: elements that the model does not have are errors, since what they hold would
be lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from dicomweb.encoding.malformed import MalformedAttributes
from dicomweb.encoding.words import KNOWN_VRS
from dicomweb.encoding.xml_output import NAME_COMPONENTS, NAME_GROUPS, NAMESPACE
from dicomweb.model.query import JsonAttributes
from dicomweb.model.tags import is_private

LONGEST = 32 << 20
"""Bytes of a document; parsed it takes some ten times as many."""
DEPTH = 200
"""Nesting of XML elements: two for each level of sequences."""
_MOST_MISSING = 32
"""Values that may be left out of an attribute, and become nulls, beyond as many as it has."""

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_INTEGER_VRS = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV"))
_FLOAT_VRS = frozenset(("DS", "FD", "FL"))


@dataclass(slots=True)
class _Node:
    """An XML element, its children read."""

    name: str
    attributes: dict[str, str]
    children: list[_Node] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    @property
    def content(self) -> str:
        return "".join(self.text)


def from_xml(document: bytes) -> JsonAttributes:
    """The attributes of a document. Raises MalformedAttributes."""
    if len(document) > LONGEST:
        raise MalformedAttributes((), f"an XML document of over {LONGEST >> 20} MiB")
    root = _parse(document)
    if root.name != "NativeDicomModel":
        raise MalformedAttributes((), "the root of a Native DICOM Model is NativeDicomModel (PS3.19 A.1)")
    return _data_set(root, ())


def _parse(document: bytes) -> _Node:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    top = _Node("", {})
    open_nodes = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_nodes) > DEPTH:
            raise MalformedAttributes((), f"XML elements are nested deeper than {DEPTH}")
        # the namespace may be missing: some clients leave it out
        node = _Node(name.removeprefix(NAMESPACE + " "), attributes)
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def end(_name: str) -> None:
        open_nodes.pop()

    def text(data: str) -> None:
        open_nodes[-1].text.append(data)

    def refuse(*_about: Any) -> None:
        raise MalformedAttributes((), "a document type declaration is not accepted")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, MalformedAttributes):
            raise
        raise MalformedAttributes((), f"not well-formed XML: {error}") from error
    return top.children[0]


def _data_set(node: _Node, path: tuple[str, ...]) -> JsonAttributes:
    found: JsonAttributes = {}
    private: list[tuple[str, str, dict[str, Any]]] = []
    for child in node.children:
        if child.name != "DicomAttribute":
            raise MalformedAttributes(path, "DicomAttribute was expected")
        tag = child.attributes.get("tag", "")
        if not _TAG.fullmatch(tag):
            raise MalformedAttributes(path, "an attribute's tag is eight hexadecimal digits")
        tag = tag.upper()
        entry = _attribute(child, (*path, tag))
        creator = child.attributes.get("privateCreator")
        if creator is not None and is_private(tag) and tag[4:6] == "00":
            private.append((tag, creator, entry))
        elif tag in found:
            raise MalformedAttributes((*path, tag), "stands twice in a data set")
        else:
            found[tag] = entry
    for tag, creator, entry in private:
        placed = f"{tag[:4]}{_block(found, tag[:4], creator, path)}{tag[6:]}"
        if placed in found:
            raise MalformedAttributes((*path, placed), "stands twice in a data set")
        found[placed] = entry
    return dict(sorted(found.items()))


def _block(found: JsonAttributes, group: str, creator: str, path: tuple[str, ...]) -> str:
    """The block a private creator has reserved, reserving the first free one if it has none (PS3.5 7.8.1)."""
    free = ""
    for number in range(0x10, 0x100):
        block = f"{number:02X}"
        entry = found.get(f"{group}00{block}")
        if entry is None:
            free = free or block
        elif entry.get("Value") == [creator]:
            return block
    if not free:
        raise MalformedAttributes(path, "no private block is free")
    found[f"{group}00{free}"] = {"vr": "LO", "Value": [creator]}
    return free


def _attribute(node: _Node, path: tuple[str, ...]) -> dict[str, Any]:
    vr = node.attributes.get("vr", "")
    if vr not in KNOWN_VRS:
        raise MalformedAttributes(path, "a VR of PS3.5 6.2 was expected")
    entry: dict[str, Any] = {"vr": vr}
    values: dict[int, Any] = {}
    for child in node.children:
        if child.name == "BulkData":
            uri = child.attributes.get("uri") or child.attributes.get("uuid")
            if not uri:
                raise MalformedAttributes(path, "BulkData needs a uri or uuid")
            entry["BulkDataURI"] = uri
        elif child.name == "InlineBinary":
            entry["InlineBinary"] = re.sub(r"\s+", "", child.content)
        else:
            number = _number(child, path)
            if number in values:
                raise MalformedAttributes(path, f"value {number} stands twice")
            values[number] = _value(child, vr, (*path, str(number)))
    if values:
        if max(values) > 2 * len(values) + _MOST_MISSING:
            raise MalformedAttributes(path, "more values are left out than given")
        entry["Value"] = [values.get(number) for number in range(1, max(values) + 1)]
        if vr == "SQ":
            entry["Value"] = [item or {} for item in entry["Value"]]
    return entry


def _number(node: _Node, path: tuple[str, ...]) -> int:
    text = node.attributes.get("number", "")
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) < 1:
        raise MalformedAttributes(path, "values and items are numbered from 1")
    return int(text)


def _value(node: _Node, vr: str, path: tuple[str, ...]) -> Any:
    expected = "Item" if vr == "SQ" else "PersonName" if vr == "PN" else "Value"
    if node.name != expected:
        raise MalformedAttributes(path, f"{expected} was expected")
    if vr == "SQ":
        return _data_set(node, path)
    if vr == "PN":
        return _person_name(node, path)
    text = node.content
    if vr in _INTEGER_VRS:
        return _as_number(text, int)
    if vr in _FLOAT_VRS:
        return _as_number(text, float)
    return text or None


def _as_number(text: str, kind: Callable[[str], int | float]) -> int | float | str | None:
    """A number where it is one; what is none is left for the encoder to refuse, or for it to know (NaN)."""
    stripped = text.strip()
    if not re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", stripped):
        return stripped or None
    try:
        return kind(stripped)
    except ValueError:
        return stripped


def _person_name(node: _Node, path: tuple[str, ...]) -> dict[str, str] | None:
    groups: dict[str, str] = {}
    for group in node.children:
        if group.name not in NAME_GROUPS or group.name in groups:
            raise MalformedAttributes(path, f"one each of {', '.join(NAME_GROUPS)} was expected")
        parts: dict[str, str] = {}
        for component in group.children:
            if component.name not in NAME_COMPONENTS or component.name in parts:
                raise MalformedAttributes(path, f"one each of {', '.join(NAME_COMPONENTS)} was expected")
            parts[component.name] = component.content
        last = max((NAME_COMPONENTS.index(name) for name in parts), default=-1)
        groups[group.name] = "^".join(parts.get(name, "") for name in NAME_COMPONENTS[: last + 1])
    return {name: groups[name] for name in NAME_GROUPS if groups.get(name)} or None
