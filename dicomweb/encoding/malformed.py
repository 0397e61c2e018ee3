"""What is wrong with attributes that a client wrote as DICOM JSON or XML."""

from __future__ import annotations


class MalformedAttributes(ValueError):
    """Attributes that cannot be encoded: where, and what was expected. No values in the message."""

    def __init__(self, path: tuple[str, ...], reason: str) -> None:
        """`path` is tags and 1-based item numbers in turn; empty if the document as a whole is wrong."""
        super().__init__(f"{'/'.join(path)}: {reason}" if path else reason)
        self.path = path
        self.reason = reason

    @property
    def tag(self) -> str:
        """The tag nearest to the fault, empty if the document as a whole is wrong."""
        return next((part for part in reversed(self.path) if len(part) == 8), "")
