"""The parts around the core: settings, records from Kafka, workers, gathering, the web's own pages, commands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from click.testing import CliRunner, Result
from kafka.errors import KafkaTimeoutError
from prometheus_client import CollectorRegistry
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette

from schemas.warnings import encode_warning
from services.cli import main
from services.common.database import BadDatabaseUrl
from services.common.settings import BadSetting, read_settings
from services.notifier.channels.email import BadSmtpUrl
from services.notifier.clerk import Clerk
from services.notifier.config import NotifierSettings, read_notifier_settings
from services.notifier.desk import Desk
from services.notifier.house import House
from services.notifier.intake import read_batch
from services.notifier.metrics import DatabaseCollector
from services.notifier.tables import open_database
from services.notifier.web import build_web
from services.notifier.workers import Workers
from services.notifier.worktime_file import default_clocks
from tests.support.databases import open_migrated
from tests.unit.notifier.making import DAY, DIRECTORY, DIRECTORY_YAML, HOUR, NOON, make_warning, r1, review


def own(**env: str) -> NotifierSettings:
    return read_notifier_settings(env, read_settings({}))


def test_without_settings_there_is_the_inbox_alone_and_links_lead_to_this_machine() -> None:
    house = House(default_clocks(ZoneInfo("Asia/Shanghai")))
    assert own() == NotifierSettings((), "http://127.0.0.1:8082", None, None, "", house=house)


def test_channels_bring_their_settings() -> None:
    made = own(
        BELLWETHER_CHANNELS="inbox, email,webhook",
        BELLWETHER_SMTP_URL="smtp://mail.example.com?from=b@example.com",
        BELLWETHER_WEBHOOK_URL="https://hook.example.com/",
        BELLWETHER_WEBHOOK_SECRET="s",
        BELLWETHER_CONSOLE_URL="https://bellwether.example.com/",
    )
    assert made.channels == ("email", "webhook")
    assert made.console_url == "https://bellwether.example.com"


@pytest.mark.parametrize(
    ("env", "error", "named"),
    [
        ({"BELLWETHER_CHANNELS": "pigeon"}, BadSetting, "pigeon"),
        ({"BELLWETHER_CHANNELS": "email"}, BadSetting, "BELLWETHER_SMTP_URL"),
        ({"BELLWETHER_CHANNELS": "email", "BELLWETHER_SMTP_URL": "mail"}, BadSmtpUrl, "BELLWETHER_SMTP_URL"),
        ({"BELLWETHER_CHANNELS": "webhook", "BELLWETHER_WEBHOOK_URL": "http://x"}, BadSetting, "WEBHOOK_SECRET"),
        ({"BELLWETHER_CONSOLE_URL": "javascript:alert(1)"}, BadSetting, "BELLWETHER_CONSOLE_URL"),
        ({"BELLWETHER_SETTLE_S": "901"}, BadSetting, "BELLWETHER_SETTLE_S"),
        ({"BELLWETHER_SETTLE_S": "-1"}, BadSetting, "BELLWETHER_SETTLE_S"),
        ({"BELLWETHER_LEASE_S": "0"}, BadSetting, "BELLWETHER_LEASE_S"),
    ],
)
def test_a_setting_that_cannot_be_used_names_its_variable(
    env: Mapping[str, str], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        own(**env)


def test_what_is_found_late_settles_for_a_minute_unless_another_while_is_set() -> None:
    assert [own().settle_s, own(BELLWETHER_SETTLE_S="0").settle_s] == [60, 0]


@pytest.mark.parametrize("url", ["postgresql//bell:hunter2@db", "postgresql://bell@db:hunter2/bellwether"])
def test_a_database_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadDatabaseUrl, match="sqlite:///") as caught:
        open_database(url)
    assert "hunter2" not in str(caught.value)


def test_an_error_of_the_database_shows_no_customers(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'n.db'}")
    with pytest.raises(OperationalError) as caught, database.reading() as tx:
        tx.execute(text("SELECT :name FROM nowhere"), {"name": "a customer"})
    assert "a customer" not in str(caught.value)


@dataclass
class Record:
    value: bytes | None
    offset: int


def test_what_is_no_warning_is_set_aside_with_its_reason_and_the_rest_keeps_its_order() -> None:
    long_id = encode_warning(make_warning()).replace(b'"id":"w1"', b'"id":"%s"' % (b"x" * 101))
    values = [encode_warning(make_warning()), None, b"{", b"[1]", b"\xff", long_id, encode_warning(r1())]
    batch = read_batch(Record(value, offset) for offset, value in enumerate(values))
    assert [warning.id for warning in batch.warnings] == ["w1", "r1"]
    assert [record.offset for record, _ in batch.poison] == [1, 2, 3, 4, 5]
    assert all(reason for _, reason in batch.poison)


def test_a_worker_tries_again_what_may_pass_and_goes_on() -> None:
    tries, went_on = [0], threading.Event()

    def step() -> bool:
        tries[0] += 1
        if tries[0] == 1:
            raise KafkaTimeoutError
        went_on.set()
        return False

    workers = Workers(on_failure=lambda: pytest.fail("it did not die"))
    workers.start("test", step, 0.01)
    assert went_on.wait(10)
    workers.stop()
    assert (workers.failures(), workers.troubles(), workers.stopping()) == ({}, {}, True)


def test_a_worker_that_dies_of_anything_else_ends_the_process() -> None:
    ended, closed = threading.Event(), threading.Event()

    def step() -> bool:
        raise LookupError("a bug")

    workers = Workers(on_failure=ended.set)
    workers.start("test", step, 0.01, closed.set)
    assert ended.wait(10)
    assert closed.wait(10)
    assert workers.failures() == {"test": "LookupError"}
    workers.stop()


@pytest.fixture
def clerk(tmp_path: Path) -> Clerk:
    database = open_migrated(open_database, tmp_path / "n.db")
    return Clerk(database, DIRECTORY, lambda: NOON + DAY)


def get(clerk: Clerk, path: str, problems: Mapping[str, str] | None = None, host: str = "127.0.0.1") -> httpx.Response:
    """What the notifier's web application answers to a browser on `host`."""
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(clerk.database, clerk.now, ["email"]))
    web = build_web(Desk(clerk), lambda: problems or {}, lambda: problems or {}, registry, Starlette())

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=web, client=(host, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
            return await client.get(path)

    return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_and_readiness_say_what_is_wrong(clerk: Clerk, path: str) -> None:
    assert get(clerk, path).json() == {"status": "ok", "problems": {}}
    answer = get(clerk, path, {"consumer": "away"})
    assert (answer.status_code, answer.json()["problems"]) == (503, {"consumer": "away"})


def test_the_summary_is_for_this_machine_only(clerk: Clerk) -> None:
    clerk.file([r1()])
    counts = {"cases_open": 1, "pages": 4, "warnings": 1, "pages_uncertain": 0}
    expected = {**counts, "settling": 0, "rejected": 0, "undelivered": 0}
    assert get(clerk, "/api/summary").json() == expected
    assert get(clerk, "/api/summary", host="10.0.0.7").status_code == 403


def test_the_metrics_tell_of_pages_reviews_and_the_outbox(clerk: Clerk) -> None:
    clerk.file([r1(review=review(NOON + HOUR))])
    clerk.now = lambda: NOON + DAY + HOUR
    text = get(clerk, "/metrics").text
    for line in (
        'bellwether_notifier_pages{channel="inbox",state="pending"} 4.0',
        "bellwether_notifier_cases_open 1.0",
        "bellwether_notifier_reviews_overdue 1.0",
        "bellwether_notifier_review_breaches_total 0.0",
        "bellwether_notifier_outbox_age_seconds 3600.0",
        "bellwether_notifier_settling 0.0",
        'bellwether_notifier_pages{channel="email",state="failed"} 0.0',
    ):
        assert line in text


def test_a_review_stays_overdue_after_it_was_escalated_and_the_next_step_is_in_time(clerk: Clerk) -> None:
    clerk.file([r1(review=review(NOON + HOUR))])
    clerk.now = lambda: NOON + DAY + 2 * HOUR
    text = get(clerk, "/metrics").text
    assert "bellwether_notifier_review_overdue_seconds 3600.0" in text
    assert "bellwether_notifier_escalation_late_seconds 3600.0" in text
    clerk.tick()
    clerk.now = lambda: NOON + DAY + 5 * HOUR
    text = get(clerk, "/metrics").text
    assert "bellwether_notifier_review_overdue_seconds 10800.0" in text
    assert "bellwether_notifier_escalation_late_seconds 0.0" in text


def run(folder: Path, *arguments: str, stdin: str = "", directory: bool = True) -> Result:
    env = {"BELLWETHER_DATA_DIR": str(folder / "data"), "BELLWETHER_DATABASE_URL": None, "BELLWETHER_DIRECTORY": None}
    if directory:
        (folder / "people.yaml").write_text(DIRECTORY_YAML, encoding="utf-8")
        env["BELLWETHER_DIRECTORY"] = str(folder / "people.yaml")
    return CliRunner().invoke(main, ["notifier", *arguments], input=stdin, env=env)


def test_an_account_is_made_on_the_command_line_and_can_sign_in(tmp_path: Path) -> None:
    done = run(tmp_path, "user", "add", "li", "--person", "li", "--password-stdin", stdin="a good password\n")
    assert (done.exit_code, done.output) == (0, "account li acts as li\n")
    database = open_database(f"sqlite:///{tmp_path / 'data' / 'notifier.db'}")
    assert Desk(Clerk(database, DIRECTORY, lambda: NOON)).authenticate("li", "a good password").person == "li"


@pytest.mark.parametrize(
    ("arguments", "stdin", "directory", "said"),
    [
        (("--person", "li"), "", True, "no password came on standard input"),
        (("--person", "stranger"), "a good password\n", True, '"stranger" is not in the directory'),
        ((), "short\n", True, "A password has 12 to 200 characters."),
        ((), "a good password\n", False, "BELLWETHER_DIRECTORY"),
    ],
)
def test_an_account_that_cannot_be_made_says_why_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], stdin: str, directory: bool, said: str
) -> None:
    done = run(tmp_path, "user", "add", "li", *arguments, "--password-stdin", stdin=stdin, directory=directory)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_without_a_person_an_account_acts_as_the_fallback(tmp_path: Path) -> None:
    done = run(tmp_path, "user", "add", "demo", "--password-stdin", stdin="a good password\n")
    assert done.output == "account demo acts as sun\n"


def test_the_schema_is_migrated_up_and_down_by_command(tmp_path: Path) -> None:
    assert run(tmp_path, "migrate").exit_code == 0
    assert run(tmp_path, "migrate", "--to", "base", "--down").exit_code == 0
    with open_database(f"sqlite:///{tmp_path / 'data' / 'notifier.db'}").reading() as tx:
        assert inspect(tx).get_table_names() == ["alembic_version"]
