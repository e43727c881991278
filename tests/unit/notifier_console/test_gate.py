"""Nobody acts anonymously, and no other site acts in somebody's name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from starlette.types import ASGIApp

from schemas.cases import Decision
from services.notifier.console.cases import ACTIONS, OFFERED
from services.notifier.console.safety import FAILURE_WINDOW, FAILURES_ALLOWED, local_path
from tests.unit.notifier_console.office import Office
from tests.unit.notifier_console.scene import DIRECTORY, HOSTILE, PASSWORD
from tests.unit.notifier_console.visitor import Visitor, words

MEMBERS_ONLY = ["/", "/cases", "/cases?state=all", "/cases/any", "/inbox", "/tasks", "/no/such/page"]


@pytest.mark.parametrize("page", MEMBERS_ONLY)
def test_a_page_asks_a_stranger_to_sign_in(visitor: Visitor, page: str) -> None:
    answer = visitor.get(page)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("action", ACTIONS)
def test_a_strangers_action_does_nothing(visitor: Visitor, office: Office, action: str) -> None:
    case_id = office.case_of("C-1001")
    before = office.desk.get_case(case_id)
    answer = visitor.post(
        f"/cases/{case_id}/{action}", text="x", reason="x", note="x", decision="act", department="sales"
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next=%2Fcases%2F{case_id}"
    assert office.desk.get_case(case_id) == before


@pytest.mark.parametrize("token", ["", "wrong"])
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_without_the_sessions_token_does_nothing(
    superior: Visitor, office: Office, action: str, token: str
) -> None:
    case_id = office.case_of("C-1001")
    before = office.desk.get_case(case_id)
    fields = {"csrf": token, "text": "x", "reason": "x", "note": "x", "decision": "act", "department": "sales"}
    assert superior.post(f"/cases/{case_id}/{action}", **fields).status_code == 403
    assert office.desk.get_case(case_id) == before


def test_another_persons_token_is_not_enough(superior: Visitor, colleague: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1001')}/acknowledge"
    assert superior.post(path, csrf=colleague.token_on("/cases")).status_code == 403


def test_signing_in_needs_the_forms_own_token(visitor: Visitor) -> None:
    visitor.get("/sign-in")
    answer = visitor.post("/sign-in", name="li.na", password=PASSWORD, csrf="forged")
    assert answer.status_code == 403
    assert "bellwether_session" not in visitor.cookies


def test_signing_out_needs_the_token_and_ends_the_session_on_the_server(superior: Visitor) -> None:
    token = superior.cookies["bellwether_session"]
    assert superior.post("/sign-out", csrf="").status_code == 403
    assert superior.get("/cases").status_code == 200
    assert superior.act("/cases", "/sign-out").headers["location"] == "/sign-in"
    superior.cookies.set("bellwether_session", token)
    assert superior.get("/cases").status_code == 303


def test_a_session_expires(superior: Visitor, office: Office) -> None:
    office.now += timedelta(days=2)
    assert superior.get("/cases").status_code == 303


def test_who_has_left_the_directory_is_out_at_once_and_told_why(superior: Visitor, office: Office) -> None:
    staying = {name: person for name, person in DIRECTORY.people.items() if name != "li.na"}
    office.desk._clerk.people = replace(DIRECTORY, people=staying)
    assert superior.get("/cases").status_code == 303
    answer = superior.sign_in("li.na")
    assert answer.status_code == 403
    assert "已不在通讯录中" in words(answer)


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(visitor: Visitor) -> None:
    cookie = visitor.sign_in("li.na").headers["set-cookie"]
    assert cookie.startswith("bellwether_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie.split(", bellwether")[0]


def test_over_https_the_session_cookie_is_sent_by_https_only(console: ASGIApp) -> None:
    answer = Visitor(console, "https://console.test").sign_in("li.na")
    assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_password_is_told_as_an_unknown_name_and_keeps_the_name(visitor: Visitor) -> None:
    wrong = visitor.sign_in("li.na", "not the password")
    unknown = visitor.sign_in("nobody.here", "not the password")
    assert wrong.status_code == unknown.status_code == 401
    assert words(wrong) == words(unknown)
    assert 'value="li.na"' in wrong.text
    assert "not the password" not in wrong.text


def test_after_many_failures_even_the_right_password_waits(visitor: Visitor, office: Office) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert visitor.sign_in("li.na", "guess").status_code == 401
    assert visitor.sign_in(" LI.NA ", PASSWORD).status_code == 429
    assert visitor.sign_in("emma.brown").status_code == 303
    visitor.cookies.clear()
    office.now += FAILURE_WINDOW
    assert visitor.sign_in("li.na").status_code == 303


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.test/",
        "//evil.test/cases",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "/\t/evil.test",
        "",
    ],
)
def test_signing_in_never_leads_to_another_site(visitor: Visitor, elsewhere: str) -> None:
    assert visitor.sign_in("li.na", wanted=elsewhere).headers["location"] == "/cases"


def test_signing_in_leads_to_the_page_that_was_wanted(visitor: Visitor) -> None:
    assert visitor.sign_in("li.na", wanted="/cases?state=closed&q=a").headers["location"] == "/cases?state=closed&q=a"


def test_a_local_path_with_a_host_in_its_query_is_local() -> None:
    assert local_path("/cases?q=https://x.test", "/") == "/cases?q=https://x.test"


@pytest.mark.parametrize("page", ["/cases", "/cases?q=C-6666", "/inbox"])
def test_a_hostile_customer_name_is_text(superior: Visitor, page: str) -> None:
    answer = superior.get(page)
    assert "<script" not in answer.text
    assert HOSTILE in words(answer) or "&lt;script&gt;" in answer.text


def test_a_hostile_name_search_and_comment_are_text_on_the_page_of_a_case(superior: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-6666')}"
    assert superior.act(path, f"{path}/comment", text='"><img src=x onerror=alert(1)>').status_code == 303
    for answer in (superior.get(path), superior.get("/cases?q=%22%3E%3Cscript%3E")):
        assert "<script" not in answer.text
        assert "<img" not in answer.text


def test_every_page_forbids_scripts_and_foreign_content(visitor: Visitor, superior: Visitor) -> None:
    for answer in (visitor.get("/sign-in"), superior.get("/cases"), superior.get("/cases/none"), visitor.get("/cases")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert " style=" not in superior.get("/cases").text


def test_only_the_static_files_may_be_kept_by_a_browser(superior: Visitor) -> None:
    assert superior.get("/static/console.css").headers["cache-control"] == "max-age=3600"
    assert superior.get("/cases/static/console.css").headers["cache-control"] == "no-store"


def test_a_form_that_is_too_large_or_of_another_kind_is_refused(superior: Visitor) -> None:
    assert superior.post("/language", text="x" * 70_000).status_code == 413
    assert superior.post("/language").status_code == 415


def test_a_page_that_does_not_exist_says_so(superior: Visitor) -> None:
    for path in ("/cases/none", "/no/such/page", "/cases/%2e%2e"):
        answer = superior.get(path)
        assert answer.status_code == 404
        assert "没有这个页面" in answer.text


def test_people_may_decide_everything_but_what_is_the_services_own() -> None:
    assert set(OFFERED) == set(get_args(Decision)) - {"withdrawn"}
