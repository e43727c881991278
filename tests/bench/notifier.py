"""The notifier: from a warning on the topic to its acceptance by a provider's test server; sustained; in a storm; and
with many open cases."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaProducer

from deploy.ports import LOOPBACK, free_port
from deploy.process import Child, start_child
from schemas import warnings as wire
from schemas.topics import Topics
from services.common.clock import wall_now
from tests.bench.figures import Row, Section, at_least, at_most, figure, percentile, ratios, told
from tests.bench.notifier_cases import decision_times
from tests.bench.speed import now
from tests.bench.stage import Stage
from tests.kills.receiver import Receiver
from tests.support.commands import bellwether_argv, bellwether_env
from tests.support.postgres import PostgresServer
from tests.support.programs import find_program
from tests.support.providers.wecom import WecomBotServer
from tests.unit.notifier.making import make_warning

NAME = "notifier"
P50_MS, P99_MS = 200.0, 1_000.0
PAGES_PER_S = 200.0
CRITICAL_P99_S = 5.0
GROWTH = 1.5
RATE_PER_S = 50
STORM_OWNERS = 100
STORM_SUPERIORS = 20
STORM_CUSTOMERS = 1_000
CRITICAL_EVERY = 100
START_DEADLINE_S = 120.0
DRAIN_S = 120.0
STALLED_S = 45.0
"""Nothing more is waited for when no page has come for so long: a digest gathers and waits for its window first."""


@dataclass
class Watch:
    """When warnings were on the topic (acknowledged) and when their pages were accepted; monotonic seconds."""

    on_topic: dict[str, float] = field(default_factory=dict)

    def latencies_ms(self, receiver: Receiver) -> list[float]:
        """From a warning on the topic to its first page with the receiver, for those that came."""
        first: dict[str, float] = {}
        for at, _, document in list(receiver.got):
            for part in parts_of(document):
                first.setdefault(part["warning_id"], at)
        return [(first[name] - at) * 1_000 for name, at in self.on_topic.items() if name in first]


def parts_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The pages in a message."""
    return list(document["pages"]) if document["kind"] == "digest" else [document]


class House:
    """A directory, a topic, a receiver, and `bellwether notifier serve` on a database of its own."""

    def __init__(self, stage: Stage, label: str, url: str, receiver: Receiver, people: str, **env: str) -> None:
        self.stage, self.receiver, self.port = stage, receiver, free_port()
        self.folder = stage.work / label
        self.folder.mkdir(parents=True)
        (self.folder / "people.yaml").write_text(people, encoding="utf-8")
        self.topics: Topics = stage.make_topics(label)
        self._env = {
            "BELLWETHER_KAFKA": stage.bootstrap,
            "BELLWETHER_TOPIC_PREFIX": label,
            "BELLWETHER_DATABASE_URL": url or f"sqlite:///{self.folder / 'notifier.db'}",
            "BELLWETHER_DATA_DIR": str(self.folder / "data"),
            "BELLWETHER_DIRECTORY": str(self.folder / "people.yaml"),
            "BELLWETHER_NOTIFIER_PORT": str(self.port),
            "BELLWETHER_CHANNELS": "webhook",
            "BELLWETHER_WEBHOOK_URL": receiver.url,
            "BELLWETHER_WEBHOOK_SECRET": "a secret",
            "BELLWETHER_CHANNELS_ALLOW": "127.0.0.0/8",
            **env,
        }
        self.child: Child | None = None

    @contextmanager
    def serving(self) -> Iterator[House]:
        """While it lasts; it is ready."""
        log = self.folder / "log"
        child = start_child(
            "notifier", bellwether_argv("notifier", "serve"), log_file=log, env=bellwether_env(self._env)
        )
        self.child = child
        try:
            self.stage.meter.wait("the notifier to be ready", self._ready, START_DEADLINE_S)
            yield self
        finally:
            child.stop(20)
            self.stage.delete_topics(self.topics.prefix)

    def _ready(self) -> bool:
        assert self.child is not None
        assert self.child.exit_code() is None, self.child.log_tail(40)
        try:
            return httpx.get(f"http://{LOOPBACK}:{self.port}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def cpu_s(self) -> float:
        """Of the notifier until now."""
        assert self.child is not None
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def publish(self, warnings: Sequence[wire.Warning], per_s: float | None) -> Watch:
        """At a steady rate, or all at once; returns when the broker has all of them."""
        watch, begun = Watch(), time.monotonic()
        producer = KafkaProducer(bootstrap_servers=self.stage.bootstrap, acks="all", linger_ms=0 if per_s else 20)

        def there(name: str) -> None:
            watch.on_topic[name] = time.monotonic()

        try:
            for number, warning in enumerate(warnings):
                if per_s and (wait_s := begun + number / per_s - time.monotonic()) > 0:
                    time.sleep(wait_s)
                sent = producer.send(
                    self.topics.warnings, key=warning.customer_id.encode(), value=wire.encode_warning(warning)
                )
                sent.add_callback(lambda _, name=warning.id: there(name))
            producer.flush(60)
        finally:
            producer.close()
        return watch

    def wait_for(self, what: str, pages: int, deadline_s: float = DRAIN_S) -> bool:
        """Whether the receiver has so many pages in time, and as long as any come at all."""
        meter, seen, there = self.stage.meter, 0, 0
        meter.begin(f"{what}: waiting for {pages} pages", pages)
        begin = newest = time.monotonic()
        while there < pages:
            at, before = time.monotonic(), there
            messages = self.receiver.got[seen:]
            seen, there = seen + len(messages), there + sum(len(parts_of(document)) for _, _, document in messages)
            meter.reach(there)
            newest = at if there > before else newest
            if at - begin > deadline_s or at - newest > STALLED_S:
                meter.say(f"{what}: given up with {there} of {pages} pages after {at - begin:.0f} s")
                return False
            time.sleep(0.1)
        return True


def people_yaml(owners: int, superiors: int, customers: int) -> str:
    """Owners in turn have the customers; superiors in turn have the owners."""
    lines = ["people:"]
    lines += [
        f"  - {{id: o{n}, name: Owner {n}, department: sales, language: en, reports_to: s{n % superiors}}}"
        for n in range(owners)
    ]
    lines += [f"  - {{id: s{n}, name: Superior {n}, department: sales, language: en}}" for n in range(superiors)]
    lines.append("customers:")
    lines += [f"  - {{id: K{n}, name: Customer {n}, owner: o{n % owners}}}" for n in range(customers)]
    return "\n".join([*lines, "fallback: s0", ""])


def warnings_of(label: str, number: int, customers: int, **fields: Any) -> list[wire.Warning]:
    """Found a moment ago, about customers in turn."""
    at = datetime.now(UTC)
    instants: dict[str, Any] = {"start": at - timedelta(hours=1), "detected_at": at, "first_detected_at": at}
    return [
        make_warning(f"{label}-{one}", customer_id=f"K{one % customers}", **instants, **fields) for one in range(number)
    ]


def measure(stage: Stage) -> Section:
    """Every line on SQLite; those about speed on PostgreSQL too, where it is installed."""
    rows: list[Row] = []
    data: dict[str, Any] = {}
    with ExitStack() as ends:
        urls = {"SQLite": ""}
        found = find_program("postgresql")
        if found is not None:
            server = PostgresServer(found, durable=True)
            ends.callback(server.stop)
            server.start()
            urls["PostgreSQL"] = server.new_database("bench")
            urls["PostgreSQL, all at once"] = server.new_database("bench2")
        for word in [name for name in urls if "," not in name]:
            rows += _said(stage, _latency(stage, word, urls[word], data))
            rows += _said(stage, _sustained(stage, word, urls.get(f"{word}, all at once", ""), data))
    rows += _said(stage, _storm(stage, data))
    rows += _said(stage, _open_cases(stage, data))
    return Section(NAME, "The notifier", rows, TEXT, data, 1, stage.quick, now())


def _said(stage: Stage, rows: list[Row]) -> list[Row]:
    """As soon as it is known: the rest takes minutes."""
    for row in rows:
        stage.meter.say(f"{row.measure}: {row.measured} (to reach: {row.target}) {row.note}".rstrip())
    return rows


TEXT = """\
Real Kafka, one real `bellwether notifier serve`, PostgreSQL as it comes (every commit is on disk), test servers on the
same machine that count what they accept. Every page goes to the inbox too, which is written, recorded and told of on
the topic of cases and in the ledger like any other. In the storm a window is 20 s (in quick mode 5 s), and a WeCom bot
is configured beside the webhook: its test server keeps count of its limit (20 a minute) and would block it for ten
minutes."""


def _latency(stage: Stage, word: str, url: str, data: dict[str, Any]) -> list[Row]:
    """At a steady rate, each owner told now and then."""
    seconds = stage.sizes.notifier_s
    number = seconds * RATE_PER_S
    with Receiver() as receiver:
        people = people_yaml(number, 20, number)
        with House(stage, f"notifier-steady-{word.lower()}", url, receiver, people).serving() as house:
            house.publish(warnings_of("warm", RATE_PER_S, number, audience=["owner"]), RATE_PER_S)
            house.wait_for(f"{word}, warming up", RATE_PER_S)
            stage.meter.begin(f"{word}: {RATE_PER_S} warnings a second for {seconds} s")
            cpu_s = house.cpu_s()
            watch = house.publish(warnings_of("w", number, number, audience=["owner"]), RATE_PER_S)
            came = house.wait_for(f"{word}, at a steady rate", number + RATE_PER_S)
            cpu_ms = (house.cpu_s() - cpu_s) * 1_000 / number
            found = watch.latencies_ms(receiver)
    note = f"{len(found)} of {number} came; {figure(cpu_ms)} ms of CPU a warning" + ("" if came else "; **some late**")
    data[f"latency {word}"] = {"ms": sorted(found)[:: max(1, len(found) // 200)], "cpu_ms": cpu_ms}
    said = f"{word}: topic to acceptance at {RATE_PER_S}/s"
    return [
        at_most(f"{said}, p50", [percentile(found, 0.5)], P50_MS, "ms", note),
        at_most(f"{said}, p99", [percentile(found, 0.99)], P99_MS, "ms"),
    ]


def _sustained(stage: Stage, word: str, url: str, data: dict[str, Any]) -> list[Row]:
    """A backlog, nobody told more often than in calm weather."""
    number = stage.sizes.notifier_pages
    with Receiver() as receiver:
        people = people_yaml(number, 20, number)
        with House(stage, f"notifier-all-{word.lower()}", url, receiver, people).serving() as house:
            stage.meter.begin(f"{word}: {number} pages at once")
            cpu_s = house.cpu_s()
            house.publish(warnings_of("w", number, number, audience=["owner"]), None)
            came = house.wait_for(f"{word}, all at once", number)
            cpu_ms = (house.cpu_s() - cpu_s) * 1_000 / number
        times = [at for at, _, _ in receiver.got]
        per_s = len(times) / (times[-1] - times[0]) if len(times) > 1 else 0.0
        note = f"{len(times)} of {number}, at most {receiver.most_at_once} at once; {figure(cpu_ms)} ms of CPU a page"
    data[f"sustained {word}"] = {"per_s": per_s, "cpu_ms": cpu_ms, "most_at_once": receiver.most_at_once, "came": came}
    return [at_least(f"{word}: pages to a webhook, sustained", [per_s], PAGES_PER_S, "/s", note)]


@dataclass(frozen=True)
class Storm:
    """What people got of it."""

    messages: int
    pages: int
    most_to_one: int
    digests_too_close: int
    critical_ms: list[float]
    bot_messages: int
    bot_broken: int


def _storm(stage: Stage, data: dict[str, Any]) -> list[Row]:
    number, seconds, window_s = stage.sizes.storm_warnings, stage.sizes.storm_s, stage.sizes.storm_window_s
    found = warnings_of("w", number, STORM_CUSTOMERS)
    for place in range(0, number, CRITICAL_EVERY):
        found[place] = found[place].model_copy(update={"severity": "critical"})
    with Receiver() as receiver, WecomBotServer(wall_now) as bot:
        people = people_yaml(STORM_OWNERS, STORM_SUPERIORS, STORM_CUSTOMERS)
        channels = stage.work / "channels.yaml"
        entry = f"{{kind: wecom_bot, key: {{env: BENCH_BOT_KEY}}, home: {bot.home}, allow: [127.0.0.0/8]}}"
        channels.write_text(f"channels:\n  bot: {entry}\n")
        env = {
            "BELLWETHER_CHANNELS_FILE": str(channels),
            "BENCH_BOT_KEY": bot.key,
            "BELLWETHER_DIGEST_WINDOW_S": str(window_s),
        }
        with House(stage, "notifier-storm", "", receiver, people, **env).serving() as house:
            stage.meter.begin(f"a storm of {number} warnings in {seconds} s")
            cpu_s = house.cpu_s()
            watch = house.publish(found, number / seconds)
            # Two people each; what is left is told with the last windows.
            house.wait_for("storm", 2 * number, window_s + 90)
            cpu_s = house.cpu_s() - cpu_s
        critical = {one.id for one in found if one.severity == "critical"}
        storm = _told(receiver, bot, watch, critical, window_s)
    data["storm"] = {**asdict(storm), "cpu_s": cpu_s, "critical_ms": sorted(storm.critical_ms)}
    said = f"storm of {number:,} in {seconds} s"
    many = f"{storm.messages} messages for {storm.pages} pages, at most {storm.most_to_one} to one person"
    critical_s = [one / 1_000 for one in storm.critical_ms]
    return [
        at_most(
            f"{said}: digests to a person within a window of another", [float(storm.digests_too_close)], 0, "", many
        ),
        at_most(f"{said}: p99 of critical pages", [percentile(critical_s, 0.99)], CRITICAL_P99_S, "s"),
        at_most(
            f"{said}: messages beyond the bot's limit",
            [float(storm.bot_broken)],
            0,
            "",
            f"{storm.bot_messages} accepted by the bot",
        ),
        told(f"{said}: CPU of the notifier", [cpu_s], "s"),
    ]


def _told(receiver: Receiver, bot: WecomBotServer, watch: Watch, critical: set[str], window_s: int) -> Storm:
    digests: dict[str, list[float]] = defaultdict(list)
    messages: dict[str, int] = defaultdict(int)
    first: dict[tuple[str, str], float] = {}
    for at, _, document in receiver.got:
        person = document["to"]["id"]
        messages[person] += 1
        parts = parts_of(document)
        for part in parts:
            if part["warning_id"] in critical:
                first.setdefault((part["warning_id"], person), at)
        if document["kind"] == "digest" and any(part["severity"] != "critical" for part in parts):
            digests[person].append(at)
    # They are taken in hand a moment before they arrive, one sooner than another.
    close = sum(after - before < window_s - 2 for times in digests.values() for before, after in pairwise(times))
    waited = [(at - watch.on_topic[name]) * 1_000 for (name, _), at in first.items()]
    missing = 2 * len(critical) - len(first)
    waited += [DRAIN_S * 1_000] * missing
    pages = sum(len(parts_of(document)) for _, _, document in receiver.got)
    most = max(messages.values(), default=0)
    return Storm(len(receiver.got), pages, most, close, waited, len(bot.accepted), bot.broken_limits)


def _open_cases(stage: Stage, data: dict[str, Any]) -> list[Row]:
    few, many = stage.sizes.open_cases
    stage.meter.begin(f"{many:,} open cases")
    small, large = decision_times(stage.work / "cases", few, many, stage.sizes.decisions)
    data["open cases"] = {str(few): small, str(many): large}
    note = f"{figure(sorted(small)[len(small) // 2])} ms with {few:,}"
    return [
        at_most(f"CPU a decision with {many:,} open cases against {few:,}", ratios(large, small), GROWTH, "×", note)
    ]
