"""PURE. What so many events and customers need: arithmetic over what was measured. docs/capacity.md tells it in words.

The costs are of `python -m tests.bench.capacity` on the machine and day that the page names; other machines are faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.rules.segments import CHUNK_ENTRIES, SMALL_ENTRIES

DAY_S = 86_400


DAYS_A_MONTH = 365 / 12
US = 1e-6


@dataclass(frozen=True)
class Costs:
    """CPU in µs of one core, sizes in bytes. States and snapshots are compressed on their way, to the part `squeeze`.

    `open_us` and `open_item_us`: reading a customer that is not open, and each item of it. `told_us`: telling reports
    of a customer once. `restore_bytes_s`: changelog bytes that one core takes in in a second.
    """

    event_us: float = 600.0
    clients_us: float = 20.0
    open_us: float = 500.0
    open_item_us: float = 35.0
    told_us: float = 10_000.0
    head_bytes: float = 700.0
    item_bytes: float = 150.0
    squeeze: float = 0.25
    open_customer_bytes: float = 30_000.0
    open_item_bytes: float = 1_400.0
    event_bytes: float = 270.0
    warnings_an_event: float = 0.083
    warning_bytes: float = 2_740.0
    snapshot_bytes: float = 9_000.0
    restore_bytes_s: float = 64e6


MEASURED = Costs()


@dataclass(frozen=True)
class Load:
    """`peak`: the busiest hour against the mean. `open_share`: of the customers, who are kept open; `warm`: of the
    events, whose customers those are.
    `told_hours`: BELLWETHER_SNAPSHOT_MINUTES. `busy`: how much of a core may be in use at the peak."""

    events_a_day: float
    customers: float
    horizon_months: float = 36
    peak: float = 3.0
    open_share: float = 0.1
    warm: float = 0.5
    told_hours: float = 24.0
    busy: float = 0.7
    replicas: int = 3
    retention_days: float = 3 * 365

    @property
    def items(self) -> float:
        """Events that are remembered of a customer."""
        return self.events_a_day / self.customers * self.horizon_months * DAYS_A_MONTH

    @property
    def rewritten_items(self) -> float:
        """Items that are written again with one event: of a small customer all, else what is in the month's last chunk
        and, every second time, in one more."""
        return self.items if self.items <= SMALL_ENTRIES else 1.5 * min(CHUNK_ENTRIES, self.items / self.horizon_months)

    @property
    def events_s(self) -> float:
        """At the peak."""
        return self.events_a_day / DAY_S * self.peak

    @property
    def told_s(self) -> float:
        """Customers of whom reports are told in a second, at the peak: each at most once in `told_hours`."""
        return self.customers / DAY_S * self.peak * min(self.events_a_day / self.customers, 24 / self.told_hours)


@dataclass(frozen=True)
class Need:
    """Cores are the workers'; bytes are for all of them. `out_bytes_s` and `in_bytes_s`: from and to the brokers, with
    the copies between them. `restart_s`: all workers start with nothing; `heir_s`: one dies, without a standby."""

    event_cpu_us: float
    opening_cpu_us: float
    cores: int
    partitions: int
    state_bytes: float
    open_bytes: float
    in_bytes_s: float
    out_bytes_s: float
    events_disk_bytes: float
    changelog_disk_bytes: float
    restart_s: float
    heir_s: float


def need(load: Load, costs: Costs = MEASURED) -> Need:
    """The arithmetic. The brokers' own CPU and page cache are not in it."""
    opening_us = (1 - load.warm) * (costs.open_us + costs.open_item_us * load.items)
    cpu_s = load.events_s * US * (costs.event_us + costs.clients_us + opening_us) + load.told_s * US * costs.told_us
    cores = max(1, math.ceil(cpu_s / load.busy))
    state = load.customers * (costs.head_bytes + costs.item_bytes * load.items)
    warnings = costs.warnings_an_event * costs.warning_bytes
    rewritten = (costs.head_bytes + costs.item_bytes * load.rewritten_items) * costs.squeeze
    written = load.events_s * (costs.event_bytes + rewritten + warnings)
    written += load.told_s * costs.snapshot_bytes * costs.squeeze
    restore_s = state / costs.restore_bytes_s / cores
    # Twice as many as workers: room to grow, and no worker has twice as many as another.
    partitions = 2 ** math.ceil(math.log2(2 * cores))
    return Need(
        event_cpu_us=costs.event_us + costs.clients_us,
        opening_cpu_us=opening_us,
        cores=cores,
        partitions=partitions,
        state_bytes=state,
        open_bytes=load.customers * load.open_share * (costs.open_customer_bytes + costs.open_item_bytes * load.items),
        in_bytes_s=written * load.replicas,
        out_bytes_s=written * (load.replicas - 1) + load.events_s * (costs.event_bytes + warnings),
        events_disk_bytes=load.events_a_day * load.retention_days * costs.event_bytes * load.replicas,
        changelog_disk_bytes=(state * costs.squeeze + load.events_s * 3600 * rewritten) * load.replicas,
        restart_s=restore_s,
        # No more can help than it had partitions.
        heir_s=restore_s / max(1, min(cores - 1, partitions / cores)),
    )
