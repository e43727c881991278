"""The notifier as a process, on a real Kafka: a warning on the topic becomes a case, pages, and case events."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from kafka import KafkaConsumer, KafkaProducer

from deploy.kafka import Broker
from deploy.ports import free_port
from deploy.process import Child
from schemas import warnings as wire
from schemas.cases import CaseEvent, decode_cases_record
from schemas.topics import Topics, topic_specs
from services.common.clock import manual_clock, set_manual_clock
from services.common.kafka_admin import ensure_topics
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.directory import load_directory
from services.notifier.tables import open_database
from services.notifier.views import CaseFilter
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.notifier.making import DAY, DIRECTORY_YAML, NOON, make_warning, r1

WITHOUT_GAPS = DIRECTORY_YAML.replace("  - {id: C3, name: 无人负责}\n", "").replace(
    "language: en, reports_to: zhao}", "language: en, reports_to: zhao, email: sun@example.com}"
)
"""What is missing in a directory is paged too, and these tests count pages."""


class House:
    """One installation: a folder with a clock, a directory and a database, and a notifier that comes and goes."""

    def __init__(self, folder: Path, kafka: Kafka, topics: Topics, commands: Commands) -> None:
        self.kafka, self.topics, self.commands = kafka, topics, commands
        self.clock = folder / "clock"
        self.inbox_log = folder / "data" / "inbox.jsonl"
        self.port = free_port()
        self.set_clock(NOON)
        (folder / "people.yaml").write_text(WITHOUT_GAPS, encoding="utf-8")
        self.env = {
            "BELLWETHER_KAFKA": kafka.bootstrap,
            "BELLWETHER_TOPIC_PREFIX": topics.prefix,
            "BELLWETHER_CLOCK": f"manual:{self.clock}",
            "BELLWETHER_DATA_DIR": str(folder / "data"),
            "BELLWETHER_DIRECTORY": str(folder / "people.yaml"),
            "BELLWETHER_NOTIFIER_PORT": str(self.port),
        }
        self.database = open_database(f"sqlite:///{folder / 'data' / 'notifier.db'}")
        self.desk = Desk(Clerk(self.database, load_directory(folder / "people.yaml"), manual_clock(self.clock)))

    def set_clock(self, at: datetime) -> None:
        set_manual_clock(self.clock, at)

    def start(self, **env: str) -> Child:
        child = self.commands.start("notifier", "serve", env={**self.env, **env})
        wait_until(lambda: self.status("/readyz") == 200, "the notifier to be ready", 180)
        return child

    def status(self, path: str) -> int | None:
        try:
            return self.get(path).status_code
        except httpx.TransportError:
            return None

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)

    def summary(self) -> dict[str, int]:
        counts: dict[str, int] = self.get("/api/summary").json()
        return counts

    def send(self, *warnings: wire.Warning) -> None:
        self.send_raw(*((warning.customer_id.encode(), wire.encode_warning(warning)) for warning in warnings))

    def send_raw(self, *records: tuple[bytes, bytes]) -> None:
        producer = KafkaProducer(bootstrap_servers=self.kafka.bootstrap, acks="all")
        try:
            for key, value in records:
                producer.send(self.topics.warnings, key=key, value=value).get(timeout=30)
        finally:
            producer.close()

    def delivered(self) -> list[tuple[str, str]]:
        """Person and subject of every line in the inbox's log."""
        if not self.inbox_log.exists():
            return []
        lines = [json.loads(line) for line in self.inbox_log.read_text(encoding="utf-8").splitlines()]
        return [(line["person"], line["subject"]) for line in lines]

    def case_events(self, wanted: int) -> list[CaseEvent]:
        """The first `wanted` events on the cases topic."""
        consumer = KafkaConsumer(
            self.topics.cases, bootstrap_servers=self.kafka.bootstrap, auto_offset_reset="earliest", group_id=None
        )
        found: list[CaseEvent] = []

        def enough() -> bool:
            for records in consumer.poll(timeout_ms=200).values():
                told = [decode_cases_record(record.value) for record in records]
                found.extend(one for one in told if isinstance(one, CaseEvent))
            return len(found) >= wanted

        try:
            wait_until(enough, f"{wanted} case events")
        finally:
            consumer.close()
        return found


@pytest.fixture
def house(tmp_path: Path, kafka: Kafka, topics: Topics, commands: Commands) -> Iterator[House]:
    made = House(tmp_path, kafka, topics, commands)
    yield made
    made.database.close()


ASKED = ["chen", "sun"]
"""To join for finance and service, beside 王强, who owns the customer, and 李娜 above him, who leads sales."""


