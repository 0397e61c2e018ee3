"""How far a long command says it is."""

from __future__ import annotations

import io

import pytest

from app.progress import Progress, readable_bytes


class Terminal(io.StringIO):
    """A text stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_changes_and_is_cleared_at_the_end() -> None:
    out = Terminal()
    progress = Progress(out)

    progress.show("1 of 2", now=True)
    progress.show("2 of 2")
    progress.end()

    assert out.getvalue() == "\r1 of 2\x1b[K\r\x1b[K", "the second came too soon after the first"


def test_elsewhere_it_is_plain_lines() -> None:
    out = io.StringIO()
    progress = Progress(out)

    progress.show("1 of 2", now=True)
    progress.end()

    assert out.getvalue() == "1 of 2\n"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_500_000, "1.5 MB"), (2e9, "2.0 GB"), (3e12, "3.0 TB")],
)
def test_sizes_are_readable(count: float, text: str) -> None:
    assert readable_bytes(count) == text
