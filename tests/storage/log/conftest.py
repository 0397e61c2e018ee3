"""The stores that the log is tried on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.objects.address import Address, Folder, Memory, open_store
from storage.objects.contract import ObjectStore
from tests.build.s3 import s3_settings


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and its address for other processes."""

    store: ObjectStore
    address: Address


@pytest.fixture(params=["memory", "local", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    async with open_store(_address(request, tmp_path)) as store:
        yield store


@pytest.fixture(params=["local", "s3"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A store that can have a checkpoint table."""
    address = _address(request, tmp_path)
    async with open_store(address) as store:
        yield Place(store, address)


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Place]:
    address = Folder(tmp_path / "lake")
    async with open_store(address) as store:
        yield Place(store, address)


def _address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    match request.param:
        case "memory":
            return Memory()
        case "local":
            return Folder(tmp_path / "lake")
    return s3_settings(
        request.getfixturevalue("s3_endpoint"), request.getfixturevalue("bucket"), prefix="some/archive"
    )
