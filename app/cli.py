"""The command `dicomlake`: one module of `app/commands` for each of its words.

Nothing heavy is imported before the command is known: `dicomlake --help` answers at once, and a server holds in
memory only what it serves with.

Exit status: 0 done, 1 done but something is wrong (the output says what), 2 not started (usage, settings).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from app.commands import COMMANDS
from app.flags import add_setting_flags, given_flags
from app.sources import read_settings
from app.values import ConfigError

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = make_parser()
    said = parser.parse_args(arguments)
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


def make_parser() -> argparse.ArgumentParser:
    """The whole command line with its help."""
    parser = argparse.ArgumentParser(
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
        add_setting_flags(one)
        one.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
