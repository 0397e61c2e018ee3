"""What is known of each setting, and how its value is read from text and written again."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing
from dataclasses import dataclass

from app.config import Settings

ENVIRONMENT_PREFIX = "DICOMLAKE_"

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kMGT]i?)?B?", re.IGNORECASE)
_MULTIPLES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "ki": 1 << 10,
    "mi": 1 << 20,
    "gi": 1 << 30,
    "ti": 1 << 40,
}
Value = str | int | float | bool | tuple[str, ...]


class ConfigError(Exception):
    """Settings that cannot be used: which, what was expected, where it stands."""


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """What is known of one setting."""

    name: str
    """Dotted: `limits.body_bytes`."""
    kind: type
    """str, int, float, bool, or tuple for a list of strings."""
    default: Value
    help: str
    unit: str
    secret: bool
    choices: tuple[str, ...]
    group_help: str
    """Heading of its group, empty at the top."""

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return ENVIRONMENT_PREFIX + self.name.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """Its command-line flag."""
        return "--" + self.name.replace(".", "-").replace("_", "-")


@functools.cache
def all_settings() -> tuple[SettingInfo, ...]:
    """Every setting, in the order of the structure."""
    return tuple(_settings_of(Settings, "", ""))


def _settings_of(owner: type, prefix: str, heading: str) -> list[SettingInfo]:
    kinds = typing.get_type_hints(owner)
    found: list[SettingInfo] = []
    for field in dataclasses.fields(owner):
        kind = kinds[field.name]
        if dataclasses.is_dataclass(kind):
            found += _settings_of(typing.cast(type, kind), f"{prefix}{field.name}.", field.metadata["help"])
            continue
        about = field.metadata
        found.append(
            SettingInfo(
                name=prefix + field.name,
                kind=typing.get_origin(kind) or kind,
                default=typing.cast(Value, field.default),
                help=about["help"],
                unit=about["unit"],
                secret=about["secret"],
                choices=about["choices"],
                group_help=heading,
            )
        )
    return found


def parse_value(info: SettingInfo, given: object, where: str) -> Value:
    """The value of a setting from what TOML, environment or command line hold. Raises ConfigError."""
    try:
        value = _PARSERS[info.kind](given, info)
    except (ValueError, TypeError):
        told = "" if info.secret else f", not {given!r}"
        raise ConfigError(f"{where}: expected {_expected(info)}{told}") from None
    if info.choices and value not in info.choices:
        raise ConfigError(f"{where}: expected one of {', '.join(info.choices)}, not {given!r}")
    if not isinstance(value, str | tuple) and value < 0:
        raise ConfigError(f"{where}: expected {_expected(info)}, not {given!r}")
    return value


_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", tuple: "a list of texts"}
"""How a kind is called where it was expected."""


def _expected(info: SettingInfo) -> str:
    if info.unit == "bytes":
        return "a size such as 500 MB or 2 GiB"
    return _WORDS[info.kind] + (f" ({info.unit})" if info.unit else "")


def _parse_text(given: object, info: SettingInfo) -> Value:
    if not isinstance(given, str):
        raise TypeError
    return given


def _parse_int(given: object, info: SettingInfo) -> Value:
    if isinstance(given, bool):
        raise TypeError
    if isinstance(given, int):
        return given
    text = _parse_text(given, info)
    if info.unit != "bytes":
        return int(typing.cast(str, text))
    size = _SIZE.fullmatch(typing.cast(str, text).strip())
    if size is None:
        raise ValueError
    return round(float(size[1]) * _MULTIPLES[(size[2] or "").lower()])


def _parse_float(given: object, info: SettingInfo) -> Value:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise TypeError
    return float(given)


def _parse_bool(given: object, info: SettingInfo) -> Value:
    if isinstance(given, bool):
        return given
    words = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }
    if not isinstance(given, str) or given.lower() not in words:
        raise ValueError
    return words[given.lower()]


def _parse_list(given: object, info: SettingInfo) -> Value:
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    if not isinstance(given, list) or not all(isinstance(entry, str) for entry in given):
        raise TypeError
    return tuple(given)


_PARSERS = {str: _parse_text, int: _parse_int, float: _parse_float, bool: _parse_bool, tuple: _parse_list}


def shown(info: SettingInfo, value: Value) -> str:
    """A value as `show-config` prints it: TOML, secrets masked."""
    if info.secret and isinstance(value, tuple):
        return "[" + ", ".join(f'"{entry.partition(":")[0]}:***"' for entry in value) + "]"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{entry}"' for entry in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
