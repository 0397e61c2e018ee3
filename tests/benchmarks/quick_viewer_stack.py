"""The quick viewer on a compressed CT: bytes over the wire and seconds, decoded by the browser and by the server.

    python -m tests.benchmarks.quick_viewer_stack [--slices 60] [--mbit 100]

The same stack in each transfer syntax is opened twice: on a server with the codecs (`dicomlake viewers install
codecs`), and on one without, which sends the frames decoded. Time is from the start of the navigation until every
frame is there to be drawn. `--mbit` is how fast the browser's network is made to be; 0 leaves it as fast as the
machine. Medians of the runs; each opening is by a browser that has nothing of the study, but for the pages.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.viewers.pins import CODECS
from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.transcode import convert_frame, plan_conversion
from dicomweb.wire.transfer_syntaxes import EXPLICIT_LITTLE
from tests.app.processes import server
from tests.benchmarks.ohif_stack import slices, store
from tests.browser.chromium import chromium
from tests.browser.viewer_house import viewers_folder
from tests.build.dicom import encapsulated, uid

_JPEG = "1.2.840.10008.1.2.4."
_SYNTAXES = {
    "uncompressed": EXPLICIT_LITTLE,
    "JPEG 2000": _JPEG + "90",
    "HTJ2K": _JPEG + "201",
    "JPEG-LS": _JPEG + "80",
    "JPEG Lossless": _JPEG + "70",
}
_SIDE = 512
_SPEC = ImageSpec(
    rows=_SIDE, columns=_SIDE, samples_per_pixel=1, bits_allocated=16, bits_stored=16, pixel_representation=0,
    photometric_interpretation="MONOCHROME2", planar_configuration=0, frames=1,
)  # fmt: skip
_ALL_THERE = "count => Number(document.querySelector('.view-came')?.dataset.loaded) >= count"


def compressed(count: int, name: str) -> Iterator[bytes]:
    """The slices in a transfer syntax, as files."""
    syntax = _SYNTAXES[name]
    for data in slices(count, name):
        if syntax == EXPLICIT_LITTLE:
            yield data
            continue
        length = _SIDE * _SIDE * 2
        frame = convert_frame(data[-length:], plan_conversion(_SPEC, "OW", EXPLICIT_LITTLE, syntax))
        yield _with_syntax(data[: -length - 12], syntax) + encapsulated([frame + b"\0" * (len(frame) % 2)])


def _with_syntax(head: bytes, syntax: str) -> bytes:
    """The beginning of a file with another transfer syntax in its file meta information."""
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    before, _, behind = head.partition(struct.pack("<HH2s", 2, 0x10, b"UI"))
    (old,) = struct.unpack_from("<H", behind)
    made = before + struct.pack("<HH2sH", 2, 0x10, b"UI", len(value)) + value + behind[2 + old :]
    (group,) = struct.unpack_from("<L", made, 140)
    return made[:140] + struct.pack("<L", group + len(value) - old) + made[144:]


async def opened(browser: Any, url: str, study: str, count: int, mbit: float) -> tuple[float, float]:
    """Seconds and megabytes until the whole stack is there."""
    context = await browser.new_context(viewport={"width": 1200, "height": 800})
    try:
        page = await context.new_page()
        await page.goto(url + "/ui/view/1.2.3")  # the pages themselves
        await page.get_by_text("There is nothing").wait_for()
        session = await context.new_cdp_session(page)
        await session.send("Network.enable")
        rate = mbit * 125_000 if mbit else -1
        limits = {"offline": False, "latency": 0, "downloadThroughput": rate, "uploadThroughput": rate}
        await session.send("Network.emulateNetworkConditions", limits)
        taken = [0.0]
        session.on("Network.loadingFinished", lambda event: taken.append(event["encodedDataLength"]))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await page.goto(f"{url}/ui/view/{study}", wait_until="commit")
        await page.wait_for_function(_ALL_THERE, arg=count, timeout=120_000)
        return loop.time() - begun, sum(taken) / 1e6
    finally:
        await context.close()


async def measure(arguments: argparse.Namespace) -> None:
    """Fill a store, open each stack by both servers in turn, tell."""
    codecs = await asyncio.to_thread(viewers_folder, CODECS)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        quiet = ("--no-log-access", "--viewers-folder")
        async with (
            server(folder / "store", *quiet, str(codecs), "--node-dir", str(folder / "one")) as here,
            chromium() as browser,
        ):
            for kind in _SYNTAXES:
                url = here.dicomweb + "/studies"
                await asyncio.to_thread(store, url, compressed(arguments.slices, kind), "application/dicom")
            away = (*quiet, str(folder / "none"), "--node-dir", str(folder / "two"))
            print(f"{arguments.slices} slices, {arguments.mbit or 'unlimited'} Mbit/s")
            for kind in _SYNTAXES:
                told = []
                for decoder in ("browser", "server"):
                    runs = []
                    for _ in range(arguments.runs):
                        if decoder == "browser":
                            runs.append(await _run(browser, here.url, kind, arguments))
                            continue
                        # a server of its own each time: it keeps what it has decoded
                        async with server(folder / "store", *away) as there:
                            runs.append(await _run(browser, there.url, kind, arguments))
                    seconds, size = (statistics.median(one) for one in zip(*runs, strict=True))
                    told.append(f"by the {decoder} {seconds:5.2f} s {size:6.1f} MB")
                print(f"{kind:<14} " + "   ".join(told), flush=True)


async def _run(browser: Any, url: str, kind: str, arguments: argparse.Namespace) -> tuple[float, float]:
    return await opened(browser, url, uid(kind), arguments.slices, arguments.mbit)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--mbit", type=float, default=0)
    parser.add_argument("--folder", help="where the store is for the while")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
