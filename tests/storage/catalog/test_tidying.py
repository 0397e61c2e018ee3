"""Folding the write-ahead log of the catalog's file, which may fail and be done another time."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import duckdb
import pytest

from storage.catalog.catalog import Catalog
from storage.catalog.flushing import Flusher
from tests.storage.catalog.making import EPOCH, LogHeaders


async def test_a_file_that_cannot_be_tidied_now_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB refuses a checkpoint while another transaction writes."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders()) as catalog:
        tried = asyncio.Event()

        async def refuse() -> None:
            tried.set()
            raise duckdb.TransactionException("other write transactions are active")

        flusher: Flusher = catalog._flusher
        monkeypatch.setattr(flusher._database, "checkpoint", refuse)
        flusher._tidy()
        await tried.wait()
        await asyncio.sleep(0)
        flusher._tidying = None
        gc.collect()
        await asyncio.sleep(0)
    assert faults == []
