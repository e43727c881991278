"""A link does one thing, once, on every database; and the ledger says who it was, when, and from where."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from urllib.parse import unquote, urlsplit

import orjson
import pytest
from sqlalchemy import select

from services.common.database import Database
from services.notifier import auditing, outbox, tables
from services.notifier.acting import ActLinks, AlreadyUsed, FormTooOld
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk, NotFound, Refused
from services.notifier.dispatcher import Dispatcher
from services.notifier.grouping import Manners
from services.notifier.handing import SetTask
from services.notifier.linking import acting
from services.notifier.links import FORM_VALID, PATH, VALID, Expired, Forged, LinkAction, LinkMaker
from services.notifier.messages import Letters
from services.notifier.recording import Origin
from services.notifier.views import CaseFilter
from services.notifier.words import load_words
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, DIRECTORY, make_warning, r1
from tests.unit.notifier.office import Scripted

SECRET, BEFORE = b"s" * 32, b"b" * 32
MAKER = LinkMaker("http://console.test", [SECRET])
FROM = Origin("link", "192.0.2.9", "Phone")


@pytest.fixture
def links(clerk: Clerk) -> ActLinks:
    clerk.file([r1(), make_warning("t1", output="task")])
    return ActLinks(clerk, [SECRET, BEFORE])


@pytest.fixture
def case_id(links: ActLinks, desk: Desk) -> str:  # noqa: ARG001 - they are what makes the case
    return desk.list_cases(CaseFilter())[0].id


def token_for(database: Database, action: LinkAction, subject: str, person: str, maker: LinkMaker = MAKER) -> str:
    """Of the first page to that person about that case or task."""
    with database.reading() as tx:
        of_task = tables.pages.c.case_id.is_(None), tables.pages.c.warning_id == subject
        about = of_task if action == "finish_task" else (tables.pages.c.case_id == subject,)
        page = outbox.select_pages(tx, *about, tables.pages.c.person == person)[0]
    url = maker.link_for(action, subject, person, page.key, page.created_at)
    return unquote(urlsplit(url).path.removeprefix(f"{PATH}/"))


def rows_of(database: Database, kind: str) -> list[dict[str, object]]:
    with database.reading() as tx:
        query = select(tables.ledger.c.body).where(tables.ledger.c.kind == kind).order_by(tables.ledger.c.sequence)
        return [orjson.loads(body) for body in tx.execute(query).scalars()]


def test_looking_changes_nothing(database: Database, links: ActLinks, case_id: str, desk: Desk) -> None:
    token = token_for(database, "acknowledge", case_id, "wang")
    before, head = desk.get_case(case_id), auditing.verify(database).head
    offer = links.look(token)
    assert (offer.action, offer.person.id, offer.customer, offer.used) == (
        "acknowledge",
        "wang",
        "江南精密机械有限公司",
        None,
    )
    assert links.look(token) == offer
    assert desk.get_case(case_id) == before
    assert auditing.verify(database).head == head


def test_it_acts_once_as_its_person_and_says_later_when_that_was(
    database: Database, links: ActLinks, case_id: str, desk: Desk, clock: Clock
) -> None:
    token = token_for(database, "acknowledge", case_id, "wang")
    form = links.look(token).form
    at = clock.at
    done = links.act(token, form, FROM)
    assert done.used is not None
    assert (done.used.at, done.used.verdict) == (at, "done")
    assert desk.get_case(case_id).acknowledged_by == ("wang",)
    clock.at += timedelta(hours=1)
    with pytest.raises(AlreadyUsed) as told:
        links.act(token, form, FROM)
    assert told.value.used.at == at
    assert links.look(token).used == told.value.used
    assert len([one for one in desk.get_case(case_id).timeline if one.type == "case.acknowledged"]) == 1
    clock.at += VALID
    with pytest.raises(Expired) as expired:
        links.look(token)
    assert links.used(expired.value.link) == told.value.used


def test_the_ledger_says_who_when_and_by_which_page_and_seals_from_where(
    database: Database, links: ActLinks, case_id: str
) -> None:
    token = token_for(database, "acknowledge", case_id, "wang")
    links.act(token, links.look(token).form, FROM)
    (row,) = rows_of(database, "case.acted")
    assert {name: row[name] for name in ("actor", "action", "via", "verdict")} == {
        "actor": "wang",
        "action": "Acknowledge",
        "via": "link",
        "verdict": "done",
    }
    assert str(row["page"]).startswith(f"{case_id}/")
    assert set(row["address"]) == set(row["agent"]) == {"sealed"}  # type: ignore[call-overload]
    with database.reading() as tx:
        kept = tx.execute(select(tables.ledger_private).where(tables.ledger_private.c.sequence == row["sequence"]))
        values = {one.name: one.value for one in kept}
    assert values == {"address": "192.0.2.9", "agent": "Phone"}
    assert auditing.verify(database).findings == []


@pytest.mark.parametrize("hours", [0, 24])
def test_it_does_nothing_without_the_form_of_its_own_page(
    database: Database, links: ActLinks, case_id: str, desk: Desk, clock: Clock, hours: int
) -> None:
    token = token_for(database, "acknowledge", case_id, "wang")
    other = links.look(token_for(database, "acknowledge", case_id, "li")).form
    old = links.look(token).form
    clock.at += timedelta(hours=hours)
    for form in ("", "forged", other, *([old] if hours else [])):
        with pytest.raises(FormTooOld):
            links.act(token, form, FROM)
    assert desk.get_case(case_id).acknowledged_by == ()
    assert timedelta(hours=24) > FORM_VALID


def test_what_is_forged_does_nothing(database: Database, links: ActLinks, case_id: str, desk: Desk) -> None:
    theirs = LinkMaker("http://console.test", [b"t" * 32])
    for token in (token_for(database, "acknowledge", case_id, "wang", theirs), "nonsense", ""):
        with pytest.raises(Forged):
            links.look(token)
        with pytest.raises(Forged):
            links.act(token, "", FROM)
    assert desk.get_case(case_id).acknowledged_by == ()


def test_a_link_of_the_previous_secret_still_acts(database: Database, links: ActLinks, case_id: str) -> None:
    token = token_for(database, "acknowledge", case_id, "wang", LinkMaker("http://console.test", [BEFORE]))
    assert links.act(token, links.look(token).form, FROM).used is not None


def test_a_link_of_a_page_that_there_never_was_leads_nowhere(links: ActLinks, case_id: str, clock: Clock) -> None:
    """Signed by us, of a database that was set back, or of another one with the same secret."""
    for subject, person, key in (
        (case_id, "wang", "another/page"),
        ("no-case", "wang", "x"),
        (case_id, "nobody", "x"),
    ):
        token = unquote(MAKER.link_for("acknowledge", subject, person, key, clock.at).rpartition("/")[2])
        with pytest.raises(NotFound):
            links.look(token)


def test_a_refusal_leaves_the_link_as_good_as_it_was(
    database: Database, links: ActLinks, case_id: str, desk: Desk
) -> None:
    """The owner may not review: he is told so, as often as he asks."""
    token = token_for(database, "open_review", case_id, "wang")
    for _ in range(2):
        with pytest.raises(Refused) as told:
            links.act(token, links.look(token).form, FROM)
        assert [reason.code for reason in told.value.reasons] == ["not_a_reviewer"]
    assert links.look(token).used is None
    review = token_for(database, "open_review", case_id, "li")
    links.act(review, links.look(review).form, FROM)
    assert desk.get_case(case_id).line.review == "opened"


def test_a_task_is_finished_by_its_link(database: Database, links: ActLinks, desk: Desk) -> None:
    token = token_for(database, "finish_task", "t1", "wang")
    assert links.act(token, links.look(token).form, FROM).used is not None
    assert desk.list_tasks("wang") == []
    (row,) = rows_of(database, "task.done")
    assert (row["actor"], row["via"]) == ("wang", "link")


class Post(Scripted):
    """Everybody's mail."""

    name = kind = "email"

    def links(self, subject: str, person: str, saying: str) -> list[str]:
        """The tokens of the links behind a word, in the mails with that in the subject."""
        told = [mail.text for mail in self.sent if subject in mail.subject and mail.to.id == person]
        assert told, [(mail.to.id, mail.subject) for mail in self.sent]
        return [
            unquote(token) for text in told for token in re.findall(rf"^{saying}: \S+{PATH}/(\S+)$", text, re.MULTILINE)
        ]


