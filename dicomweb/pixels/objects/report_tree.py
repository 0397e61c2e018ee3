"""The content tree of a structured report (PS3.3 C.17.3, C.18), read without knowing its template.

Every content item becomes an Item: what it is called, what it says, what it refers to, what hangs below it. Trees
that are deeper or larger than any report are cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dicomweb.model.counting import counted
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.objects.attributes import (
    code_value,
    integer,
    item,
    items,
    meaning,
    numbers,
    text,
    texts,
    values,
)

MOST_ITEMS = 20_000
DEEPEST = 40
_SHOWN_COORDINATES = 4
_UNITY = frozenset(("", "1", "no units", "no unit", "none", "unity", "unitless", "dimensionless"))
"""What the code 1 of UCUM is called where there is no unit."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that the report speaks of."""

    sop_class: str
    instance: str
    series: str = ""
    """Series Instance UID, where the evidence of the report tells it; so is the study."""
    study: str = ""
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A content item."""

    kind: str
    """Value Type: CONTAINER, TEXT, NUM, ..."""
    relationship: str
    """To the item above: CONTAINS, HAS PROPERTIES, INFERRED FROM, ...; empty for the root."""
    name: str
    """The meaning of its concept name; may be empty."""
    value: str
    """What it says, in words; empty for containers."""
    reference: Reference | None = None
    children: tuple[Item, ...] = field(default=())


def read_tree(header: JsonAttributes) -> Item:
    """The report as a tree: its root is the document itself."""
    budget = [MOST_ITEMS]
    return _item(header, _evidence(header), budget, 0)


def _item(
    data_set: JsonAttributes, evidence: Mapping[str, tuple[str, str]], budget: list[int], depth: int
) -> Item:
    kind = text(data_set, "0040A040", "CONTAINER" if depth == 0 else "").upper()
    children: list[Item] = []
    for child in items(data_set, "0040A730") if depth < DEEPEST else []:
        if budget[0] <= 0:
            break
        budget[0] -= 1
        children.append(_item(child, evidence, budget, depth + 1))
    return Item(
        kind=kind,
        relationship=text(data_set, "0040A010").upper(),
        name=meaning(data_set, "0040A043"),
        value=_value(data_set, kind),
        reference=_reference(data_set, evidence),
        children=tuple(children),
    )


def _value(data_set: JsonAttributes, kind: str) -> str:
    """What an item says, by its value type (PS3.3 Table C.17.3-7)."""
    if pointer := texts(data_set, "0040DB73"):  # Referenced Content Item Identifier
        return f"see item {'.'.join(pointer)}"
    simple = {"TEXT": "0040A160", "UIDREF": "0040A124"}
    if kind in simple:
        return text(data_set, simple[kind])
    if kind == "CODE":
        return meaning(data_set, "0040A168")
    if kind == "NUM":
        return _measured(data_set)
    if kind == "PNAME":
        return person(values(data_set, "0040A123"))
    if kind in ("DATE", "TIME", "DATETIME"):
        return moment(text(data_set, {"DATE": "0040A121", "TIME": "0040A122", "DATETIME": "0040A120"}[kind]), kind)
    if kind in ("SCOORD", "SCOORD3D"):
        return _coordinates(data_set, kind)
    if kind == "TCOORD":
        places = texts(data_set, "0040A138") or texts(data_set, "0040A132") or texts(data_set, "0040A13A")
        return f"{text(data_set, '0040A130').lower()}: {', '.join(places[:12])}"
    return text(data_set, "0040A160")


def _measured(data_set: JsonAttributes) -> str:
    measured = item(data_set, "0040A300")
    amount = text(measured, "0040A30A").removesuffix(".0")
    if not amount:
        return meaning(data_set, "0040A301") or "no value"
    unit = item(measured, "004008EA")
    code, words = code_value(unit), text(unit, "00080104")
    # UCUM writes unity as 1 and annotations in braces: neither is a unit for people (PS3.16 CID 82); what some
    # count in under the code of unity, pixels say, is
    if code == "1":
        shown = "" if words.lower() in _UNITY else words
    else:
        shown = words if code.startswith("{") or not code else code
    return f"{amount} {shown}".strip()


def _coordinates(data_set: JsonAttributes, kind: str) -> str:
    step = 3 if kind == "SCOORD3D" else 2
    places = [f"{one:.6g}" for one in numbers(data_set, "00700022")]
    points = ["(" + ", ".join(places[start : start + step]) + ")" for start in range(0, len(places), step)]
    left = len(points) - _SHOWN_COORDINATES
    more = f" and {counted(left, 'more point')}" if left > 0 else ""
    return f"{text(data_set, '00700023').lower()} {' '.join(points[:_SHOWN_COORDINATES])}{more}".strip()


def _reference(data_set: JsonAttributes, evidence: Mapping[str, tuple[str, str]]) -> Reference | None:
    found = item(data_set, "00081199")
    instance = text(found, "00081155")
    if not instance:
        return None
    study, series = evidence.get(instance, ("", ""))
    frames = tuple(int(one) for one in texts(found, "00081160") if one.isdigit())
    return Reference(text(found, "00081150"), instance, series, study, frames)


def references(header: JsonAttributes) -> list[Reference]:
    """The objects that the report speaks of and tells the series of, each once, in the order of the tree."""
    found: dict[tuple[str, str, str], Reference] = {}
    waiting = [read_tree(header)]
    while waiting:
        one = waiting.pop()
        if one.reference is not None and one.reference.series:
            found.setdefault((one.reference.study, one.reference.series, one.reference.instance), one.reference)
        waiting.extend(reversed(one.children))
    return list(found.values())


def _evidence(header: JsonAttributes) -> dict[str, tuple[str, str]]:
    """SOP Instance UID to study and series of everything the report names (PS3.3 C.17.2.3)."""
    return {
        text(one, "00081155"): (text(study, "0020000D"), text(series, "0020000E"))
        for tag in ("0040A375", "0040A385")
        for study in items(header, tag)
        for series in items(study, "00081115")
        for one in items(series, "00081199")
    }


def person(names: list[object]) -> str:
    """Person names as people read them: the first component group that is there, given name first."""
    shown = []
    for one in names:
        group = next((str(part) for part in one.values() if part), "") if isinstance(one, dict) else str(one or "")
        family, given, middle, prefix, suffix = [*(part.strip() for part in group.split("^")), *[""] * 5][:5]
        shown.append(" ".join(part for part in (prefix, given, middle, family, suffix) if part))
    return ", ".join(filter(None, shown))


def moment(value: str, kind: str) -> str:
    """A date, time or both as 2024-02-29 13:14:15."""
    date, clock = (
        (value[:8], value[8:14]) if kind == "DATETIME" else (value, "") if kind == "DATE" else ("", value)
    )
    clock = clock.replace(":", "")
    shown = (
        [f"{date[:4]}-{date[4:6]}-{date[6:8]}"] if len(date) == 8 and date.isdigit() else [date] if date else []
    )
    if clock:
        shown.append(":".join(clock[place : place + 2] for place in range(0, min(len(clock), 6), 2)))
    return " ".join(shown)


def about(header: JsonAttributes) -> Iterator[tuple[str, str]]:
    """What stands above a report: its state, its date, who verified it."""
    state = [text(header, tag).lower() for tag in ("0040A491", "0040A493", "0040A496")]
    yield "State", ", ".join(filter(None, state))
    date = text(header, "00080023") or text(header, "00080020")
    clock = text(header, "00080033") if text(header, "00080023") else ""
    yield "Date", " ".join(filter(None, (moment(date, "DATE"), moment(clock, "TIME"))))
    yield "Series", text(header, "0008103E")
    for one in items(header, "0040A073"):
        when = moment(text(one, "0040A030"), "DATETIME")
        who = ", ".join(filter(None, (person(values(one, "0040A075")), text(one, "0040A027"), when)))
        yield "Verified by", who
    yield "Instance", str(integer(header, "00200013") or "")


def whose(header: JsonAttributes) -> Iterator[tuple[str, str]]:
    """The patient and the order, for the readers of the report itself."""
    yield "Patient", person(values(header, "00100010"))
    yield "Patient ID", text(header, "00100020")
    yield "Born", moment(text(header, "00100030"), "DATE")
    yield "Sex", text(header, "00100040")
    yield "Accession", text(header, "00080050")
    yield "Study", text(header, "00081030")
