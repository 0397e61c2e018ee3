"""A study, series or instance as the command line names it."""

from __future__ import annotations

import argparse

from app.values import ConfigError
from dicomweb.model.keys import IllegalUid, Scope, parse_uid


def add_scope_arguments(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """STUDY [SERIES [INSTANCE]]."""
    parser.add_argument("study", metavar="STUDY", nargs="?" if optional else None, help="Study Instance UID")
    parser.add_argument("series", metavar="SERIES", nargs="?", help="Series Instance UID, for one series of it")
    parser.add_argument(
        "instance", metavar="INSTANCE", nargs="?", help="SOP Instance UID, for one instance of that"
    )


def scope_of(arguments: argparse.Namespace) -> Scope | None:
    """The scope, None if none was named. Raises ConfigError."""
    if arguments.study is None:
        return None
    try:
        series, instance = (one and parse_uid(one) for one in (arguments.series, arguments.instance))
        return Scope(parse_uid(arguments.study), series, instance)
    except IllegalUid as error:
        raise ConfigError(str(error)) from error
