"""What is taken of a package, and how its files are changed to work below any path and without a network.

A viewer is built for the root of a server of its own. Its files are changed once, when it is installed, so that
they find one another by where they lie; the page that begins it is made for each request instead (`ohif_page.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


class NotAdaptable(Exception):
    """A file does not hold what is to be changed in it: the package is not the one this was written for."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: expected to find {expected!r} in it")
        self.path = path
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Change:
    """A text that is replaced wherever it stands in a file."""

    files: str
    """Pattern of the paths it is looked for in: `*.css`. `*` crosses slashes."""
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What becomes of a package."""

    root: str
    """The folder of the package that is taken: `package/dist/`."""
    into: str = ""
    """The folder it becomes: empty, or with a slash at its end."""
    left_out: tuple[str, ...] = ()
    """Patterns of paths, below the root, that are not taken."""
    changes: tuple[Change, ...] = ()
    extra: tuple[str, ...] = ()
    """Files outside the root that are taken as well, by their names: the licence."""

    def place(self, member: str) -> str | None:
        """Where the file of that path in the package goes; None if it is not taken."""
        if member in self.extra:
            return self.into + member.rpartition("/")[2]
        path = member.removeprefix(self.root)
        if path == member or any(fnmatchcase(path, pattern) for pattern in self.left_out):
            return None
        return self.into + path

    def changed(self, path: str, data: bytes) -> tuple[bytes, frozenset[Change]]:
        """The file as it is to be, and which changes found their place in it."""
        found = set()
        for change in self.changes:
            if fnmatchcase(path, self.into + change.files) and change.old in data:
                data = data.replace(change.old, change.new)
                found.add(change)
        return data, frozenset(found)

    def check(self, found: frozenset[Change]) -> None:
        """Raises NotAdaptable if a change has found no place in any file."""
        for change in self.changes:
            if change not in found:
                raise NotAdaptable(change.files, change.old.decode())
