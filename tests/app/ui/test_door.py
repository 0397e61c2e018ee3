"""What `/ui/` answers: the page at any address, files that may be kept for ever, facts for its own pages alone."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import zstandard

from app.ui.door import STATIC
from tests.app.archives import House, open_house
from tests.build.dicom import ct_slice, uid

KEY = "/".join(uid(name) for name in ("study", "series", "instance"))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An archive of one image."""
    async with open_house(tmp_path / "store") as opened:
        await opened.store([ct_slice()])
        yield opened


def ui(house: House, path: str = "") -> str:
    """An address below `/ui/`."""
    return house.dicomweb.removesuffix("dicom-web") + "ui/" + path


def unpacked(body: bytes, coding: str) -> bytes:
    """What was sent in a coding."""
    return gzip.decompress(body) if coding == "gzip" else zstandard.ZstdDecompressor().decompress(body)


async def test_every_address_is_the_page_and_its_files_are_found_from_there(house: House) -> None:
    for path in ("", "studies/1.2.3", "studies/1.2.3/series/1.2", "no/such/place/at/all"):
        async with house.client.get(ui(house, path)) as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (200, "text/html")
        (script,) = re.findall(r'<script type="module" src="([^"]+)"', text)
        async with house.client.get(urljoin(ui(house, path), script)) as answer:
            assert (answer.status, answer.content_type) == (200, "text/javascript")
    async with house.client.get(ui(house)[:-1]) as answer:
        assert (answer.status, str(answer.url)) == (200, ui(house))


async def test_the_page_may_load_nothing_but_its_own(house: House) -> None:
    async with house.client.get(ui(house)) as answer:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "wasm" not in answer.headers["Content-Security-Policy"]


async def test_the_worker_that_decodes_may_assemble_and_load_its_own_and_nothing_else(house: House) -> None:
    async with house.client.get(ui(house)) as answer:
        (folder,) = set(re.findall(r'"(a/[0-9a-f]+)/', await answer.text()))
    async with house.client.get(ui(house, f"{folder}/view/decoding/worker.js")) as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert policy == "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"


async def test_files_go_out_compressed_and_are_kept_under_the_name_of_their_contents(house: House) -> None:
    async with house.client.get(ui(house)) as answer:
        (folder,) = set(re.findall(r'"(a/[0-9a-f]+)/', await answer.text()))
    expected = (STATIC / "dom.js").read_bytes()
    for coding in ("gzip", "zstd"):
        async with house.client.get(
            ui(house, f"{folder}/dom.js"), headers={"Accept-Encoding": coding}, auto_decompress=False
        ) as answer:
            assert answer.headers["Content-Encoding"] == coding
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert "Accept-Encoding" in answer.headers["Vary"]
            body, tag = await answer.read(), answer.headers["ETag"]
            assert len(body) < len(expected)
            assert unpacked(body, coding) == expected
        headers = {"Accept-Encoding": coding, "If-None-Match": tag}
        async with house.client.get(ui(house, f"{folder}/dom.js"), headers=headers) as answer:
            assert answer.status == 304
    for path in ("a/000000000000/dom.js", f"{folder}/no.js", f"{folder}/../door.py", f"{folder}/%2e%2e/door.py"):
        async with house.client.get(ui(house, path)) as answer:
            assert answer.status in (200, 404)
            assert answer.status == 404 or answer.content_type == "text/html"


async def test_nothing_is_changed_below_it(house: House) -> None:
    for method in ("POST", "PUT", "DELETE"):
        async with house.client.request(method, ui(house, "data/system.json")) as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET, HEAD"


async def test_pages_of_other_sites_read_none_of_its_facts(house: House) -> None:
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        async with house.client.get(ui(house, "data/system.json"), headers=headers) as answer:
            assert answer.status == 403
    own = {"Origin": ui(house).removesuffix("/ui/"), "Sec-Fetch-Site": "same-origin"}
    async with house.client.get(ui(house, "data/system.json"), headers=own) as answer:
        assert answer.status == 200


async def test_where_the_bytes_lie(house: House, tmp_path: Path) -> None:
    async with house.client.get(ui(house, f"data/stored/{KEY}.json")) as answer:
        told = await answer.json()
    (version,) = told["versions"]

    assert version["current"] is True
    assert version["size"] == len(ct_slice())
    assert version["transferSyntaxName"] == "Explicit VR Little Endian"
    assert (Path(told["store"]) / version["object"]).read_bytes() == ct_slice()
    async with house.client.get(ui(house, f"data/stored/{KEY}9.json")) as answer:
        assert answer.status == 404
    async with house.client.get(ui(house, "data/stored/1.2.3.json")) as answer:
        assert answer.status == 404


async def test_former_versions_and_deletions_are_told(house: House) -> None:
    async def states() -> list[str]:
        async with house.client.get(ui(house, f"data/stored/{KEY}.json")) as answer:
            return [version["state"] for version in (await answer.json())["versions"]]

    await house.store([ct_slice(seed=1)])
    assert await states() == ["current", "former"]
    async with house.client.delete(f"{house.dicomweb}/studies/{uid('study')}") as answer:
        revision = int(answer.headers["X-Dicomlake-Revision"])

    assert await states() == ["hidden", "hidden"]
    async with house.client.get(ui(house, "data/deleted.json")) as answer:
        (deleted,) = (await answer.json())["deleted"]
    assert (deleted["revision"], deleted["level"], deleted["study"]) == (revision, "study", uid("study"))
    assert deleted["instances"] == 1


async def test_names_of_attributes_and_uids(house: House) -> None:
    query = "tags=00100010,00091001,nonsense&uids=1.2.840.10008.5.1.4.1.1.2,1.2.3"
    async with house.client.get(ui(house, f"data/names.json?{query}")) as answer:
        told = await answer.json()

    assert told == {
        "tags": {"00100010": "Patient's Name"},
        "uids": {"1.2.840.10008.5.1.4.1.1.2": "CT Image Storage"},
    }


async def test_settings_are_told_without_secrets(house: House) -> None:
    async with house.client.get(ui(house, "data/system.json")) as answer:
        told = await answer.json()
    settings = {one["name"]: one for one in told["settings"]}

    assert told["counts"] == {"studies": 1, "series": 1, "instances": 1}
    assert told["ready"] is True
    assert settings["auth.users"]["value"] == 0
    assert settings["auth.tokens"]["secret"] is True
    assert settings["log.access"] == settings["log.access"] | {"value": False, "changed": True}
