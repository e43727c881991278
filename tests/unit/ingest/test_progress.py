"""What an import says meanwhile where there is no terminal."""

from __future__ import annotations

import pytest

from services.ingest.imports import progress
from services.ingest.imports.chunks import RejectedRow, Summary


def test_without_a_terminal_a_line_is_written_every_few_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = iter([0.0, 1.0, 5.5, 6.0, 11.0])
    with progress.reporting(1000, lambda: next(seconds)) as report:
        for done_bytes in (100, 500, 600, 900):
            report(done_bytes, Summary(rows=done_bytes, events=2 * done_bytes, rejected_rows=1))
    assert capsys.readouterr().err.splitlines() == [
        "500 rows, 1000 events, 1 rejected, 50 % of the file in 6 s",
        "900 rows, 1800 events, 1 rejected, 90 % of the file in 11 s",
    ]


def test_the_summary_lists_the_first_rejected_rows_and_where_all_are(capsys: pytest.CaptureFixture[str]) -> None:
    rejected = [RejectedRow(3, "Amount", "is empty"), RejectedRow(4, "", "has 2 columns")]
    progress.print_summary(Summary(9, 14, 5, rejected), "export.csv.rejected.csv", "accepted")
    assert capsys.readouterr().err.splitlines() == [
        "9 rows read, 14 events accepted, 5 rows rejected",
        "  row 3, column Amount: is empty",
        "  row 4: has 2 columns",
        "  ... and 3 more",
        "the rejected rows are in export.csv.rejected.csv; mend them there and import that file",
    ]
