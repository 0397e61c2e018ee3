"""Which package registry to ask: the one that npm is set up for on this machine, or the one the user names.

    1. --registry, or the setting viewers.registry
    2. NPM_CONFIG_REGISTRY in the environment
    3. npm itself, if there is one: it knows every file in which a registry may be set
    4. `.npmrc` in the user's folder, if there is no npm

No registry is assumed: whether a hospital's server may ask one on the internet is not ours to say.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from app.viewers.pins import Package

_NPM_SECONDS = 20.0
_LINE = re.compile(r"^\s*registry\s*=\s*(\S+)\s*$", re.MULTILINE)


class NoRegistry(Exception):
    """Nothing says which registry to ask."""

    def __init__(self) -> None:
        super().__init__(
            "no package registry is known: npm is not installed, and neither the setting viewers.registry nor "
            "NPM_CONFIG_REGISTRY names one. Name one with --registry https://..., or hand over tarballs that were "
            "fetched elsewhere with --from FOLDER"
        )


class BadRegistry(Exception):
    """What is named as the registry is no address of one."""

    def __init__(self, given: str, source: str) -> None:
        super().__init__(f"{source}: expected an address that begins with https:// or http://, not {given!r}")
        self.given = given


def find_registry(named: str, environment: Mapping[str, str], home: Path | None) -> str:
    """The registry's address without a slash at its end. Raises NoRegistry, BadRegistry."""
    variable = environment.get("NPM_CONFIG_REGISTRY") or environment.get("npm_config_registry") or ""
    for address, source in ((named, "viewers.registry"), (variable, "NPM_CONFIG_REGISTRY")):
        if address:
            return _checked(address, source)
    if address := _npm_registry():
        return _checked(address, "npm config get registry")
    if home is not None and (address := _npmrc_registry(home / ".npmrc")):
        return _checked(address, "the registry in .npmrc")
    raise NoRegistry


def tarball_address(registry: str, package: Package) -> str:
    """Where registries have the tarball of a package."""
    return f"{registry}/{package.name}/-/{package.file_name}"


def version_address(registry: str, package: Package) -> str:
    """Where registries describe a version of a package; `dist.tarball` in it is the address of its tarball."""
    return f"{registry}/{quote(package.name, safe='@')}/{package.version}"


def _checked(address: str, source: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise BadRegistry(address, source)
    return address.rstrip("/")


def _npm_registry() -> str:
    npm = shutil.which("npm")
    if npm is None:
        return ""
    try:
        asked = subprocess.run(
            [npm, "config", "get", "registry"],
            capture_output=True,
            text=True,
            timeout=_NPM_SECONDS,
            stdin=subprocess.DEVNULL,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    said = asked.stdout.strip()
    return "" if said in ("", "undefined", "null") else said


def _npmrc_registry(path: Path) -> str:
    try:
        found = _LINE.search(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return found[1].strip("\"'") if found else ""
