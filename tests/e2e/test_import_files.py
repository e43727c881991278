"""Files as real processes take them in: killed in the middle, dropped into a folder, compared with the list before."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import orjson
import pytest

from deploy.ports import free_port
from deploy.process import Child
from schemas.topics import Topics
from tests.contract.ingest.topics_reader import read_topic
from tests.e2e.ingest_service import IngestService
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.ingest.exports import OPEN, PAID, export

ROWS = 40_000


def ids_on(kafka: Kafka, topics: Topics) -> list[str]:
    return [orjson.loads(record.value)["id"] for record in read_topic(kafka.bootstrap, topics.events)]


def rows_noted(folder: Path) -> int:
    """How far the only import is; 0 before it is noted for the first time."""
    database = folder / "data" / "ingest.db"
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database)) as connection:
        try:
            found = connection.execute("SELECT row FROM imports").fetchone()
        except sqlite3.OperationalError:
            return 0
    return int(found[0]) if found else 0


def kill(child: Child) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)


@pytest.fixture
def env(kafka: Kafka, topics: Topics, tmp_path: Path) -> dict[str, str]:
    return {
        "BELLWETHER_KAFKA": kafka.bootstrap,
        "BELLWETHER_TOPIC_PREFIX": topics.prefix,
        "BELLWETHER_DATA_DIR": str(tmp_path / "data"),
    }


# Nightly: in every run a dropped file is imported over a kill, below.
@pytest.mark.nightly
@pytest.mark.parametrize("direct", [True, False])
def test_an_import_that_is_killed_goes_on_where_it_was(
    commands: Commands, kafka: Kafka, topics: Topics, env: dict[str, str], tmp_path: Path, direct: bool
) -> None:
    file = tmp_path / "export.csv"
    rows = [OPEN.replace("9000000003", f"{number:010d}") for number in range(ROWS)]
    file.write_bytes(export(*rows[:100], "too,few", *rows[100:]))
    arguments = ["import", str(file), "--mapping", "accounts_receivable"]
    if direct:
        arguments.append("--direct")
    else:
        service = IngestService(commands, kafka.bootstrap, topics)
        service.wait_ready()
        arguments += ["--url", service.url]
    for _ in range(2):
        noted = rows_noted(tmp_path)
        started = commands.start(*arguments, env=env)
        wait_until(lambda noted=noted: rows_noted(tmp_path) > noted, "the import to be some way on", 180)  # type: ignore[misc]
        kill(started)
    noted = rows_noted(tmp_path)
    assert 0 < noted < ROWS, "it was killed in the middle"
    done = call_bellwether(*arguments, env=env)
    assert (done.returncode, f"went on after row {noted}" in done.stderr) == (1, True), done.stderr
    assert f"{ROWS + 1} rows read, {ROWS} events accepted, 1 rows rejected" in done.stderr
    assert (tmp_path / "export.csv.rejected.csv").read_text().count("\n") == 2
    found = ids_on(kafka, topics)
    assert set(found) == {f"invoice-{number:010d}" for number in range(ROWS)}
    # Each kill costs what was not noted yet, and what was under way.
    assert len(found) - ROWS < 2 * 8000


def test_a_dropped_file_is_imported_over_a_kill(
    commands: Commands, kafka: Kafka, topics: Topics, env: dict[str, str], tmp_path: Path
) -> None:
    folder, port = tmp_path / "drop", free_port()
    folder.mkdir()
    arguments = ["ingest", "watch", str(folder), "--mapping", "accounts_receivable", "--direct", "--settle", "0.3"]
    arguments += ["--mapping", "open*=receivables_ageing", "--snapshot", "receivables_ageing"]
    arguments += ["--every", "0.1", "--port", str(port)]
    rows = [OPEN.replace("9000000003", f"{number:010d}") for number in range(ROWS)]
    (folder / "export.csv").write_bytes(export(*rows))
    first = commands.start(*arguments, env=env)
    wait_until(lambda: rows_noted(tmp_path) > 0, "the import to be some way on", 180)
    kill(first)
    assert (folder / "taking" / "export.csv").exists()
    commands.start(*arguments, env=env)
    wait_until((folder / "done" / "export.csv").exists, "the file to be put away", 180)
    report = orjson.loads((folder / "done" / "export.csv.report.json").read_bytes())
    assert (report["outcome"], report["rows"], report["events"]) == ("imported", ROWS, ROWS)
    assert set(ids_on(kafka, topics)) == {f"invoice-{number:010d}" for number in range(ROWS)}
    (folder / "open.csv").write_text(
        "Customer No,Invoice No,Invoice Date,Due Date,Open Amount,Currency\nC1,F1,2026-01-05,2026-02-04,5,EUR\n"
    )
    wait_until((folder / "done" / "open.csv").exists, "the list to be put away", 60)
    assert "invoice-F1" in ids_on(kafka, topics)
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    assert 'bellwether_watch_files_total{outcome="imported"} 2.0' in metrics


def test_a_dry_run_shows_events_and_every_fault_and_sends_nothing(
    kafka: Kafka, topics: Topics, env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(export(*["too,few"] * 30, *[PAID] * 30))
    done = call_bellwether("import", str(file), "--mapping", "accounts_receivable", "--dry-run", env=env)
    assert done.returncode == 1, done.stderr
    assert len(done.stdout.splitlines()) == 20
    assert orjson.loads(done.stdout.splitlines()[0])["id"] == "payment-9000000001"
    assert [f"row {number}: has 2 columns" in done.stderr for number in range(2, 32)] == [True] * 30
    assert "60 rows read, 60 events made of them, nothing sent, 30 rows rejected" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.csv"]
    assert ids_on(kafka, topics) == []


def test_a_list_is_compared_with_the_one_before(
    kafka: Kafka, topics: Topics, env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "open.csv"
    title = "Customer No,Invoice No,Invoice Date,Due Date,Open Amount,Currency\n"
    lines = [f"C1,F{number},2026-01-05,2026-02-04,5,EUR\n" for number in range(4)]
    arguments = ("import", str(file), "--mapping", "receivables_ageing", "--snapshot", "--direct")

    def take(*lines: str) -> tuple[int, str]:
        file.write_text(title + "".join(lines))
        done = call_bellwether(*arguments, env=env)
        return done.returncode, done.stderr

    assert "4 new, 0 changed, 0 settled, 0 back, 0 missing" in take(*lines)[1]
    code, said = take(lines[0].replace(",5,", ",3,"), *lines[1:3])
    assert (code, "0 new, 1 changed, 0 settled, 0 back, 1 missing of which nothing is said\n  missing: F3" in said) == (
        0,
        True,
    ), said
    code, said = take(lines[0])
    assert (code, "3 of 4 open items are missing from this list" in said) == (1, True), said
    assert len(ids_on(kafka, topics)) == 5


def test_the_mappings_that_ship_are_listed() -> None:
    done = call_bellwether("import", "--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "accounts_receivable",
        "activities",
        "contact_list",
        "order_lines",
        "receivables_ageing",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("ingest", "watch", "missing", "--mapping", "activities"), 1, "missing is no folder"),
        (("ingest", "watch", ".", "--mapping", "none"), 2, 'there is no mapping "none"'),
        (("ingest", "watch", ".", "--mapping", "activities", "--snapshot", "activities"), 2, "no part snapshot"),
        (("ingest", "watch", ".", "--mapping", "activities", "--direct", "--url", "http://x"), 2, "at most one of"),
        (("import", "x.csv", "--mapping", "activities", "--dry-run", "--direct"), 2, "at most one of"),
        (("import", "x.csv", "--snapshot"), 2, "needs --mapping"),
        (("import", "x.csv", "--mapping", "activities", "--force"), 2, "belong to --snapshot"),
        (("import", "x.csv", "--mapping", "activities", "--snapshot"), 2, "no part snapshot"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    (tmp_path / "x.csv").write_bytes(export(PAID))
    done = call_bellwether(*arguments, cwd=tmp_path)
    assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr
