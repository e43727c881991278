"""Reference data and rulebooks on a real broker: known before the start, followed after it, harmless when bad."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from deploy.kafka import Broker
from schemas.codec import encode
from schemas.rulebook import KEY
from schemas.topics import Topics, topic_specs
from services.common.clock import set_manual_clock
from services.common.kafka_admin import ensure_topics
from services.rules.bookkeeping import GOOD_FILE
from services.rules.books import SHIPPED, read_rules
from services.rules.calendar import instant
from services.rules.reference import Reference
from services.rules.rulebook import Rulebook
from tests.support.commands import call_bellwether
from tests.support.fixtures import Kafka
from tests.support.records import at, customer_on
from tests.support.rules_worker import Installation, Sent, Worker
from tests.support.standin_core import payment
from tests.support.waiting import wait_until
from tests.unit.rules.making import at as day
from tests.unit.rules.making import event
from tests.unit.rules.test_reference import beat, knowing, rate

PARTITIONS = 4
CUSTOMERS = [customer_on(number) for number in range(PARTITIONS)]
SHIPPED_PRINT = Rulebook(read_rules(SHIPPED)).fingerprint
SHIPPED_IN_FORCE = f'bellwether_rulebook_in_force{{fingerprint="{SHIPPED_PRINT}",origin="shipped"}}'
REFUSED = "bellwether_rulebook_refused_total"


@pytest.fixture
def place(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path) -> Iterator[Installation]:
    """Four customers with an event each, at the same instant by a manual clock; workers end with the test."""
    clock = tmp_path / "now.txt"
    set_manual_clock(clock, at(1))
    made = Installation(kafka.bootstrap, make_topics(PARTITIONS), PARTITIONS, tmp_path, f"manual:{clock}")
    made.publish([(customer_id, payment(customer_id, f"E-{customer_id}", at(0)), None) for customer_id in CUSTOMERS])
    yield made
    made.stop()


def tell(place: Installation, *values: bytes) -> None:
    place.publish([("reference", value, 0) for value in values], place.topics.reference)


def publish_raw(place: Installation, value: bytes) -> None:
    sent: Sent = (KEY.decode(), value, 0)
    place.publish([sent], place.topics.rulebook)


def judged_again(place: Installation, by: str) -> bool:
    """Whether every customer has been judged by these rules and rates, and told so once."""
    return {(f"{customer_id}:book:{by}", 1) for customer_id in CUSTOMERS} <= set(place.warnings())


def ready(worker: Worker) -> None:
    worker.wait_until_ready()
    wait_until(lambda: worker.metric("bellwether_rules_events_applied_total") == len(CUSTOMERS), "the events")


def test_rates_are_known_before_the_start_and_a_new_one_judges_every_customer_again(place: Installation) -> None:
    first, second, third = rate("a", "7.1"), rate("b", "7.2", day=2), rate("c", "7.3", day=3)
    tell(place, encode(first), b"{", encode(beat("h", until=1)))
    worker = place.worker()
    ready(worker)
    assert worker.metric('bellwether_rules_reference_refused_total{reason="not_json"}') == 1
    assert worker.metric('bellwether_feed_complete_until_seconds{feed="crm"}') == at(1).timestamp()
    assert place.warnings() == {}

    tell(place, encode(beat("i", until=2)), b"\xff", encode(second))
    by = SHIPPED_PRINT + knowing(first, second).fingerprint
    wait_until(lambda: judged_again(place, by), "everybody to be judged again")
    wait_until(lambda: worker.metric("bellwether_rules_unjudged_customers") == 0, "nobody to be left")
    assert len(place.warnings()) == len(CUSTOMERS)

    assert worker.process().stop() == 0
    tell(place, encode(third))
    worker.start()
    by = SHIPPED_PRINT + knowing(first, second, third).fingerprint
    wait_until(lambda: judged_again(place, by), "everybody to be judged again after the restart")
    assert len(place.warnings()) == 2 * len(CUSTOMERS)
    assert worker.process().stop() == 0


def test_a_bad_book_is_refused_a_good_one_is_in_force_everywhere_and_over_a_restart(
    place: Installation, tmp_path: Path
) -> None:
    worker = place.worker()
    ready(worker)
    assert worker.metric(SHIPPED_IN_FORCE) == 1
    publish_raw(place, b"\x00\xffnot a book")
    wait_until(lambda: worker.metric(REFUSED) == 1, "the refusal")
    assert "the rulebook (topic) is refused: the rulebook is no valid JSON" in worker.log_text()
    assert place.warnings() == {}

    answer = call_bellwether("rules", "publish", "--set", "R3.days=3", "--author", "me", env=place.env())
    assert answer.returncode == 0, answer.stderr
    book = Rulebook(read_rules(SHIPPED, {"R3": {"days": "3"}})).fingerprint
    assert f"as {book}" in answer.stdout
    by = book + Reference().fingerprint
    wait_until(lambda: judged_again(place, by), "everybody to be judged by the new book")
    good = (tmp_path / "data" / GOOD_FILE).read_bytes()
    assert orjson.loads(good)["author"] == "me"

    broken = good.replace(b"kind: stretch", b"kind: strech")
    publish_raw(place, broken)
    wait_until(lambda: worker.metric(REFUSED) == 2, "the second refusal")
    assert "kind: 'strech' is none of" in worker.log_text()
    assert worker.process().stop() == 0

    worker.start()
    in_force = f'bellwether_rulebook_in_force{{fingerprint="{book}",origin="file"}}'
    wait_until(lambda: worker.metric(in_force) == 1, "the last good book to be in force again")
    worker.wait_until_ready()
    assert len(place.warnings()) == len(CUSTOMERS)
    assert worker.process().stop() == 0


# Nightly: test_one_new_rule.py publishes rules beside workers of the real ones.
@pytest.mark.nightly
def test_a_tuned_rule_reaches_a_silent_customer_of_the_real_rules(place: Installation, tmp_path: Path) -> None:
    important = event("profile.updated", "2026-01-01", section="basic", fields={"important": True})
    call = event("activity.logged", "2026-01-02", kind="call")
    set_manual_clock(tmp_path / "now.txt", instant(day("2026-01-15")))
    place.publish([("C", encode(important), None), ("C", encode(call), None)])
    worker = place.worker("services.cli", "rules", "run")
    worker.wait_until_ready()
    place.wait_until_done()
    assert place.warnings() == {}

    answer = call_bellwether("rules", "publish", "--set", "R7.limit=10d", env=place.env())
    assert answer.returncode == 0, answer.stderr
    wait_until(lambda: len(place.warnings()) == 1, "the warning")
    (warning,) = place.warnings().values()
    assert (orjson.loads(warning)["rule"], orjson.loads(warning)["customer_id"]) == ("R7", "C")
    assert worker.process().stop() == 0


# Nightly: test_rules_runtime.py kills the broker of a worker.
@pytest.mark.nightly
def test_reference_data_is_followed_over_the_death_of_the_broker(own_broker: Broker, tmp_path: Path) -> None:
    topics = Topics("own")
    ensure_topics(own_broker.bootstrap, topic_specs(topics.prefix, PARTITIONS))
    place = Installation(own_broker.bootstrap, topics, PARTITIONS, tmp_path, "wall")
    learned = 'bellwether_rules_reference_events_total{kind="rate.published"}'
    try:
        worker = place.worker()
        worker.wait_until_ready()
        tell(place, encode(rate("a", "7.1")))
        wait_until(lambda: worker.metric(learned) == 1, "the first rate")
        own_broker.kill()
        own_broker.start()
        tell(place, encode(rate("b", "7.2")))
        wait_until(lambda: worker.metric(learned) == 2, "the second rate", 60)
        assert worker.process().exit_code() is None
    finally:
        place.stop()


def test_a_bad_folder_is_not_published(place: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    file = next(SHIPPED.glob("R3_*.yaml"))
    (folder / file.name).write_text(file.read_text().replace("kind: stretch", "kind: strech"))
    answer = call_bellwether("rules", "publish", str(folder), env=place.env())
    assert answer.returncode == 1
    assert f"{file.name}:3: R3: kind: 'strech' is none of" in answer.stderr
    assert place.read(place.topics.rulebook, 1) == []


def test_the_command_lists_the_feeds(place: Installation) -> None:
    answer = call_bellwether("feeds", env=place.env())
    assert "no feed has ever sent a heartbeat" in answer.stdout
    tell(place, encode(beat("a", until=-1)), b"{", encode(beat("b", until=0, hours=0.5)))
    answer = call_bellwether("feeds", env=place.env())
    assert answer.stdout.splitlines()[1] == "crm   2026-03-01 08:30  2026-03-01 08:00"
    answer = call_bellwether("feeds", "--json", env={**place.env(), "BELLWETHER_FEED_SILENT_MINUTES": "20"})
    assert orjson.loads(answer.stdout) == [
        {
            "feed": "crm",
            "last_heartbeat": "2026-03-01T08:30:00+08:00",
            "complete_until": "2026-03-01T08:00:00+08:00",
            "silent": True,
            "last_event": None,
            "expected_minutes": None,
            "working_days": False,
            "late_minutes": None,
        }
    ]
