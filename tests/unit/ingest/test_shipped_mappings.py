"""Every mapping that ships, from its sample files to the events that come of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from schemas.codec import decode, encode, unknown_fields
from services.ingest.imports.chunks import Summary
from services.ingest.imports.finding import SHIPPED, find_mapping, shipped_names
from services.ingest.imports.running import Job, beside, lines_sink, no_book, take_in

SAMPLES = Path(str(SHIPPED)) / "samples"
ZONE = ZoneInfo("Asia/Shanghai")
LANGUAGES = ("zh", "en")
WITH_SAMPLES = sorted({file.name.split(".")[0] for file in SAMPLES.iterdir()})


def imported(name: str, language: str, folder: Path) -> tuple[Summary, list[dict[str, Any]]]:
    job = Job(
        SAMPLES / f"{name}.{language}.csv", find_mapping(name), history=False, source=None, encoding=None, zone=ZONE
    )
    with lines_sink(folder / "events.jsonl") as sink:
        summary = take_in(job, sink, beside(folder / "sample.csv"), no_book(), lambda _done, _so_far: None)
    return summary, [orjson.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("bellwether.") for event in events]


def test_four_kinds_of_files_have_samples_in_two_languages() -> None:
    assert WITH_SAMPLES == ["activities", "contact_list", "order_lines", "receivables_ageing"]
    assert set(WITH_SAMPLES) <= set(shipped_names())
    assert all((SAMPLES / f"{name}.{language}.csv").exists() for name in WITH_SAMPLES for language in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", WITH_SAMPLES)
def test_every_row_of_a_sample_becomes_events_as_their_models_write_them(
    name: str, language: str, tmp_path: Path
) -> None:
    summary, events = imported(name, language, tmp_path)
    assert (summary.rows, summary.rejected) == (3, [])
    assert events
    for document in events:
        event = decode(orjson.dumps(document))
        assert unknown_fields(document, event) == []
        assert orjson.loads(encode(event)) == document


@pytest.mark.parametrize("name", WITH_SAMPLES)
def test_both_languages_say_the_same_kind_of_thing(name: str, tmp_path: Path) -> None:
    assert kinds(imported(name, "zh", tmp_path)[1]) == kinds(imported(name, "en", tmp_path)[1])


def test_an_open_invoice_keeps_its_amount_without_separators(tmp_path: Path) -> None:
    _, events = imported("receivables_ageing", "zh", tmp_path)
    assert [(event["data"]["amount"], event["data"]["currency"]) for event in events] == [
        ("128500.00", "CNY"),
        ("36200.50", "CNY"),
        ("9800", "USD"),
    ]
    assert events[0]["data"]["due_date"] == "2026-02-04"


def test_the_lines_of_an_order_become_one_order(tmp_path: Path) -> None:
    _, events = imported("order_lines", "zh", tmp_path)
    assert kinds(events) == ["order.placed", "order.delivered", "order.placed"]
    assert events[0]["data"] == {
        "order_id": "DD-5001",
        "currency": "CNY",
        "promised_date": "2026-02-20",
        "lines": [
            {"product_id": "M-100", "product_line": "轴承", "quantity": "1200", "unit_price": "8.50"},
            {"product_id": "M-115", "product_line": "密封件", "quantity": "300", "unit_price": "2.20"},
        ],
    }
    assert len(events[2]["data"]["lines"]) == 1


def test_a_person_has_a_role_a_birthday_if_known_and_leaves_once(tmp_path: Path) -> None:
    _, events = imported("contact_list", "en", tmp_path)
    assert kinds(events) == ["contact.role_set", "contact.birthday", "contact.role_set", "contact.changed"]
    assert events[0]["data"]["details"]["email"] == "ada@harbour.example"
    assert events[1]["data"] == {"contact_id": "P-11", "month_day": "06-18"}
    assert events[3]["data"] == {"contact_id": "P-20", "change": "left", "decision_role": "finance"}


def test_an_activity_is_translated_and_empty_cells_are_left_out(tmp_path: Path) -> None:
    _, events = imported("activities", "zh", tmp_path)
    assert events[0]["data"] == {
        "kind": "call",
        "channel": "phone",
        "direction": "outbound",
        "by": "wang.li",
        "with": ["K-01"],
        "outcome": "reached",
        "note": "确认交期",
    }
    assert events[0]["time"] == "2026-02-03T09:30:00+08:00"
    assert events[2]["data"] == {"kind": "message", "channel": "im", "direction": "inbound"}


def test_a_line_without_its_order_is_told_by_the_name_in_the_file(tmp_path: Path) -> None:
    lines = (SAMPLES / "order_lines.zh.csv").read_text(encoding="utf-8").replace("DD-5002", "")
    (tmp_path / "orders.csv").write_text(lines, encoding="utf-8")
    mapping = find_mapping("order_lines")
    job = Job(tmp_path / "orders.csv", mapping, history=False, source=None, encoding=None, zone=ZONE)
    with lines_sink(tmp_path / "events.jsonl") as sink:
        summary = take_in(job, sink, beside(job.file), no_book(), lambda _done, _so_far: None)
    assert [(row.number, row.reason) for row in summary.rejected] == [
        (2, "stands beside row 4, which cannot be read and may belong to it"),
        (3, "stands beside row 4, which cannot be read and may belong to it"),
        (4, "订单号: is empty"),
    ]
    assert (summary.rows, summary.events) == (3, 0)
