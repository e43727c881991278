"""A watched folder: what is complete is imported once and put away with a report, also when killed at any step."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, select

from services.common.database import Database
from services.ingest.imports.chunks import CHUNK_EVENTS, Outgoing, Rejected, Sent
from services.ingest.imports.sending import NotSent
from services.ingest.tables import imports
from services.ingest.watching import Patience, Route
from services.ingest.watching_folder import BadFolder, Folder
from services.ingest.watching_run import Watched, Watcher, WatchMetrics
from tests.unit.ingest.exports import OPEN, PAID, export

LIST = "Customer No,Invoice No,Invoice Date,Due Date,Open Amount,Currency\n"
ONE = "C1,F1,2026-01-05,2026-02-04,100.00,EUR\n"
TWO = "C1,F2,2026-01-05,2026-03-04,20.50,EUR\n"


class Killed(BaseException):
    """As SIGKILL: nothing is tidied up."""


class Office:
    """A folder with a watcher, an ingest that remembers what it took, and a clock that is moved by hand."""

    batch_events = CHUNK_EVENTS

    def __init__(self, root: Path, database: Database, marker_only: bool = False) -> None:
        self.root = root
        self.taken: list[str] = []
        self.away = False
        self.refuses: str | None = None
        self.now_s = 0.0
        self._database = database
        self._patience = Patience(5.0, marker_only)
        self.restart()

    def restart(self) -> None:
        """A new process on the same folder and database."""
        routes = [Route("open*.csv", "receivables_ageing", snapshot=True), Route("*", "accounts_receivable")]
        self.registry = CollectorRegistry()
        zone = ZoneInfo("Asia/Shanghai")
        folder = Folder(self.root)
        watched = Watched(folder, routes, self._patience, self._database, self._open, zone, self._now)
        self.watcher = Watcher(watched, WatchMetrics(self.registry))

    def drop(self, name: str, content: bytes) -> None:
        """As another program does it."""
        (self.root / name).write_bytes(content)

    def wait(self, seconds: float = 6.0) -> None:
        """Look, let time pass, look again."""
        self.watcher.look(self.now_s)
        self.now_s += seconds
        self.watcher.look(self.now_s)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"bellwether_watch_{name}", labels)

    def names(self, folder: str = ".") -> list[str]:
        return sorted(entry.name for entry in (self.root / folder).iterdir() if entry.is_file())

    def report(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads((self.root / f"{path}.report.json").read_bytes())
        return found

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        if self.away:
            raise NotSent("ingest is away")
        ids = [(event.row, event.event.id) for event in batch]
        self.taken += [id_ for _, id_ in ids if id_ != self.refuses]
        refused = [Rejected(row, "not today") for row, id_ in ids if id_ == self.refuses]
        return Sent(len(ids) - len(refused), refused)

    def has_imported(self, content: bytes) -> bool:
        """Whether the database says that a file of that content was taken in to its end."""
        done = imports.c.digest == sha256(content).hexdigest(), imports.c.done_at.is_not(None)
        with self._database.reading() as tx:
            return tx.execute(select(imports).where(*done)).first() is not None

    @contextmanager
    def _open(self) -> Iterator[Office]:
        yield self

    def _now(self) -> datetime:
        return datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(seconds=self.now_s)


@pytest.fixture
def office(tmp_path: Path, database: Database) -> Office:
    (tmp_path / "drop").mkdir()
    return Office(tmp_path / "drop", database)


def test_a_complete_file_is_imported_and_put_away_with_its_report(office: Office) -> None:
    office.drop("export.csv", export(PAID, OPEN))
    office.wait()
    assert office.taken == ["payment-9000000001", "invoice-9000000001", "invoice-9000000003"]
    assert (office.names(), office.names("taking"), office.names("failed")) == ([], [], [])
    assert office.names("done") == ["export.csv", "export.csv.report.json"]
    report = office.report("done/export.csv")
    assert (report["outcome"], report["rows"], report["events"], report["rejected_rows"]) == ("imported", 2, 3, 0)
    assert (office.metric("files_total", outcome="imported"), office.metric("rows_total")) == (1, 2)
    assert office.metric("last_success_seconds") == datetime(2026, 3, 2, 9, 0, 6, tzinfo=UTC).timestamp()


def test_a_file_that_is_still_written_is_left_alone(office: Office) -> None:
    for rows in ([PAID], [PAID, OPEN], [PAID, OPEN, OPEN.replace("9000000003", "9000000004")]):
        office.drop("export.csv", export(*rows))
        office.wait(4.0)
    assert office.taken == []
    office.wait()
    assert len(office.taken) == 4


@pytest.mark.parametrize("name", ["export.csv.part", ".export.csv", "~$list.xlsx", "export.csv.tmp"])
def test_drafts_are_left_alone_until_they_have_their_name(office: Office, name: str) -> None:
    office.drop(name, export(PAID))
    office.wait()
    assert (office.taken, office.names()) == ([], [name])
    (office.root / name).rename(office.root / "export.csv")
    office.wait()
    assert len(office.taken) == 2


def test_an_empty_file_waits_for_what_is_to_come(office: Office) -> None:
    office.drop("export.csv", b"")
    office.wait()
    assert office.names() == ["export.csv"]


def test_a_marker_says_at_once_that_a_file_is_complete(tmp_path: Path, database: Database) -> None:
    (tmp_path / "drop").mkdir()
    office = Office(tmp_path / "drop", database, marker_only=True)
    office.drop("export.csv", export(PAID))
    office.wait(600.0)
    assert office.taken == []
    office.drop("export.csv.done", b"")
    office.watcher.look(office.now_s)
    assert len(office.taken) == 2
    assert (office.names(), office.names("done")) == ([], ["export.csv", "export.csv.report.json"])


def test_the_same_content_is_told_and_not_imported_again(office: Office) -> None:
    office.drop("export.csv", export(PAID))
    office.wait()
    before = list(office.taken)
    for name in ("again.csv", "export.csv"):
        office.drop(name, export(PAID))
        office.wait()
    assert office.taken == before
    assert office.report("done/again.csv")["outcome"] == "repeated"
    assert "imported as export.csv" in office.report("done/again.csv")["reason"]
    assert office.metric("files_total", outcome="repeated") == 2
    assert len([name for name in office.names("done") if name.endswith(".csv")]) == 3


def test_rows_that_were_refused_are_mended_and_dropped_again(office: Office) -> None:
    office.drop("export.csv", export(PAID, OPEN.replace("65.88", "n/a")))
    office.wait()
    assert office.names("failed") == ["export.csv", "export.csv.rejected.csv", "export.csv.report.json"]
    assert office.report("failed/export.csv")["outcome"] == "rejects"
    assert office.report("failed/export.csv")["first_rejected"][0]["column"] == "InvoiceAmount"
    assert len(office.taken) == 2
    mended = (office.root / "failed" / "export.csv.rejected.csv").read_bytes().replace(b"n/a", b"65.88")
    office.drop("export.csv.rejected.csv", mended)
    office.wait()
    assert office.taken[2:] == ["invoice-9000000003"]
    assert "export.csv.rejected.csv" in office.names("done")


def test_a_file_that_cannot_be_read_fails_with_the_reason_and_the_next_one_is_taken(office: Office) -> None:
    office.drop("a.csv", b"no,such,columns\n1,2,3\n")
    office.drop("b.xlsx", b"no workbook")
    office.drop("c.csv", export(PAID))
    office.wait()
    assert "lacks columns" in office.report("failed/a.csv")["reason"]
    assert "no readable .xlsx" in office.report("failed/b.xlsx")["reason"]
    assert "c.csv" in office.names("done")
    assert office.metric("files_total", outcome="failed") == 2


def test_while_ingest_is_away_files_wait_in_their_order(office: Office) -> None:
    office.away = True
    office.drop("a.csv", export(PAID))
    office.wait()
    office.drop("b.csv", export(OPEN))
    office.wait()
    assert (office.taken, office.names("taking"), office.names()) == ([], ["a.csv"], ["b.csv"])
    os.utime(office.root / "b.csv")
    office.away = False
    office.wait()
    assert office.taken == ["payment-9000000001", "invoice-9000000001", "invoice-9000000003"]


def test_the_oldest_file_that_waits_is_measured(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    assert office.metric("oldest_file_seconds") == 0
    arrived_s = office._now().timestamp() - 100
    monkeypatch.setattr(Folder, "oldest_arrival_s", lambda _folder: arrived_s)
    office.wait(20.0)
    assert office.metric("oldest_file_seconds") == 120


def test_lists_of_open_items_are_compared(office: Office) -> None:
    for number, lines in enumerate([(ONE, TWO), (ONE,), (ONE.replace("100.00", "60.00"), TWO)]):
        office.drop(f"open-{number}.csv", (LIST + "".join(lines)).encode())
        office.wait()
    assert office.taken[:2] == ["invoice-F1", "invoice-F2"]
    assert len(office.taken) == 3
    assert office.report("done/open-1.csv")["missing"] == ["F2"]
    assert office.report("done/open-2.csv")["changed"] == 1


def test_a_list_that_shrank_too_much_fails(office: Office) -> None:
    office.drop("open-0.csv", (LIST + ONE + TWO).encode())
    office.wait()
    office.drop("open-1.csv", LIST.encode())
    office.wait()
    assert "2 of 2 open items are missing" in office.report("failed/open-1.csv")["reason"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match="is no folder"):
        Folder(tmp_path / "missing")


class Fate:
    """Kills at the n-th step that changes anything: before it, or after it."""

    def __init__(self, step: int, after: bool) -> None:
        self._left = step
        self._after = after
        self.struck = False

    def meet(self, act: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            self.struck = True
            raise Killed
        result = act()
        if self._left == 0:
            self.struck = True
            raise Killed
        return result


@contextmanager
def fatal(fate: Fate, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every rename, removal, draft, commit and sending meets the fate."""
    with monkeypatch.context() as patch:
        for owner, name in (
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "write_bytes"),
            (Office, "send"),
        ):
            real = getattr(owner, name)
            patch.setattr(owner, name, _met(fate, real))
        writing = Database.writing

        @contextmanager
        def met_writing(database: Database) -> Iterator[Connection]:
            with writing(database) as connection:
                yield connection
                if not fate._after:
                    fate.meet(lambda: None)
            if fate._after:
                fate.meet(lambda: None)

        patch.setattr(Database, "writing", met_writing)
        yield


