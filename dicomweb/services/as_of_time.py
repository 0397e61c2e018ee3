"""Moments as clients write them: RFC 3339 or a DT value of DICOM (PS3.5 6.2). Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+ -]\d\d:\d\d)?", re.ASCII
)
_DT = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,6}))?([+ -]\d\d\d\d)?", re.ASCII)


def moment(text: str) -> datetime | None:
    """The moment, with its zone; None if the text is none.

    Whole seconds at least: of a day alone it would not be clear which end of it is meant. Without an offset it is
    UTC. A blank before the offset was a plus that nobody escaped in the URL.
    """
    found = _RFC_3339.fullmatch(text) or _DT.fullmatch(text)
    if found is None:
        return None
    *numbers, fraction, offset = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    try:
        # a leap second counts as the one before it
        whole = datetime(year, month, day, hour, minute, min(second, 59) if second == 60 else second, tzinfo=UTC)
        zone = _zone(offset)
        return whole.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")), tzinfo=zone)
    except ValueError:
        return None


def _zone(offset: str | None) -> timezone:
    if offset is None or offset in "Zz":
        return UTC
    digits = offset[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-away if offset[0] == "-" else away)
