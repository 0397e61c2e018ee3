"""Dates, times and date-times as a search gives them: single values and ranges (PS3.4 C.2.2.2.5).

A value of reduced precision stands for all of it: the time `10` for the hour, the date-time `202401` for the
month. So every value is a span, and both ends are widened here:

    low   as short as it can be: 100000 -> 10, so that a stored 10 or 1000 is not below it
    high  as late as it can be:  10 -> 105959.999999

Both ends can be compared with stored values of any precision as text. The end of a DT keeps the offset from UTC
that the client gave.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicomweb.model.query import Between, BetweenMoments

_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)|(\d{4})\.(\d\d)\.(\d\d)", re.ASCII)
_TIME = re.compile(
    r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?|(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?", re.ASCII
)
_MOMENT = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?")
LAST_TIME = "235959.999999"
"""The last moment of a day."""


class BadDate(ValueError):
    """Not a date, time or range of them; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a single value stands for."""

    low: str
    high: str


def parse_date(text: str) -> Span:
    """The day `YYYYMMDD`, or `YYYY.MM.DD` as ACR-NEMA wrote it (PS3.5 6.2). Raises BadDate.

    Any month may have 31 days: clients ask for a month as `20230201-20230231`, and the order of days stays right.
    """
    found = _DATE.fullmatch(text)
    if not found:
        raise BadDate("expected a date YYYYMMDD, or a range of dates a-b, a- or -b")
    year, month, day = (part for part in found.groups() if part is not None)
    if not (year != "0000" and 1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        raise BadDate("there is no such day in the calendar")
    return Span(year + month + day, year + month + day)


def parse_time(text: str) -> Span:
    """The time `HH`, `HHMM`, `HHMMSS` or `HHMMSS.F` to six digits of fraction (PS3.5 6.2). Raises BadDate."""
    found = _TIME.fullmatch(text)
    if not found:
        raise BadDate("expected a time HHMMSS.FFFFFF or the beginning of one, or a range of times a-b, a- or -b")
    groups = found.groups()
    hour, minute, second, fraction = groups[:4] if groups[0] else groups[4:]
    _check_time(hour, minute, second)
    return Span(_shortest(hour, minute, second, fraction), _latest(hour, minute, second, fraction))


def parse_moment(text: str) -> Span:
    """The date-time `YYYYMMDDHHMMSS.FFFFFF&ZZXX` or the beginning of one, offset allowed (PS3.5 6.2).

    Raises BadDate.
    """
    found = _MOMENT.fullmatch(text)
    if not found:
        raise BadDate(
            "expected a date-time YYYYMMDDHHMMSS.FFFFFF&ZZXX or the beginning of one, or a range of them"
        )
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    _check_day(int(year), int(month or 1), int(day or 1))
    if hour:
        _check_time(hour, minute, second)
    if offset:
        _check_offset(offset)
    zone = offset or ""
    last_month = month or "12"
    last_day = day or f"{calendar.monthrange(int(year), int(last_month))[1]:02d}"
    high = year + last_month + last_day + (_latest(hour, minute, second, fraction) if hour else LAST_TIME)
    return Span(_shortest_moment(found) + zone, high + zone)


def date_range(text: str) -> Between:
    """A day or a range of days. Raises BadDate."""
    low, high = _ends(text)
    return _between(parse_date(low) if low else None, parse_date(high) if high else None)


def time_range(text: str) -> Between:
    """A time or a range of times; a range does not cross midnight (PS3.4 C.2.2.2.5.2). Raises BadDate."""
    low, high = _ends(text)
    return _between(parse_time(low) if low else None, parse_time(high) if high else None)


def moment_range(text: str) -> Between:
    """A date-time or a range of them.

    A hyphen stands between the ends and before the offset of a western time zone. What reads as one date-time
    with an offset is that: `20240101-0500` is one day, `2024-2025` two years, since no offset is 20 hours.
    Raises BadDate.
    """
    try:
        span = parse_moment(text)
    except BadDate:
        pass
    else:
        return Between(span.low, span.high)
    for place, letter in enumerate(text):
        if letter != "-":
            continue
        ends = text[:place].strip(), text[place + 1 :].strip()
        try:
            low, high = (parse_moment(end) if end else None for end in ends)
        except BadDate:
            continue
        if low or high:
            if low and high and _instant(low.low) > _instant(high.high):
                raise BadDate("the range ends before it begins")
            return Between(low.low if low else None, high.high if high else None)
    raise BadDate("expected a date-time YYYYMMDDHHMMSS.FFFFFF&ZZXX or the beginning of one, or a range of them")


def is_range(text: str) -> bool:
    """Whether the value of a DA or TM key is written as a range."""
    return "-" in text


def combined(dates: Between, times: Between, time_tag: str) -> BetweenMoments | None:
    """Combined date-time matching of a date and a time range (PS3.4 C.2.2.2.5.4): the time belongs to the ends.

    `20060705-20060707` with `1000-1800` is one span of 56 hours, not three afternoons. None if the ranges are
    not of the same form, so that they match each for itself.
    """
    if (dates.low is None) != (times.low is None) or (dates.high is None) != (times.high is None):
        return None
    low = (dates.low, times.low) if dates.low is not None and times.low is not None else None
    high = (dates.high, times.high) if dates.high is not None and times.high is not None else None
    return BetweenMoments(time_tag, low, high)


def _ends(text: str) -> tuple[str, str]:
    """Both ends of a range, the same for a single value; one may be empty."""
    low, hyphen, high = text.partition("-")
    low, high = low.strip(), high.strip()
    if not low and not high:
        raise BadDate("a range needs at least one end")
    return (low, high) if hyphen else (low, low)


def _between(low: Span | None, high: Span | None) -> Between:
    if low and high and low.low > high.high:
        raise BadDate("the range ends before it begins (ranges do not cross midnight)")
    return Between(low.low if low else None, high.high if high else None)


def _check_day(year: int, month: int, day: int) -> None:
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise BadDate("there is no such day in the calendar")


def _check_time(hour: str, minute: str | None, second: str | None) -> None:
    # 60 is the leap second of PS3.5 6.2
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        raise BadDate("there is no such time of day")


def _check_offset(offset: str) -> None:
    """Offsets lie between -1200 and +1400 (PS3.5 6.2)."""
    hours, minutes = int(offset[1:3]), int(offset[3:])
    if minutes > 59 or hours * 60 + minutes > (14 * 60 if offset[0] == "+" else 12 * 60):
        raise BadDate("an offset from UTC lies between -1200 and +1400")


def _shortest(hour: str, minute: str | None, second: str | None, fraction: str | None) -> str:
    """The shortest text for the first moment of a time."""
    digits = (fraction or "").rstrip("0")
    if digits:
        return f"{hour}{minute}{second}.{digits}"
    if int(second or 0):
        return f"{hour}{minute}{second}"
    return f"{hour}{minute}" if int(minute or 0) else hour


def _shortest_moment(found: re.Match[str]) -> str:
    year, month, day, hour, minute, second, fraction, _ = found.groups()
    time = _shortest(hour, minute, second, fraction) if hour else "00"
    if time != "00":
        return str(year) + month + day + time
    if day and day != "01":
        return str(year) + month + day
    return str(year) + month if month and month != "01" else str(year)


def _latest(hour: str, minute: str | None, second: str | None, fraction: str | None) -> str:
    """The last moment that a time stands for."""
    return f"{hour}{minute or '59'}{second or '59'}.{(fraction or '').ljust(6, '9')}"


def _instant(moment: str) -> datetime:
    """A widened moment in UTC, to compare ends that name different offsets; without one it counts as UTC."""
    body, offset = (moment[:-5], moment[-5:]) if moment[-5:-4] in ("+", "-") else (moment, "")
    digits, _, fraction = body.partition(".")
    full = digits + "00000101000000"[len(digits) :]
    seconds = min(int(full[12:14]), 59)
    at = datetime(int(full[:4]), int(full[4:6]), int(full[6:8]), int(full[8:10]), int(full[10:12]), seconds)
    at += timedelta(microseconds=int(fraction.ljust(6, "0") or 0))
    if not offset:
        return at
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    try:
        return at - ahead if offset[0] == "+" else at + ahead
    except OverflowError as error:
        raise BadDate("the date-time lies outside the years 1 to 9999") from error
