"""The arithmetic of capacity, with costs that can be checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.rules.sizing import Costs, Load, need
from services.rules.sizing_cli import capacity, lines, size, span

PLAIN = Costs(
    event_us=900,
    clients_us=100,
    open_us=1_000,
    open_item_us=10,
    told_us=10_000,
    head_bytes=1_000,
    item_bytes=100,
    squeeze=0.5,
    open_customer_bytes=10_000,
    open_item_bytes=1_000,
    event_bytes=200,
    warnings_an_event=0.1,
    warning_bytes=1_000,
    snapshot_bytes=5_000,
    restore_bytes_s=1e6,
)
LOAD = Load(864_000, 86_400, horizon_months=12 * 10 / 365, peak=2, open_share=0.25, warm=0.5, told_hours=24, busy=0.5)
"""Ten events a customer and day, ten days of memory: 100 items; 10 events a second, 20 at the peak."""


def test_what_so_many_events_and_customers_need() -> None:
    assert (round(LOAD.items), LOAD.events_s, LOAD.told_s) == (100, 20, 2)
    found = need(LOAD, PLAIN)
    assert found.event_cpu_us == 1_000
    assert found.opening_cpu_us == pytest.approx(0.5 * (1_000 + 100 * 10))
    # 20 events of 2 ms and 2 customers of 10 ms: 60 ms a second, of which half may be used.
    assert (found.cores, found.partitions) == (1, 2)
    assert found.state_bytes == pytest.approx(86_400 * 11_000)
    assert found.open_bytes == pytest.approx(0.25 * 86_400 * 110_000)
    # 100 items in ten days are more than a chunk holds: one and a half chunks of 64 are written again.
    rewritten = (1_000 + 100 * 96) * 0.5
    written = 20 * (200 + rewritten + 100) + 2 * 2_500
    assert found.in_bytes_s == pytest.approx(3 * written)
    assert found.out_bytes_s == pytest.approx(2 * written + 20 * 300)
    assert found.restart_s == found.heir_s == pytest.approx(86_400 * 11_000 / 1e6)


def test_a_thousand_times_the_load_needs_workers_and_shares_the_states_among_them() -> None:
    found = need(replace(LOAD, events_a_day=864e6, customers=86.4e6), PLAIN)
    assert found.cores == 120
    assert found.partitions == 256
    assert found.restart_s == pytest.approx(86_400e3 * 11_000 / 1e6 / 120)
    # No more can help than it had partitions.
    assert found.heir_s == pytest.approx(found.restart_s * 120 / 256)


def test_nobody_is_told_of_more_often_than_something_happens() -> None:
    assert Load(1_000, 86_400, told_hours=1, peak=1).told_s == pytest.approx(1_000 / 86_400)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2e9, "2 GB"), (3e18, "3 EB")]
)
def test_sizes_are_told_for_people(value: float, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(1.5, "1.5 s"), (180, "3 min"), (7_200, "2 h")])
def test_times_are_told_for_people(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_the_page_shows_what_the_command_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "capacity.md").read_text(encoding="utf-8")
    for line in page.splitlines():
        if line.startswith("bellwether capacity "):
            said = CliRunner().invoke(capacity, line.split()[2:])
            assert said.exit_code == 0
            assert said.output in page, said.output
    assert page.count("\nbellwether capacity ") >= 2


def test_no_answer_is_nonsense() -> None:
    for load in (Load(1, 1), Load(1e9, 50e6), Load(1e12, 1e9, horizon_months=1, warm=1.0)):
        found = need(load)
        assert all(math.isfinite(value) and value >= 0 for value in vars(found).values())
        assert len(lines(load, found)) == 14
