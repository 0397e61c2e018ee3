"""`dicomlake hash-password`: what the setting auth.users holds in place of a password."""

from __future__ import annotations

import argparse
import getpass
import sys

from app.sources import Configured

NAME = "hash-password"
HELP = "make the entry of a user for the setting auth.users"
DESCRIPTION = """Ask for a password (or read it from standard input) and print `name:hash`
for the setting auth.users. The password itself is stored nowhere."""
SETTINGS: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The user's name."""
    parser.add_argument("name", metavar="NAME", help="the user's name")


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Ask and print."""
    from app.web.credentials import hash_password

    if ":" in arguments.name or "," in arguments.name:
        print("dicomlake: a user's name has neither colon nor comma", file=sys.stderr)
        return 2
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not password:
        print("dicomlake: the password is empty", file=sys.stderr)
        return 2
    print(f"{arguments.name}:{hash_password(password)}")
    return 0
