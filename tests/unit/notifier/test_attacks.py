"""What somebody writes into a name, a note or a header stays what it is: text in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from services.notifier import recording, tables
from services.notifier.actions import Acknowledge
from services.notifier.api import add_case_api
from services.notifier.channels.email import compose
from services.notifier.clerk import Clerk
from services.notifier.contents import Notice
from services.notifier.desk import Desk
from services.notifier.linking import acting
from services.notifier.links import LinkMaker
from services.notifier.messages import Letters
from services.notifier.people import Customer
from services.notifier.recording import Origin
from services.notifier.tables import open_database
from services.notifier.views import CaseFilter, Session
from services.notifier.words import load_words
from tests.support.databases import open_migrated
from tests.unit.notifier.making import DIRECTORY, NOON, both, make_warning, r1

HOSTILE = [
    "Acme\r\nBcc: thief@example.com",
    "Acme\nSubject: you won",
    "Acme\r\n\r\n<html>another body",
    "Acme\x0bX-Spam: no",
    "Acme\u2028Bcc: thief@example.com",
    "Acme\x00",
    "{warning} {customer.__class__} {0} {",
    "{{ 7 * 7 }} {% raw %} {{ self.__init__.__globals__ }}",
    "%(severity)s %s %n",
    "=?utf-8?q?x?= <a@b>",
    '"><script>alert(1)</script>',
    "[click](javascript:alert(1)) https://thief.example/act/x",
]
WANTED_HEADERS = {"from", "to", "subject", "date", "message-id", "mime-version", "content-type", "references"}
ALLOWED_HEADERS = WANTED_HEADERS | {
    "in-reply-to",
    "auto-submitted",
    "x-auto-response-suppress",
    "list-id",
    "precedence",
}
MAKER = LinkMaker("https://console.test", [b"s" * 32])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_adds_no_header_to_an_e_mail_and_fills_in_no_template(name: str) -> None:
    people = {**DIRECTORY.people, "wang": replace(DIRECTORY.people["wang"], name=name)}
    directory = replace(DIRECTORY, people=people, customers={"C1": Customer("C1", name, "wang")})
    letters = Letters(directory, "https://console.test", UTC, load_words(), acting=acting(MAKER))
    warning = make_warning(name=both(name, name), advice=both(name, name), subject=name.replace("\x00", ""))
    notice = Notice("c1/raised/wang/email", "raised", "superior", "c1", warning, at=NOON)
    message = letters.for_channel("email").single(notice, people["wang"])
    mail = compose(message, "bellwether@example.com", "Mon, 02 Mar 2026 12:00:00 +0800")
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)
    headers = [header.lower() for header in read]
    assert set(headers) <= ALLOWED_HEADERS
    assert len(headers) == len(set(headers))
    assert read["to"] is not None
    assert [address.addr_spec for address in read["to"].addresses] == ["wang@example.com"]
    assert "<script" not in message.html
    # The one link by which somebody acts is ours.
    ours = [word for word in message.text.split() if "/act/" in word and "thief" not in word]
    assert len(ours) == 1
    assert ours[0].startswith("https://console.test/act/")


@pytest.mark.parametrize("name", [name for name in HOSTILE if "{" in name])
def test_what_looks_like_a_template_is_said_as_it_is(name: str) -> None:
    directory = replace(DIRECTORY, customers={"C1": Customer("C1", name, "wang")})
    message = Letters(directory, "https://console.test", UTC, load_words()).single(
        Notice("k", "raised", "owner", "c1", make_warning(), at=NOON), DIRECTORY.people["wang"]
    )
    assert name in message.text
    assert name in message.subject


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = open_migrated(open_database, tmp_path / "x.db")
    clerk = Clerk(database, DIRECTORY, lambda: NOON)
    clerk.file([r1()])
    made = Desk(clerk)
    made.create_user("wang", "wang", "correct horse battery")
    yield made
    database.close()


@pytest.fixture
def session(desk: Desk) -> Session:
    return desk.make_token("wang", timedelta(days=1))


class Program:
    """Something that calls the API."""

    def __init__(self, desk: Desk) -> None:
        self._app = FastAPI()
        add_case_api(self._app, desk)

    def post(self, path: str, **headers: str) -> httpx.Response:
        return asyncio.run(self._post(path, headers))

    async def _post(self, path: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
            return await client.post(path, headers=headers)


@pytest.fixture
def program(desk: Desk) -> Program:
    return Program(desk)


def case_of(desk: Desk) -> str:
    return desk.list_cases(CaseFilter())[0].id


def test_a_program_acknowledges_in_the_name_of_its_account_and_says_so_again(
    program: Program, desk: Desk, session: Session
) -> None:
    path, bearer = f"/api/cases/{case_of(desk)}/acknowledge", {"Authorization": f"Bearer {session.token}"}
    for _ in range(2):
        answer = program.post(path, **bearer)
        assert answer.status_code == 200
        assert answer.json()["person"] == "wang"
    assert desk.get_case(case_of(desk)).acknowledged_by == ("wang",)
    refused = program.post(f"/api/cases/{case_of(desk)}/open-review", **bearer)
    assert refused.status_code == 409
    assert [reason["code"] for reason in refused.json()["reasons"]] == ["not_a_reviewer"]
    assert program.post("/api/cases/none/acknowledge", **bearer).status_code == 404
    assert program.post(path.replace("acknowledge", "delete"), **bearer).status_code == 404


def test_without_a_token_that_counts_nothing_is_done(program: Program, desk: Desk, session: Session) -> None:
    path = f"/api/cases/{case_of(desk)}/acknowledge"
    for header in ("", "Bearer ", "Bearer x", f"Basic {session.token}", "Bearer " + "x" * 500, f"{session.token}"):
        answer = program.post(path, **({"Authorization": header} if header else {}))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    # A cookie goes along with other sites' forms.
    assert program.post(path, Cookie=f"bellwether_session={session.token}").status_code == 401
    assert desk.get_case(case_of(desk)).acknowledged_by == ()


def test_what_a_browser_calls_itself_is_bounded_and_fit_to_be_kept(desk: Desk) -> None:
    hostile = Origin("console", "1.2.3.4\x1b[2J" + "9" * 500, "\x00\r\n\ud800'; DROP TABLE ledger; --" + "x" * 9999)
    desk.coming_from(hostile).acknowledge(case_of(desk), "wang")
    with desk._clerk.database.reading() as tx:
        kept = {row.name: row.value for row in tx.execute(select(tables.ledger_private))}
    assert len(kept["agent"]) == recording.MAX_AGENT
    assert len(kept["address"]) == recording.MAX_ADDRESS
    assert all(char.isprintable() for char in kept["agent"] + kept["address"])
    assert Acknowledge("wang").actor == "wang"
