"""Uploading by drag and drop: files, folders, zips, what is no DICOM among them, a server lost on the way."""

from __future__ import annotations

import contextlib
import io
import socket
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.processes import server
from tests.browser.explorer.driving import Explorer, study
from tests.build.dicom import ct_slice, uid

pytestmark = pytest.mark.asyncio(loop_scope="module")

PANEL = ".upload-panel"


def image(name: str, number: int = 1, side: int = 40) -> bytes:
    """An image of a study of its own."""
    return ct_slice(
        study=name,
        series=name,
        instance=f"{name} {number}",
        PatientName=f"{name}^Own",
        InstanceNumber=number,
        rows=side,
        columns=side,
        seed=number,
    )


async def drop(page: Any, *paths: Path) -> None:
    """Drag files and folders over the page and let go of them, as a file manager does."""
    await page.locator("#upload-button").wait_for()
    session = await page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        await session.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 400, "data": data})


async def done(page: Any, text: str) -> None:
    """Wait until the panel says so."""
    await page.locator(f"{PANEL} strong", has_text=text).first.wait_for()


def write(path: Path, data: bytes) -> Path:
    """A file, in its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


async def test_from_a_dropped_file_to_its_picture_in_three_clicks(explorer: Explorer, tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.dcm", image("three", n)) for n in (1, 2)]
    clicks = 0
    async with explorer.page() as page:
        await drop(page, *files)
        await done(page, "2 images are in the archive")
        for link in (page.locator(PANEL).get_by_role("link", name="three, Own"), page.locator(".card").first):
            await link.click()
            clicks += 1
            await page.locator(".card img").first.wait_for()
        await page.get_by_role("link", name="Image 1").click()
        clicks += 1
        await page.wait_for_function("() => document.querySelector('.picture')?.naturalWidth === 1024")
    assert clicks <= 3


async def test_what_is_no_dicom_is_refused_by_name_and_the_rest_is_stored(
    explorer: Explorer, tmp_path: Path
) -> None:
    folder = tmp_path / "from the disc"
    for n in (1, 2, 3):
        write(folder / "deep" / "deeper" / f"{n}.dcm", image("mixed", n))
    write(folder / "notes.txt", b"not an image, but notes about one" * 20)
    write(folder / ".DS_Store", b"whatever")
    write(folder / "DICOMDIR", b"whatever")
    write(folder / "<b>bold</b>.dcm", b"")
    async with explorer.page() as page:
        await drop(page, folder)
        await done(page, "3 images are in the archive")
        refused = page.locator(f'{PANEL} [data-state="failed"]')
        await page.get_by_text("2 files were refused").wait_for()
        assert await refused.count() == 2
        told = "\n".join(await refused.all_inner_texts())
        assert "from the disc/notes.txt" in told
        assert "<b>bold</b>.dcm" in told
        assert "DICOM" in told
        assert await page.locator(f'{PANEL} [data-state="stored"]').count() == 3
        assert await page.locator(f"{PANEL} b").count() == 0


async def test_folders_and_files_are_chosen_and_zips_are_unpacked(explorer: Explorer, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for n in (1, 2):
            archive.writestr(f"in/{n}.dcm", image("zipped", n))
        archive.writestr("in/readme.txt", "no image")
    write(tmp_path / "chosen" / "one.dcm", image("chosen"))
    zipped = write(tmp_path / "studies.zip", packed.getvalue())
    async with explorer.page() as page:
        await page.locator("#upload-button").wait_for()
        await page.keyboard.press("u")
        await page.set_input_files("input[data-upload=files]", str(zipped))
        await done(page, "2 images are in the archive")
        assert "1 other file" in await page.locator(f"{PANEL} .upload-row").inner_text()
        await page.get_by_role("button", name="Upload").click()
        await page.set_input_files("input[data-upload=folder]", str(tmp_path / "chosen"))
        await done(page, "1 image is in the archive")
        await page.locator(PANEL).get_by_role("link", name="chosen, Own").click()
        await page.get_by_role("heading", name="chosen, Own").wait_for()


async def test_progress_is_told_by_file_and_an_upload_can_be_stopped(explorer: Explorer, tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.dcm", image("slow", n, side=600)) for n in range(6)]
    async with explorer.page() as page:
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        slow = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 400_000}
        await session.send("Network.emulateNetworkConditions", slow)
        await drop(page, *files)
        await page.locator(f"{PANEL} .upload-row progress").first.wait_for()
        await page.wait_for_function(
            "() => [...document.querySelectorAll('.upload-row progress')].some((one) => one.position % 1 > 0)"
        )
        assert "Uploading, 0 of 6 files" in await page.locator(f"{PANEL} header").inner_text()
        await page.get_by_role("button", name="Stop the upload").click()
        await page.get_by_text("6 files were refused").wait_for()
        await session.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
        await page.get_by_role("button", name="Try the refused ones again").click()
        await done(page, "6 images are in the archive")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def slowed(page: Any, rate: int) -> AsyncIterator[None]:
    """Uploads of a page go out at so many bytes a second meanwhile."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    conditions = {"offline": False, "latency": 1, "downloadThroughput": -1, "uploadThroughput": rate}
    await session.send("Network.emulateNetworkConditions", conditions)
    yield
    await session.send("Network.emulateNetworkConditions", {**conditions, "uploadThroughput": -1})


async def test_a_server_that_restarts_is_waited_for_and_the_upload_goes_on(
    explorer: Explorer, tmp_path: Path
) -> None:
    port = ("--http-port", str(free_port()))
    files = [write(tmp_path / "send" / f"{n}.dcm", image("restart", n, side=500)) for n in range(12)]
    async with server(tmp_path / "store", *port) as first:
        opened = Explorer(first, explorer.browser)
        context = opened.page()
        page = await context.__aenter__()
        async with slowed(page, 900_000):
            await drop(page, *files)
            await page.locator(f"{PANEL} .upload-row progress").first.wait_for()
            first.process.kill()
            await first.process.wait()
        await page.get_by_text("The server does not answer. Trying again").wait_for()
        await page.get_by_text("Waiting for the server").first.wait_for()
    async with server(tmp_path / "store", *port):
        await done(page, "12 images are in the archive")
        await page.get_by_text("The server answers again.").wait_for()
        assert await page.locator(f'{PANEL} [data-state="failed"]').count() == 0
        await page.locator(PANEL).get_by_role("link", name="restart, Own").click()
        await page.get_by_role("heading", name="restart, Own").wait_for()
        assert page.url == opened.url + study("restart")
        assert uid("restart") in page.url
        await context.__aexit__(None, None, None)
