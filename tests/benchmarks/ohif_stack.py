"""OHIF on a CT of 300 slices: time to the first picture and to the whole stack, on this server and on Orthanc.

    python -m tests.benchmarks.ohif_stack [--slices 300] [--runs 5] [--as-served]

Both archives hold the same files and are asked by the same pages in the same browser, in turn, so that what else
the machine does meets both. The pages come from Dicomlake for both; only their settings differ, by the DICOMweb
root, which is of another origin than the pages for both. Orthanc sends no CORS header, so the browser is started
without its same-origin rule. With `--as-served` the settings are those that each is best served by (Orthanc has no
`/thumbnail` and gives no PDF), else those that both can do.

The browser has a profile on the disk and has opened the viewer before, as a reader's has: OHIF's scripts come from
its cache, compiled. With `--fresh` each opening is by a browser that has nothing.

Needs Chromium, Playwright's Python package, the viewers (`dicomlake viewers install`), and Orthanc with its
DICOMweb plugin.

The first picture is the first that the viewport draws of the study; the stack is whole when the browser holds the
last frame. Times are seconds from the start of the navigation. `begun` is when the first request for metadata
left: until then the browser reads and runs OHIF's scripts, and no archive can do anything about that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from app.viewers.ohif_page import settings as ohif_settings
from tests.app.processes import server
from tests.browser.chromium import FLAGS, program
from tests.build.dicom import uid
from tests.build.scenes import volume

_ORTHANC = "/usr/sbin/Orthanc"
_PLUGINS = ("/usr/share/orthanc/plugins/libOrthancDicomWeb.so",)
_SIDE = 512
_WAIT_SECONDS = 180
_WATCH = """
(() => {
  const seen = window.__seen = {first: 0, loaded: 0, last: 0, requests: 0};
  document.addEventListener('CORNERSTONE_STACK_NEW_IMAGE', () => { seen.image = true; }, true);
  document.addEventListener('CORNERSTONE_IMAGE_RENDERED', () => {
    if (seen.image && !seen.first) seen.first = performance.now();
  }, true);
  const wait = setInterval(() => {
    if (!window.cornerstone) return;
    clearInterval(wait);
    window.cornerstone.eventTarget.addEventListener('CORNERSTONE_IMAGE_LOADED', () => {
      seen.loaded += 1; seen.last = performance.now();
    });
  }, 5);
})();
"""
_GIVEN_SETTINGS = 'Object.defineProperty(window, "config", { value: GIVEN, writable: false });'
"""The settings that the server gives are then left aside: its script is no strict one."""


@dataclass(frozen=True, slots=True)
class Opened:
    """How one opening of the study went, in seconds from the start of the navigation."""

    begun: float
    """When metadata were asked for."""
    metadata: float
    """How long the answer took."""
    first: float
    """When the first picture was drawn."""
    whole: float
    """When the last frame was there, decoded."""
    frames: float
    """From the first request for a frame to the end of the last answer."""
    frame: float
    """Median of a request for a frame, the wait for a connection included."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One of the two."""

    name: str
    root: str
    """Its DICOMweb root."""


def slices(count: int, study: str) -> Iterator[bytes]:
    """A series of CT slices with the noise of real ones, which decides what compressing them is worth."""
    noise = np.random.default_rng(1)
    for data in volume(count, side=_SIDE, study=study):
        yield _noisy(data, noise)


def _noisy(data: bytes, noise: np.random.Generator) -> bytes:
    length = _SIDE * _SIDE * 2
    samples = np.frombuffer(data[-length:], "<u2").astype(np.int32)
    samples = np.clip(samples + noise.normal(0, 12, samples.size).astype(np.int32), 0, 4095)
    return data[:-length] + samples.astype("<u2").tobytes()


