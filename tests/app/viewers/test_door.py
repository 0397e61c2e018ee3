"""`/ohif/`, `/volview/`, `/viewers.json`: files kept for ever, pages made for the path by which a browser came."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zstandard

from app.viewers.door import ViewersDoor
from app.viewers.install import from_folder, install
from app.viewers.links import links_for
from app.viewers.shelf import Shelf
from dicomweb.wire.exchange import Answer, WebError
from tests.app.viewers.packages import small_codecs, small_ohif, small_volview
from tests.build.dicom import uid

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@dataclass
class Came:
    """By which URL."""

    base: str = "https://pacs.example/sub"


@dataclass
class Asked:
    """A request as the front hands it over."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    method: str = "GET"
    approach: Came = field(default_factory=Came)
    operation: str = ""


@dataclass(frozen=True)
class Seen:
    """An answer as a client sees it."""

    status: int
    fields: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class House:
    """The door, to be asked."""

    door: ViewersDoor
    release: str
    """Of OHIF."""

    async def ask(self, path: str, headers: Mapping[str, str] | None = None, **more: str) -> Seen:
        """What the door answers to a path."""
        end = path.find("/", 1)
        mount = path if end < 0 else path[:end]
        return await see(await self.door.answer(Asked(headers or {}, **more), mount, path[len(mount) :]))


