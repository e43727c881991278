"""How much is measured: the whole benchmark, or a quick look at whether it works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Numbers of events and customers, and seconds.

    `lap_s`: a worker that has not finished a race after so long is stopped and judged by what it had done. `limit_s`:
    for how long the limit is measured, however often it has to read its topic for that. `turn_customers`: as
    many as there are events in a leg of the growth, so that no batch holds two events of one. `storm_window_s`: between
    two digests in the storm, shorter than by default, so that a minute has some.
    """

    race_events: int = 500_000
    lap_s: float = 10.0
    mixes: tuple[str, ...] = ("sample", "good order", "busy hour")
    turn_customers: int = 20_000
    bare_events: int = 250_000
    limit_s: float = 10.0
    latency_s: int = 60
    latency_warm_s: int = 15
    customers: int = 1_000_000
    prototypes: int = 2_000
    growth_events: int = 20_000
    memory_events: int = 10_000
    standby_customers: int = 100_000
    soak_s: int = 1_800
    soak_warm_s: int = 240
    profile_s: int = 8
    ingest_events: int = 60_000
    ingest_s: float = 8.0
    import_rows: int = 20_000
    notifier_s: int = 60
    notifier_pages: int = 10_000
    storm_warnings: int = 10_000
    storm_s: int = 60
    storm_window_s: int = 20
    open_cases: tuple[int, int] = (1_000, 100_000)
    decisions: int = 60


WHOLE = Sizes()
QUICK = Sizes(
    race_events=12_000,
    lap_s=2.0,
    mixes=("good order",),
    turn_customers=2_000,
    bare_events=40_000,
    limit_s=2.0,
    latency_s=8,
    latency_warm_s=3,
    customers=20_000,
    prototypes=100,
    growth_events=2_000,
    memory_events=1_500,
    standby_customers=5_000,
    soak_s=120,
    soak_warm_s=20,
    profile_s=3,
    ingest_events=10_000,
    ingest_s=3.0,
    import_rows=2_000,
    notifier_s=8,
    notifier_pages=1_000,
    storm_warnings=1_000,
    storm_s=8,
    storm_window_s=5,
    open_cases=(200, 5_000),
    decisions=10,
)

ITEMS = 10
"""Events behind every customer of the rows about many customers."""

PARTITIONS = 8

SEED = 20_260_601