def delivered(database: Database, clock: Clock) -> Post:
    """What the dispatcher really sends, each page a message of its own."""
    post = Post()
    letters = Letters(DIRECTORY, MAKER.console_url, UTC, load_words(), acting=acting(MAKER)).for_channel(post.kind)
    dispatcher = Dispatcher(database, post, letters, clock, manners=Manners(digest_from=100, most=100))
    while dispatcher.round():
        pass
    dispatcher.close()
    return post


def test_the_superior_opens_a_review_by_the_mail_that_asks_for_it(
    database: Database, links: ActLinks, case_id: str, desk: Desk, clock: Clock
) -> None:
    post = delivered(database, clock)
    assert post.links("预警", "wang", "开始审核") == []
    (token,) = post.links("预警", "li", "开始审核")
    clock.at += timedelta(hours=1)
    links.act(token, links.look(token).form, FROM)
    assert desk.get_case(case_id).line.review == "opened"
    (row,) = rows_of(database, "case.acted")
    assert (row["actor"], row["action"], row["via"]) == ("li", "OpenReview", "link")


def test_whom_a_review_has_escalated_to_opens_it_by_that_mail(
    database: Database, links: ActLinks, case_id: str, desk: Desk, clock: Clock, clerk: Clerk
) -> None:
    clock.at += timedelta(hours=25)
    clerk.tick()
    (token,) = delivered(database, clock).links("overdue", "chen", "Open the review")
    links.act(token, links.look(token).form, FROM)
    assert desk.get_case(case_id).line.review == "opened"