async def see(answer: Answer) -> Seen:
    """The answer with its body whole."""
    if isinstance(answer.body, AsyncIterator):
        body = b"".join([chunk async for chunk in answer.body])
    else:
        body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    return Seen(answer.status, {name.lower(): value for name, value in answer.headers}, body)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A door before both viewers."""
    ohif, data = small_ohif()
    volview, tarballs = small_volview()
    for package, one in zip((*ohif.packages, *volview.packages), (data, *tarballs), strict=True):
        (tmp_path / package.file_name).write_bytes(one)
    for pin in (ohif, volview):
        install(pin, tmp_path / "viewers", from_folder(tmp_path), lambda stage: None)
    return House(ViewersDoor(Shelf(tmp_path / "viewers")), ohif.release)


async def test_the_page_names_files_and_settings_below_the_prefix_of_the_proxy(house: House) -> None:
    for path in ("/ohif/", "/ohif/viewer", "/ohif/viewer/dicomweb"):
        seen = await house.ask(path, PAGE)
        text = seen.body.decode()
        assert (seen.status, seen.fields["content-type"]) == (200, "text/html; charset=utf-8")
        assert f'<script defer src="/sub/ohif/{house.release}/app.bundle.abc.js">' in text
        assert '<script src="/sub/ohif/app-config.js"></script>' in text
        assert not re.search(r"<script>|service-worker|manifest", text)


async def test_the_settings_point_at_this_servers_dicomweb_root(house: House) -> None:
    seen = await house.ask("/ohif/app-config.js")

    text = seen.body.decode()
    settings = json.loads(text.partition("window.config = ")[2].strip().removesuffix(";"))
    source = settings["dataSources"][0]["configuration"]
    assert f'window.PUBLIC_URL = "/sub/ohif/{house.release}/"' in text
    assert settings["routerBasename"] == "/sub/ohif/"
    assert source["qidoRoot"] == source["wadoRoot"] == "/sub/dicom-web"
    assert seen.fields["cache-control"] == "no-cache"


@pytest.mark.parametrize("coding", ["zstd", "gzip", ""])
async def test_files_below_their_release_are_kept_for_ever_and_come_compressed(house: House, coding: str) -> None:
    seen = await house.ask(f"/ohif/{house.release}/app.bundle.abc.js", {"accept-encoding": coding})

    unpack = {"zstd": zstandard.ZstdDecompressor().decompress, "gzip": gzip.decompress, "": bytes}[coding]
    assert b"window.PUBLIC_URL + 'dicom-microscopy-viewer/" in unpack(seen.body)
    assert seen.fields.get("content-encoding", "") == coding
    assert seen.fields["cache-control"] == "public, max-age=31536000, immutable"
    assert seen.fields["vary"] == "Accept-Encoding"
    assert seen.fields["content-type"] == "text/javascript; charset=utf-8"


async def test_a_browser_that_has_a_file_is_told_so(house: House) -> None:
    first = await house.ask("/ohif/app.bundle.css", {"accept-encoding": "gzip"})

    again = await house.ask(
        "/ohif/app.bundle.css", {"accept-encoding": "gzip", "if-none-match": first.fields["etag"]}
    )
    other = await house.ask(
        "/ohif/app.bundle.css", {"accept-encoding": "zstd", "if-none-match": first.fields["etag"]}
    )

    assert first.fields["cache-control"] == "no-cache"
    assert (first.status, again.status, other.status) == (200, 304, 200)
    assert again.body == b""


@pytest.mark.parametrize(
    "path", ["missing.js", "../installed.json", "..%2finstalled.json", "%2e%2e/installed.json", "ort/ort.wasm"]
)
async def test_what_is_no_file_of_the_viewer_is_not_found(house: House, path: str) -> None:
    for below in (path, f"{house.release}/{path}"):
        with pytest.raises(WebError) as error:
            await house.ask(f"/ohif/{below}", PAGE)
        assert error.value.status == 404


async def test_a_page_may_load_nothing_from_elsewhere(house: House) -> None:
    for path, query in (("/ohif/", ""), ("/volview/", "dicomweb=x")):
        seen = await house.ask(path, PAGE, query=query)
        policy = dict(part.split(" ", 1) for part in seen.fields["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["base-uri"] == "'none'"
        assert policy["connect-src"] == "'self' data: blob:"
        assert "'unsafe-inline'" not in policy["script-src"]
        assert "example" not in seen.body.decode()


async def test_a_link_to_a_study_becomes_the_one_that_volview_knows(house: House) -> None:
    study, series = uid("study"), uid("series")

    whole = await house.ask("/volview/", PAGE, query=f"StudyInstanceUIDs={study}")
    one = await house.ask("/volview/", PAGE, query=f"StudyInstanceUIDs={study}&SeriesInstanceUIDs={series}")
    plain = await house.ask("/volview/", PAGE)

    root = "/sub/volview/?dicomweb=/sub/dicom-web"
    assert [seen.fields["location"] for seen in (whole, one, plain)] == [
        f"{root}/studies/{study}",
        f"{root}/studies/{study}/series/{series}",
        root,
    ]


async def test_volview_gets_memory_that_threads_share(house: House) -> None:
    page = await house.ask("/volview/", PAGE, query="dicomweb=/sub/dicom-web")
    script = await house.ask("/volview/4.4.1-1/assets/index-1.js")

    for seen in (page, script):
        assert seen.fields["cross-origin-opener-policy"] == "same-origin"
        assert seen.fields["cross-origin-embedder-policy"] == "require-corp"
        assert seen.fields["cross-origin-resource-policy"] == "same-origin"
    assert b"icons/css/materialdesignicons.min.css" in page.body


async def test_an_address_without_a_slash_goes_on_to_the_one_with(house: House) -> None:
    seen = await house.ask("/ohif", PAGE, query="a=b")

    assert (seen.status, seen.fields["location"]) == (308, "/sub/ohif/?a=b")


async def test_a_viewer_that_is_not_installed_says_how_it_is(tmp_path: Path) -> None:
    house = House(ViewersDoor(Shelf(tmp_path)), "")

    page = await house.ask("/ohif/viewer", PAGE)
    with pytest.raises(WebError) as error:
        await house.ask("/volview/")
    told = json.loads((await house.ask("/viewers.json")).body)

    assert page.status == 404
    assert b"dicomlake viewers install ohif" in page.body
    assert (error.value.status, "dicomlake viewers install volview" in error.value.message) == (404, True)
    assert [viewer["installed"] for viewer in told["viewers"]] == [False, False]
    assert told["links"] == []


async def test_the_list_names_the_viewers_and_how_a_study_opens(house: House) -> None:
    told = json.loads((await house.ask("/viewers.json")).body)

    assert [(viewer["id"], viewer["installed"]) for viewer in told["viewers"]] == [
        ("ohif", True),
        ("volview", True),
    ]
    assert {link["viewer"] for link in told["links"]} == {"ohif", "volview"}
    assert all("{study}" in link["study"] for link in told["links"])


async def test_a_file_that_has_gone_is_not_found(house: House, tmp_path: Path) -> None:
    for path in (tmp_path / "viewers").glob("ohif-*/files/app.bundle.abc.js*"):
        path.unlink()

    for coding in ("", "gzip"):
        with pytest.raises(WebError, match="install it again"):
            await house.ask("/ohif/app.bundle.abc.js", {"accept-encoding": coding})


async def test_codecs_are_modules_that_are_kept_for_ever_and_have_no_page(tmp_path: Path) -> None:
    pin, tarballs = small_codecs()
    for package, data in zip(pin.packages, tarballs, strict=True):
        (tmp_path / package.file_name).write_bytes(data)
    place = await asyncio.to_thread(install, pin, tmp_path / "viewers", from_folder(tmp_path), lambda stage: None)
    codecs = House(ViewersDoor(Shelf(tmp_path / "viewers")), pin.release)

    script = await codecs.ask(f"/codecs/{pin.release}/openjpeg/openjpegwasm_decode.js")
    program = await codecs.ask(f"/codecs/{pin.release}/openjpeg/openjpegwasm_decode.wasm")

    assert b"export default OpenJPEGWASM;" in script.body
    assert "immutable" in script.fields["cache-control"]
    assert program.fields["content-type"] == "application/wasm"
    assert program.fields["cross-origin-resource-policy"] == "same-origin"
    assert sorted(path.name for path in (place / "files" / "openjpeg").iterdir() if path.suffix != ".gz") == [
        "openjpegwasm_decode.js",
        "openjpegwasm_decode.wasm",
        "openjpegwasm_decode.wasm.zst",
        "package.json",
    ]
    for path in ("/codecs/", "/codecs/index.html", f"/codecs/{pin.release}/charls/none.js"):
        with pytest.raises(WebError) as raised:
            await codecs.ask(path, PAGE)
        assert raised.value.status == 404
    assert "codecs" not in [one["id"] for one in json.loads((await codecs.ask("/viewers.json")).body)["viewers"]]


async def test_nothing_can_be_changed_there(house: House) -> None:
    with pytest.raises(WebError) as error:
        await house.ask("/ohif/", method="POST")

    assert error.value.status == 405


@pytest.mark.parametrize(
    ("modalities", "fitting"),
    [
        pytest.param(["CT"], ["ohif", "ohif-mpr", "ohif-segmentation", "volview"], id="volume"),
        pytest.param(
            ["CT", "SEG", "RTSTRUCT"], ["ohif", "ohif-mpr", "ohif-segmentation", "volview"], id="with segments"
        ),
        pytest.param(
            ["PT", "CT"], ["ohif", "ohif-mpr", "ohif-segmentation", "ohif-tmtv", "volview"], id="PET beside CT"
        ),
        pytest.param(["SM"], ["ohif-microscopy"], id="slide"),
        pytest.param(["DOC"], ["ohif"], id="document"),
        pytest.param(["SR"], [], id="report alone"),
        pytest.param([], [], id="none"),
    ],
)
def test_a_study_opens_in_what_fits_its_modalities(modalities: list[str], fitting: list[str]) -> None:
    assert [link.id for link in links_for(modalities, ["ohif", "volview"])] == fitting
