"""The directory over HTTP: only with a key, each change a version, what contradicts is refused, gaps are told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from services.common.database import Database
from services.notifier import api_keys, directory_store
from services.notifier.directory_api import MAX_BODY, Door, directory_routes
from services.notifier.directory_desk import DirectoryDesk
from services.notifier.directory_entries import Said
from services.notifier.directory_import import take_in
from services.notifier.directory_listing import Listing, said
from services.notifier.directory_live import LiveDirectory
from services.notifier.directory_tables import api_keys as table
from services.notifier.verifying import Verifier
from tests.contract.notifier.clocks import Clock
from tests.contract.notifier.test_verifying import Ding
from tests.unit.notifier.making import DAY

PEOPLE = [
    {"id": "ann", "name": "Ann", "department": "sales", "reports_to": "bob", "email": "ann@example.com"},
    {"id": "bob", "name": "Bob", "department": "sales", "email": "bob@example.com"},
]
SHANGHAI = ZoneInfo("Asia/Shanghai")


class Office:
    """The API on a directory of two people and a customer; `key` may change all."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock, self.ding = database, clock, Ding()
        listing = Listing.model_validate(
            {"people": PEOPLE, "customers": [{"id": "C1", "name": "X", "owner": "ann"}], "fallback": "bob"}
        )
        with database.writing() as tx:
            take_in(tx, "file", list(said(listing)), clock(), "test")
        self.live = LiveDirectory(database)
        desk = DirectoryDesk(database, self.live, clock, SHANGHAI, self.live.refresh)
        verifier = Verifier(database, self.live, clock, {"dingtalk": self.ding}, lambda: "123456")
        app = Starlette(routes=directory_routes(desk, verifier, Door(database, clock)))
        self.app = app
        self.key = self.make_key("directory")

    def make_key(self, *scopes: str, **more: Any) -> str:
        with self.database.writing() as tx:
            return api_keys.add(tx, scopes, "a test", self.clock(), **more)[1]

    def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
                return await client.request(method, f"/api/directory{path}", json=body, headers=headers)

        return asyncio.run(request())


@pytest.fixture
def office(database: Database, clock: Clock) -> Office:
    return Office(database, clock)


ALL = [
    ("GET", ""),
    ("GET", "/gaps"),
    ("GET", "/people/ann"),
    ("PUT", "/people/ann"),
    ("DELETE", "/people/ann"),
    ("PUT", "/departments/sales"),
    ("POST", "/people/ann/absences"),
    ("DELETE", "/people/ann/absences/2026-01-01T00:00:00Z"),
    ("GET", "/customers/C1"),
    ("PUT", "/customers/C1"),
    ("DELETE", "/customers/C1"),
    ("PUT", "/customers/C1/owner"),
    ("POST", "/people/ann/methods/dingtalk/code"),
    ("POST", "/people/ann/methods/dingtalk/confirm"),
]


def test_nothing_is_answered_without_a_key_that_works(office: Office) -> None:
    expired = office.make_key("directory", expires_at=office.clock() - DAY)
    almost = office.key[:-1] + ("0" if office.key[-1] != "0" else "1")
    for method, path in ALL:
        for key in ("", "bw_nonsense", almost, expired):
            answer = office.ask(method, path, key=key)
            assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized"), (method, path)
    assert office.live.refresh() is False


def test_a_key_for_reading_changes_nothing(office: Office) -> None:
    reading = office.make_key("directory:read")
    for method, path in ALL:
        status = office.ask(method, path, {}, reading).status_code
        assert status == (200 if method == "GET" else 403), (method, path)
    assert office.live.refresh() is False


def test_a_revoked_key_is_shut_out_at_once(office: Office) -> None:
    with office.database.writing() as tx:
        api_keys.revoke(tx, office.key.split("_")[1], office.clock())
    assert office.ask("GET", "").status_code == 401


def test_the_database_cannot_tell_a_key(office: Office) -> None:
    with office.database.reading() as tx:
        (row,) = tx.execute(select(table)).all()
    assert office.key.split("_")[2] not in str(row)


def test_a_person_is_put_and_read_with_addresses_shortened(office: Office) -> None:
    new = {
        "name": "Cat",
        "department": "service",
        "reports_to": "bob",
        "quiet": "22:00-07:00",
        "methods": [{"channel": "wecom_app", "address": "cat.at.work"}],
    }
    # The company has departments now: nobody leads finance, and who leads service is not reached.
    assert office.ask("PUT", "/people/cat", new).json() == {"version": 2, "gaps": 2}
    found = office.ask("GET", "/people/cat").json()
    assert found["superiors"] == ["bob"]
    assert found["methods"] == [{"channel": "wecom_app", "address": "ca…rk", "verified": False}]
    assert office.ask("PUT", "/people/cat", new).json()["version"] is None


