"""What somebody sees who follows a link in a page: what it would do, in their language, and nothing to anybody else."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from markupsafe import escape
from starlette.types import ASGIApp

from services.notifier import outbox, tables
from services.notifier.acting import ActLinks
from services.notifier.console.app import build_console
from services.notifier.links import VALID, LinkMaker
from tests.unit.notifier_console.office import SHANGHAI, Office
from tests.unit.notifier_console.scene import HOSTILE
from tests.unit.notifier_console.visitor import Visitor, words

SECRET = b"s" * 32
_FORM = re.compile(r'name="form" value="([^"]+)"')


@pytest.fixture
def console(office: Office) -> ASGIApp:
    return build_console(office.desk, SHANGHAI, ActLinks(office.clerk, [SECRET]))


def path_for(office: Office, person: str, customer_id: str = "C-1001", secret: bytes = SECRET) -> str:
    case_id = office.case_of(customer_id)
    with office.clerk.database.reading() as tx:
        page = outbox.select_pages(tx, tables.pages.c.case_id == case_id, tables.pages.c.person == person)[0]
    maker = LinkMaker("http://console.test", [secret])
    return urlsplit(maker.link_for("acknowledge", case_id, person, page.key, office.now - timedelta(hours=1))).path


def send(visitor: Visitor, path: str) -> httpx.Response:
    """The button on the page."""
    found = _FORM.search(visitor.get(path).text)
    assert found, "no form on the page"
    return visitor.post(path, form=found[1])


def acknowledged(office: Office, customer_id: str = "C-1001") -> tuple[str, ...]:
    return office.desk.get_case(office.case_of(customer_id)).acknowledged_by


def test_a_get_shows_what_it_would_do_and_does_nothing(visitor: Visitor, office: Office) -> None:
    path = path_for(office, "zhang.wei")
    before = office.desk.get_case(office.case_of("C-1001"))
    answer = [visitor.get(path) for _ in range(3)][-1]
    assert answer.status_code == 200
    assert "以张伟的身份确认收到" in words(answer)
    assert "华东精密机械有限公司" in words(answer)
    assert office.desk.get_case(office.case_of("C-1001")) == before
    assert not visitor.cookies


def test_the_page_is_in_the_language_of_whom_it_was_for(visitor: Visitor, office: Office) -> None:
    answer = visitor.get(path_for(office, "emma.brown", "C-1002"), accept_language="zh")
    assert "Acknowledge as Emma Brown" in words(answer)
    assert 'lang="en"' in answer.text


def test_a_post_acts_and_says_so_and_a_second_one_says_when_it_was(visitor: Visitor, office: Office) -> None:
    path = path_for(office, "zhang.wei")
    form = _FORM.search(visitor.get(path).text)
    assert form
    done = visitor.post(path, form=form[1])
    assert done.status_code == 200
    assert "已于 2026年3月18日 14:30 确认收到。" in words(done)
    assert acknowledged(office) == ("zhang.wei",)
    office.now += timedelta(minutes=5)
    again = visitor.post(path, form=form[1])
    assert again.status_code == 409
    assert "已于 2026年3月18日 14:30 确认收到。 此链接已使用" in words(again)
    assert "<form" not in visitor.get(path).text


@pytest.mark.parametrize("form", ["", "forged", "99999999999.AAAAAAAAAAAAAAAAAAAAAA"])
def test_another_site_cannot_send_the_form(visitor: Visitor, office: Office, form: str) -> None:
    answer = visitor.post(path_for(office, "zhang.wei"), form=form)
    assert answer.status_code == 403
    assert acknowledged(office) == ()


def test_a_forged_link_tells_nothing_of_anybody(visitor: Visitor, office: Office) -> None:
    forged = path_for(office, "zhang.wei", secret=b"x" * 32)
    for answer in (visitor.get(forged), visitor.post(forged, form="x"), visitor.get("/act/nonsense")):
        assert answer.status_code == 404
        assert "此链接无效" in words(answer)
        assert "张伟" not in answer.text
        assert "华东" not in answer.text
    assert acknowledged(office) == ()


def test_an_expired_link_says_so_and_tells_nothing_else(visitor: Visitor, office: Office) -> None:
    path = path_for(office, "zhang.wei")
    office.now += VALID
    answer = visitor.get(path)
    assert answer.status_code == 410
    assert "此链接已过期" in words(answer)
    assert "华东" not in answer.text
    assert visitor.post(path, form="x").status_code == 410


def test_an_expired_link_that_was_used_says_when(visitor: Visitor, office: Office) -> None:
    path = path_for(office, "zhang.wei")
    send(visitor, path)
    office.now += VALID
    assert "已于 2026年3月18日 14:30 确认收到。" in words(visitor.get(path))


def test_the_address_of_the_page_is_told_to_nobody_and_kept_nowhere(visitor: Visitor, office: Office) -> None:
    path = path_for(office, "zhang.wei")
    for answer in (visitor.get(path), send(visitor, path), visitor.get("/act/nonsense")):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "noindex" in answer.headers["x-robots-tag"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "http:" not in answer.text.replace("http://www.w3.org", "")
        assert "https:" not in answer.text


def test_a_customers_name_is_text_and_no_markup(visitor: Visitor, office: Office) -> None:
    answer = visitor.get(path_for(office, "zhang.wei", "C-6666"))
    assert str(escape(HOSTILE)) in answer.text
    assert "<script" not in answer.text


def test_who_has_a_link_has_no_session(visitor: Visitor, office: Office) -> None:
    send(visitor, path_for(office, "zhang.wei"))
    assert visitor.get("/cases").status_code == 303


def test_guessing_becomes_slow_and_does_not_keep_a_good_link_out(visitor: Visitor, office: Office) -> None:
    answers = [visitor.get(f"/act/guess.{number}").status_code for number in range(25)]
    assert answers == [404] * 20 + [429] * 5
    assert visitor.get(path_for(office, "zhang.wei")).status_code == 200
    office.now += timedelta(minutes=10)
    assert visitor.get("/act/guess").status_code == 404


def test_a_link_is_not_asked_for_without_end(visitor: Visitor, office: Office) -> None:
    path = path_for(office, "zhang.wei")
    assert [visitor.get(path).status_code for _ in range(32)] == [200] * 30 + [429] * 2
    assert visitor.get(path_for(office, "zhang.wei", "C-6666")).status_code == 200
    office.now += timedelta(minutes=1)
    assert visitor.get(path).status_code == 200


def test_from_where_somebody_acts_in_the_console_is_told_to_the_ledger(superior: Visitor, office: Office) -> None:
    case_id = office.case_of("C-1001")
    superior.act(f"/cases/{case_id}", f"/cases/{case_id}/acknowledge")
    with office.clerk.database.reading() as tx:
        kept = {row.name: row.value for row in tx.execute(tables.ledger_private.select())}
    assert kept["address"] == "127.0.0.1"
    assert kept["agent"].startswith("python-httpx/")


def test_without_secrets_there_are_no_links(office: Office) -> None:
    stranger = Visitor(build_console(office.desk, SHANGHAI))
    assert stranger.get(path_for(office, "zhang.wei")).status_code == 303
