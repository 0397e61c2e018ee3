"""Which files are written anew: few rows are written often, whatever the pace at which they come."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from storage.log.gathering import FoldLimits, plan_rewriting
from storage.log.snapshot import TableFile


@dataclass
class Played:
    """A table into which folds of some rows are played, without rows."""

    limits: FoldLimits
    files: list[TableFile] = field(default_factory=list)
    written: int = 0
    most_small: int = 0

    def fold(self, number: int, rows: int) -> None:
        """The gathered files and the new rows become one file, as `FoldStep` writes them."""
        gathered = plan_rewriting(self.files, [], self.limits).gathered
        rows += sum(file.rows for file in gathered)
        revisions = (min([number, *(file.revisions[0] for file in gathered)]), number)
        come = TableFile(f"{number:08d}", rows * 300 + 30_000, rows, ("", ""), revisions)
        self.files = [*(file for file in self.files if file not in gathered), come]
        self.written += rows
        small = [file for file in self.files if file.rows < self.limits.file_rows // 2]
        self.most_small = max(self.most_small, len(small))


@pytest.mark.parametrize("rows", [1, 7, 30, 200, 900, 5000, 16_000])
def test_rows_are_written_again_a_few_times_whatever_their_pace(rows: int) -> None:
    limits = FoldLimits()
    played = Played(limits)
    folds = max(100, min(6000, 200_000 // rows))

    for number in range(1, folds + 1):
        played.fold(number, rows)

    assert sum(file.rows for file in played.files) == rows * folds
    assert played.written <= 6 * rows * folds
    assert played.most_small <= limits.small_files * 5
    assert max(file.rows for file in played.files) <= limits.file_rows + rows


def test_neighbours_in_time_are_gathered() -> None:
    """A reader who knows when something came looks into few files."""
    played = Played(FoldLimits(file_rows=256, small_files=4))
    for number in range(1, 2001):
        played.fold(number, 3)

    overlapping = [
        sum(file.revisions[0] <= revision <= file.revisions[1] for file in played.files)
        for revision in range(1, 2001, 37)
    ]

    assert max(overlapping) <= 3


def test_a_file_that_is_full_is_left_alone_until_a_row_in_it_changes() -> None:
    limits = FoldLimits(file_rows=100, small_files=2)
    full = [TableFile(f"full{n}", 10, 60, ("", ""), (n, n)) for n in range(9)]

    assert plan_rewriting(full, [], limits).gathered == ()
    assert plan_rewriting(full, ["full3"], limits).alone == (full[3],)
