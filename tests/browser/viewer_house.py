"""A server with the viewers and studies to show in them, and a browser at it.

The viewers are fetched once and kept in the user's cache folder, outside the checkout, so that a second run needs
no network; a test is skipped where they can neither be found nor fetched.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pytest
from aiohttp import ClientSession
from PIL import Image

from app.viewers.download import NotFetched
from app.viewers.install import from_registry, install, is_installed
from app.viewers.pins import VIEWERS, Pin
from app.viewers.registry import BadRegistry, NoRegistry, find_registry
from app.viewers.shelf import default_folder
from tests.app.processes import server
from tests.browser.chromium import chromium, missing
from tests.build.scenes import SCENES

Picture = npt.NDArray[np.uint8]
"""Rows, columns, and red, green, blue."""
WAIT_SECONDS = 90.0
"""How long a viewer may take to show something, on a machine with much else to do."""
_LOOK_SECONDS = 0.4
_PREFIX = "/pacs"


@cache
def viewers_folder(*pins: Pin) -> Path:
    """A folder with these in it, or else the viewers; skips the test where there is none to be had."""
    wanted = pins or VIEWERS
    own = default_folder(os.environ)
    if own is not None and all(is_installed(pin, own) for pin in wanted):
        return own
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dicomlake-tests" / "viewers"
    cached.mkdir(parents=True, exist_ok=True)
    with (cached / ".lock").open("w") as lock:
        # several processes run tests: one of them fetches
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            registry = find_registry("", os.environ, Path.home())
            for pin in wanted:
                if not is_installed(pin, cached):
                    install(pin, cached, from_registry(registry), lambda stage: None)
        except (NoRegistry, BadRegistry, NotFetched) as error:
            pytest.skip(f"{wanted[0].title} cannot be fetched here: {error}")
    return cached


@dataclass(slots=True)
class House:
    """The server and the browser."""

    url: str
    """Of the server, below the prefix a proxy would show it under; no slash at the end."""
    context: Any
    """Playwright's browser context: tabs that share a cache."""

    @contextlib.asynccontextmanager
    async def opened(self, path: str) -> AsyncIterator[Tab]:
        """A tab on that page of the server; leaving checks that nothing went wrong behind it."""
        page = await self.context.new_page()
        page.set_default_timeout(WAIT_SECONDS * 1000)
        tab = Tab(page)
        tab.listen(urlsplit(self.url).netloc)
        try:
            await page.goto(self.url + path, wait_until="commit")
            yield tab
        finally:
            await page.close()
        assert tab.wrong == []


@dataclass(slots=True)
class Tab:
    """One page in the browser."""

    page: Any
    wrong: list[str] = field(default_factory=list)
    """What should not have happened: requests to others or refused, scripts that failed, policies broken."""

    def listen(self, own: str) -> None:
        """Note what goes wrong; `own` is the server's name and port."""

        def asked(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme in ("http", "https") and parts.netloc != own:
                self.wrong.append(f"asked {request.url}")

        def answered(response: Any) -> None:
            if response.status >= 400:
                self.wrong.append(f"{response.status} for {response.url}")

        def said(message: Any) -> None:
            if "Content Security Policy" in message.text:
                self.wrong.append(message.text)

        self.page.on("request", asked)
        self.page.on("response", answered)
        self.page.on("console", said)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    async def picture(self, selector: str) -> Picture:
        """What an element shows, as it is on the screen."""
        element = self.page.locator(selector).first
        await element.wait_for()
        # not the element's own screenshot, which waits until nothing moves: a volume being drawn may not do so
        shot = await self.page.screenshot(clip=await element.bounding_box(), timeout=WAIT_SECONDS * 1000)
        return np.asarray(Image.open(BytesIO(shot)).convert("RGB"))

    async def until(self, selector: str, shows: Callable[[Picture], bool], what: str) -> Picture:
        """Look at an element until it shows something; the picture then."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            seen = await self.picture(selector)
            if shows(seen):
                return seen
            if time.monotonic() > deadline:
                kept = Path(tempfile.gettempdir()) / "dicomlake-viewer.png"
                Image.fromarray(seen).save(kept)
                pytest.fail(f"{selector} did not show {what} (see {kept}); {self.wrong}")
            await asyncio.sleep(_LOOK_SECONDS)


@contextlib.asynccontextmanager
async def viewer_house(store: Path, *studies: str, width: int = 1100, height: int = 700) -> AsyncIterator[House]:
    """Server and browser for a module of tests, with these scenes, or all; skips where one of them is missing."""
    if lack := missing():
        pytest.skip(lack)
    folder = await asyncio.to_thread(viewers_folder)
    more = ("--viewers-folder", str(folder), "--url-prefix", _PREFIX, "--no-log-access")
    async with server(store, *more) as running, chromium() as browser:
        await _fill(running.url + "/dicom-web/studies", studies or tuple(SCENES))
        context = await browser.new_context(viewport={"width": width, "height": height})
        yield House(running.url.removesuffix(_PREFIX) + _PREFIX, context)


async def _fill(url: str, studies: tuple[str, ...]) -> None:
    async with ClientSession() as client:
        for study in studies:
            for data in SCENES[study]():
                async with client.post(url, data=data, headers={"Content-Type": "application/dicom"}) as answer:
                    assert answer.status == 200, await answer.text()


def share(picture: Picture, red: tuple[int, int], green: tuple[int, int], blue: tuple[int, int]) -> float:
    """How much of the picture has a colour within these bounds, both inclusive."""
    fits = np.ones(picture.shape[:2], bool)
    for sample, (least, most) in enumerate((red, green, blue)):
        fits &= (picture[..., sample] >= least) & (picture[..., sample] <= most)
    return float(fits.mean())


def grey(picture: Picture, least: int, most: int) -> float:
    """How much of the picture is grey of that brightness."""
    samples = picture.astype(int)
    flat = (samples.max(axis=2) - samples.min(axis=2)) <= 4
    level = samples.mean(axis=2)
    return float((flat & (level >= least) & (level <= most)).mean())
