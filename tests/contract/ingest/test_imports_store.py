"""What is remembered of files: an import that is cut off goes on where it stopped, on every database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from services.common.database import Database
from services.ingest.imports import chunks as chunks_module
from services.ingest.imports import importing
from services.ingest.imports.chunks import CHUNK_EVENTS, Outgoing, Sent, Summary
from services.ingest.imports.comparing import Item, Said
from services.ingest.imports.finding import find_mapping
from services.ingest.imports.importing import Mark
from services.ingest.imports.rejects import RejectFile
from services.ingest.imports.running import Job, beside, book_of, take_in
from services.ingest.imports_store import ImportBook, KeptList, find_import
from tests.unit.ingest.exports import OPEN, export

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
RECEIVABLE = find_mapping("accounts_receivable")
ROWS = 60
CHUNK = 7


class Killed(BaseException):
    """As SIGKILL: nothing is tidied up."""


class Taking:
    """A sink that is killed at its n-th batch, before or after that batch is safe."""

    batch_events = CHUNK_EVENTS

    def __init__(self, taken: list[str], killed_at: int | None = None, after: bool = False) -> None:
        self._taken = taken
        self._left = killed_at
        self._after = after

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        if self._left == 0 and not self._after:
            raise Killed
        self._taken.extend(orjson.loads(event.body)["id"] for event in batch)
        if self._left == 0:
            raise Killed
        self._left = None if self._left is None else self._left - 1
        return Sent(len(batch))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks_module, "CHUNK_ROWS", CHUNK)
    monkeypatch.setattr(importing, "NOTE_EVERY_ROWS", 2 * CHUNK)


def a_file(folder: Path) -> Job:
    rows = [OPEN.replace("9000000003", f"{number:010d}") for number in range(ROWS)]
    rows[10] = rows[33] = "too,few"
    path = folder / "export.csv"
    path.write_bytes(export(*rows))
    return Job(path, RECEIVABLE, history=False, source=None, encoding=None, zone=ZoneInfo("UTC"))


def run(job: Job, database: Database, sink: Taking) -> Summary:
    return take_in(job, sink, beside(job.file), book_of(job, database, lambda: NOW), lambda _done, _so_far: None)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("killed_at", [0, 1, 3, 6, 8])
def test_an_import_that_is_killed_goes_on_and_loses_nothing(
    database: Database, tmp_path: Path, killed_at: int, after: bool
) -> None:
    job, taken = a_file(tmp_path), list[str]()
    with pytest.raises(Killed):
        run(job, database, Taking(taken, killed_at, after))
    before = len(taken)
    summary = run(job, database, Taking(taken))
    assert (summary.rows, summary.events, summary.rejected_rows) == (ROWS, ROWS - 2, 2)
    assert set(taken) == {f"invoice-{number:010d}" for number in range(ROWS)} - {
        "invoice-0000000010",
        "invoice-0000000033",
    }
    # What is done again is bounded: what was not noted yet, and what was under way.
    assert len(taken) - (ROWS - 2) <= 4 * CHUNK
    assert summary.resumed_after == 0 or len(taken) - before < ROWS - 2
    kept = (tmp_path / "export.csv.rejected.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in kept[1:]] == ["12", "35"]


@pytest.mark.usefixtures("small_chunks")
def test_one_that_came_to_its_end_begins_anew(database: Database, tmp_path: Path) -> None:
    job, taken = a_file(tmp_path), list[str]()
    for _ in range(2):
        summary = run(job, database, Taking(taken))
        assert (summary.rows, summary.resumed_after) == (ROWS, 0)
    assert len(taken) == 2 * (ROWS - 2)


@pytest.mark.usefixtures("small_chunks")
def test_killed_between_the_last_note_and_the_end_the_rejects_stay_whole(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_book: ImportBook, _mark: Mark) -> None:
        raise Killed

    job, taken = a_file(tmp_path), list[str]()
    with monkeypatch.context() as patch:
        patch.setattr(ImportBook, "done", killed)
        with pytest.raises(Killed):
            run(job, database, Taking(taken))
    kept = (tmp_path / "export.csv.rejected.csv").read_bytes()
    summary = run(job, database, Taking(taken))
    assert (summary.rows, summary.rejected_rows, len(taken)) == (ROWS, 2, ROWS - 2)
    assert (tmp_path / "export.csv.rejected.csv").read_bytes() == kept


def test_another_mapping_or_another_source_is_another_import(tmp_path: Path) -> None:
    job = a_file(tmp_path)
    ways = {
        job.way,
        Job(job.file, RECEIVABLE, True, None, None, job.zone).way,  # noqa: FBT003
        Job(job.file, RECEIVABLE, history=False, source="erp2", encoding=None, zone=job.zone).way,
        Job(job.file, find_mapping("activities"), history=False, source=None, encoding=None, zone=job.zone).way,
    }
    assert len(ways) == 4
    assert all(len(way) <= 64 for way in ways)


def test_what_is_not_known_of_a_file_is_none(database: Database) -> None:
    assert find_import(database, "0" * 64, "events") is None


def test_a_draft_of_rejects_is_cut_back_to_what_was_noted(tmp_path: Path) -> None:
    path = tmp_path / "export.csv.rejected.csv"
    draft = path.with_name(path.name + ".part")
    draft.write_text('rejected_row,rejected_column,rejected_reason,a\n3,,why,"x\ny"\n9,,why,z\n')
    RejectFile(path, ["a"], after_row=8, kept=1).finish()
    assert path.read_text().splitlines() == ["rejected_row,rejected_column,rejected_reason,a", '3,,why,"x', 'y"']


def test_a_list_is_kept_item_by_item(database: Database) -> None:
    def item(text: str, settled: Said | None = None) -> Item:
        return Item({"column": text}, {"0": Said("id", text, "bellwether.invoice.issued", "C1")}, settled, 2)

    mine, other = KeptList(database, "erp/open", "a" * 64), KeptList(database, "other", "b" * 64)
    assert mine.read() == {}
    mine.write({f"i{number}": item(f"row {number}") for number in range(1200)})
    other.write({"i1": item("not mine")})
    changed = item("changed", Said("paid", "x", "bellwether.payment.received", None))
    mine.write({"i1": changed})
    mine.write({})
    found = mine.read()
    assert (len(found), found["i1"], found["i1199"]) == (1200, changed, item("row 1199"))
    assert other.read() == {"i1": item("not mine")}