@contextlib.asynccontextmanager
async def orthanc(folder: Path, port: int) -> AsyncIterator[Archive]:
    """Orthanc on a folder of its own."""
    configuration = {
        "Name": "BENCH", "StorageDirectory": str(folder), "IndexDirectory": str(folder), "HttpPort": port,
        "DicomServerEnabled": False, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        "Plugins": list(_PLUGINS), "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    path = folder / "orthanc.json"
    path.write_text(json.dumps(configuration), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(_ORTHANC, str(path), stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(200):
                if await asyncio.to_thread(_answers, f"{url}/dicom-web/studies?limit=1"):
                    break
                await asyncio.sleep(0.1)
            yield Archive("Orthanc", f"{url}/dicom-web")
        finally:
            process.terminate()
            await process.wait()


@contextlib.asynccontextmanager
async def _reader(profile: Path) -> AsyncIterator[Any]:
    """A browser with a profile on the disk, as readers have, which keeps files and what it made of scripts.

    Not held to the pages' policy nor to the same origin: one of the two archives is elsewhere.
    """
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile,
            executable_path=program(),
            args=[*FLAGS, "--disable-web-security"],
            viewport={"width": 1200, "height": 760},
            bypass_csp=True,
        )
        try:
            yield context
        finally:
            await context.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def store(url: str, files: Iterator[bytes], kind: str) -> None:
    """POST each file."""
    for data in files:
        request = urllib.request.Request(url, data=data, headers={"Content-Type": kind})
        with urllib.request.urlopen(request) as answer:
            answer.read()


def settings_for(archive: Archive, *, as_served: bool) -> str:
    """The script that OHIF's page loads first, for this archive."""
    made = ohif_settings(mount="/ohif/", dicomweb=archive.root.replace("127.0.0.1", "localhost"))
    source = made["dataSources"][0]["configuration"]
    if not as_served or archive.name == "Orthanc":
        source["thumbnailRendering"] = "wadors"
        source["singlepart"] = "bulkdata,video"
    return json.dumps(made)


async def open_study(context: Any, pages: str, study: str, count: int, settings: str) -> Opened:
    """Open the study in a tab of its own and wait for its last frame."""
    page = await context.new_page()
    try:
        await page.add_init_script(_WATCH)
        # not by changing answers on their way, with which the browser would keep nothing
        await page.add_init_script(_GIVEN_SETTINGS.replace("GIVEN", settings))
        await page.goto(f"{pages}/ohif/viewer?StudyInstanceUIDs={study}", wait_until="commit")
        seen = await _until_whole(page, count)
        requests = await page.evaluate(_TIMES)
    finally:
        await page.close()
    return _judge(seen, requests)


async def _until_whole(page: Any, count: int) -> dict[str, float]:
    """What `_WATCH` has seen, once it has seen everything."""
    async with asyncio.timeout(_WAIT_SECONDS):
        while True:
            seen: dict[str, float] | None = await page.evaluate("window.__seen")
            if seen and seen["loaded"] >= count and seen["first"]:
                return seen
            await asyncio.sleep(0.2)


_TIMES = """
performance.getEntriesByType('resource').map(one => [one.name, one.startTime / 1000, one.responseEnd / 1000])
"""


def _judge(seen: dict[str, float], requests: list[tuple[str, float, float]]) -> Opened:
    asked, told = next((begun, ended) for name, begun, ended in requests if name.endswith("/metadata"))
    frames = [(begun, ended) for name, begun, ended in requests if "/frames/" in name]
    return Opened(
        begun=asked,
        metadata=told - asked,
        first=seen["first"] / 1000,
        whole=seen["last"] / 1000,
        frames=max(ended for _, ended in frames) - min(begun for begun, _ in frames),
        frame=statistics.median(ended - begun for begun, ended in frames),
    )


def tell(name: str, runs: list[Opened]) -> Opened:
    """Print the medians of the runs, and return them."""
    middle = Opened(*(statistics.median(getattr(run, one.name) for run in runs) for one in fields(Opened)))
    spread = ", ".join(f"{run.whole:.1f}" for run in runs)
    print(
        f"{name:<10} begun {middle.begun:5.2f}  metadata {middle.metadata:5.2f}  "
        f"first picture {middle.first:5.2f}  whole stack {middle.whole:6.2f} (runs: {spread})\n"
        f"{'':<10} all frames in {middle.frames:6.2f}, one in {1000 * middle.frame:4.0f} ms, the wait for a "
        "connection included"
    )
    return middle


async def measure(arguments: argparse.Namespace) -> None:
    """Fill both, open the study in turn, tell."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        (folder / "orthanc").mkdir()
        async with (
            server(folder / "ours", "--no-log-access") as ours,
            orthanc(folder / "orthanc", arguments.port) as peer,
            _reader(folder / "profile") as usual,
        ):
            # every opening is of a study that the browser has never seen, as a reader's day is; the first, a short
            # one, brings the scripts into the browser's caches
            studies = [(f"stack {run}", arguments.slices if run else 10) for run in range(arguments.runs + 1)]
            for url in (ours.dicomweb + "/studies", peer.root.removesuffix("dicom-web") + "instances"):
                for study, count in studies:
                    await asyncio.to_thread(store, url, slices(count, study), "application/dicom")
            archives = [Archive("Dicomlake", ours.dicomweb), peer]
            runs: dict[str, list[Opened]] = {archive.name: [] for archive in archives}
            for study, count in [studies[0], *studies]:
                for archive in archives:
                    settings = settings_for(archive, as_served=arguments.as_served)
                    new = _reader(folder / f"{archive.name} {study}") if arguments.fresh else nullcontext(usual)
                    async with new as context:
                        opened = await open_study(context, ours.url, uid(study), count, settings)
                    if count == arguments.slices:
                        runs[archive.name].append(opened)
            middles = [tell(archive.name, runs[archive.name]) for archive in archives]
    for what in ("first", "whole"):
        own, other = (getattr(middle, what) for middle in middles)
        begun_own, begun_other = (middle.begun for middle in middles)
        print(
            f"{what}: {100 * own / other:.0f} % of Orthanc's; counted from the request for metadata "
            f"{100 * (own - begun_own) / (other - begun_other):.0f} %"
        )


def main() -> None:
    """Measure, or say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--port", type=int, default=8563, help="for Orthanc")
    parser.add_argument("--folder", help="where both keep their files for the while")
    parser.add_argument("--fresh", action="store_true", help="each opening by a browser that has nothing")
    parser.add_argument("--as-served", action="store_true", help="with the settings that suit each")
    arguments = parser.parse_args()
    if not Path(_ORTHANC).exists() or not all(Path(plugin).exists() for plugin in _PLUGINS):
        sys.exit("Orthanc with its DICOMweb plugin is not installed")
    asyncio.run(measure(arguments))


if __name__ == "__main__":
    main()
