"""`bellwether import` and `bellwether sample`, through a running ingest into a real Kafka."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml

from deploy.ports import free_port
from schemas.codec import decode
from schemas.events import Event
from schemas.personal import PERSONAL
from schemas.topics import Topics
from tests.contract.ingest.topics_reader import read_topic
from tests.e2e.ingest_service import IngestService
from tests.support.commands import Commands, call_bellwether, run_bellwether
from tests.support.fixtures import Kafka
from tests.unit.ingest.exports import DISPUTED, OPEN, PAID, export


def as_read(raw: bytes) -> Event:
    """As a model, for a retraction goes on the topic without its data, and without what is sealed there."""
    document = orjson.loads(raw)
    for place in PERSONAL.get(document["type"], ()):
        holder = place.holder(document.get("data")) or {}
        if holder.get(place.name):
            holder[place.name] = "…"
    return decode(orjson.dumps(document))


def by_name(event: Event) -> tuple[str, str]:
    return event.source, event.id


@pytest.fixture
def service(commands: Commands, kafka: Kafka, topics: Topics, tmp_path: Path) -> IngestService:
    started = IngestService(commands, kafka.bootstrap, topics)
    started.env["BELLWETHER_DATA_DIR"] = str(tmp_path / "data")
    started.wait_ready()
    return started


def test_an_export_with_a_broken_row_is_imported_but_for_that_row(
    service: IngestService, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(export(PAID, "broken,row", DISPUTED, OPEN))
    done = call_bellwether("import", str(file), "--mapping", "accounts_receivable", "--history", env=service.env)
    assert done.returncode == 1, done.stderr
    assert "4 rows read, 6 events accepted, 1 rows rejected" in done.stderr
    assert "row 3: has 2 columns where the header has 12" in done.stderr
    assert done.stdout == ""
    assert (tmp_path / "export.csv.rejected.csv").read_text().splitlines()[1].endswith("broken,row")
    records = read_topic(kafka.bootstrap, topics.events)
    assert {record.key for record in records} == {b"0001-AAAAA", b"0002-BBBBB", b"0003-CCCCC"}
    assert all(orjson.loads(record.value)["history"] is True for record in records)


def test_a_second_import_gives_the_same_events_again(
    service: IngestService, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(export(PAID, DISPUTED, OPEN))
    for _ in range(2):
        done = call_bellwether("import", str(file), "--mapping", "accounts_receivable", env=service.env)
        assert done.returncode == 0, done.stderr
    values = [record.value for record in read_topic(kafka.bootstrap, topics.events)]
    assert len(values) == 12
    assert all(values.count(value) == 2 for value in values)


def test_events_can_be_written_to_a_file_instead_and_sent_later(
    service: IngestService, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    file, lines = tmp_path / "export.csv", tmp_path / "events.jsonl"
    file.write_bytes(export(PAID, DISPUTED))
    written = call_bellwether("import", str(file), "--mapping", "accounts_receivable", "--to", str(lines))
    assert written.returncode == 0, written.stderr
    assert read_topic(kafka.bootstrap, topics.events) == []
    sent = call_bellwether("import", str(lines), env=service.env)
    assert sent.returncode == 0, sent.stderr
    found = {record.value for record in read_topic(kafka.bootstrap, topics.events)}
    assert found == set(lines.read_bytes().splitlines())


def test_the_sample_is_taken_in_whole(service: IngestService, kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    events, people = tmp_path / "sample.jsonl", tmp_path / "directory.yaml"
    arguments = ("--seed", "1", "--today", "2026-03-02", "--to", str(events), "--directory", str(people))
    made = call_bellwether("sample", *arguments, "--customers", "32", env=service.env)
    assert made.returncode == 0, made.stderr
    assert yaml.safe_load(people.read_text())["fallback"] == "li.na"
    sent = call_bellwether("import", str(events), env=service.env)
    assert sent.returncode == 0, sent.stderr
    found = read_topic(kafka.bootstrap, topics.events) + read_topic(kafka.bootstrap, topics.reference)
    wanted = [as_read(line) for line in events.read_bytes().splitlines()]
    assert sorted((as_read(record.value) for record in found), key=by_name) == sorted(wanted, key=by_name)


@pytest.mark.parametrize(("terminal", "drawn"), [(True, True), (False, False)])
def test_a_bar_is_drawn_on_a_terminal_only(tmp_path: Path, terminal: bool, drawn: bool) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(export(PAID, DISPUTED, OPEN))
    arguments = ("import", str(file), "--mapping", "accounts_receivable", "--to", str(tmp_path / "events.jsonl"))
    done = run_bellwether(*arguments, env={"TTY_COMPATIBLE": "1" if terminal else "0", "COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    assert ("100%" in done.stderr) == drawn
    assert "3 rows read, 6 events written, 0 rows rejected" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "needs --mapping"),
        (("--mapping", "invoices"), "name one of accounts_receivable,"),
        (("--mapping", "missing.yaml"), "cannot be read"),
    ],
)
def test_a_wrong_call_ends_with_code_2_and_says_what_is_missing(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(export(PAID))
    done = call_bellwether("import", str(file), *arguments, cwd=tmp_path)
    assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr


def test_a_file_with_other_columns_ends_with_code_2(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(b"a,b\r\n1,2\r\n")
    url = f"http://127.0.0.1:{free_port()}"
    done = call_bellwether("import", str(file), "--mapping", "accounts_receivable", "--url", url)
    assert (done.returncode, "lacks columns" in done.stderr) == (2, True), done.stderr


def test_the_real_export_is_accepted_whole(shared_data: Path, tmp_path: Path) -> None:
    lines = tmp_path / "events.jsonl"
    file = shared_data / "accounts_receivable.csv"
    done = call_bellwether("import", str(file), "--mapping", "accounts_receivable", "--to", str(lines))
    assert done.returncode == 0, done.stderr
    kinds = [orjson.loads(line)["type"] for line in lines.read_bytes().splitlines()]
    assert (kinds.count("bellwether.invoice.issued"), kinds.count("bellwether.payment.received")) == (2466, 2466)
