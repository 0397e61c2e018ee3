"""A real Chromium for the tests: the one that the system has, without a screen, drawing by software."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

_PLACES = ("/usr/lib/chromium/chromium", "/usr/lib64/chromium-browser/chromium-browser")
"""The program itself, behind the script of that name that distributions start it with."""
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""In a container there is neither a user for its sandbox nor a graphics card for WebGL."""


def program() -> str | None:
    """Where it is: as CHROMIUM says, or found; None if there is none."""
    if named := os.environ.get("CHROMIUM"):
        return named
    for place in _PLACES:
        if Path(place).exists():
            return place
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def missing() -> str:
    """What a test that needs a browser lacks, in a few words; empty if it lacks nothing."""
    try:
        import playwright.async_api  # noqa: F401  # whether it can be imported is the question
    except ImportError:
        return "the Python package playwright is not installed"
    return "" if program() else "there is no Chromium on this machine"


@contextlib.asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Any]:
    """A browser with these flags beside the usual ones."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            await browser.close()
