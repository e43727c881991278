"""What a worker tells Prometheus: nothing of whom it does not hold, and zeros where an increase is watched for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry

from services.ingest.metrics import PROBLEMS, REFUSALS, IngestMetrics
from services.rules.health import Health
from services.rules.partition import BatchResult
from services.rules.port import Outgoing
from services.rules.runtime_metrics import REASONS, RuntimeMetrics
from tests.support.fake_kafka import HostBench
from tests.support.records import Rec, customer_on, paid

ROOT = Path(__file__).resolve().parents[3]
A = customer_on(0)
TEN = [paid(offset, A, offset) for offset in range(10)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def raised_codes(exceptions: dict[str, int], *folders: str) -> Iterator[str]:
    """The texts given as the code where one of these exceptions is made, also by a name of the module's own; its value
    is the code's place."""
    for file in (file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        named = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in exceptions:
                code = node.args[exceptions[node.func.id]]
                found = code.value if isinstance(code, ast.Constant) else named.get(getattr(code, "id", ""))
                if found is not None:
                    yield str(found)


def test_every_reason_for_a_dead_letter_is_known_in_advance() -> None:
    found = set(raised_codes({"InvalidEvent": 0, "_refuse_places": 1}, "schemas", "services/rules"))
    assert found | {"poison", "poison_wake"} == set(REASONS)


def test_every_answer_of_ingest_is_known_in_advance() -> None:
    # Of an import beside ingest, and of what waited too long: no request is answered with these.
    elsewhere = {"only_through_ingest", "unknown_customer"}
    refused = set(raised_codes({"InvalidEvent": 0, "_refuse_places": 1}, "schemas", "services/ingest"))
    assert refused - elsewhere == set(REFUSALS)
    found = set(raised_codes({"BadBody": 1, "TryLater": 0, "Turned": 1}, "services/ingest"))
    assert found | {"not_json", "internal"} == set(PROBLEMS)


def test_counters_that_alerts_watch_are_there_before_anything_has_happened() -> None:
    registry = CollectorRegistry()
    metrics = RuntimeMetrics(registry)
    metrics.expect(["R1"])
    IngestMetrics(registry)
    for name, labels in (
        ("bellwether_rules_dead_letters_total", {"reason": "poison"}),
        ("bellwether_rules_reference_refused_total", {"reason": "invalid"}),
        ("bellwether_rules_warnings_raised_total", {"rule": "R1"}),
        ("bellwether_ingest_rejected_events_total", {"code": "resident_id"}),
        ("bellwether_ingest_failed_requests_total", {"code": "broker_unavailable"}),
    ):
        assert registry.get_sample_value(name, labels) == 0


@pytest.mark.anyio
async def test_a_batch_tells_its_size_its_time_and_that_of_its_states() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, [*TEN, Rec(10, b"x", b"{")])
    sample = bench.registry.get_sample_value
    assert sample("bellwether_rules_batch_steps_sum") == 11
    for name in ("batch_steps", "batch_seconds", "decide_seconds", "changelog_seconds"):
        assert sample(f"bellwether_rules_{name}_count") == 1


def test_a_warning_is_raised_once_however_often_it_is_revised() -> None:
    registry = CollectorRegistry()
    metrics = RuntimeMetrics(registry)
    revisions = [{"rule": "R1", "change": change} for change in ("raised", "amended", "ended")]
    metrics.count(BatchResult([], [Outgoing(b"C1", orjson.dumps(one)) for one in revisions]))
    assert registry.get_sample_value("bellwether_rules_warnings_sent_total", {"rule": "R1"}) == 3
    assert registry.get_sample_value("bellwether_rules_warnings_raised_total", {"rule": "R1"}) == 1


@pytest.mark.anyio
async def test_nothing_is_told_of_a_partition_that_is_worked_on_elsewhere() -> None:
    bench = HostBench()
    await bench.take_over()
    await bench.host.process(0, TEN)
    bench.host.observe(0, 10, 14, idle=False)
    bench.host.refresh_gauges()
    sample, zero = bench.registry.get_sample_value, {"partition": "0"}
    assert sample("bellwether_rules_lag_records", zero) == 4
    assert sample("bellwether_rules_next_offset", zero) == 10
    assert (sample("bellwether_rules_customers"), sample("bellwether_rules_open_customers")) == (1, 1)

    await bench.host.on_revoked()
    bench.host.refresh_gauges()
    assert sample("bellwether_rules_lag_records", zero) is None
    assert sample("bellwether_rules_next_offset", zero) is None
    assert sample("bellwether_rules_customers") == 0
    assert sample("bellwether_rules_partitions") == 0
    assert sample("bellwether_rules_standby_partitions") == 1
    assert (sample("bellwether_rules_state_bytes") or 0) > 0
    assert sample("bellwether_rules_rebalances_total") == 1


def test_an_answer_takes_from_kafka_to_the_last_acknowledgement_and_never_less_than_no_time() -> None:
    registry = CollectorRegistry()
    metrics = RuntimeMetrics(registry)
    metrics.answered(100.0, 100.25)
    metrics.answered(100.0, 99.0)
    assert registry.get_sample_value("bellwether_rules_answer_seconds_sum") == 0.25
    assert registry.get_sample_value("bellwether_rules_answer_seconds_bucket", {"le": "0.01"}) == 1


def test_the_life_of_the_worker_is_read_at_each_scrape() -> None:
    registry = CollectorRegistry()
    health = Health("starting")
    RuntimeMetrics(registry).watch(health, 8)
    assert registry.get_sample_value("bellwether_rules_ready") == 0
    assert registry.get_sample_value("bellwether_rules_partitions_configured") == 8
    health.phase, health.recovering = "recovering states", True
    health.recovery.update(42, 0)
    assert registry.get_sample_value("bellwether_rules_recovering") == 1
    assert registry.get_sample_value("bellwether_rules_recovery_left_records") == 42
    assert registry.get_sample_value("bellwether_rules_recovery_total_records") == 42
    health.phase, health.recovering = None, False
    assert registry.get_sample_value("bellwether_rules_ready") == 1
