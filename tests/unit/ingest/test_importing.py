"""An import from a file to a sink: what arrives, what is kept back, and how patiently it is sent."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import orjson
import pytest

from schemas.codec import decode
from services.ingest.imports.chunks import CHUNK_EVENTS, CHUNK_ROWS, Outgoing, Rejected, Sent, Summary, chunks
from services.ingest.imports.finding import find_mapping
from services.ingest.imports.importing import Import, by_mapping, from_json_line
from services.ingest.imports.reading import BadFile, Row, open_csv, open_lines
from services.ingest.imports.rejects import RejectFile
from services.ingest.imports.rows import Target
from services.ingest.imports.running import Job, beside, is_loopback, lines_sink, no_book, take_in
from services.ingest.imports.sending import NotSent, Sender
from tests.unit.ingest.exports import DISPUTED, OPEN, PAID, export
from tests.unit.schemas.examples import example

RECEIVABLE = find_mapping("accounts_receivable")
TARGET = Target(ZoneInfo("Asia/Shanghai"), "ar")


class Collecting:
    """A sink that keeps what it is given, and refuses the events that a test names."""

    batch_events = CHUNK_EVENTS

    def __init__(self, refuses: dict[str, str] | None = None) -> None:
        self.ids: list[str] = []
        self._refuses = refuses or {}

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        sent = Sent()
        for event in batch:
            id_ = orjson.loads(event.body)["id"]
            if id_ in self._refuses:
                sent.rejected.append(Rejected(event.row, self._refuses[id_]))
            else:
                self.ids.append(id_)
                sent.accepted += 1
        return sent


def run(tmp_path: Path, content: bytes, sink: Collecting) -> tuple[Summary, list[list[str]]]:
    """Import an export; gives the summary and the rows of the file of rejected ones."""
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    kept = tmp_path / "export.csv.rejected.csv"
    with open_csv(path, RECEIVABLE) as file:
        make = by_mapping(RECEIVABLE, file.header, TARGET)
        summary = Import(file, make, sink, RejectFile(kept, file.header)).run(lambda _done, _so_far: None)
    if not kept.exists():
        return summary, []
    with kept.open(encoding="utf-8", newline="") as text:
        return summary, list(csv.reader(text))


def test_every_row_becomes_its_events(tmp_path: Path) -> None:
    sink = Collecting()
    summary, kept = run(tmp_path, export(PAID, DISPUTED, OPEN), sink)
    assert sink.ids == [
        "payment-9000000001",
        "invoice-9000000001",
        "dispute-9000000002",
        "payment-9000000002",
        "invoice-9000000002",
        "invoice-9000000003",
    ]
    assert (summary.rows, summary.events, summary.rejected_rows, kept) == (3, 6, 0, [])


def test_a_broken_row_is_kept_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    sink = Collecting()
    wrong_amount = DISPUTED.replace("61.74", "n/a")
    summary, kept = run(tmp_path, export(PAID, "too,few", wrong_amount, OPEN), sink)
    assert len(sink.ids) == 3
    assert [(row.number, row.column) for row in summary.rejected] == [(3, ""), (4, "InvoiceAmount")]
    header, few, amount = kept
    assert header[:4] == ["rejected_row", "rejected_column", "rejected_reason", "countryCode"]
    assert few == ["3", "", "has 2 columns where the header has 12", "too", "few"]
    assert amount[:2] == ["4", "InvoiceAmount"]
    assert amount[3:] == wrong_amount.replace('"', "").split(",")


def test_the_file_of_rejected_rows_is_imported_once_it_is_mended(tmp_path: Path) -> None:
    run(tmp_path, export(PAID, DISPUTED.replace("61.74", "n/a")), Collecting())
    mended = (tmp_path / "export.csv.rejected.csv").read_bytes().replace(b"n/a", b"61.74")
    sink = Collecting()
    summary, _ = run(tmp_path, mended, sink)
    assert (summary.rejected_rows, len(sink.ids)) == (0, 3)


def test_what_ingest_refuses_is_kept_too(tmp_path: Path) -> None:
    refuses = {"invoice-9000000002": "id_reused: another", "payment-9000000002": "late"}
    summary, kept = run(tmp_path, export(PAID, DISPUTED, OPEN), Collecting(refuses))
    assert summary.rejected_rows == 1
    assert kept[1][:3] == ["3", "", "late; id_reused: another"]
    assert "9000000002" in kept[1]


def test_the_first_row_of_a_later_batch_is_kept_too(tmp_path: Path) -> None:
    rows = [OPEN.replace("9000000003", f"{number:010d}") for number in range(2, CHUNK_EVENTS + 20)]
    refused_row = CHUNK_EVENTS + 2
    refuses = {f"invoice-{refused_row:010d}": "id_reused: another"}
    summary, kept = run(tmp_path, export(*rows), Collecting(refuses))
    assert (summary.rows, summary.rejected_rows) == (len(rows), 1)
    assert kept[1][0] == str(refused_row)
    assert f"{refused_row:010d}" in kept[1]


def test_the_rejects_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    run(tmp_path, export("too,few"), Collecting())
    _, kept = run(tmp_path, export(PAID), Collecting())
    assert kept == []


def test_the_rejects_of_an_earlier_run_stay_until_the_next_one_is_done(tmp_path: Path) -> None:
    class Away(Collecting):
        def send(self, batch: Sequence[Outgoing]) -> Sent:
            raise NotSent("ingest is away")

    run(tmp_path, export("too,few"), Collecting())
    earlier = (tmp_path / "export.csv.rejected.csv").read_bytes()
    with pytest.raises(NotSent):
        run(tmp_path, export("another,broken,row", PAID), Away())
    assert (tmp_path / "export.csv.rejected.csv").read_bytes() == earlier


def write_lines(file: Path, to: Path) -> Summary:
    job = Job(file, RECEIVABLE, history=False, source=None, encoding=None, zone=ZoneInfo("UTC"))
    with lines_sink(to) as sink:
        return take_in(job, sink, beside(file), no_book(), lambda _done, _so_far: None)


def test_what_is_rejected_stands_beside_the_export_under_its_whole_name(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_bytes(export("too,few", PAID))
    write_lines(tmp_path / "export.csv", tmp_path / "events.jsonl")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["events.jsonl", "export.csv", "export.csv.rejected.csv"]


def test_a_folder_that_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_bytes(export(PAID))
    with pytest.raises(BadFile, match="cannot be written: No such file or directory"):
        write_lines(tmp_path / "export.csv", tmp_path / "missing" / "events.jsonl")


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://10.0.0.7:8080", False),
        ("https://ingest.example.com", False),
    ],
)
def test_a_proxy_is_only_asked_for_what_is_elsewhere(url: str, ours: bool) -> None:
    assert is_loopback(url) is ours


def test_lines_of_json_are_sent_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    good = orjson.dumps(example("promise.met"))
    path.write_bytes(good + b"\n{broken\n" + orjson.dumps(example("promise.met", time="now")) + b"\n")
    sink = Collecting()
    with open_lines(path) as file:
        rejects = RejectFile(tmp_path / "events.rejected.csv", file.header)
        summary = Import(file, from_json_line(history=False), sink, rejects).run(lambda _done, _so_far: None)
    assert (sink.ids, summary.rejected_rows) == (["example-promise.met"], 2)
    assert [row.number for row in summary.rejected] == [2, 3]


EVENT = decode(orjson.dumps(example("promise.met")))


def outgoing(*rows: int) -> list[Outgoing]:
    return [Outgoing(row, b"x" * 10, EVENT) for row in rows]


def grouped(sizes: Sequence[Sequence[int]], max_events: int = 500, max_bytes: int = 10_000) -> list[list[int]]:
    """The rows of each chunk, of rows whose events have so many bytes."""
    rows = [Row(number, [str(number)]) for number in range(len(sizes))]

    def make(row: Row) -> list[Outgoing]:
        return [Outgoing(row.number, b"x" * size, EVENT) for size in sizes[row.number]]

    return [[event.row for event in chunk.events] for chunk in chunks(rows, make, max_events, max_bytes)]


def test_chunks_keep_the_events_of_a_row_together() -> None:
    assert grouped([[9, 9], [9, 9], [9, 9]], max_events=3) == [[0, 0, 1, 1], [2, 2]]


def test_chunks_are_bounded_in_bytes() -> None:
    assert grouped([[400], [400], [400], [400]], max_bytes=1000) == [[0, 1], [2, 3]]
    assert grouped([]) == []


def test_rows_without_events_make_a_chunk_too_so_that_it_can_be_noted_that_they_are_done() -> None:
    made = list(chunks((Row(number, []) for number in range(CHUNK_ROWS + 7)), lambda _row: []))
    assert [(chunk.rows, chunk.last_row) for chunk in made] == [(CHUNK_ROWS, CHUNK_ROWS - 1), (7, CHUNK_ROWS + 6)]


class Script:
    """Answers of an ingest, one for each request; time passes only by sleeping."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.slept: list[float] = []
        self.bodies: list[bytes] = []
        transport = httpx.MockTransport(self._answer)
        self.sender = Sender(
            httpx.Client(transport=transport), "http://ingest/", self.slept.append, lambda: sum(self.slept), 300
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://ingest/v1/events"
        self.bodies.append(request.content)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


ACCEPTED = httpx.Response(202, json={"results": [], "accepted": 2, "rejected": 0})
AWAY = httpx.Response(503, headers={"Retry-After": "5"}, json={"detail": "no Kafka"})


def test_a_batch_is_one_array() -> None:
    script = Script(ACCEPTED)
    assert script.sender.send([Outgoing(2, b'{"a":1}', EVENT), Outgoing(3, b'{"b":2}', EVENT)]).accepted == 2
    assert script.bodies == [b'[{"a":1},{"b":2}]']


def test_while_ingest_is_away_the_same_batch_is_sent_again() -> None:
    script = Script(AWAY, httpx.ConnectError("refused"), httpx.Response(500), ACCEPTED)
    assert script.sender.send(outgoing(2)).accepted == 2
    assert len(set(script.bodies)) == 1
    assert script.slept[0] == 5
    assert 0.8 <= script.slept[1] <= 1.2
    assert 1.6 <= script.slept[2] <= 2.4


def test_patience_ends_with_a_sentence_that_says_what_to_do() -> None:
    script = Script(AWAY)
    with pytest.raises(NotSent, match="503, no Kafka; run the same import again later"):
        script.sender.send(outgoing(2))
    assert sum(script.slept) <= 300


def test_a_batch_that_is_wrong_as_a_whole_is_not_tried_again() -> None:
    script = Script(httpx.Response(413, json={"detail": "too large"}))
    with pytest.raises(NotSent, match="refuses the batch: 413, too large"):
        script.sender.send(outgoing(2))
    assert script.slept == []


def test_what_waits_for_its_customer_is_safe_too() -> None:
    script = Script(httpx.Response(202, json={"results": [], "accepted": 2, "waiting": 3, "rejected": 0}))
    assert script.sender.send(outgoing(2)).accepted == 5


def test_rejections_are_told_by_row() -> None:
    error = {"field": "data.amount", "reason": "must be greater than 0"}
    results = [
        {"index": 0, "status": "accepted", "code": "ok", "errors": []},
        {"index": 1, "status": "rejected", "code": "invalid", "errors": [error]},
    ]
    script = Script(httpx.Response(422, json={"results": results, "accepted": 1, "rejected": 1}))
    sent = script.sender.send(outgoing(7, 9))
    assert (sent.accepted, sent.rejected) == (
        1,
        [Rejected(9, "invalid: data.amount: must be greater than 0")],
    )
