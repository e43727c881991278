"""What Prometheus is told of a rules worker. Label values are bounded: reasons, rule ids and partitions."""

from __future__ import annotations

import orjson
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from services.rules.intake import code_of, is_first_part
from services.rules.partition import BatchResult

_BATCH_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class RuntimeMetrics:
    """Counters and gauges of one worker, in a registry of its own for a test."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.events = Counter("bellwether_rules_events_applied", "Events applied to a customer.", registry=registry)
        self.wakes = Counter("bellwether_rules_wakeups", "Wake-ups carried out.", registry=registry)
        self.dead_letters = Counter(
            "bellwether_rules_dead_letters", "Records refused, by reason.", ["reason"], registry=registry
        )
        self.forwards = Counter("bellwether_rules_forwarded", "Events sent on to their partition.", registry=registry)
        self.warnings = Counter(
            "bellwether_rules_warnings_sent", "Revisions of warnings, by rule.", ["rule"], registry=registry
        )
        self.resent = Counter(
            "bellwether_rules_warnings_resent", "Warnings sent again after a recovery.", registry=registry
        )
        self.batch_seconds = Histogram(
            "bellwether_rules_batch_seconds",
            "From a batch's first event to its last acknowledgement.",
            buckets=_BATCH_BUCKETS_S,
            registry=registry,
        )
        self.restored = Counter(
            "bellwether_rules_recovery_records", "Changelog records read in recoveries.", registry=registry
        )
        self.stale = Counter(
            "bellwether_rules_recovery_stale_records", "Changelog records of overtaken writers.", registry=registry
        )
        self.holes = Counter(
            "bellwether_rules_holes", "Gaps in fetched offsets that were read again.", registry=registry
        )
        self.lag = Gauge("bellwether_rules_lag_records", "Events not yet applied.", ["partition"], registry=registry)
        self.due = Gauge("bellwether_rules_due_queue_length", "Customers with a wake-up.", registry=registry)
        self.state_bytes = Gauge("bellwether_rules_state_bytes", "Size of all customers' records.", registry=registry)
        self.decoded = Counter(
            "bellwether_rules_customers_decoded", "Customers opened from their records.", registry=registry
        )
        self.open_items = Gauge(
            "bellwether_rules_open_items", "Items of the customers who stay open in memory.", registry=registry
        )
        self.unjudged = Gauge(
            "bellwether_rules_unjudged_customers",
            "Customers still to be judged by the rules and rates in force.",
            registry=registry,
        )
        self.partitions = Gauge("bellwether_rules_partitions", "Partitions being worked on.", registry=registry)
        self._add_reference(registry)

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

    def count(self, result: BatchResult) -> None:
        """A batch that has been written."""
        self.events.inc(result.applied)
        self.wakes.inc(result.woken)
        self.decoded.inc(result.decoded)
        self.forwards.inc(len(result.forwards))
        for letter in result.dead_letters:
            if is_first_part(letter):
                self.dead_letters.labels(code_of(letter)).inc()
        for warning in result.warnings:
            self.warnings.labels(_rule_of(warning.value)).inc()


def _rule_of(warning: bytes | None) -> str:
    document = orjson.loads(warning or b"{}")
    return str(document.get("rule", "unknown"))
