"""Kafka by TLS, with certificates or with a name and a password: everything that connects, and what is said when it
must not."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from deploy.process import Child
from schemas.topics import Topics, topic_specs
from services.common.kafka_admin import BrokerUnreachable, admin_client, ensure_topics
from services.common.settings import read_connection
from services.ingest.publisher import KafkaPublisher
from services.ingest.records import Record
from tests.contract.ingest.topics_reader import read_topic
from tests.support.certificates import Authority
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import TEST_PARTITIONS, start_broker
from tests.support.secured_kafka import PLAIN_PASSWORD, PLAIN_USER, SecuredKafka
from tests.support.system import Installation, standing
from tests.support.waiting import wait_until, wait_until_async

CUSTOMER = "JN-0042"
PEOPLE = """
people:
  - {id: li.na, name: 李娜, department: sales, language: zh, email: li.na@example.com}
customers:
  - {id: JN-0042, name: 江南精密机械有限公司, owner: li.na, region: 华东}
fallback: li.na
"""
SERVICES = ("ingest", "rules", "notifier")
PASSWORD = "pa,ss=wörd 密"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """One broker for all tests here."""
    made = SecuredKafka(tmp_path_factory.mktemp("secured"))
    start_broker(made.broker)
    yield made
    made.broker.stop()


def installation(secured: SecuredKafka, env: Mapping[str, str], commands: Commands, folder: Path) -> Installation:
    """Three services that connect as `env` says, while the test itself looks from a port without TLS."""
    (folder / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    own = {
        "BELLWETHER_CLOCK": "event",
        "BELLWETHER_DIRECTORY": str(folder / "people.yaml"),
        "BELLWETHER_SETTLE_S": "0",
        **env,
    }
    return Installation(commands, secured.broker.bootstrap, Topics(f"secured-{folder.name}"), folder, own)


def run(system: Installation, *arguments: str) -> str:
    """A command that must succeed; what it said."""
    done = call_bellwether(*arguments, env=system.env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def finance_sends_two_invoices(system: Installation) -> None:
    """One event each through ingest, answered only when it is durable."""
    for month in ("2026-01", "2026-02"):
        data = {"invoice_id": month, "amount": "900.00", "currency": "CNY"}
        event = {
            "specversion": "1.0",
            "id": month,
            "source": "finance",
            "type": "bellwether.invoice.issued",
            "time": f"{month}-05T09:00:00+08:00",
            "subject": CUSTOMER,
            "data": {**data, "issue_date": f"{month}-05", "due_date": f"{month}-20"},
        }
        answer = httpx.post(f"{system.url('ingest')}/v1/events", json=event, timeout=30)
        assert answer.status_code == 202, answer.text


def pages(folder: Path) -> list[str]:
    """Rules and persons in the inbox's log."""
    log = folder / "data" / "inbox.jsonl"
    return [json.loads(line)["person"] for line in log.read_text().splitlines()] if log.exists() else []


def require_a_page(system: Installation, folder: Path) -> None:
    """From ingest to the person: two invoices that are never paid."""
    finance_sends_two_invoices(system)
    run(system, "advance", "2026-03-15T12:00:00+08:00")
    wait_until(lambda: "li.na" in pages(folder), "a page", 90)
    assert "R1" in {one.rule for one in standing(system.warnings()).values()}


def require_told(system: Installation, words: str) -> None:
    """Each service says so in its log, and lives on."""
    for name, child in system.children.items():
        wait_until(functools.partial(_says, child, words), f"{name} to say it", 60)
    assert [child.exit_code() for child in system.children.values()] == [None] * len(system.children)


def _says(child: Child, words: str) -> bool:
    return words in child.log_file.read_text(encoding="utf-8")


# Nightly: in every run publisher and admin client show certificates here, and an event
# becomes a page by a password.
@pytest.mark.nightly
def test_with_certificates_an_event_becomes_a_page(secured: SecuredKafka, commands: Commands, tmp_path: Path) -> None:
    system = installation(secured, secured.env("SSL"), commands, tmp_path)
    run(system, "topics", "create")

    system.start(*SERVICES)

    require_a_page(system, tmp_path)


def test_services_wait_for_a_password_to_be_right_and_every_command_takes_it(
    secured: SecuredKafka, commands: Commands, tmp_path: Path
) -> None:
    user, mechanism = "bellwether", "SCRAM-SHA-512"
    system = installation(secured, secured.env("SASL_SSL", user, PASSWORD, mechanism), commands, tmp_path)
    run(installation(secured, secured.env("SSL"), commands, tmp_path), "topics", "create")
    refused = call_bellwether("topics", "create", env=system.env)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"Error: Kafka at {system.env['BELLWETHER_KAFKA']} does not let bellwether in by SCRAM-SHA-512: check "
        "BELLWETHER_KAFKA_USER, the password and BELLWETHER_KAFKA_SASL_MECHANISM"
    )

    system.begin(*SERVICES)
    require_told(system, "does not let bellwether in")
    worker = system.children["rules"]
    wait_until(lambda: "trying again in 1.0 s" in worker.log_tail(500), "the worker to wait longer each time", 60)

    secured.add_user(user, PASSWORD, mechanism)

    system.wait_until_ready(*SERVICES)
    require_a_page(system, tmp_path)
    assert "exists" in run(system, "topics", "create")
    run(system, "ranks", "publish", "--as-of", "2026-03-15T12:00:00+08:00")
    wait_until(lambda: "finance" in run(system, "feeds"), "the feed to be written down")
    worker.terminate()
    wait_until(lambda: worker.exit_code() is not None, "the worker to end")
    run(system, "topics", "grow", "--partitions", str(2 * TEST_PARTITIONS))
    for child in system.children.values():
        assert PASSWORD not in child.log_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("user", "password", "mechanism"),
    [("second", "another", "SCRAM-SHA-256"), (PLAIN_USER, PLAIN_PASSWORD, "PLAIN")],
)
def test_the_other_mechanisms_let_in_too(
    user: str, password: str, mechanism: str, secured: SecuredKafka, commands: Commands, tmp_path: Path
) -> None:
    if mechanism.startswith("SCRAM"):
        secured.add_user(user, password, mechanism)
    system = installation(secured, secured.env("SASL_SSL", user, password, mechanism), commands, tmp_path)

    assert "created" in run(system, "topics", "create")


