"""What could not be delivered: who is told, where it stands, and what people decide about it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import orjson
import pytest
from click.testing import CliRunner, Result
from fastapi import FastAPI
from sqlalchemy import select, update

from services.cli import main
from services.common.clock import set_manual_clock
from services.notifier import delivering, outbox
from services.notifier.case import Page
from services.notifier.channels.base import FateUnknown, Refused, TryLater
from services.notifier.desk import Refused as DeskRefused
from services.notifier.outbox import Way, ways
from services.notifier.outbox_api import outbox_api
from services.notifier.tables import pages
from tests.unit.notifier.making import DIRECTORY, DIRECTORY_YAML, NOON, make_warning
from tests.unit.notifier.office import Office, Scripted


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def lost(office: Office) -> int:
    """A page to Wang that the webhook has refused."""
    office.clerk.file([make_warning(audience=["owner"])])
    office.channel.script = [Refused("gone")]
    office.dispatcher.round()
    (page,) = office.desk.list_undelivered()
    return page.id


def test_what_failed_is_listed_with_its_reason_and_counted(office: Office, lost: int) -> None:
    (page,) = office.desk.list_undelivered()
    assert page.id == lost
    assert (page.state, page.person_name, page.channel, page.error) == ("failed", "王强", "webhook", "gone")
    assert office.desk.summary().undelivered == 1


def test_who_has_it_sent_again_is_kept_and_it_leaves_the_list(office: Office, lost: int) -> None:
    office.desk.send_again(lost, "li", "address mended")
    assert office.desk.list_undelivered() == []
    office.dispatcher.round()
    assert office.states() == ["accepted"]
    (page,) = office.desk.list_undelivered(handled=True)
    assert (page.handled_by, page.note, page.attempts) == ("li", "address mended", 1)


def test_what_fails_once_more_is_back_in_the_list_and_the_fallback_is_not_told_twice(office: Office, lost: int) -> None:
    office.desk.send_again(lost, "li")
    office.channel.script = [Refused("still gone")]
    office.dispatcher.round()
    (page,) = office.desk.list_undelivered()
    assert (page.id, page.error, page.handled_by) == (lost, "still gone", None)
    office.inbox.round()
    assert len(office.desk.inbox("sun")) == 1


def test_dropping_needs_a_reason_and_is_final(office: Office, lost: int) -> None:
    with pytest.raises(DeskRefused, match="give a reason"):
        office.desk.drop_page(lost, "li", "  ")
    office.desk.drop_page(lost, "li", "he has left")
    assert (office.states(), office.desk.list_undelivered()) == (["dropped"], [])
    with pytest.raises(DeskRefused, match="waits for a decision"):
        office.desk.send_again(lost, "li")
    with pytest.raises(DeskRefused, match="waits for a decision"):
        office.desk.drop_page(lost, "li", "again")


def test_what_was_withdrawn_meanwhile_is_not_sent_again(office: Office, lost: int) -> None:
    office.clerk.file([make_warning(revision=2, change="withdrawn", audience=["owner"])])
    with pytest.raises(DeskRefused, match="withdrawn"):
        office.desk.send_again(lost, "li")


def test_a_page_in_doubt_leaves_the_list_once_its_repetition_is_accepted(office: Office) -> None:
    office.clerk.file([make_warning(audience=["owner"])])
    office.channel.script = [FateUnknown("lost")]
    office.dispatcher.round()
    assert [page.state for page in office.desk.list_undelivered()] == ["uncertain"]
    office.pass_seconds(delivering.LONGEST_BACKOFF_S)
    office.dispatcher.round()
    assert office.desk.list_undelivered() == []
    assert [page.handled_by for page in office.desk.list_undelivered(handled=True)] == ["bellwether"]


def test_a_message_that_is_read_is_an_opened_page(office: Office) -> None:
    office.clerk.file([make_warning(audience=["owner"])])
    office.inbox.round()
    office.desk.mark_read(office.desk.inbox("wang")[0].id, "wang")
    assert office.states("inbox") == ["opened"]


class Pigeon(Scripted):
    name = "pigeon"


def test_when_a_channel_has_failed_for_good_the_persons_next_one_is_tried_before_the_fallback_is_told(
    office: Office,
) -> None:
    office.clerk.file([make_warning(audience=["owner"])])
    with office.database.writing() as tx:
        tx.execute(update(pages).where(pages.c.channel == "webhook").values(later="pigeon,email"))
    office.channel.script = [Refused("gone")]
    office.dispatcher.round()
    pigeon = Pigeon()
    pigeon.script = [Refused("shot")]
    office.through(pigeon).round()
    assert (office.states(), office.states("pigeon"), office.states("email")) == (["failed"], ["failed"], ["pending"])
    assert pigeon.sent[0].subject == office.channel.sent[0].subject
    office.inbox.round()
    assert office.desk.inbox("sun") == []
    mail = Pigeon()
    mail.name = "email"
    office.through(mail).round()
    assert office.states("email") == ["accepted"]
    # The e-mail stands for the pigeon; that the webhook failed is still somebody's to look at.
    assert [page.channel for page in office.desk.list_undelivered()] == ["webhook"]


def test_who_wants_channels_in_an_order_gets_the_first_that_reaches_and_the_others_if_it_fails() -> None:
    wang, sun = DIRECTORY.people["wang"], DIRECTORY.people["sun"]
    both = ("email", "webhook")
    assert ways(wang, both) == (Way("inbox"), Way("email"), Way("webhook"))
    assert ways(wang, both, ("email", "pager", "webhook")) == (Way("inbox"), Way("email", ("webhook",)))
    assert ways(sun, both, ("email", "webhook")) == (Way("inbox"), Way("webhook"))
    assert ways(None, both, ("email",)) == (Way("inbox"), Way("webhook"))


def test_a_page_may_be_meant_for_later(office: Office) -> None:
    office.clerk.file([make_warning(audience=["owner"])])
    quiet = Page("x", "nudge", "wang", "owner", "w1", 1, not_before=NOON.replace(hour=6))
    with office.database.writing() as tx:
        tx.execute(pages.update().values(state="accepted"))
        outbox.enqueue(tx, None, [(quiet, Way("webhook"))], NOON)
    assert office.dispatcher.round() == 0
    office.pass_seconds(2 * 3600)
    assert office.dispatcher.round() == 1


def test_the_same_decisions_are_there_over_http_and_only_as_json(office: Office, lost: int) -> None:
    app = FastAPI()
    app.include_router(outbox_api(office.desk))

    def call(method: str, path: str, client: str = "127.0.0.1", **options: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
                return await http.request(method, path, **options)  # type: ignore[arg-type]

        return asyncio.run(ask())

    assert call("GET", "/api/outbox", client="10.0.0.1").status_code == 403
    (page,) = call("GET", "/api/outbox").json()["pages"]
    assert (page["id"], page["state"]) == (lost, "failed")
    path = f"/api/outbox/{lost}/drop"
    assert (
        call("POST", path, content=b'{"by": "li", "reason": "x"}', headers={"content-type": "text/plain"}).status_code
        == 422
    )
    assert call("POST", path, json={"by": "li"}).status_code == 422
    assert call("POST", path, json={"by": "li", "reason": "he has left"}).json() == {"done": True}
    refused = call("POST", f"/api/outbox/{lost}/retry", json={"by": "li"})
    assert (refused.status_code, refused.json()["refused"][0]["code"]) == (409, "no_page")
    assert call("POST", "/api/outbox/99999999999999999999/retry", json={"by": "li"}).status_code == 422


def run(office: Office, folder: Path, *arguments: str) -> Result:
    (folder / "people.yaml").write_text(DIRECTORY_YAML, encoding="utf-8")
    env = {
        "BELLWETHER_DATABASE_URL": f"sqlite:///{folder / 'office.db'}",
        "BELLWETHER_DIRECTORY": str(folder / "people.yaml"),
        "BELLWETHER_DATA_DIR": str(folder),
        "BELLWETHER_CLOCK": f"manual:{folder / 'clock'}",
    }
    set_manual_clock(folder / "clock", office.at)
    return CliRunner().invoke(main, ["outbox", *arguments], env=env)


def test_the_same_decisions_are_there_as_commands(office: Office, lost: int, tmp_path: Path) -> None:
    assert orjson.loads(run(office, tmp_path, "list", "--json").output)[0]["id"] == lost
    assert "failed  wang by webhook" in run(office, tmp_path, "list").output
    assert run(office, tmp_path, "retry", str(lost), "--by", "li").output == f"page {lost} is sent again\n"
    refused = run(office, tmp_path, "drop", str(lost), "--reason", "x")
    assert (refused.exit_code, "waits for a decision" in refused.output) == (1, True)
    office.channel.script = [Refused("gone")]
    office.dispatcher.round()
    assert run(office, tmp_path, "drop", str(lost), "--reason", "he has left", "--by", "li").exit_code == 0
    assert "[li: he has left]" in run(office, tmp_path, "list", "--handled").output
    with office.database.reading() as tx:
        assert tx.execute(select(pages.c.state).where(pages.c.id == lost)).scalar() == "dropped"


def test_a_mailbox_that_is_full_for_good_fails_after_the_last_attempt_and_stands_in_the_list(office: Office) -> None:
    office.clerk.file([make_warning(audience=["owner"])])
    office.channel.script = [TryLater("full")] * delivering.MAX_ATTEMPTS
    for _ in range(delivering.MAX_ATTEMPTS):
        office.dispatcher.round()
        office.pass_seconds(2 * delivering.LONGEST_BACKOFF_S)
    (page,) = office.desk.list_undelivered()
    assert page.attempts == delivering.MAX_ATTEMPTS


def test_a_round_ends_for_a_look_at_what_others_left_however_much_there_is(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.dispatcher.ROUND_PAGES", 2)
    office.clerk.file([make_warning(f"w{number}", customer_id=f"N{number}", audience=["owner"]) for number in range(3)])
    assert (office.dispatcher.round(), office.dispatcher.round(), office.dispatcher.round()) == (2, 1, 0)
