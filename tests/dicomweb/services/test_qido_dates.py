"""Dates, times and ranges of them in searches."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.model.query import Between, BetweenMoments
from dicomweb.services import qido_dates
from dicomweb.services.qido_dates import BadDate, combined, date_range, moment_range, time_range


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("20240229", "20240229", "20240229"),
        ("2024.02.29", "20240229", "20240229"),
        ("20240101-20240131", "20240101", "20240131"),
        ("20240101 - 20240131", "20240101", "20240131"),
        ("20240101-", "20240101", None),
        ("-20240131", None, "20240131"),
    ],
)
def test_dates_are_days_or_ranges_of_days(text: str, low: str | None, high: str | None) -> None:
    assert date_range(text) == Between(low, high)


@pytest.mark.parametrize(
    "text",
    [
        *("2024", "202401", "20240232", "20231301", "00000101", "-", "20240131-20240101", "2024-01-01"),
        *("20240101-20240131-", "202401*", "2024010١", "yesterday"),
    ],
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(BadDate):
        date_range(text)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("10", "10", "105959.999999"),
        ("1030", "1030", "103059.999999"),
        ("103000", "1030", "103000.999999"),
        ("103015", "103015", "103015.999999"),
        ("103015.5", "103015.5", "103015.599999"),
        ("103015.120000", "103015.12", "103015.120000"),
        ("000000.000001", "000000.000001", "000000.000001"),
        ("10:30", "1030", "103059.999999"),
        ("10:30:15", "103015", "103015.999999"),
        ("235960", "235960", "235960.999999"),
        ("10-11", "10", "115959.999999"),
        ("-0930", None, "093059.999999"),
        ("220000-", "22", None),
    ],
)
def test_times_stand_for_all_that_their_precision_leaves_open(
    text: str, low: str | None, high: str | None
) -> None:
    assert time_range(text) == Between(low, high)


@pytest.mark.parametrize("text", ["24", "1060", "1", "103", "22-06", "10.5", "-", "1000-0500", "10:3"])
def test_what_is_no_time_of_day_or_crosses_midnight_is_refused(text: str) -> None:
    with pytest.raises(BadDate):
        time_range(text)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2024", "20241231235959.999999"),
        ("202402", "202402", "20240229235959.999999"),
        ("20240101", "2024", "20240101235959.999999"),
        ("20240301", "202403", "20240301235959.999999"),
        ("2024030110", "2024030110", "20240301105959.999999"),
        ("20240301103015.25", "20240301103015.25", "20240301103015.259999"),
        ("20240101-0500", "2024-0500", "20240101235959.999999-0500"),
        ("20240101+0100", "2024+0100", "20240101235959.999999+0100"),
        ("2024-2025", "2024", "20251231235959.999999"),
        ("20240101-0500-20240102-0500", "2024-0500", "20240102235959.999999-0500"),
        ("20240101-20240102-0500", "2024", "20240102235959.999999-0500"),
        ("20240101-0500-", "2024-0500", None),
        ("-20240102-0500", None, "20240102235959.999999-0500"),
        ("20240101120000+0200-20240101110000+0000", "2024010112+0200", "20240101110000.999999+0000"),
    ],
)
def test_a_hyphen_in_a_date_time_is_an_offset_where_it_can_be(
    text: str, low: str | None, high: str | None
) -> None:
    assert moment_range(text) == Between(low, high)


@pytest.mark.parametrize(
    "text", ["20", "20240101+1500", "20240101-1300-", "2025-2024", "-", "2024-2025-2026", "202413"]
)
def test_what_is_no_date_time_is_refused(text: str) -> None:
    with pytest.raises(BadDate):
        moment_range(text)


def test_date_and_time_ranges_of_one_form_become_one_span() -> None:
    both = combined(date_range("20060705-20060707"), time_range("1000-1800"), "00080030")
    assert both == BetweenMoments("00080030", ("20060705", "10"), ("20060707", "180059.999999"))
    open_end = combined(date_range("20060705-"), time_range("1000-"), "00080030")
    assert open_end == BetweenMoments("00080030", ("20060705", "10"), None)


@pytest.mark.parametrize(
    ("dates", "times"), [("20060705-", "10-18"), ("-20060705", "10-"), ("20060705-20060706", "-18")]
)
def test_ranges_of_different_form_match_each_for_itself(dates: str, times: str) -> None:
    assert combined(date_range(dates), time_range(times), "00080030") is None


@given(st.dates(), st.dates())
def test_every_pair_of_days_is_a_range_one_way_round(one: date, other: date) -> None:
    low, high = sorted(f"{day.year:04d}{day.month:02d}{day.day:02d}" for day in (one, other))
    assert date_range(f"{low}-{high}") == Between(low, high)
    if low != high:
        with pytest.raises(BadDate):
            date_range(f"{high}-{low}")


@given(st.times(), st.times(), st.integers(1, 6), st.integers(1, 6))
def test_text_order_of_ends_and_stored_times_is_order_in_time(
    asked: time, stored: time, asked_precision: int, stored_precision: int
) -> None:
    """The widened ends let the catalog compare stored times of any precision as text."""
    asked_text, stored_text = _cut(asked, asked_precision), _cut(stored, stored_precision)
    span = time_range(asked_text)
    assert span.low is not None
    assert span.high is not None
    # A stored time of reduced precision counts as its first moment.
    moment = stored_text.replace(".", "").ljust(12, "0")
    begins = asked_text.replace(".", "").ljust(12, "0")
    ends = _digits(span.high)
    assert (span.low <= stored_text <= span.high) == (begins <= moment <= ends)


@given(st.datetimes(min_value=datetime(1800, 1, 1)), st.integers(4, 14))
def test_a_date_time_lies_within_the_span_of_every_beginning_of_it(moment: datetime, length: int) -> None:
    full = moment.strftime("%Y%m%d%H%M%S") + f".{moment.microsecond:06d}"
    span = moment_range(full[: length - length % 2])
    assert span.low is not None
    assert span.high is not None
    assert span.low <= full <= span.high


@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)),
    st.timedeltas(timedelta(), timedelta(900)),
)
def test_ranges_of_date_times_with_offsets_are_told_from_offsets(start: datetime, length: timedelta) -> None:
    low, high = (at.strftime("%Y%m%d%H%M%S") + "-0330" for at in (start, start + length))
    found = moment_range(f"{low}-{high}")
    assert found.low is not None
    assert found.low.endswith("-0330")
    assert found.high == f"{high[:14]}.999999-0330"


@given(st.text(alphabet="0123456789-+.: ", max_size=30))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (date_range, time_range, moment_range):
        try:
            found = parse(text)
        except BadDate:
            continue
        assert found.low or found.high


def _cut(at: time, steps: int) -> str:
    """The time to so many steps of precision: hour, minute, second, then fractions."""
    full = at.strftime("%H%M%S") + f".{at.microsecond:06d}"
    return full[: {1: 2, 2: 4, 3: 6, 4: 8, 5: 10, 6: 13}[steps]]


def _digits(text: str) -> str:
    return text.replace(".", "").ljust(12, "0")


def test_only_a_hyphen_makes_a_range() -> None:
    assert qido_dates.is_range("2024-")
    assert not qido_dates.is_range("20240101")
