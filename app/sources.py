"""Reads the settings from file, environment and flags, and remembers where each value came from.

Guarantees: a name nobody knows is an error that suggests the nearest one; a value of the wrong kind is an error
that says what was expected; no message repeats a secret.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.config import MOST_WORKERS, Settings, WebSettings
from app.values import ENVIRONMENT_PREFIX, ConfigError, SettingInfo, Value, all_settings, parse_value
from dicomweb.services.intake_policy import BadPolicy, read_policy

CONFIG_VARIABLE = "DICOMLAKE_CONFIG"
HASHED = "scrypt$"
"""How a hashed password begins."""

# Kubernetes gives every container such variables for each service, one called "dicomlake" included
_INJECTED = re.compile(r"_(SERVICE_(HOST|PORT)|PORT_[0-9]+_(TCP|UDP))(_|$)")

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#]+/?")


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings and where each came from."""

    settings: Settings
    origins: Mapping[str, str]
    """Setting name to `default`, `file PATH`, `environment NAME` or `flag --name`."""

    def value(self, name: str) -> Value:
        """The value of a setting by its dotted name."""
        found: typing.Any = self.settings
        for part in name.split("."):
            found = getattr(found, part)
        return typing.cast(Value, found)


def read_settings(
    flags: Mapping[str, object], environment: Mapping[str, str], config: str | None = None
) -> Configured:
    """The settings as they are in force.

    `flags` maps dotted names to what the command line says (text, a bool, or None if it says nothing); `config` is
    the settings file, by default what DICOMLAKE_CONFIG names. Raises ConfigError.
    """
    known = {info.name: info for info in all_settings()}
    values: dict[str, Value] = {name: info.default for name, info in known.items()}
    origins = dict.fromkeys(known, "default")

    file = config or environment.get(CONFIG_VARIABLE, "")
    for name, given in _flatten(_read_toml(Path(file)), known, file).items() if file else ():
        values[name], origins[name] = parse_value(known[name], given, f"{file}: {name}"), f"file {file}"
    for name, text in _from_environment(environment, known).items():
        variable = known[name].variable
        values[name], origins[name] = parse_value(known[name], text, variable), f"environment {variable}"
    for name, said in flags.items():
        if said is not None:
            flag = known[name].flag
            values[name], origins[name] = parse_value(known[name], said, flag), f"flag {flag}"

    configured = Configured(_build(Settings, "", values), types.MappingProxyType(origins))
    _check(configured)
    return configured


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings file {path} is not TOML: {error}") from error


def _flatten(
    table: Mapping[str, object], known: Mapping[str, SettingInfo], file: str, prefix: str = ""
) -> dict[str, object]:
    groups = {name.rpartition(".")[0] for name in known} - {""}
    found: dict[str, object] = {}
    for key, value in table.items():
        name = prefix + key
        if name in known:
            found[name] = value
        elif name in groups and isinstance(value, dict):
            found |= _flatten(value, known, file, f"{name}.")
        else:
            raise ConfigError(f"{file}: no setting is called {name}{_hint(name, [*known, *groups])}")
    return found


def _from_environment(environment: Mapping[str, str], known: Mapping[str, SettingInfo]) -> dict[str, str]:
    names = {info.variable: info.name for info in known.values()}
    found: dict[str, str] = {}
    for variable, text in environment.items():
        if variable in names:
            found[names[variable]] = text
        elif (
            variable.startswith(ENVIRONMENT_PREFIX)
            and variable != CONFIG_VARIABLE
            and not _injected(variable, text)
        ):
            raise ConfigError(f"no setting is called {variable}{_hint(variable, list(names))}")
    return found