def test_an_owner_is_changed_and_told_by_whom(office: Office) -> None:
    assert office.ask("PUT", "/customers/C1/owner", {"owner": "bob"}).status_code == 200
    assert office.ask("GET", "/customers/C1").json()["owner"] == "bob"
    with office.database.reading() as tx:
        newest = directory_store.versions(tx)[0]
    assert (newest.source, newest.actor) == ("api", f"key {office.key.split('_')[1]}")


def test_who_leaves_leaves_a_gap(office: Office) -> None:
    assert office.ask("DELETE", "/people/ann").json()["gaps"] == 1
    (gap,) = office.ask("GET", "/gaps").json()["gaps"]
    assert (gap["kind"], gap["subject"]) == ("owner_unknown", "C1")


def test_a_customer_that_is_taken_out_is_gone_with_its_owner(office: Office) -> None:
    assert office.ask("DELETE", "/customers/C1").status_code == 200
    assert office.ask("GET", "/customers/C1").status_code == 404
    assert office.ask("DELETE", "/customers/C1").status_code == 404


def test_absences_come_and_go(office: Office) -> None:
    body = {"start": "2026-03-02", "end": "2026-03-04", "delegate": "bob"}
    assert office.ask("POST", "/people/ann/absences", body).status_code == 200
    assert office.live().stand_in("ann", office.clock()) == "bob"
    (absence,) = office.ask("GET", "/people/ann").json()["absences"]
    assert absence["start"] == "2026-03-01T16:00:00+00:00"
    gone = office.ask("DELETE", "/people/ann/absences/2026-03-01T16:00:00Z")
    assert gone.status_code == 200
    assert office.live().stand_in("ann", office.clock()) == "ann"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("PUT", "/people/cat", {"name": "Cat"}, 422, "invalid"),
        ("PUT", "/people/cat", {"name": "Cat", "department": "s", "reports_to": "gone"}, 409, "contradiction"),
        ("PUT", "/customers/C1/owner", {"owner": "gone"}, 409, "contradiction"),
        ("PUT", "/customers/C9/owner", {"owner": "ann"}, 404, "not_found"),
        ("DELETE", "/people/bob", None, 409, "contradiction"),
        ("DELETE", "/people/gone", None, 404, "not_found"),
        ("POST", "/people/gone/absences", {"start": "2026-03-02", "end": "2026-03-04"}, 404, "not_found"),
        ("POST", "/people/ann/absences", {"start": "2026-03-04", "end": "2026-03-02"}, 422, "invalid"),
        ("DELETE", "/people/ann/absences/2026-03-01T16:00:00Z", None, 404, "not_found"),
        ("DELETE", "/people/ann/absences/soon", None, 422, "invalid"),
        ("PUT", "/people/a%00b", {"name": "X", "department": "s"}, 422, "invalid"),
        ("PUT", "/people/cat", [1], 400, "not_an_object"),
        ("PUT", "/people/cat", {"name": "x" * MAX_BODY}, 413, "too_large"),
        ("PUT", "/people/cat", {"name": "a\x00b", "department": "s"}, 422, "invalid"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    office: Office, method: str, path: str, body: object, status: int, error: str
) -> None:
    answer = office.ask(method, path, body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert office.live.refresh() is False


def test_an_address_is_proved_over_the_api(office: Office) -> None:
    ann = {**PEOPLE[0], "methods": [{"channel": "dingtalk", "address": "ann.ding"}]}
    office.ask("PUT", "/people/ann", {name: value for name, value in ann.items() if name != "id"})
    where = "/people/ann/methods/dingtalk"
    assert office.ask("POST", f"{where}/code").status_code == 202
    assert office.ask("POST", f"{where}/code").status_code == 429
    assert office.ask("POST", f"{where}/confirm", {"code": "000000"}).status_code == 403
    assert office.ask("POST", f"{where}/confirm", {"code": "123456"}).json() == {"answer": "confirmed"}
    office.live.refresh()
    assert office.live().people["ann"].reached_by("dingtalk") == "ann.ding"
    office.clock.at += timedelta(days=1)
    assert office.ask("POST", f"{where}/confirm", {"code": "123456"}).status_code == 410


def test_another_notifiers_change_is_seen_before_one_is_made(office: Office) -> None:
    with office.database.writing() as tx:
        body = {"name": "Dan", "department": "sales"}
        take_in(tx, "hr", [Said("person", "dan", body)], office.clock(), "test")
    assert office.ask("PUT", "/customers/C1/owner", {"owner": "dan"}).status_code == 200
