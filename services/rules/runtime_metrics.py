"""What Prometheus is told of a rules worker. Label values are bounded: reasons, rule ids, feeds and partitions.

Counters with labels that an alert asks for its increase start at 0 for every value that is known in advance: Prometheus
sees no increase from "not there" to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from services.rules.health import Health
from services.rules.intake import code_of, is_first_part
from services.rules.opened import OpenCustomers
from services.rules.partition import BatchResult
from services.rules.place import Place

REASONS = (
    *("not_json", "not_an_object", "too_large", "too_deep", "resident_id", "unknown_type", "invalid", "empty"),
    *("sealed", "id_reused", "before_horizon", "too_many_items", "wrong_topic", "unknown_control"),
    *("poison", "poison_wake"),
)
"""Why a record is refused; a test finds every code that the code raises here."""

_BATCH_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_ANSWER_BUCKETS_S = (0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 15, 60, 300)
_STEP_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 350, 500)


class RuntimeMetrics:
    """Counters and gauges of one worker, in a registry of its own for a test."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self._add_work(registry)
        self._add_batches(registry)
        self._add_places(registry)
        self._add_recovery(registry)
        self._add_reference(registry)
        for reason in REASONS:
            self.dead_letters.labels(reason)
            self.reference_refused.labels(reason)

    def _add_work(self, registry: CollectorRegistry) -> None:
        self.events = Counter("bellwether_rules_events_applied", "Events applied to a customer.", registry=registry)
        self.wakes = Counter("bellwether_rules_wakeups", "Wake-ups carried out.", registry=registry)
        self.dead_letters = Counter(
            "bellwether_rules_dead_letters", "Records refused, by reason.", ["reason"], registry=registry
        )
        self.forwards = Counter("bellwether_rules_forwarded", "Events sent on to their partition.", registry=registry)
        self.erased = Counter("bellwether_rules_customers_erased", "Customers erased on request.", registry=registry)
        self.warnings = Counter(
            "bellwether_rules_warnings_sent", "Revisions of warnings, by rule.", ["rule"], registry=registry
        )
        self.raised = Counter(
            "bellwether_rules_warnings_raised", "New warnings, tasks and suggestions.", ["rule"], registry=registry
        )
        self.resent = Counter(
            "bellwether_rules_warnings_resent", "Warnings sent again after a recovery.", registry=registry
        )
        self.holes = Counter(
            "bellwether_rules_holes", "Gaps in fetched offsets that were read again.", registry=registry
        )
        self.decoded = Counter(
            "bellwether_rules_customers_decoded", "Customers opened from their records.", registry=registry
        )
        self.written = Counter(
            "bellwether_rules_customers_written",
            "Customers written, each once in a batch; steps by these are how many a batch held of one customer.",
            registry=registry,
        )

    def _add_batches(self, registry: CollectorRegistry) -> None:
        self.batch_seconds = Histogram(
            "bellwether_rules_batch_seconds",
            "From a batch's first event to its last acknowledgement.",
            buckets=_BATCH_BUCKETS_S,
            registry=registry,
        )
        self.batch_steps = Histogram(
            "bellwether_rules_batch_steps",
            "Events and wake-ups of a batch, those refused or forwarded too.",
            buckets=_STEP_BUCKETS,
            registry=registry,
        )
        self.decide_seconds = Histogram(
            "bellwether_rules_decide_seconds",
            "Of a batch, until it is known what is to be written; by its steps it is the time of a step.",
            buckets=_BATCH_BUCKETS_S,
            registry=registry,
        )
        self.changelog_seconds = Histogram(
            "bellwether_rules_changelog_seconds",
            "From handing over a batch's states to their acknowledgement.",
            buckets=_BATCH_BUCKETS_S,
            registry=registry,
        )

        self.answer_seconds = Histogram(
            "bellwether_rules_answer_seconds",
            "From an event's coming to Kafka until all that comes of it is acknowledged; of the oldest of each fetch.",
            buckets=_ANSWER_BUCKETS_S,
            registry=registry,
        )

    def _add_places(self, registry: CollectorRegistry) -> None:
        number = ["partition"]
        self.lag = Gauge("bellwether_rules_lag_records", "Events not yet applied.", number, registry=registry)
        self.offset = Gauge(
            "bellwether_rules_next_offset", "Everything below is applied and durable.", number, registry=registry
        )
        self.partitions = Gauge("bellwether_rules_partitions", "Partitions being worked on.", registry=registry)
        self.standbys = Gauge(
            "bellwether_rules_standby_partitions",
            "Partitions whose states are here and that are not worked on: all while states are being read.",
            registry=registry,
        )
        self.partitions_wanted = Gauge(
            "bellwether_rules_partitions_configured", "Partitions that there are in all.", registry=registry
        )
        self.due = Gauge("bellwether_rules_due_queue_length", "Customers with a wake-up.", registry=registry)
        self.state_bytes = Gauge("bellwether_rules_state_bytes", "Size of all customers' records.", registry=registry)
        self.customers = Gauge("bellwether_rules_customers", "Customers of whom something is kept.", registry=registry)
        self.open_customers = Gauge(
            "bellwether_rules_open_customers", "Customers who stay open in memory.", registry=registry
        )
        self.open_items = Gauge(
            "bellwether_rules_open_items", "Items of the customers who stay open in memory.", registry=registry
        )
        self.unjudged = Gauge(
            "bellwether_rules_unjudged_customers",
            "Customers still to be judged by the rules and rates in force.",
            registry=registry,
        )
        self._shown: set[int] = set()

    def _add_recovery(self, registry: CollectorRegistry) -> None:
        self.restored = Counter(
            "bellwether_rules_recovery_records", "Changelog records read in recoveries.", registry=registry
        )
        self.stale = Counter(
            "bellwether_rules_recovery_stale_records", "Changelog records of overtaken writers.", registry=registry
        )
        self.rebalances = Counter(
            "bellwether_rules_rebalances", "Times that partitions were given out anew.", registry=registry
        )
        self.ready = Gauge("bellwether_rules_ready", "1 while the worker takes events.", registry=registry)
        self.recovering = Gauge("bellwether_rules_recovering", "1 while states are being read.", registry=registry)
        self.to_restore = Gauge(
            "bellwether_rules_recovery_left_records", "Changelog records still to be read.", registry=registry
        )
        self.restore_total = Gauge(
            "bellwether_rules_recovery_total_records",
            "Changelog records that the recovery under way, or the last one, had to read.",
            registry=registry,
        )

    def _add_reference(self, registry: CollectorRegistry) -> None:
        self.reference_events = Counter(
            "bellwether_rules_reference_events", "Reference events learned, by kind.", ["kind"], registry=registry
        )
        self.reference_refused = Counter(
            "bellwether_rules_reference_refused", "Reference records refused, by reason.", ["reason"], registry=registry
        )
        self.recheck_left = Gauge(
            "bellwether_rules_recheck_left_customers",
            "Customers still to be looked at after a change of rules or rates.",
            registry=registry,
        )
        self.book_refused = Counter("bellwether_rulebook_refused", "Rulebooks refused.", registry=registry)
        self.newest_refused = Gauge(
            "bellwether_rulebook_newest_refused", "1 while the newest published book is refused.", registry=registry
        )
        self.book = Gauge(
            "bellwether_rulebook_in_force", "1 for the book in force.", ["fingerprint", "origin"], registry=registry
        )
        self.book_published = Gauge(
            "bellwether_rulebook_published_seconds",
            "When the book in force was published (epoch); 0 for the shipped one.",
            registry=registry,
        )
        feed = ["feed"]
        self.feed_complete = Gauge(
            "bellwether_feed_complete_until_seconds",
            "How far (epoch) the feed is complete.",
            feed,
            registry=registry,
        )
        self.feed_heard = Gauge(
            "bellwether_feed_last_heartbeat_seconds", "When (epoch) the feed sent word last.", feed, registry=registry
        )
        self.feed_silent = Gauge(
            "bellwether_feed_silent", "1 while a feed that sends heartbeats is silent.", feed, registry=registry
        )

    def watch(self, health: Health, partitions: int) -> None:
        """Asks at each scrape what the worker is at. `partitions`: how many there are in all."""
        self.partitions_wanted.set(partitions)
        self.ready.set_function(lambda: float(not health.ready()))
        self.recovering.set_function(lambda: float(health.recovering))
        self.to_restore.set_function(lambda: health.recovery.left)
        self.restore_total.set_function(lambda: health.recovery.total)

    def expect(self, rules: Iterable[str]) -> None:
        """The ids of rules that may raise warnings from now on."""
        for rule in rules:
            self.warnings.labels(rule)
            self.raised.labels(rule)

    def count(self, result: BatchResult) -> None:
        """A batch that has been written."""
        self.batch_steps.observe(result.consumed + result.woken)
        self.events.inc(result.applied)
        self.wakes.inc(result.woken)
        self.decoded.inc(result.decoded)
        self.written.inc(result.written)
        self.forwards.inc(len(result.forwards))
        self.erased.inc(result.erased)
        for letter in result.dead_letters:
            if is_first_part(letter):
                self.dead_letters.labels(code_of(letter)).inc()
        for warning in result.warnings:
            document = orjson.loads(warning.value or b"{}")
            rule = str(document.get("rule", "unknown"))
            self.warnings.labels(rule).inc()
            if document.get("change") == "raised":
                self.raised.labels(rule).inc()

    def answered(self, came_s: float, now_s: float) -> None:
        """All that was fetched at once is done; its oldest event came at `came_s` (epoch), by its producer's clock."""
        self.answer_seconds.observe(max(0.0, now_s - came_s))

    def show(self, places: Mapping[int, Place], opened: OpenCustomers) -> None:
        """Sizes, for the next scrape. Of a partition that went away nothing is told any more: another worker does."""
        ready = {number: place for number, place in places.items() if place.ready}
        for number, place in ready.items():
            self.lag.labels(str(number)).set(place.lag)
            self.offset.labels(str(number)).set(place.next_offset or 0)
        for number in self._shown - ready.keys():
            self.lag.remove(str(number))
            self.offset.remove(str(number))
        self._shown = set(ready)
        self.partitions.set(len(ready))
        self.standbys.set(len(places) - len(ready))
        self.open_customers.set(len(opened))
        self.open_items.set(opened.items)
        # A standby's customers are told of by the worker that works on them; their bytes lie here as well.
        self.customers.set(sum(place.partition.customers for place in ready.values()))
        self.due.set(sum(len(place.partition.due) for place in ready.values()))
        self.unjudged.set(sum(len(place.partition.unjudged) for place in places.values()))
        self.state_bytes.set(sum(place.partition.state_bytes for place in places.values()))
