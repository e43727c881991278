"""A page's link is followed, and what came of it is proved: on a real Kafka, by the commands that people run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import text

from deploy.ports import free_port
from schemas.topics import Topics
from services.notifier.views import CaseFilter
from tests.contract.notifier.test_auditing import forge
from tests.e2e.test_notifier import House
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.notifier.making import r1

_LINK = re.compile(r"http://127\.0\.0\.1:\d+(/act/[A-Za-z0-9_.-]+)")
_FORM = re.compile(r'name="form" value="([^"]+)"')


class Post:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.server = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    def link(self) -> str:
        """The path of the link in the owner's mail."""
        (mail,) = (mail for mail in self.mails if mail["To"].addresses[0].addr_spec == "wang@example.com")
        body = mail.get_body(("plain",))
        assert body is not None
        found = _LINK.search(body.get_content().replace("=\n", ""))
        assert found, body.get_content()
        return found[1]


@pytest.fixture
def house(tmp_path: Path, kafka: Kafka, topics: Topics, commands: Commands) -> Iterator[House]:
    made = House(tmp_path, kafka, topics, commands)
    yield made
    made.database.close()


@pytest.fixture
def post() -> Iterator[Post]:
    made = Post()
    made.server.start()
    yield made
    made.server.stop()


def audit(house: House, *arguments: str) -> CompletedProcess[str]:
    return call_bellwether("audit", *arguments, env=house.env)


def lived(house: House, post: Post) -> str:
    """A case that its owner acknowledged by the link in the mail, all of it published, and the notifier gone."""
    smtp = f"smtp://127.0.0.1:{post.server.port}?from=bellwether@example.com&tls=none"
    child = house.start(BELLWETHER_CHANNELS="email", BELLWETHER_SMTP_URL=smtp)
    house.send(r1())
    wait_until(lambda: len(post.mails) == 4, "the mails to owner, superior, and who leads finance and service")
    url = f"http://127.0.0.1:{house.port}{post.link()}"
    form = _FORM.search(httpx.get(url).text)
    assert form
    first, second = (httpx.post(url, data={"form": form[1]}) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 409)
    # opened, joined, three departments asked, four paged by mail and in the inbox, acknowledged
    assert "case.acknowledged" in [event.type for event in house.case_events(14)]
    (case,) = house.desk.list_cases(CaseFilter())
    assert house.desk.get_case(case.id).acknowledged_by == ("wang",)
    wait_until(lambda: not waiting(house), "everything to be published")
    child.stop()
    return case.id


def waiting(house: House) -> int:
    with house.database.reading() as tx:
        return int(tx.execute(text("SELECT count(*) FROM case_events")).scalar_one())


def by_hand(house: House, statement: str) -> None:
    with house.database.writing() as tx:
        assert tx.execute(text(statement)).rowcount > 0


def test_what_happened_is_proved_until_somebody_rewrites_it(house: House, post: Post, tmp_path: Path) -> None:
    case_id = lived(house, post)
    good = audit(house, "verify", "--kafka")
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "nothing was rewritten"), good
    assert "records of the topic confirm it up to row" in good.stdout

    file = tmp_path / "case.jsonl"
    assert audit(house, "export", case_id, "--to", str(file)).returncode == 0
    checked = audit(house, "check", str(file))
    assert checked.returncode == 0, checked
    assert "case.acknowledged" in audit(house, "export", case_id, "--text").stdout
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    lines[0]["body"] = lines[0]["body"].replace("C1", "C2")
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert audit(house, "check", str(file)).returncode == 3

    by_hand(house, "UPDATE timeline SET actor = 'li' WHERE type = 'case.acknowledged'")
    told = audit(house, "verify")
    assert told.returncode == 3
    assert f"timeline of case {case_id}" in told.stdout
    assert "actor" in told.stdout


# Nightly: tests/contract/notifier/test_auditing.py shows it on both databases.
@pytest.mark.nightly
def test_a_chain_made_anew_is_told_by_the_topic_alone(house: House, post: Post) -> None:
    lived(house, post)
    with house.database.writing() as tx:
        number = forge(tx, "case.acknowledged", lambda said: {**said, "actor": "li"})
    by_hand(house, "UPDATE timeline SET actor = 'li' WHERE type = 'case.acknowledged'")
    assert audit(house, "verify").returncode == 0
    told = audit(house, "verify", "--kafka")
    assert told.returncode == 3
    assert "made_anew" in told.stdout
    assert f"not_as_told: row {number}" in told.stdout
    assert "actor was wang, now li" in told.stdout
