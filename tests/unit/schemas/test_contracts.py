"""The published schemas say what the models say, and what is really on the topics fits them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import example as given_example
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas.cases import Anchor, CaseEvent, LedgerAnchor, encode_case_event
from schemas.codec import InvalidEvent, parse
from schemas.contracts import DEAD_LETTER, RETRACTION, messages, schema_documents
from schemas.events import CUSTOMER_EVENTS, EVENT_ADAPTER, EVENT_MODELS, REFERENCE_EVENTS
from schemas.rulebook import PublishedBook, encode_book
from schemas.topics import Topics
from schemas.warnings import encode_warning
from services.ingest import records as ingest_records
from services.rules import intake
from tests.contract.notifier.rules_at_work import TROUBLED, TROUBLED_UNTIL, examples_of, sent_by
from tests.support.records import Rec
from tests.unit.rules.making import event
from tests.unit.rules.test_told_customers import Told, telling_core
from tests.unit.schemas.examples import example
from tests.unit.schemas.judges import faults, fits
from tests.unit.schemas.mangling import documents

KINDS = sorted(CUSTOMER_EVENTS | REFERENCE_EVENTS)

# What no JSON Schema can say: sums, two fields that differ, which days there are, that 1.0 is no whole number.
UNSPEAKABLE = re.compile(
    "must add up|exceed the amount|must name another|is no date|is no RFC 3339|outside the years|valid integer"
)


@pytest.mark.parametrize("name", sorted(schema_documents()))
def test_every_schema_is_one_by_the_meta_schema(name: str) -> None:
    schema = schema_documents()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_there_is_a_schema_of_every_event() -> None:
    assert EVENT_MODELS.keys() <= schema_documents().keys()


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_fits_its_schema_and_no_more_without_a_required_field(kind: str) -> None:
    name = f"bellwether.{kind}"
    assert fits(example(kind)) == [name]
    for missing in ("id", "source", "type", "time", "data"):
        broken = {key: value for key, value in example(kind).items() if key != missing}
        assert faults(name, broken) == [f"it: '{missing}' is a required property"]


@pytest.mark.parametrize("kind", sorted(CUSTOMER_EVENTS))
def test_what_is_taken_back_is_a_retraction_and_nothing_else(kind: str) -> None:
    assert fits(example(kind, retracted=True, supersedes="earlier", data={"what": "ever"})) == [RETRACTION]


def test_what_is_taken_back_of_the_reference_topic_names_it() -> None:
    taken_back = example("feed.heartbeat", retracted=True, supersedes="earlier")
    assert fits(taken_back) == ["bellwether.feed.heartbeat"]
    for nameless in ({"supersedes": None}, {}):
        del taken_back["supersedes"]
        taken_back |= nameless
        assert fits(taken_back) == []


@settings(max_examples=1000, deadline=None)
@given(documents())
@given_example(example("promise.met", time="2026-W09-7T09:00:00.5+0800"))
@given_example(example("customer.milestone", data={"kind": "award", "occurs_on": "2026W097"}))
def test_what_a_schema_refuses_the_codec_refuses(document: dict[str, Any]) -> None:
    try:
        parse(document)
    except InvalidEvent:
        return
    assert len(fits(document)) == 1, [faults(str(document["type"]), document), faults(RETRACTION, document)]


@settings(max_examples=1000, deadline=None)
@given(documents())
def test_what_the_models_refuse_a_schema_refuses_as_far_as_it_can_say(document: dict[str, Any]) -> None:
    try:
        EVENT_ADAPTER.validate_python(document)
    except ValidationError as problem:
        told = [error["msg"] for error in problem.errors()]
        assert all(UNSPEAKABLE.search(message) for message in told) or fits(document) == []


def test_warnings_of_the_shipped_rules_fit() -> None:
    sent = sent_by(["R1", "R6", "R7", "R10b", "R23a"], TROUBLED, TROUBLED_UNTIL)
    sent += [warning for rule in ("R2", "R3", "R16", "R21") for warning in examples_of(rule)]
    assert {warning.change for warning in sent} >= {"raised", "amended"}
    for warning in sent:
        assert faults("warning", orjson.loads(encode_warning(warning))) == []


def test_snapshots_and_counters_fit() -> None:
    told = Told(telling_core("R3", "R7"))
    lines = [{"product_id": "P", "quantity": "2", "unit_price": "10.50", "unit_cost": "4"}]
    told.learns(event("order.placed", "2026-03-01", order_id="O", currency="CNY", lines=lines), "2026-03-01")
    told.learns(event("lead.created", "2026-03-02", lead_id="L"), "2026-03-02")
    told.learns(event("opportunity.stage_changed", "2026-03-03", opportunity_id="D", to="needs"), "2026-03-03")
    told.wakes("2026-03-10 00:10")
    assert set(told.topic) == {"2026-03", ""}
    for suffix, raw in told.topic.items():
        name = "month-counters" if suffix else "customer-snapshot"
        assert faults(name, orjson.loads(raw or b"")) == []


def test_case_events_and_books_fit() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    short = CaseEvent(case_id="K", sequence=1, type="case.opened", customer_id="C", at=at)
    long = short.model_copy(update={"type": "review.decided", "decision": "act", "note": "好", "person": "li"})
    for entry in (short, long):
        assert faults("case-event", orjson.loads(encode_case_event(entry))) == []
    anchor = LedgerAnchor(type="ledger.anchored", at=at, ledger=Anchor(sequence=7, hash="0" * 64))
    assert faults("ledger-anchor", orjson.loads(encode_case_event(anchor))) == []
    assert faults("case-event", orjson.loads(encode_case_event(anchor))) != []
    book = PublishedBook(files={"r1.yaml": "id: R1"}, overrides={"R1": {"grace_days": 5}}, author="li", at=at)
    assert faults("rulebook", orjson.loads(encode_book(book))) == []
    assert faults("rulebook", {**orjson.loads(encode_book(book)), "files": {"../r1.yaml": ""}}) != []


def _texts(headers: tuple[tuple[str, bytes], ...]) -> dict[str, str]:
    return {name: value.decode() for name, value in headers}


@pytest.mark.parametrize("raw", [b"{", b"\xff" * 2_000_000, b'"11010519491231002X"'])
def test_dead_letters_of_both_services_have_the_headers_that_are_promised(raw: bytes) -> None:
    problem = InvalidEvent("invalid", "data.amount: greater than 0", (), "e-1", "erp")
    refusal = ingest_records.Refusal(raw, problem, {"ce_id": "e-1"})
    found = [_texts(r.headers) for r in ingest_records.dead_letters(refusal, datetime.now(UTC), "text/x", Topics())]
    record = Rec(7, None, raw)
    found += [
        _texts(letter.headers) for error in (problem, KeyError("x")) for letter in intake.dead_letters(record, 3, error)
    ]
    known = set(messages()[DEAD_LETTER].schema["properties"])
    for headers in found:
        assert faults(DEAD_LETTER, headers) == []
        assert set(headers) - {"ce_id"} <= known


def test_a_key_of_a_mapping_that_no_pattern_fits_is_refused() -> None:
    profile = example("profile.updated", data={"section": "basic", "fields": {"No Slug": 1}})
    assert fits(profile) == []


def test_readers_may_find_fields_that_they_do_not_know() -> None:
    assert fits(example("promise.met", traceparent="00-1")) == ["bellwether.promise.met"]
