"""Compressed frames in the quick viewer: decoded in the browser, to the same samples as by the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pytest_asyncio
from aiohttp import ClientSession

from app.viewers.pins import CODECS
from tests.browser.explorer.driving import Explorer, explorer_on
from tests.browser.explorer.test_viewer import drawn, grey
from tests.browser.viewer_house import viewers_folder
from tests.build.dicom import uid
from tests.build.images import compressed_file, file_in, spec_of
from tests.build.samples import SAMPLES, manifest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("faultless")]

_JPEG = "1.2.840.10008.1.2.4."
LOSSLESS, JPEG_LS, NEAR, J2K, J2K_LOSSY = (_JPEG + end for end in ("70", "80", "81", "90", "91"))
HTJ2K, HTJ2K_LOSSY = _JPEG + "201", _JPEG + "203"
UNPACKED = "1.2.840.10008.1.2.1"
SPECS = {
    "byte": spec_of(),
    "unsigned": spec_of(bits=16, frames=2),
    "signed": spec_of(bits=16, signed=True),
    "colour": spec_of(samples=3),
}
MADE = [(syntax, kind) for syntax in (LOSSLESS, JPEG_LS, J2K, HTJ2K, J2K_LOSSY, HTJ2K_LOSSY) for kind in SPECS]

COMPARE = """async ({study, series, instance, most}) => {
  const main = document.querySelector("script[type=module]").src;
  const load = (name) => import(new URL(name, main).href);
  const { slidesOf } = await load("view/slides.js");
  const { readFrame, readByServer } = await load("view/reading.js");
  const { readStored } = await load("view/decoding/stored.js");
  const { askJson, dicomweb, studyPath } = await load("server.js");
  const accept = "application/dicom+json";
  const headers = await askJson(dicomweb(`${studyPath(study, series)}/metadata`), { accept });
  const signal = new AbortController().signal;
  const pixels = (bitmap) => {
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  };
  const found = [];
  for (const slide of slidesOf(study, headers)) {
    if (slide.kind !== "values" && slide.kind !== "picture") continue;
    if ((instance && slide.sop !== instance) || slide.frame > (most ?? 9)) continue;
    const { sop, syntax, rgb, frame } = slide;
    const one = { sop, syntax, rgb, frame, here: false, differ: -1 };
    found.push(one);
    one.here = Boolean(await readStored(slide, signal));
    if (!one.here) continue;
    const mine = await readFrame(slide, signal);
    let theirs = null;
    if (slide.rgb) {
      const url = dicomweb(`${slide.path}/frames/${slide.frame}/rendered`);
      const drawn = await fetch(url, { headers: { Accept: "image/png" } });
      theirs = await createImageBitmap(await drawn.blob(), { colorSpaceConversion: "none" });
    } else theirs = await readByServer(slide, signal);
    const [a, b] = [mine, theirs.bitmap ?? theirs].map((frame) => (frame.values ?? pixels(frame.bitmap ?? frame)));
    one.differ = a.length === b.length ? 0 : 1e9;
    for (let at = 0; at < a.length; at += 1) one.differ = Math.max(one.differ, Math.abs(a[at] - b[at]));
  }
  return found;
}"""


def made() -> list[bytes]:
    """A file of each kind of samples in each syntax; one that is damaged; grey ones for the canvas."""
    files = [
        file_in(syntax, SPECS[kind], study="made", series=syntax, instance=f"{syntax} {kind}")
        for syntax, kind in MADE
    ]
    whole = bytes(imagecodecs.jpegls_encode(np.full((32, 32), 180, np.uint8)))
    good = compressed_file([whole, whole], JPEG_LS, **_grey("plain", 2))
    scan = whole.index(b"\xff\xda") + 10
    damaged = compressed_file([whole, whole[:scan] + b"\xff\xd9"], JPEG_LS, **_grey("damaged", 2))
    return [*files, good, damaged]


def _grey(name: str, frames: int) -> dict[str, Any]:
    named = {"study": name, "series": name, "instance": name}
    return {**named, "Rows": 32, "Columns": 32, "NumberOfFrames": frames}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def explorer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Explorer]:
    """A server with the codecs, and an archive of compressed images."""
    folder = await asyncio.to_thread(viewers_folder, CODECS)
    arguments = ("--viewers-folder", str(folder))
    async with explorer_on(tmp_path_factory.mktemp("codecs"), *made(), arguments=arguments) as opened:
        yield opened


@contextlib.asynccontextmanager
async def hearing(page: Any) -> AsyncIterator[list[str]]:
    """What is asked for while it is open: of frames the accepted forms, of others the ends of their paths."""
    asked: list[str] = []

    def heard(request: Any) -> None:
        asked.append(request.headers["accept"] if "/frames/" in request.url else request.url.rpartition("/")[2])

    page.on("request", heard)
    yield asked
    page.remove_listener("request", heard)


async def test_what_the_browser_decodes_is_what_the_server_decodes(explorer: Explorer) -> None:
    async with explorer.page() as page:
        for syntax in dict.fromkeys(syntax for syntax, _ in MADE):
            for one in await page.evaluate(COMPARE, {"study": uid("made"), "series": uid(syntax)}):
                assert one["here"], one
                # a lossy transform with fractions may round otherwise on another processor
                assert one["differ"] <= (1 if syntax in (J2K_LOSSY, HTJ2K_LOSSY) else 0), one


@pytest.mark.skipif(SAMPLES is None, reason="there are no sample files")
async def test_sample_files_are_decoded_as_by_the_server(explorer: Explorer) -> None:
    found: list[tuple[str, Any]] = []
    async with explorer.page() as page:
        for path in coded_samples():
            scope = await stored(explorer, path)
            for one in await page.evaluate(COMPARE, {**scope, "most": 2}) if scope else ():
                found.append((path.name, one))
    here = [(name, one) for name, one in found if one["here"]]
    assert [(name, one) for name, one in here if one["differ"]] == []
    assert {one["syntax"] for _, one in here} >= {LOSSLESS, JPEG_LS, NEAR, J2K, J2K_LOSSY}
    assert len(here) >= 40


def coded_samples() -> list[Path]:
    """Sample files in syntaxes there are decoders for, but for what is known to be no DICOM."""
    assert SAMPLES is not None
    names = ("JPEG 2000", "JPEG-LS", "JPEG Lossless")
    return [
        SAMPLES / row["path"]
        for row in manifest()
        if any(name in row["transfer_syntax"] for name in names) and not row["path"].startswith("malformed/")
    ]


async def stored(explorer: Explorer, path: Path) -> dict[str, str]:
    """The UIDs of a file that was stored; none if it was refused."""
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    data = await asyncio.to_thread(path.read_bytes)
    async with (
        ClientSession() as client,
        client.post(explorer.server.dicomweb + "/studies", data=data, headers=headers) as answer,
    ):
        told = await answer.json(content_type=None)
    if "00081199" not in told:
        return {}
    parts = told["00081199"]["Value"][0]["00081190"]["Value"][0].split("/")
    return {"study": parts[-5], "series": parts[-3], "instance": parts[-1]}


async def test_frames_are_asked_for_as_stored_and_the_decoder_with_the_first_of_them(explorer: Explorer) -> None:
    async with explorer.page() as page, hearing(page) as asked:
        await page.goto(explorer.url + f"view/{uid('plain')}?center=128&width=256")
        await drawn(page, "plain")
        assert abs(await grey(page) - 180) <= 1
        forms = {one for one in asked if "transfer-syntax" in one}
        assert forms == {f"image/jls; transfer-syntax={JPEG_LS}"}
        assert "charlswasm_decode.js" in asked
        assert not [one for one in asked if "openjpeg" in one or "lossless" in one]


async def test_a_damaged_frame_is_left_to_the_server_and_then_told(explorer: Explorer) -> None:
    async with explorer.page() as page, hearing(page) as asked:
        await page.goto(explorer.url + f"view/{uid('damaged')}?slice=2")
        await page.locator(".view-message").get_by_role("button", name="Try again").wait_for()
        said = await page.locator(".view-message").inner_text()
        frames = [one for one in asked if "transfer-syntax" in one]
        assert "damaged" in said
        assert [one.partition(";")[0] for one in frames].count("application/octet-stream") == 1
        await page.keyboard.press("Home")
        await drawn(page, "damaged")
    explorer.faults.clear()  # the browser reports the answer that says so


async def test_a_decoder_that_cannot_be_had_is_done_without(explorer: Explorer) -> None:
    async with explorer.page() as page, hearing(page) as asked:
        await page.context.route("**/charlswasm_decode.wasm", lambda route: route.abort())
        await page.goto(explorer.url + f"view/{uid('plain')}?center=128&width=256")
        await drawn(page, "plain")
        assert abs(await grey(page) - 180) <= 1
        assert any(UNPACKED in one for one in asked)
    explorer.faults.clear()


async def test_without_codecs_the_server_decodes(tmp_path: Path) -> None:
    arguments = ("--viewers-folder", str(tmp_path / "none"))
    async with explorer_on(tmp_path, *made()[-2:], arguments=arguments) as opened, opened.page() as page:
        async with hearing(page) as asked:
            await page.goto(opened.url + f"view/{uid('plain')}?center=128&width=256")
            await drawn(page, "plain")
            assert abs(await grey(page) - 180) <= 1
            assert {one for one in asked if "transfer-syntax" in one} == {
                f"application/octet-stream; transfer-syntax={UNPACKED}"
            }
        assert opened.faults == []