def _met(fate: Fate, real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: fate.meet(lambda: real(*args, **kwargs))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("content", ["whole", "with rejects", "unreadable", "list"])
def test_killed_at_any_step_every_file_is_put_away_in_the_end(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, content: str, after: bool
) -> None:
    """One kill at each step in turn, until a run has no such step any more."""
    contents = {
        "whole": ("x.csv", export(PAID, OPEN), "done"),
        "with rejects": ("x.csv", export(PAID, "too,few", OPEN), "failed"),
        "unreadable": ("x.csv", b"a,b\n1,2\n", "failed"),
        "list": ("open.csv", (LIST + ONE).encode(), "done"),
    }
    name, body, folder = contents[content]
    step, struck, killed_after_it = 0, True, 0
    while struck:
        step += 1
        (tmp_path / f"drop{step}").mkdir()
        # Another day's file each time: the same content would be a repetition.
        another = body.replace(b"900000000", f"9{step:08d}".encode())
        if content == "list":
            # An item more each day.
            another += "".join(ONE.replace("F1", f"F{day}") for day in range(2, step + 1)).encode()
        office = Office(tmp_path / f"drop{step}", database)
        office.drop(name, another)
        office.drop(f"{name}.done", b"")
        fate = Fate(step, after)
        with fatal(fate, monkeypatch):
            try:
                office.wait()
            except Killed:
                office.restart()
        before, was_imported = list(office.taken), office.has_imported(another)
        office.wait()
        struck = fate.struck
        if was_imported:
            killed_after_it += struck
            assert office.taken == before, f"step {step}: it was imported, and is sent again"
        assert (office.names(), office.names("taking")) == ([], []), f"step {step}"
        kept = [name, f"{name}.report.json"]
        assert office.names(folder) == (sorted([*kept, f"{name}.rejected.csv"]) if "rej" in content else kept), step
        wanted = {"whole": 3, "with rejects": 3, "unreadable": 0, "list": 1}[content]
        assert len(set(office.taken)) == wanted, f"step {step}"
        if content != "list":
            assert office.report(f"{folder}/{name}")["events"] == wanted
    assert step > 5
    assert killed_after_it or content in ("unreadable", "list")


def test_killed_again_and_again_nothing_is_lost(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(1_000_000)
    print("seed", seed)
    chance = random.Random(seed)
    (tmp_path / "drop").mkdir()
    office = Office(tmp_path / "drop", database)
    for number in range(10):
        rows = [OPEN.replace("9000000003", f"{number:04d}{row:06d}") for row in range(3)]
        office.drop(f"f{number}.csv", export(*rows))
    for _ in range(60):
        fate = Fate(chance.randint(1, 25), chance.random() < 0.5)
        with fatal(fate, monkeypatch):
            try:
                office.wait()
            except Killed:
                office.restart()
    office.wait()
    assert set(office.taken) == {f"invoice-{number:04d}{row:06d}" for number in range(10) for row in range(3)}
    assert [name for name in office.names("done") if name.endswith(".csv")] == [
        f"f{number}.csv" for number in range(10)
    ]
    assert all(office.report(f"done/f{number}.csv")["outcome"] == "imported" for number in range(10))
