"""The command `dicomlake`: one module of `app/commands` for each of its words.

Nothing heavy is imported before the command is known: `dicomlake --help` answers at once, and a server holds in
memory only what it serves with.

Exit status: 0 done, 1 done but something is wrong (the output says what), 2 not started (usage, settings).
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from app.commands import (
    doctor,
    hash_password,
    ingest,
    purge,
    rebuild,
    repair,
    scrub,
    serve,
    show_config,
    undelete,
    upgrade,
    verify,
    version,
    viewers,
)
from app.flags import add_setting_flags, given_flags
from app.sources import Configured, read_settings
from app.values import ConfigError

USAGE = 2


class Command(Protocol):
    """What a module of `app/commands` has."""

    NAME: str
    HELP: str
    DESCRIPTION: str
    SETTINGS: tuple[str, ...]
    """Settings and groups of them that its help tells of; the others are taken as well."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the command takes beside the settings."""

    def run(self, arguments: argparse.Namespace, configured: Configured) -> int:
        """Do it; returns the exit status."""


COMMANDS: tuple[Command, ...] = cast(
    "tuple[Command, ...]",
    (
        serve,
        viewers,
        ingest,
        undelete,
        purge,
        verify,
        scrub,
        repair,
        rebuild,
        upgrade,
        show_config,
        doctor,
        hash_password,
        version,
    ),
)
"""In the order of the help text."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    said = _parse(make_parser(), arguments)
    try:
        configured = read_settings(given_flags(said), os.environ, said.config)
        status: int = said.run(said, configured)
    except ConfigError as error:
        print(f"dicomlake: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever read our output has closed it; Python would complain once more at its end
        sys.stdout = None
        return 1
    return status


class Parser(argparse.ArgumentParser):
    """Says what was perhaps meant, and the usage only where it helps."""

    def error(self, message: str) -> NoReturn:
        """End with 2."""
        wrong = re.search(r"invalid choice: '([^']*)'", message)
        names = [command.NAME for command in COMMANDS]
        if wrong and "COMMAND" in message:
            message = f"no command is called {wrong[1]}{_hint(wrong[1], names)}; there are {', '.join(names)}"
        self.exit(USAGE, f"dicomlake: {message}\n`{self.prog} --help` says more\n")


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    said, unknown = parser.parse_known_args(arguments)
    if unknown:
        _refuse(said.parser, unknown[0])
    return said


def _refuse(command: argparse.ArgumentParser, unknown: str) -> NoReturn:
    if not unknown.startswith("-"):
        command.error(f"{unknown} is one argument too many")
    flags = [flag for action in command._actions for flag in action.option_strings]
    command.error(f"no option is called {unknown}{_hint(unknown.partition('=')[0], flags)}")


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def make_parser() -> argparse.ArgumentParser:
    """The whole command line with its help."""
    parser = Parser(
        prog="dicomlake",
        description="A DICOMweb archive for medical images, on a folder or a bucket.",
        epilog="`dicomlake COMMAND --help` says more. Begin with: dicomlake serve --store ./dicomlake-data",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for command in COMMANDS:
        one = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(one)
        # the settings are listed below, by group; in the usage line they would drown the rest
        one.usage = one.format_usage().removeprefix("usage: ").strip() + " [SETTINGS]"
        add_setting_flags(one, command.SETTINGS)
        one.set_defaults(run=command.run, parser=one)
    return parser


if __name__ == "__main__":
    sys.exit(main())
