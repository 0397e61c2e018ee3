"""Dates and times in a form whose order as text is their order in time (PS3.5 6.2, DA, TM and DT)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DIGITS = 6
_WHOLE = "HHMMSS.FFFFFF"
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})$")


def full_time(text: str, *, last: bool = False) -> str:
    """A TM value with all its digits. What is missing is the first moment, or with `last` the last one."""
    digits = text.strip().replace(":", "")
    whole, _, fraction = digits.partition(".")
    filled = whole + "000000"[len(whole) :] if not last else _last(whole)
    return f"{filled[:6]}.{fraction[:_DIGITS].ljust(_DIGITS, '9' if last else '0')}"


def _last(whole: str) -> str:
    return whole + "235959"[len(whole) :]


FULL_TIME_SQL = """rpad(rpad(replace(split_part({0}, '.', 1), ':', ''), 6, '0') || '.' || split_part({0}, '.', 2),
 13, '0')""".replace("\n", "")
"""`full_time` of an expression in SQL."""


def full_date(text: str, *, last: bool = False) -> str:
    """A DA value with all its digits."""
    digits = text.strip().replace(".", "").replace("-", "")
    return digits + ("99991231" if last else "00000101")[len(digits) :]


def full_date_time(text: str, *, last: bool = False) -> str:
    """A DT value with all its digits; one with an offset from UTC is told in UTC."""
    text = text.strip()
    offset = _OFFSET.search(text)
    local = text[: offset.start()] if offset else text
    moment = full_date(local[:8], last=last) + full_time(local[8:], last=last)
    return _in_utc(moment, offset) if offset else moment


def _in_utc(moment: str, offset: re.Match[str]) -> str:
    try:
        local = datetime.strptime(moment, "%Y%m%d%H%M%S.%f")  # the offset is applied below
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return (local - away if offset[1] == "+" else local + away).strftime("%Y%m%d%H%M%S.%f")
    except (ValueError, OverflowError):
        return moment