def _check_origins(web: WebSettings) -> None:
    """Refuse what no browser would send as an origin (RFC 6454 6.1). Raises ConfigError."""
    if "*" in web.cors_write_origins:
        raise ConfigError(
            "web.cors_write_origins: name each origin whose pages may store and delete; * is not taken"
        )
    for kind, entries in (("cors_origins", web.cors_origins), ("cors_write_origins", web.cors_write_origins)):
        for entry in entries:
            if entry != "*" and not _ORIGIN.fullmatch(entry):
                scheme, _, rest = entry.rpartition("://")
                meant = f"{scheme or 'https'}://{rest.partition('/')[0] or 'viewer.example.org'}"
                raise ConfigError(
                    f"web.{kind}: an origin is a scheme and a host, with its port if it has one; "
                    f"did you mean {meant} instead of {entry}?"
                )


def _check_pixels(settings: Settings) -> None:
    """Refuse a policy that says nothing, and sizes without pixels. Raises ConfigError."""
    try:
        read_policy(settings.intake_transcoding)
    except BadPolicy as error:
        raise ConfigError(f"intake_transcoding: {error}") from error
    pixels = settings.pixels
    if not 1 <= pixels.jpeg_quality <= 100:
        raise ConfigError(f"pixels.jpeg_quality: expected 1 to 100, not {pixels.jpeg_quality}")
    for name in ("frame_pixels", "viewport_pixels", "thumbnail_side", "animation_frames", "animation_bytes"):
        if not getattr(pixels, name):
            raise ConfigError(f"pixels.{name}: expected at least 1")


def _injected(variable: str, text: str) -> bool:
    return bool(_INJECTED.search(variable)) or text.startswith(("tcp://", "udp://"))


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else "; `dicomlake show-config` lists them all"


def _build(owner: type, prefix: str, values: Mapping[str, Value]) -> typing.Any:
    kinds = typing.get_type_hints(owner)
    arguments: dict[str, object] = {}
    for field in dataclasses.fields(owner):
        kind = kinds[field.name]
        name = prefix + field.name
        nested = dataclasses.is_dataclass(kind)
        arguments[field.name] = _build(typing.cast(type, kind), f"{name}.", values) if nested else values[name]
    return owner(**arguments)


def _check(configured: Configured) -> None:
    """What one value alone cannot tell. Raises ConfigError."""
    settings = configured.settings
    for port in ("http_port", "dicom_port"):
        if not 0 <= typing.cast(int, configured.value(port)) <= 65535:
            raise ConfigError(f"{port}: expected 0 to 65535, not {configured.value(port)}")
    if not 0 <= settings.workers <= MOST_WORKERS:
        raise ConfigError(f"workers: expected 1 to {MOST_WORKERS}, or 0, not {settings.workers}")
    if settings.url_prefix and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", settings.url_prefix):
        raise ConfigError("url_prefix: expected a path such as /pacs, without a slash at the end")
    if settings.public_url and not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*[^/\s?#])?", settings.public_url):
        raise ConfigError("public_url: expected a URL such as https://pacs.example.org, no slash at the end")
    if bool(settings.web.tls_certificate) != bool(settings.web.tls_key):
        raise ConfigError("web.tls_certificate and web.tls_key: both are needed, or none")
    _check_origins(settings.web)
    _check_pixels(settings)
    plain = [entry for entry in settings.auth.users if not entry.partition(":")[2].startswith(HASHED)]
    if plain and not configured.origins["auth.users"].startswith("environment"):
        raise ConfigError(
            "auth.users: a settings file holds hashed passwords, `name:scrypt$...` as `dicomlake hash-password` "
            "prints them; plain ones are taken from DICOMLAKE_AUTH_USERS only"
        )
    for entries, kind in ((settings.auth.users, "auth.users"), (settings.auth.tokens, "auth.tokens")):
        if any(not all(entry.partition(":")[::2]) for entry in entries):
            raise ConfigError(f"{kind}: expected `name:secret` in each entry")
    named = {entry.partition(":")[0] for entry in (*settings.auth.users, *settings.auth.tokens)}
    if strangers := set(settings.auth.admins) - named:
        raise ConfigError(f"auth.admins: {', '.join(sorted(strangers))} is in neither auth.users nor auth.tokens")
