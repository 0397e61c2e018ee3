"""`dicomlake viewers`: install, list and remove what the server shows studies with: viewers, codecs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.sources import Configured

if TYPE_CHECKING:
    from app.viewers.install import Source
    from app.viewers.pins import Pin

NAME = "viewers"
HELP = "install, list or remove the web viewers OHIF and VolView, and codecs for the quick viewer"
DESCRIPTION = """Fetch the web viewers OHIF and VolView, and codecs with which the quick viewer decodes compressed
pictures in the browser, from the package registry that npm is set up for (npm itself is not needed), at the
versions this program knows and compared with their digests, and make them ready to be served at /ohif/, /volview/
and /codecs/. All archives of this machine share them; a server that runs shows them within seconds. Nothing else
is fetched then or later: they work without a network.

  dicomlake viewers install
  dicomlake viewers install --from ./tarballs
  dicomlake viewers list
  dicomlake viewers remove volview

Exit status: 0 done, 1 not all could be installed (the output says why)."""
SETTINGS: tuple[str, ...] = ("viewers",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which."""
    parser.add_argument("action", choices=("install", "list", "remove"), metavar="install|list|remove")
    parser.add_argument("names", metavar="VIEWER", nargs="*", help="ohif, volview, codecs; none: all of them")
    parser.add_argument("--registry", metavar="URL", default="", help="the package registry to ask")
    parser.add_argument(
        "--from", metavar="FOLDER", dest="tarballs", help="take the tarballs from this folder and ask no registry"
    )
    parser.add_argument(
        "--optional", action="store_true", help="say little, and be content where they cannot be fetched"
    )


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Do it."""
    from app.values import ConfigError
    from app.viewers.pins import PINS, pin_of
    from app.viewers.shelf import chosen_folder

    folder = chosen_folder(configured.settings.viewers.folder)
    if folder is None:
        raise ConfigError("viewers.folder: this user has no folder, so one has to be named")
    unknown = [name for name in arguments.names if pin_of(name) is None]
    if unknown:
        raise ConfigError(f"no viewer is called {unknown[0]}; there are {', '.join(pin.viewer for pin in PINS)}")
    pins = [pin for pin in PINS if not arguments.names or pin.viewer in arguments.names]
    if arguments.action == "list":
        return _list(folder)
    if arguments.action == "remove":
        return _remove(pins, folder)
    return _install(arguments, configured, pins, folder)


def _list(folder: Path) -> int:
    from app.progress import readable_bytes
    from app.viewers.pins import PINS
    from app.viewers.shelf import read_installed

    found = read_installed(folder)
    print(f"viewers in {folder}")
    for pin in PINS:
        one = found.get(pin.viewer)
        if one is None:
            told = f"not installed ({pin.packages[0].version} can be)"
        else:
            told = f"{one.version}, {readable_bytes(one.stored_bytes)}"
            if one.release != pin.release:
                told += f"; {pin.packages[0].version} can be installed"
        print(f"  {pin.viewer:<8} {told}")
    return 0


def _remove(pins: list[Pin], folder: Path) -> int:
    from app.viewers.install import NotInstallable, remove

    for pin in pins:
        try:
            removed = remove(pin.viewer, folder)
        except NotInstallable as error:
            print(f"dicomlake: {error}", file=sys.stderr)
            return 1
        print(f"{pin.title}: {'removed' if removed else 'was not installed'}")
    return 0


def _install(arguments: argparse.Namespace, configured: Configured, pins: list[Pin], folder: Path) -> int:
    from app.progress import readable_bytes
    from app.viewers.install import is_installed
    from app.viewers.registry import BadRegistry, NoRegistry

    missing = [pin for pin in pins if not is_installed(pin, folder)]
    if not arguments.optional:
        for pin in pins:
            if pin not in missing:
                print(f"{pin.title} {pin.packages[0].version} is installed")
    if not missing:
        return 0
    try:
        source = _source(arguments, configured)
    except (NoRegistry, BadRegistry) as error:
        return _failed(error, missing, optional=arguments.optional)
    if arguments.optional:
        told = readable_bytes(sum(package.size for pin in missing for package in pin.packages))
        print(f"fetching {_named(missing)} ({told}), this once", flush=True)
    quiet = arguments.optional
    wrong = [found for pin in missing if (found := _install_one(pin, folder, source, quiet=quiet))]
    return max((_failed(one, missing, optional=arguments.optional) for one in wrong), default=0)


def _source(arguments: argparse.Namespace, configured: Configured) -> Source:
    """Raises NoRegistry, BadRegistry."""
    from app.viewers.install import from_folder, from_registry
    from app.viewers.registry import find_registry

    if arguments.tarballs:
        return from_folder(Path(arguments.tarballs).expanduser())
    try:
        home: Path | None = Path.home()
    except RuntimeError:
        home = None
    named = arguments.registry or configured.settings.viewers.registry
    return from_registry(find_registry(named, os.environ, home))


def _install_one(pin: Pin, folder: Path, source: Source, *, quiet: bool) -> Exception | None:
    """What went wrong, None if nothing did."""
    from app.progress import Progress, readable_bytes
    from app.viewers.adapting import NotAdaptable
    from app.viewers.download import NotFetched, WrongDigest
    from app.viewers.install import NoTarball, NotInstallable, Stage, install
    from app.viewers.unpacking import BadTarball

    progress = Progress(sys.stderr)

    def tell(stage: Stage) -> None:
        if quiet:
            return
        name = f"{stage.package.name} {stage.package.version}"
        if stage.unpacked:
            progress.show(f"{name}: made ready {readable_bytes(stage.unpacked)}")
        else:
            share = min(1.0, stage.fetched / stage.package.size)
            progress.show(f"{name}: {100 * share:3.0f} % of {readable_bytes(stage.package.size)}")

    try:
        place = install(pin, folder, source, tell)
    except (NotInstallable, NoTarball, NotFetched, WrongDigest, BadTarball, NotAdaptable) as error:
        return error
    finally:
        if not quiet:
            progress.end()
    print(f"{pin.title} {pin.packages[0].version} is installed in {place}", flush=True)
    return None


def _named(pins: list[Pin]) -> str:
    *first, last = [pin.title if pin.viewer != "codecs" else "the codecs of the quick viewer" for pin in pins]
    return f"{', '.join(first)} and {last}" if first else last


def _failed(error: Exception, missing: list[Pin], *, optional: bool) -> int:
    if optional:
        print(f"without {_named(missing)} for now: {error}", file=sys.stderr)
        return 0
    print(f"dicomlake: {error}", file=sys.stderr)
    return 1
