"""Installing viewers: from a registry or a folder, whole or not at all, and nothing but what is pinned."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from app.viewers.adapting import NotAdaptable
from app.viewers.download import NotFetched, WrongDigest
from app.viewers.install import (
    NoTarball,
    NotInstallable,
    from_folder,
    from_registry,
    install,
    is_installed,
    remove,
)
from app.viewers.pins import PINS
from app.viewers.registry import BadRegistry, NoRegistry, find_registry
from app.viewers.shelf import Shelf, default_folder, read_installed
from app.viewers.unpacking import BadTarball
from tests.app.processes import run
from tests.app.viewers.packages import (
    OHIF_FILES,
    OHIF_SCRIPT,
    Registry,
    pinned,
    registry,
    small_ohif,
    small_volview,
    tarball,
)

QUIET = lambda stage: None  # noqa: E731  # nobody is told


@pytest.fixture
def shop() -> Iterator[Registry]:
    """An empty registry."""
    with registry() as opened:
        yield opened


def left_over(folder: Path) -> list[str]:
    """What else lies in the folder than installed viewers."""
    installed = {one.folder.name for one in read_installed(folder).values()}
    return sorted(entry.name for entry in folder.iterdir() if entry.name not in installed)


def test_a_viewer_is_fetched_adapted_and_compressed(shop: Registry, tmp_path: Path) -> None:
    pin, data = small_ohif()
    shop.add(pin.packages[0], data)
    stages = []

    place = install(pin, tmp_path, from_registry(shop.address), stages.append)

    (viewer,) = read_installed(tmp_path).values()
    assert (viewer.viewer, viewer.release, viewer.folder) == ("ohif", pin.release, place)
    assert set(viewer.files) == {"LICENSE", "index.html", "app.bundle.abc.js", "app.bundle.css", "a.woff2"}
    script = viewer.files["app.bundle.abc.js"]
    text = script.path.read_bytes()
    assert b'__webpack_require__.p = "/"' not in text
    assert b"window.PUBLIC_URL + 'dicom-microscopy-viewer/" in text
    assert b"url(a.woff2)" in viewer.files["app.bundle.css"].path.read_bytes()
    assert gzip.decompress(script.coded("gzip")[0].read_bytes()) == text
    assert zstandard.ZstdDecompressor().decompress(script.coded("zstd")[0].read_bytes()) == text
    assert script.coded("zstd")[1] < script.coded("gzip")[1] < script.size // 4
    assert not viewer.files["a.woff2"].codings
    assert max(stage.fetched for stage in stages) == len(data)
    assert left_over(tmp_path) == []


def test_a_viewer_may_take_more_than_one_package(shop: Registry, tmp_path: Path) -> None:
    pin, tarballs = small_volview()
    for package, data in zip(pin.packages, tarballs, strict=True):
        shop.add(package, data)

    install(pin, tmp_path, from_registry(shop.address), QUIET)

    viewer = read_installed(tmp_path)["volview"]
    assert "icons/css/materialdesignicons.min.css" in viewer.files
    assert b"import.meta.url" in viewer.files["assets/index-1.js"].path.read_bytes()


def test_a_registry_may_keep_its_tarballs_elsewhere_and_say_so(shop: Registry, tmp_path: Path) -> None:
    pin, data = small_ohif()
    shop.add(pin.packages[0], data, elsewhere="/kept/somewhere.tgz")

    install(pin, tmp_path, from_registry(shop.address), QUIET)

    assert is_installed(pin, tmp_path)


@pytest.mark.parametrize("wrong", ["other bytes", "cut short", "too long", "nothing"])
def test_what_is_not_the_pinned_package_leaves_nothing(shop: Registry, tmp_path: Path, wrong: str) -> None:
    pin, data = small_ohif()
    came = {
        "other bytes": tarball({**OHIF_FILES, "package/dist/more.js": b"alert(1)"})[: len(data)],
        "cut short": data[:-100],
        "too long": data + b"more",
    }
    if wrong in came:
        shop.add(pin.packages[0], came[wrong])

    with pytest.raises((WrongDigest, NotFetched)):
        install(pin, tmp_path, from_registry(shop.address), QUIET)

    assert not is_installed(pin, tmp_path)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["package/dist/../../../out.js", "package/dist//../out.js", "package/dist/C:x.js"]
)
def test_no_name_in_a_tarball_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    data = tarball({**OHIF_FILES, name: b"alert(1)"})
    pin = pinned("ohif", data)
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / pin.packages[0].file_name).write_bytes(data)

    with pytest.raises(BadTarball):
        install(pin, tmp_path / "viewers", from_folder(tmp_path / "given"), QUIET)

    assert not list(tmp_path.rglob("*out.js"))
    assert not list((tmp_path / "viewers").iterdir())


def test_links_in_a_tarball_are_passed_over(tmp_path: Path) -> None:
    data = tarball(OHIF_FILES, link="package/dist/passwords.js")
    pin = pinned("ohif", data)
    (tmp_path / pin.packages[0].file_name).write_bytes(data)

    install(pin, tmp_path / "viewers", from_folder(tmp_path), QUIET)

    assert "passwords.js" not in read_installed(tmp_path / "viewers")["ohif"].files


def test_a_package_that_is_built_otherwise_is_not_installed(tmp_path: Path) -> None:
    other = OHIF_SCRIPT.replace(b"__webpack_require__.p", b"__another_bundler__.p")
    data = tarball({**OHIF_FILES, "package/dist/app.bundle.abc.js": other})
    pin = pinned("ohif", data)
    (tmp_path / pin.packages[0].file_name).write_bytes(data)

    with pytest.raises(NotAdaptable, match="expected to find"):
        install(pin, tmp_path / "viewers", from_folder(tmp_path), QUIET)


@pytest.mark.parametrize("name", ["app-3.13.2.tgz", "ohif-app-3.13.2.tgz"])
def test_tarballs_that_were_fetched_elsewhere_are_taken_under_either_name(tmp_path: Path, name: str) -> None:
    pin, data = small_ohif()
    (tmp_path / name).write_bytes(data)

    install(pin, tmp_path / "viewers", from_folder(tmp_path), QUIET)

    assert is_installed(pin, tmp_path / "viewers")
    assert (tmp_path / name).exists()


def test_a_missing_tarball_is_named_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    pin, _ = small_ohif()

    with pytest.raises(NoTarball, match=r"npm pack @ohif/app@3\.13\.2"):
        install(pin, tmp_path / "viewers", from_folder(tmp_path), QUIET)


def test_a_running_server_sees_what_is_installed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin, data = small_ohif()
    (tmp_path / pin.packages[0].file_name).write_bytes(data)
    folder, clock = tmp_path / "viewers", [0.0]
    monkeypatch.setattr("app.viewers.shelf.time.monotonic", lambda: clock[0])
    shelf = Shelf(folder)

    def seen() -> set[str]:
        clock[0] += 10
        return set(shelf.installed())

    assert seen() == set()
    install(pin, folder, from_folder(tmp_path), QUIET)
    assert seen() == {"ohif"}
    install(pin, folder, from_folder(tmp_path), QUIET)
    assert seen() == {"ohif"}
    assert remove("ohif", folder)
    assert seen() == set()
    assert not remove("ohif", folder)
    shutil.rmtree(folder)
    assert seen() == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    pin, _ = small_ohif()
    tmp_path.chmod(0o500)

    with pytest.raises(NotInstallable, match="viewers-folder"):
        install(pin, tmp_path / "viewers", from_folder(tmp_path), QUIET)


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    pin, _ = small_ohif()
    (tmp_path / "viewers").write_bytes(b"")

    with pytest.raises(NotInstallable, match="viewers-folder"):
        install(pin, tmp_path / "viewers", from_folder(tmp_path), QUIET)


def test_the_registry_is_the_named_one_or_that_of_the_environment_or_of_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.viewers.registry.shutil.which", lambda name: None)
    (tmp_path / ".npmrc").write_text("fund=false\nregistry = https://file.example/npm/\n", encoding="utf-8")
    variable = {"NPM_CONFIG_REGISTRY": "https://variable.example"}

    assert find_registry("https://named.example/", variable, tmp_path) == "https://named.example"
    assert find_registry("", variable, tmp_path) == "https://variable.example"
    assert find_registry("", {}, tmp_path) == "https://file.example/npm"
    with pytest.raises(NoRegistry, match="--registry"):
        find_registry("", {}, tmp_path / "nobody")
    with pytest.raises(BadRegistry, match="https://"):
        find_registry("file:///etc", {}, tmp_path)


def test_npm_is_asked_which_registry_it_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text(
        "#!/bin/sh\n[ \"$*\" = 'config get registry' ] && echo https://npm.example/\n", encoding="utf-8"
    )
    npm.chmod(0o755)
    monkeypatch.setattr("app.viewers.registry.shutil.which", lambda name: str(npm))

    assert find_registry("", {}, None) == "https://npm.example"


def test_every_pin_has_a_whole_digest_and_the_places_are_told_apart() -> None:
    packages = [package for pin in PINS for package in pin.packages]

    assert all(len(package.integrity) == 88 for package in packages)
    assert len({package.integrity for package in packages}) == len(packages)
    assert default_folder({"XDG_DATA_HOME": "/data"}) == Path("/data/dicomlake/viewers")


async def test_the_command_says_what_is_missing_and_is_content_if_told_so(tmp_path: Path) -> None:
    away = ("--registry", "http://127.0.0.1:9", "--viewers-folder", str(tmp_path))

    refused = await run("viewers", "install", "ohif", *away)
    content = await run("viewers", "install", "ohif", "--optional", *away)
    listed = await run("viewers", "list", "--viewers-folder", str(tmp_path))
    mistyped = await run("viewers", "install", "olif")

    assert (refused.status, content.status, listed.status, mistyped.status) == (1, 0, 0, 2)
    assert "did not give http://127.0.0.1:9/@ohif/app/-/app-3.13.2.tgz" in refused.err
    assert content.err.startswith("without OHIF for now")
    assert "not installed (3.13.2 can be)" in listed.out
    assert "there are ohif, volview, codecs" in mistyped.err
