"""Attributes that settings make searchable answer a search that the budget of headers would refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.assembly import extra_columns, open_archive
from app.values import ConfigError
from dicomweb.model.keys import Level
from dicomweb.model.query import Match, OneOf, Query, QueryTooBroad
from tests.app.serving import settings_of
from tests.build.dicom import ct_slice
from tests.build.lake import store_files

QUERY = Query(Level.INSTANCE, (Match(("00180050",), "DS", OneOf(("1.25",)), "SliceThickness"),))


def test_keywords_and_tags_are_understood_and_others_named() -> None:
    named = settings_of({"extra_columns": "SliceThickness,00180050,0018005a"})
    assert extra_columns(named) == ("00180050", "0018005A")
    with pytest.raises(ConfigError, match="SliceThicknes"):
        extra_columns(settings_of({"extra_columns": "SliceThicknes"}))


async def test_what_was_stored_before_is_filled_in_the_background(tmp_path: Path) -> None:
    values = {"store": str(tmp_path / "store"), "limits.search_headers": "2"}
    async with open_archive(settings_of(values), begin=True) as opened:
        await store_files(opened.archive, *(ct_slice(seed=n, instance=f"i{n}") for n in range(5)))
        with pytest.raises(QueryTooBroad):
            await opened.archive.search(QUERY)
    async with open_archive(settings_of({**values, "extra_columns": "SliceThickness"})) as opened:
        for _ in range(200):
            try:
                assert (await opened.archive.search(QUERY)).total == 5
                return
            except QueryTooBroad:
                await asyncio.sleep(0.05)
    raise AssertionError("the column was not filled")