def test_a_warning_on_the_topic_pages_owner_superior_and_departments_once_and_opens_a_case(house: House) -> None:
    house.start()
    house.send(r1(), r1(), make_warning("old", customer_id="C2", historical=True))
    wait_until(lambda: len(house.delivered()) == 4, "four pages")
    wait_until(lambda: house.summary()["warnings"] == 2, "both warnings")
    assert [person for person, _ in house.delivered()] == ["wang", "li", *ASKED]
    assert house.summary() == {
        "cases_open": 1,
        "pages": 4,
        "warnings": 2,
        "pages_uncertain": 0,
        "settling": 0,
        "rejected": 0,
        "undelivered": 0,
    }
    events = house.case_events(9)
    asked, told = ["intervention.asked"] * 3, ["case.paged"] * 4
    assert [event.type for event in events] == ["case.opened", "case.warning_joined", *asked, *told]
    assert [event.sequence for event in events] == list(range(1, 10))


def test_the_review_breach_comes_with_the_clock_and_pages_the_next_manager(house: House) -> None:
    house.start()
    house.send(r1())
    wait_until(lambda: len(house.delivered()) == 4, "the first pages")
    house.set_clock(NOON + DAY)
    # Sales and service have not joined; who leads finance is the next manager, and hears of it in that page.
    wait_until(lambda: len(house.delivered()) == 7, "the page to the next manager, and the reminders")
    late = sorted((person, subject[:6]) for person, subject in house.delivered()[4:])
    assert late == [("chen", "[Revie"), ("li", "【尚未介入】"), ("sun", "[Not j")]
    metrics = house.get("/metrics").text
    assert "bellwether_notifier_review_breaches_total 1.0" in metrics
    assert "bellwether_notifier_reviews_overdue 1.0" in metrics
    # A page is in the inbox a moment before that is noted of it.
    accepted = 'bellwether_notifier_pages{channel="inbox",state="accepted"} 7.0'
    wait_until(lambda: accepted in house.get("/metrics").text, "all of them to be known as delivered")


# Nightly: tests/unit/notifier/test_settling.py shows it without processes.
@pytest.mark.nightly
def test_what_was_found_late_pages_as_one_digest_once_it_is_quiet_also_after_a_kill(house: House) -> None:
    first = house.start()
    found = [make_warning(f"w{number}", customer_id=f"N{number}", start=NOON - 40 * DAY) for number in range(6)]
    house.send(*found, found[0].model_copy(update={"revision": 2, "change": "withdrawn"}))
    wait_until(lambda: house.summary()["settling"] == 6, "all to settle")
    wait_until(lambda: "bellwether_notifier_settling 6.0" in house.get("/metrics").text, "the metric of it")
    first.kill()
    house.start()
    assert house.delivered() == []
    house.set_clock(NOON + timedelta(seconds=60))
    wait_until(lambda: len(house.delivered()) == 2, "a digest for the fallback and one for the superior")
    assert house.summary() == {
        "cases_open": 5,
        "pages": 10,
        "warnings": 6,
        "pages_uncertain": 0,
        "settling": 0,
        "rejected": 0,
        "undelivered": 0,
    }
    assert {subject[:10] for _, subject in house.delivered()} == {"[Digest] 5", "【预警汇总】5 条通"}


def test_a_record_that_cannot_be_kept_as_a_warning_is_rejected_in_sight_and_the_next_is_paged(
    house: House,
) -> None:
    house.start()
    absurd = wire.encode_warning(make_warning()).replace(b'"revision":1', b'"revision":' + b"9" * 30)
    house.send_raw((b"C1", b"{not json"), (b"C1", b'{"id": "x"}'), (b"C1", absurd))
    house.send(make_warning())
    wait_until(lambda: len(house.delivered()) == 2, "the pages of the good one")
    assert "bellwether_notifier_poison_kept 3.0" in house.get("/metrics").text
    assert house.status("/readyz") == 200
    assert (house.summary()["rejected"], len(house.desk.list_rejected())) == (3, 3)


def test_a_ticket_goes_to_its_department_and_a_task_to_its_audience_and_each_leaves_the_list(house: House) -> None:
    house.start()
    ticket = make_warning("t1", output="task", department="finance")
    house.send(
        ticket, make_warning("t2", output="task", audience=["superior"]), make_warning("s1", output="suggestion")
    )
    wait_until(lambda: len(house.delivered()) == 2, "the nudges")
    assert sorted(person for person, _ in house.delivered()) == ["chen", "li"]
    house.send(ticket.model_copy(update={"revision": 2, "change": "amended", "pages_again": True}))
    house.send(make_warning("t2", 2, "ended", output="task", audience=["superior"], end=NOON))
    wait_until(lambda: house.desk.list_tasks("li") == [], "the second task to end by itself")
    assert [task.id for task in house.desk.list_tasks("chen")] == ["t1"]
    assert [one.warning.id for one in house.desk.list_suggestions("wang")] == ["s1"]
    assert len(house.delivered()) == 2


