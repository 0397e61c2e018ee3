"""What a card says of an object: its kind, its series, and the facts that tell it from others of its kind.

Who the patient is does not belong here: nothing of group 0010 is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dicomweb.encoding.image import PIXEL_TAGS, image_spec
from dicomweb.model.query import JsonAttributes
from dicomweb.model.tags import uid_name
from dicomweb.pixels.objects.attributes import integer, item, items, meaning, number, text, texts, values
from dicomweb.pixels.objects.facts_rt import plan_facts, record_facts

Fact = tuple[str, str]
"""Name and value."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."


@dataclass(frozen=True, slots=True)
class Summary:
    """The words of a card."""

    badge: str
    """The modality, short."""
    title: str
    """The SOP class without its "Storage"."""
    subtitle: str
    """What the series, or else the study, is called."""
    facts: tuple[Fact, ...]
    """What matters most first: small cards show only the first."""


def summary_of(header: JsonAttributes) -> Summary:
    """What is worth saying of an object."""
    sop_class = text(header, "00080016")
    name = (uid_name(sop_class) or _unnamed(header)).removesuffix(" Storage")
    facts = [fact for fact in (*_particular(header, sop_class), *_general(header)) if fact[1]]
    if sop_class and uid_name(sop_class) is None:
        facts.append(("Class", sop_class))
    facts.append(("Attributes", str(sum(not tag.startswith("0010") for tag in header))))
    return Summary(
        badge=text(header, "00080060", "DICOM"),
        title=name,
        subtitle=text(header, "0008103E") or text(header, "00081030"),
        facts=tuple(facts),
    )


def _unnamed(header: JsonAttributes) -> str:
    """What to call an object of no known class."""
    return "Worklist item" if "00400100" in header else "DICOM object"


