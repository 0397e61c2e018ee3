"""What can go wrong with the log, one class a situation."""

from __future__ import annotations


class LogError(Exception):
    """Base of what the log raises beside the store's own errors."""


class DamagedFormat(LogError):
    """`format.json` is not what this program or a later one would have written."""


class FormatMissing(LogError):
    """The store has objects of an archive, but not the `format.json` that says which."""


class DamagedEntry(LogError):
    """An entry is not what its writer wrote, or is missing below the tail."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"log entry {number} is damaged: {reason}")
        self.number = number
        self.reason = reason


class LogLost(LogError):
    """Entries are missing that had been read: the log was deleted, or an older copy was put in its place."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the log of the archive is lost: {reason}. Bring it back from a copy, or run `dicomlake rebuild`, "
            "which makes it anew from the DICOM objects"
        )


class TooNew(LogError):
    """The archive needs a later version of this program."""


class NewerVersion(TooNew):
    """A format version beyond those this program knows."""

    def __init__(self, what: str, found: int, known: int, release: str = "") -> None:
        """`release` is that of the program which wrote it, if that is known."""
        by = f" (dicomlake {release})" if release else ""
        super().__init__(
            f"{what} has format {found}{by}, this dicomlake knows formats up to {known}: "
            f"run {f'dicomlake {release} or later' if release else 'a later dicomlake'} on it"
        )
        self.found = found
        self.known = known


class UnknownKind(TooNew):
    """An event that this program does not know and may not skip."""

    def __init__(self, number: int, kind: str) -> None:
        super().__init__(
            f"log entry {number} has an event of the unknown kind {kind[:40]!r}: run a later dicomlake on it"
        )
        self.number = number
        self.kind = kind


class NeedsUpgrade(LogError):
    """The archive has a format that cannot hold this yet."""

    def __init__(self, kind: str, found: int, needed: int) -> None:
        super().__init__(
            f"{kind!r} needs format {needed}, the archive has format {found}: once all nodes run this version of "
            "dicomlake, run `dicomlake upgrade`"
        )
        self.kind = kind
        self.found = found
        self.needed = needed


class EpochEnded(LogError):
    """The archive is being rebuilt, or was, and goes on in another epoch: nothing is written to this one."""

    def __init__(self) -> None:
        super().__init__("a rebuild gives the archive a new log: this node takes no writes until that is done")


class OutcomeUnknown(LogError):
    """A commit was tried and the store would not say whether it happened.

    Appending the same number and commit id again, once the store answers, settles the question.
    """

    def __init__(self, number: int, commit: str) -> None:
        super().__init__(f"whether log entry {number} was written (commit {commit}) could not be found out")
        self.number = number
        self.commit = commit


class DamagedTable(LogError):
    """The checkpoint table cannot be read. The log is unharmed; the table can be built again from it."""


class FoldFailed(LogError):
    """A fold did not come to its end; the log and the last checkpoint are unharmed."""
