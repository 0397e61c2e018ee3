"""Moments as clients write them in `asof=`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dicomweb.services.as_of_time import moment

EIGHT = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T08:00:00Z", EIGHT),
        ("2026-03-01t08:00:00z", EIGHT),
        ("2026-03-01 08:00:00", EIGHT),
        ("2026-03-01T08:00:00.25Z", EIGHT + timedelta(milliseconds=250)),
        ("2026-03-01T08:00:00.123456789Z", EIGHT + timedelta(microseconds=123456)),
        ("2026-03-01T10:00:00+02:00", EIGHT),
        ("2026-03-01T10:00:00 02:00", EIGHT),
        ("2026-03-01T03:30:00-04:30", EIGHT),
        ("20260301080000", EIGHT),
        ("20260301080000.5", EIGHT + timedelta(milliseconds=500)),
        ("20260301100000+0200", EIGHT),
        ("20260301100000 0200", EIGHT),
        ("20260301033000.000000-0430", EIGHT),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_rfc_3339_and_dt_of_dicom_are_understood(text: str, expected: datetime) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "1234", "20260301", "202603010800", "2026-03-01", "2026-03-01T08:00Z", "2026-02-30T08:00:00Z",
        "2026-03-01T25:00:00Z", "2026-03-01T08:00:61Z", "2026-03-01T08:00:00+99:00", "20260301080000.",
        "2026-03-01T08:00:00.Z", "20260301080000+2", "0000-01-01T00:00:00Z",
        "٢٠٢٦0301080000", "2026-03-01T08:00:00Zx",
    ],
)  # fmt: skip
def test_what_is_no_moment_to_the_second_is_none(text: str) -> None:
    assert moment(text) is None