def date_of(value: str) -> str:
    """A DICOM date as year-month-day; other text as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) >= 8 and value[:8].isdigit() else value


def _particular(header: JsonAttributes, sop_class: str) -> Iterator[Fact]:
    for family, facts in _FAMILIES:
        if sop_class == family or (family.endswith(".") and sop_class.startswith(family)):
            yield from facts(header)
            return
    if "00400100" in header:  # Scheduled Procedure Step Sequence
        yield from _worklist(header)
    elif "00741000" in header or "00741204" in header:
        yield from _procedure_step(header)


def _general(header: JsonAttributes) -> Iterator[Fact]:
    """What every object may have."""
    yield "Label", text(header, "00700080")
    yield "Description", text(header, "00700081")
    yield from _pixels(header)
    series, instance = text(header, "00200011"), text(header, "00200013")
    yield "Series", f"{series}, instance {instance}" if series and instance else series
    yield (
        "Date",
        date_of(next(filter(None, (text(header, tag) for tag in ("00080023", "00080021", "00080020"))), "")),
    )
    yield "Body part", text(header, "00180015")
    yield "Made by", " ".join(filter(None, (text(header, "00080070"), text(header, "00081090"))))
    yield "Software", ", ".join(filter(None, texts(header, "00181020")))


def _pixels(header: JsonAttributes) -> Iterator[Fact]:
    spec = image_spec(header)
    if spec is not None:
        frames = f", {spec.frames} frames" if spec.frames > 1 else ""
        yield "Image", f"{spec.columns} x {spec.rows}, {spec.bits_stored} bit{frames}"
    elif any(tag in header for tag in PIXEL_TAGS):
        yield "Image", "its size is not told"
    elif text(header, "00080016").startswith((_STORAGE + "1", _STORAGE + "2", _STORAGE + "7")):
        yield "Image", "without pixel data" if "00280010" in header else ""


def counted(count: int, one: str, many: str = "") -> str:
    """`3 beams`, `1 beam`; empty for none."""
    return f"{count} {one if count == 1 else many or one + 's'}" if count else ""


def _presentation(header: JsonAttributes) -> Iterator[Fact]:
    series = items(header, "00081115")
    images = sum(len(items(one, "00081140")) for one in series)
    yield "Applies to", counted(images, "image")
    voi = item(header, "00283110")
    center, width = text(voi, "00281050"), text(voi, "00281051")
    yield "Window", f"center {center}, width {width}" if center and width else ""
    graphics = items(header, "00700001")
    yield "Text", counted(sum(len(items(one, "00700008")) for one in graphics), "text", "texts")
    yield "Graphics", counted(sum(len(items(one, "00700009")) for one in graphics), "shape")
    yield "Shutter", text(header, "00181600").lower()
    yield "Layers", ", ".join(filter(None, (text(one, "00700002") for one in items(header, "00700060"))))


def _registration(header: JsonAttributes) -> Iterator[Fact]:
    found = items(header, "00700308") or items(header, "00640002")
    yield "Registered", counted(len(found), "frame of reference", "frames of reference")
    matrices = [one for entry in found for one in items(item(entry, "00700309"), "0070030A")]
    kinds = sorted({text(one, "0070030C").lower() for one in matrices} - {""})
    yield "Transformation", ", ".join(kinds)
    grid = item(header, "00640002", "00640005")
    yield "Grid", " x ".join(texts(grid, "00640007"))


def _fiducials(header: JsonAttributes) -> Iterator[Fact]:
    sets = items(header, "0070031C")
    found = [one for entry in sets for one in items(entry, "0070031E")]
    yield "Fiducials", f"{len(found)} in {counted(len(sets), 'set')}" if found else ""
    yield "Named", ", ".join(filter(None, (text(one, "0070030F") for one in found)))


def _real_world_values(header: JsonAttributes) -> Iterator[Fact]:
    for entry in items(header, "00409094")[:1] or items(header, "00409096")[:1]:
        mapping = item(entry, "00409096") or entry
        units = meaning(mapping, "004008EA")
        yield "Unit", units
        yield "Meaning", text(mapping, "00283003") or text(mapping, "00409210")
        slope, intercept = text(mapping, "00409225"), text(mapping, "00409224")
        yield "Scale", f"value x {slope} + {intercept}" if slope and intercept else ""
    yield (
        "Images",
        counted(
            sum(len(items(one, "00081140")) or len(items(one, "00081199")) for one in items(header, "00409094")),
            "image",
        ),
    )


def _hanging_protocol(header: JsonAttributes) -> Iterator[Fact]:
    yield "Name", text(header, "00720002")
    yield "Purpose", text(header, "00720004")
    yield "Level", text(header, "00720006").lower()
    yield "For", ", ".join(filter(None, (text(one, "00080060") for one in items(header, "0072000C"))))
    yield "Image sets", str(len(items(header, "00720020")) or "")
    yield "Displays", counted(len(items(header, "00720200")), "display set")
    yield "Screens", text(header, "00720100")


def _encapsulated(header: JsonAttributes) -> Iterator[Fact]:
    yield "Document", text(header, "00420010")
    yield "Concept", meaning(header, "0040A043")
    yield "Type", text(header, "00420012")
    length = integer(header, "00420015")
    yield "Size", _bytes(length) if length else ""
    yield "Unit", meaning(header, "004008EA")


def _bytes(length: int) -> str:
    return f"{length / 1e6:.1f} MB" if length >= 1e6 else f"{length / 1e3:.1f} kB"


def _surfaces(header: JsonAttributes) -> Iterator[Fact]:
    found = items(header, "00660002")
    yield "Surfaces", str(len(found) or "")
    points = sum(integer(item(one, "00660011"), "00660015") for one in found)
    yield "Points", str(points or "")
    labels = (text(one, "00620005") for one in items(header, "00620002"))
    yield "Segments", ", ".join(filter(None, labels))


def _tracts(header: JsonAttributes) -> Iterator[Fact]:
    sets = items(header, "00660101")
    yield "Track sets", str(len(sets) or "")
    yield "Tracks", str(sum(len(items(one, "00660102")) for one in sets) or "")
    yield "Named", ", ".join(filter(None, (text(one, "00660106") for one in sets)))


def _measurements(header: JsonAttributes) -> Iterator[Fact]:
    """Eye measurements: for each side, the numbers of the first item."""
    for tag, side in (("00460014", "Right eye"), ("00460015", "Left eye")):
        side_item = item(header, tag)
        pieces = [_number_pair(side_item, *pair) for pair in _EYE]
        yield side, ", ".join(filter(None, pieces))
    yield "Laterality", text(header, "00200062") or text(header, "00240113")


_EYE = (
    ("sphere", "00460146"), ("pupil", "00460044"), ("add", "00460100"),
)  # fmt: skip


def _number_pair(data_set: JsonAttributes, name: str, tag: str) -> str:
    return f"{name} {number(data_set, tag):g}" if values(data_set, tag) else ""


def _segments(header: JsonAttributes) -> Iterator[Fact]:
    yield "Kind", text(header, "00620001").lower()
    yield "Segments", ", ".join(filter(None, (text(one, "00620005") for one in items(header, "00620002"))))


def _structures(header: JsonAttributes) -> Iterator[Fact]:
    yield "Label", text(header, "30060002")
    names = [text(one, "30060026") for one in items(header, "30060020")]
    yield "Regions", f"{len(names)}: {', '.join(filter(None, names))}" if names else ""


def _dose(header: JsonAttributes) -> Iterator[Fact]:
    yield "Dose", " ".join(filter(None, (text(header, "30040004"), text(header, "3004000A")))).lower()
    yield "Unit", text(header, "30040002")


def _procedure_step(header: JsonAttributes) -> Iterator[Fact]:
    yield "Step", text(header, "00741204") or text(header, "00400254")
    yield "State", (text(header, "00741000") or text(header, "00400252")).lower()


def _worklist(header: JsonAttributes) -> Iterator[Fact]:
    step = item(header, "00400100")
    yield "Scheduled", " ".join(filter(None, (text(step, "00080060"), date_of(text(step, "00400002")))))
    yield "Procedure", text(header, "00321060") or text(step, "00400007")
    yield "Station", text(step, "00400010") or text(step, "00400001")


def _spectroscopy(header: JsonAttributes) -> Iterator[Fact]:
    yield "Points", str(integer(header, "00289002") or "")
    yield "Nucleus", ", ".join(filter(None, texts(header, "00189100")))


def _raw(header: JsonAttributes) -> Iterator[Fact]:
    yield "Content", text(header, "00080068") or " ".join(texts(header, "00080008"))


_Facts = Callable[[JsonAttributes], Iterator[Fact]]

_FAMILIES: tuple[tuple[str, _Facts], ...] = (
    # SOP class, or the beginning of several when it ends with a dot
    (_STORAGE + "481.2", _dose),
    (_STORAGE + "481.3", _structures),
    (_STORAGE + "481.5", plan_facts),
    (_STORAGE + "481.8", plan_facts),
    (_STORAGE + "481.", record_facts),
    (_STORAGE + "11.", _presentation),
    (_STORAGE + "66.1", _registration),
    (_STORAGE + "66.3", _registration),
    (_STORAGE + "66.2", _fiducials),
    (_STORAGE + "66.4", _segments),
    (_STORAGE + "66.7", _segments),
    (_STORAGE + "66.5", _surfaces),
    (_STORAGE + "68.", _surfaces),
    (_STORAGE + "66.6", _tracts),
    (_STORAGE + "66", _raw),
    (_STORAGE + "67", _real_world_values),
    (_STORAGE + "78.", _measurements),
    (_STORAGE + "104.", _encapsulated),
    (_STORAGE + "4.2", _spectroscopy),
    ("1.2.840.10008.5.1.4.38.1", _hanging_protocol),
    ("1.2.840.10008.5.1.4.34.", _procedure_step),
    ("1.2.840.10008.3.1.2.3.", _procedure_step),
    ("1.2.840.10008.5.1.4.31", _worklist),
    ("1.2.276.0.7230010.3.1.0.1", _worklist),  # what DCMTK calls a worklist file
)
