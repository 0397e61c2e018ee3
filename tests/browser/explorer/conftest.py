"""One server and one browser for the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.browser.chromium import missing
from tests.browser.explorer.driving import Explorer, doe, explorer_on, many, others


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests where there is no browser, and say so."""
    lacking = missing()
    for item in items:
        if lacking and "tests/browser/explorer" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason=lacking))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def explorer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Explorer]:
    """An archive of some studies, and many small ones."""
    async with explorer_on(tmp_path_factory.mktemp("explorer"), *doe(), *others(), *many()) as opened:
        yield opened


@pytest.fixture
def faultless(explorer: Explorer) -> Iterator[None]:
    """No page reports an error while a test runs."""
    explorer.faults.clear()
    yield
    assert explorer.faults == []
