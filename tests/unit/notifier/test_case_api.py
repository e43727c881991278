"""Acting on cases over HTTP, in the name of an account."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.notifier.api import add_case_api
from services.notifier.case_requests import MAX_BODY, RequestInvalid, read_value
from services.notifier.views import CaseFilter
from tests.unit.notifier.making import make_warning, r1
from tests.unit.notifier.office import Office


class Program:
    """A program with somebody's token."""

    def __init__(self, office: Office, person: str) -> None:
        office.desk.create_user(person, person, "correct horse battery")
        self.token = office.desk.make_token(person, timedelta(days=1)).token
        self.app = FastAPI()
        add_case_api(self.app, office.desk)

    def send(self, method: str, path: str, *, known: bool = True, **more: Any) -> httpx.Response:
        """`known`: with the token."""
        headers = {"Authorization": f"Bearer {self.token}"} if known else {}

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(go())

    def post(self, case_id: str, action: str, body: Any = None) -> httpx.Response:
        return self.send("POST", f"/api/cases/{case_id}/{action}", json=body or {})

    def standing(self, case_id: str) -> dict[str, Any]:
        answer = self.send("GET", f"/api/cases/{case_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def only_case(office: Office) -> str:
    (line,) = office.desk.list_cases(CaseFilter(status=None))
    return line.id


def test_a_program_takes_a_case_from_its_opening_to_its_close_and_back(office: Office) -> None:
    office.clerk.file([r1()])
    case_id, program = only_case(office), Program(office, "li")
    assert program.standing(case_id)["departments_asked"] == {"sales": ["li"], "finance": ["chen"], "service": ["sun"]}
    for action, body in (
        ("acknowledge", None),
        ("open-review", None),
        ("decide", {"decision": "act", "note": "visit them"}),
        ("join", {"department": "sales"}),
        ("join", {"department": "finance", "note": "credit checked"}),
        ("comment", {"text": "they answer"}),
        ("assign", {"person": "sun"}),
        ("delegate", {"person": "chen", "until": "2026-03-04T00:00:00+08:00"}),
        ("task", {"person": "wang", "due": "2026-03-06", "text": "call them", "key": "crm-17"}),
        ("finish-task", {"task": "crm-17"}),
        ("value", {"value": {"amount": "120000.00", "currency": "CNY"}}),
        ("close", {"decision": "act", "reason": "settled"}),
        ("reopen", {"reason": "they complain again"}),
    ):
        answer = program.post(case_id, action, body)
        assert answer.status_code == 200, (action, answer.text)
        assert answer.json() == {"case_id": case_id, "action": action, "person": "li"}
    standing = program.standing(case_id)
    assert (standing["stage"], standing["assignee"], standing["value_at_risk"]) == ("reopened", "sun", "120000.00 CNY")
    assert {task["id"]: task["status"] for task in standing["tasks"]} == {"r1": "ended", "crm-17": "done"}


def test_a_refusal_lists_every_reason_with_its_code(office: Office) -> None:
    office.clerk.file([r1()])
    answer = Program(office, "wang").post(only_case(office), "close", {"decision": "act", "reason": "settled"})
    assert answer.status_code == 409
    assert [reason["code"] for reason in answer.json()["reasons"]] == ["review_not_opened", "quorum"]


@pytest.mark.parametrize(
    ("action", "body", "said"),
    [
        ("decide", {"decision": "perhaps", "note": "x"}, "decision"),
        ("decide", {"decision": "act"}, "note"),
        ("comment", {"text": "x", "actor": "zhao"}, "actor"),
        ("value", {"value": {"amount": 5, "currency": "CNY"}}, "value.amount"),
        ("value", {"value": {"amount": "5", "currency": "XXX"}}, "value.currency"),
        ("delegate", {"person": "chen", "until": "tomorrow"}, "until"),
        ("task", {"person": "wang", "due": "2026-02-30", "text": "x", "key": "k"}, "due"),
        ("comment", {"text": "x" * 4001}, "text"),
    ],
)
def test_a_body_that_is_not_what_the_action_takes_is_refused_by_its_field(
    office: Office, action: str, body: dict[str, Any], said: str
) -> None:
    office.clerk.file([make_warning()])
    answer = Program(office, "wang").post(only_case(office), action, body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_bytes_that_are_no_json_or_too_many_are_refused(office: Office) -> None:
    office.clerk.file([make_warning()])
    case_id, program = only_case(office), Program(office, "wang")
    for raw in (b"{", b"[]", b"\xff", b" " * (MAX_BODY + 1)):
        answer = program.send("POST", f"/api/cases/{case_id}/comment", content=raw)
        assert answer.status_code == 422, raw[:10]


def test_nobody_acts_without_a_token_and_nobody_on_what_is_not_there(office: Office) -> None:
    office.clerk.file([make_warning()])
    case_id, program = only_case(office), Program(office, "wang")
    assert program.send("POST", f"/api/cases/{case_id}/acknowledge", known=False).status_code == 401
    assert program.send("GET", f"/api/cases/{case_id}", known=False).status_code == 401
    assert program.post(case_id, "delete").status_code == 404
    assert program.post("nowhere", "acknowledge").status_code == 404


def test_the_money_of_a_form_is_read_as_people_write_it() -> None:
    assert str(read_value(" 1,200.50 ", "EUR")) == "1200.50 EUR"
    assert read_value(" ", "EUR") is None
    with pytest.raises(RequestInvalid):
        read_value("-1", "EUR")