# Nightly: tests/kills sends and kills in every run.
@pytest.mark.nightly
def test_warnings_sent_while_the_notifier_was_killed_are_paged_after_it_is_back_and_none_twice(house: House) -> None:
    first = house.start()
    house.send(r1())
    wait_until(lambda: len(house.delivered()) == 4, "the first pages")
    first.kill()
    house.send(r1(), make_warning("w2", customer_id="C2"))
    house.start()
    wait_until(lambda: len(house.delivered()) == 6, "the pages of what came meanwhile", 60)
    assert house.summary()["warnings"] == 2
    assert len(house.delivered()) == 6


def test_what_people_do_is_published_as_case_events_and_a_closed_case_is_open_no_more(house: House) -> None:
    house.start()
    house.send(make_warning())
    wait_until(lambda: len(house.delivered()) == 2, "the pages")
    # A page is in the inbox a moment before its event is written: what is closed in between would not be the last.
    assert [event.type for event in house.case_events(4)][2:] == ["case.paged"] * 2
    (case,) = house.desk.list_cases(CaseFilter())
    house.desk.close(case.id, "li", "act", "visited")
    assert house.summary()["cases_open"] == 0
    assert [(event.type, event.actor, event.decision) for event in house.case_events(5)][-1] == (
        "case.closed",
        "li",
        "act",
    )


# Nightly: tests/kills kills between send and record.
@pytest.mark.nightly
def test_a_page_in_flight_when_the_process_is_killed_is_shown_as_uncertain_and_repeated_with_its_doubt_later(
    house: House,
) -> None:
    with SilentServer() as server:
        webhook = {
            "BELLWETHER_CHANNELS": "webhook",
            "BELLWETHER_WEBHOOK_URL": server.url,
            "BELLWETHER_WEBHOOK_SECRET": "a secret",
        }
        first = house.start(**webhook)
        house.send(make_warning(audience=["owner"]))
        wait_until(lambda: server.asked == 1, "the webhook to be asked")
        wait_until(lambda: len(house.delivered()) == 1, "the page in the inbox")
        first.kill()
        house.start(**webhook)
        wait_until(lambda: len(house.delivered()) == 2, "the inbox to tell of the doubt")
        assert house.delivered()[1][1].startswith("【通知可能未送达】")
        assert house.summary()["pages_uncertain"] == 1
        assert server.asked == 1
        house.set_clock(NOON + timedelta(minutes=1))
        wait_until(lambda: server.asked == 2, "the webhook to be asked again")


def test_a_second_notifier_on_the_same_sqlite_file_says_so_and_ends(house: House) -> None:
    house.start()
    second = house.commands.start("notifier", "serve", env={**house.env, "BELLWETHER_NOTIFIER_PORT": str(free_port())})
    assert second.wait(60) == 1
    assert "another notifier works on" in second.log_tail()
    assert house.status("/readyz") == 200


def test_with_e_mail_configured_a_page_goes_through_a_real_mail_server_and_to_the_inbox(house: House) -> None:
    mails: list[bytes] = []

    class Keep:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            assert isinstance(envelope.content, bytes)
            mails.append(envelope.content)
            return "250 taken"

    mail_server = Controller(Keep(), hostname="127.0.0.1", port=free_port())
    mail_server.start()
    try:
        smtp = f"smtp://127.0.0.1:{mail_server.port}?from=bellwether@example.com&tls=none"
        house.start(BELLWETHER_CHANNELS="email", BELLWETHER_SMTP_URL=smtp)
        house.send(r1())
        wait_until(lambda: len(mails) == 4, "the mails")
        wait_until(
            lambda: 'pages{channel="email",state="accepted"} 4.0' in house.get("/metrics").text, "its acceptance"
        )
    finally:
        mail_server.stop()
    reached = (b"wang@example.com", b"li@example.com", b"chen@example.com", b"sun@example.com")
    assert all(any(to in mail for mail in mails) for to in reached)
    wait_until(lambda: {person for person, _ in house.delivered()} == {"wang", "li", *ASKED}, "the pages in the inbox")


class SilentServer:
    """Takes HTTP requests and never answers them."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    @property
    def asked(self) -> int:
        return len(self._taken)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        for taken in self._taken:
            taken.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._socket.accept()
                taken.recv(65536)
                self._taken.append(taken)


# Nightly: half a minute; the clients' own reconnecting, as in test_rules_runtime.py.
@pytest.mark.nightly
def test_the_notifier_outlives_a_broker_that_is_killed_and_pages_what_comes_after(
    tmp_path: Path, own_broker: Broker, commands: Commands
) -> None:
    topics = Topics("outlive")
    ensure_topics(own_broker.bootstrap, topic_specs("outlive", 2))
    house = House(tmp_path, Kafka(own_broker.bootstrap), topics, commands)
    child = house.start()
    house.send(make_warning())
    wait_until(lambda: len(house.delivered()) == 2, "the first pages")
    own_broker.kill()
    own_broker.start()
    house.send(make_warning("w2", customer_id="C2"))
    wait_until(lambda: len(house.delivered()) == 4, "the pages after the broker is back", 90)
    assert child.exit_code() is None
    house.database.close()
