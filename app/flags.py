"""Command-line flags for the settings, made from their one structure."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.values import SettingInfo, all_settings, shown

_PREFIX = "setting "
"""What a setting's entry in the parsed arguments begins with, so that it meets no argument of a command."""


COMMON = ("store", "node_dir", "s3", "log")
"""Settings, and groups of them, that every command which opens an archive heeds."""
ALL = ("",)
"""Every setting."""


def add_setting_flags(parser: argparse.ArgumentParser, told: tuple[str, ...] = ALL) -> None:
    """Add `--config` and a flag for every setting that is no secret; help tells of those `told`."""
    words = "Also in the file --config names, and as DICOMLAKE_* variables."
    if told != ALL:
        words += " The others: dicomlake serve --help."
    general = parser.add_argument_group("settings", words)
    general.add_argument("--config", metavar="FILE", help="settings file (TOML); also DICOMLAKE_CONFIG")
    groups = {"": general}
    for info in all_settings():
        if info.secret:
            continue
        heading = info.group_help
        if heading not in groups:
            groups[heading] = parser.add_argument_group(f"settings: {heading.lower()}")
        group = info.name.rpartition(".")[0]
        _add_flag(groups[heading], info, hidden=told != ALL and not {info.name, group} & set(told))


def given_flags(said: argparse.Namespace) -> dict[str, object]:
    """What the command line says of settings, by their dotted names; None where it says nothing."""
    return {name.removeprefix(_PREFIX): value for name, value in vars(said).items() if name.startswith(_PREFIX)}


def _add_flag(group: argparse._ArgumentGroup, info: SettingInfo, *, hidden: bool) -> None:
    # argparse formats help with %, so a literal one is doubled
    told = f"{info.help} (default {shown(info, info.default)})".replace("%", "%%")
    if hidden:
        told = argparse.SUPPRESS
    if info.kind is bool:
        group.add_argument(info.flag, dest=_PREFIX + info.name, help=told, action=argparse.BooleanOptionalAction)
        return
    metavar = "|".join(info.choices) or (info.unit or "text").upper()
    if info.kind is tuple:
        metavar = "A,B,..."
    group.add_argument(info.flag, dest=_PREFIX + info.name, help=told, metavar=metavar)


def report_file(text: str) -> Path:
    """Where a report is to be written, seen to be possible before the work. Raises ArgumentTypeError."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no file can be written there")
    return path
