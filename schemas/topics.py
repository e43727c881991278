"""Topics: their names, keys, partitions and retention. Every key but the reference topic's is the customer id."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Topics:
    """The names below one prefix; a prefix of their own keeps two installations on one broker apart."""

    prefix: str = "bellwether"

    @property
    def events(self) -> str:
        """Every business event of a customer, in the customer's order."""
        return f"{self.prefix}.events"

    @property
    def dead_letters(self) -> str:
        """What was refused, with the reason in the headers and the original bytes as the value."""
        return f"{self.prefix}.events.dlq"

    @property
    def reference(self) -> str:
        """Heartbeats, rates, promotions, plans, ranks; every worker reads it whole."""
        return f"{self.prefix}.reference"

    @property
    def rulebook(self) -> str:
        return f"{self.prefix}.rulebook"

    @property
    def warnings(self) -> str:
        return f"{self.prefix}.warnings"

    @property
    def customers(self) -> str:
        """The newest snapshot of every customer."""
        return f"{self.prefix}.customers"

    @property
    def cases(self) -> str:
        """What people did about the warnings."""
        return f"{self.prefix}.cases"

    @property
    def changelog(self) -> str:
        """The rules service's state; Faust derives this name from the app id and the table's name."""
        return f"{self.prefix}-rules-state-changelog"


@dataclass(frozen=True)
class TopicSpec:
    """`by_customer`: its partitions are those of the customers, and as many as those of the others."""

    name: str
    partitions: int
    config: dict[str, str]
    by_customer: bool = False


def topic_specs(prefix: str = "bellwether", partitions: int = 8) -> list[TopicSpec]:
    """Every topic an installation needs. Events, warnings and the changelog share their partition count: they are
    co-partitioned, and a worker refuses to start when they differ.

    The changelog keeps uncompacted records for an hour (min.compaction.lag.ms): a paused worker's stale write must not
    be the only version that compaction leaves.
    """
    topics = Topics(prefix)
    keep = {"cleanup.policy": "delete", "retention.ms": str(365 * DAY_MS)}
    compact = {"cleanup.policy": "compact"}
    state = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(HOUR_MS)}
    return [
        TopicSpec(topics.events, partitions, {**keep, "retention.ms": str(3 * 365 * DAY_MS)}, by_customer=True),
        TopicSpec(topics.dead_letters, 1, keep),
        TopicSpec(topics.reference, 1, compact),
        TopicSpec(topics.rulebook, 1, compact),
        TopicSpec(topics.warnings, partitions, keep, by_customer=True),
        TopicSpec(topics.customers, partitions, compact, by_customer=True),
        TopicSpec(topics.cases, partitions, keep, by_customer=True),
        TopicSpec(topics.changelog, partitions, state, by_customer=True),
    ]
