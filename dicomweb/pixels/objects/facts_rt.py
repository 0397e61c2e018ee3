"""What a card says of radiotherapy plans and treatment records (PS3.3 A.20, A.29, A.31, C.8.8)."""

from __future__ import annotations

from collections.abc import Iterator

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.objects.attributes import integer, item, items, number, numbers, text, values

_MOST_BEAMS = 12


def plan_facts(header: JsonAttributes) -> Iterator[tuple[str, str]]:
    """Label, prescription, fractions, and a line for each beam or application setup."""
    name, label = text(header, "300A0003"), text(header, "300A0002")
    yield "Plan", f"{label} ({name})" if label and name and label != name else label or name
    yield "Purpose", ", ".join(filter(None, (text(header, "300A000A").lower(), text(header, "300E0002").lower())))
    yield "Prescribed", _prescription(header)
    groups = items(header, "300A0070")
    yield "Fractions", ", ".join(filter(None, (text(one, "300A0078") for one in groups)))
    beams = items(header, "300A00B0") or items(header, "300A03A2")
    yield "Beams", str(len(beams) or "")
    meterset = _meterset(groups)
    for beam in beams[:_MOST_BEAMS]:
        yield _beam(beam, meterset.get(integer(beam, "300A00C0")))
    setups = items(header, "300A0230")
    yield "Applications", str(len(setups) or "")


def _prescription(header: JsonAttributes) -> str:
    doses = [number(one, "300A0026") for one in items(header, "300A0010") if values(one, "300A0026")]
    return f"{max(doses):g} Gy" if doses else ""


def _meterset(groups: list[JsonAttributes]) -> dict[int, float]:
    """Beam Meterset of each beam by its number."""
    return {
        integer(one, "300C0006"): number(one, "300A0086")
        for group in groups
        for one in items(group, "300C0004")
        if values(one, "300A0086")
    }


def _beam(beam: JsonAttributes, meterset: float | None) -> tuple[str, str]:
    points = items(beam, "300A0111") or items(beam, "300A03A8")
    first = points[0] if points else {}
    angles = [found[0] for point in points if (found := numbers(point, "300A011E"))]
    gantry = ""
    if angles:
        gantry = f"gantry {angles[0]:g}" + (f" to {angles[-1]:g}" if angles[-1] != angles[0] else "")
    energy = f"{number(first, '300A0114'):g}" if values(first, "300A0114") else ""
    what = [
        text(beam, "300A00C6").lower(),
        f"{energy} {'MeV' if text(beam, '300A00C6') in ('ELECTRON', 'PROTON', 'ION') else 'MV'}" if energy else "",
        gantry,
        f"{meterset:.4g} MU" if meterset is not None else "",
    ]
    name = text(beam, "300A00C2") or text(beam, "300A00C0", "beam")
    return name, ", ".join(filter(None, what)) or text(beam, "300A00C4").lower()


def record_facts(header: JsonAttributes) -> Iterator[tuple[str, str]]:
    """Treatment records, radiations, intents: date, fraction, what was treated."""
    yield "Label", text(header, "300A0002") or text(header, "30100035")
    yield "Treated", text(header, "30080250")
    sessions = items(header, "30080020") or items(header, "30080021")
    yield "Beams", str(len(sessions) or "")
    for one in sessions[:_MOST_BEAMS]:
        delivered = item(one, "30080040")
        fraction = text(one, "30080022")
        what = [
            f"fraction {fraction}" if fraction else "",
            text(one, "3008002A").lower(),
            f"{number(delivered, '30080044'):g} MU" if values(delivered, "30080044") else "",
        ]
        yield text(one, "300A00C2") or text(one, "300C0006", "beam"), ", ".join(filter(None, what))