@pytest.mark.parametrize(
    ("user", "password", "mechanism"),
    [
        ("", "", ""),
        ("sender-256", PASSWORD, "SCRAM-SHA-256"),
        ("sender-512", PASSWORD, "SCRAM-SHA-512"),
        (PLAIN_USER, PLAIN_PASSWORD, "PLAIN"),
    ],
)
def test_the_publisher_is_let_in_by_what_the_other_clients_are(
    user: str, password: str, mechanism: str, secured: SecuredKafka
) -> None:
    if mechanism.startswith("SCRAM"):
        secured.add_user(user, password, mechanism)
    topics = Topics(f"published-{mechanism.lower() or 'mutual'}")
    ensure_topics(secured.broker.bootstrap, topic_specs(topics.prefix, 1))
    env = secured.env("SASL_SSL" if user else "SSL", user, password, mechanism)

    async def scenario() -> None:
        publisher = KafkaPublisher(read_connection(env), topics)
        publisher.start()
        await wait_until_async(lambda: publisher.problem is None, "the publisher to be let in", 60)
        await publisher.publish([Record(topics.events, b"C1", b"durable")])
        await publisher.close()

    asyncio.run(scenario())
    assert [record.value for record in read_topic(secured.broker.bootstrap, topics.events)] == [b"durable"]


def test_the_publisher_does_not_go_to_a_stranger(secured: SecuredKafka, tmp_path: Path) -> None:
    ensure_topics(secured.broker.bootstrap, topic_specs("stranger", 1))
    foreign = Authority(tmp_path, "foreign")
    mine = secured.env("SASL_SSL", PLAIN_USER, PLAIN_PASSWORD, "PLAIN")
    wrong = {
        "another authority": {"BELLWETHER_KAFKA_CA": str(foreign.certificate)},
        "another name": {"BELLWETHER_KAFKA": mine["BELLWETHER_KAFKA"].replace("127.0.0.1", "localhost")},
    }

    async def scenario(env: Mapping[str, str]) -> None:
        publisher = KafkaPublisher(read_connection(env), Topics("stranger"))
        publisher.start()
        await wait_until_async(lambda: "cannot be used" in (publisher.problem or ""), "it to be told", 60)
        await publisher.close()

    for change in wrong.values():
        asyncio.run(scenario({**mine, **change}))


def test_what_is_wrong_with_tls_is_told(secured: SecuredKafka, tmp_path: Path) -> None:
    foreign = Authority(tmp_path, "foreign")
    stranger = foreign.sign("stranger")
    mine = secured.env("SSL")
    server = mine["BELLWETHER_KAFKA"]
    wrong = {
        f"the certificate of Kafka at {server} is not to be trusted": {"BELLWETHER_KAFKA_CA": str(foreign.certificate)},
        "the certificate of Kafka at localhost:": {"BELLWETHER_KAFKA": server.replace("127.0.0.1", "localhost")},
        f"Kafka at {server} wants a certificate that it trusts": {
            "BELLWETHER_KAFKA_CERTIFICATE": str(stranger.certificate),
            "BELLWETHER_KAFKA_KEY": str(stranger.key),
        },
        f"Kafka at {server} wants a certificate that it trusts, one of ours, and we have none": {
            "BELLWETHER_KAFKA_CERTIFICATE": "",
            "BELLWETHER_KAFKA_KEY": "",
        },
        f"what listens at {secured.broker.bootstrap} does not answer as a Kafka with SSL": {
            "BELLWETHER_KAFKA": secured.broker.bootstrap
        },
        f"what listens at {server} does not answer as a Kafka with PLAINTEXT": {
            name: "" for name in mine if name != "BELLWETHER_KAFKA"
        },
    }
    for said, change in wrong.items():
        with pytest.raises(BrokerUnreachable) as refused, admin_client(read_connection({**mine, **change}), 1.0):
            pass
        assert said in str(refused.value)


def test_a_worker_that_does_not_trust_the_broker_waits_and_says_so(
    secured: SecuredKafka, commands: Commands, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path, "foreign")
    env = {**secured.env("SSL"), "BELLWETHER_KAFKA_CA": str(foreign.certificate)}
    system = installation(secured, env, commands, tmp_path)
    system.begin("rules")

    require_told(system, "is not to be trusted")