def test_a_task_is_finished_by_the_mail_about_it(database: Database, links: ActLinks, desk: Desk, clock: Clock) -> None:
    (token,) = delivered(database, clock).links("待办", "wang", "已完成")
    links.act(token, links.look(token).form, FROM)
    assert desk.list_tasks("wang") == []


def test_what_a_case_advises_is_finished_by_the_reminder_and_what_people_added_is_not(
    database: Database, links: ActLinks, case_id: str, desk: Desk, clock: Clock, clerk: Clerk
) -> None:
    desk.finish_task("t1", "wang")
    added = clerk.act(case_id, SetTask("li", "wang", (clock.at + 20 * DAY).date(), "call the bank", "k1"))
    assert added is not None
    assert not added.refusals
    clock.at += 10 * DAY
    clerk.tick()
    (token,) = delivered(database, clock).links("待办提醒", "wang", "已完成")
    links.act(token, links.look(token).form, FROM)
    case = desk.get_case(case_id)
    assert case.work is not None
    assert {todo.id: todo.status for todo in case.work.todos} == {"r1": "done", "k1": "open"}
    row = rows_of(database, "case.acted")[-1]
    assert (row["actor"], row["action"], row["via"]) == ("wang", "FinishTask", "link")
    clock.at += 11 * DAY
    clerk.tick()
    assert delivered(database, clock).links("待办提醒", "wang", "已完成") == []


def test_of_many_who_come_at_once_one_acts(database: Database, links: ActLinks, case_id: str, desk: Desk) -> None:
    token = token_for(database, "acknowledge", case_id, "wang")
    form = links.look(token).form

    def come(_number: int) -> bool:
        try:
            links.act(token, form, FROM)
        except AlreadyUsed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(come, range(16))) == 1
    assert len(rows_of(database, "case.acknowledged")) == 1
    assert desk.get_case(case_id).acknowledged_by == ("wang",)
