"""What the benchmark makes of its measurements: medians, ratios, verdicts, tables, reports."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.codec import decode
from schemas.topics import Topics
from services.compiled import FOLDER, SWITCH
from tests.bench import __main__ as bench
from tests.bench import compiled
from tests.bench.bellwether import Bellwether
from tests.bench.crowd import BEGIN
from tests.bench.empty import one_rule_book
from tests.bench.figures import (
    Lap,
    Row,
    Sample,
    Section,
    as_document,
    at_least,
    at_most,
    document,
    figure,
    lap,
    merged,
    missing,
    percentile,
    ratios,
    readme_section,
    rows_table,
    spliced,
    told,
)
from tests.bench.latency import ways_ms
from tests.bench.meter import Meter
from tests.bench.mixes import (
    Mix,
    busy_mix,
    chosen,
    lone_events,
    sample_mix,
    turned,
    week_events,
    week_mix,
)
from tests.bench.profiling import shares
from tests.bench.racing import Course, Finish, WrongResult, require_count
from tests.bench.sizes import QUICK
from tests.bench.soak import growth_mib
from tests.bench.speed import text_of
from tests.bench.stage import Stage


def section(name: str, *rows: Row, at: str = "2026-01-01T10:00+00:00") -> Section:
    return Section(name, name.title(), list(rows), "", {}, 3, at=at)


def test_a_lap_counts_only_what_came_after_the_first_sample() -> None:
    found = lap(Sample(10.0, 500, 2.0), Sample(12.0, 1_500, 3.0))
    assert (found.per_s, found.cpu_us) == (500.0, 1_000.0)


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([10.0, 30.0, 5.0], [5.0, 10.0]) == [2.0, 3.0]


def test_the_median_decides_whether_a_target_is_reached() -> None:
    expected = Row("speed", "≥ 15 ×", "15.0 (1.00–90.0) ×", reached=True)
    assert at_least("speed", [1.0, 15.0, 90.0], 15, "×") == expected
    assert at_least("speed", [14.0], 15, "×").reached is False
    assert at_most("latency", [20.0, 61.0, 70.0], 60, "ms").reached is False
    assert at_most("latency", [60.0], 60, "ms").reached is True


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    table = rows_table([missing("Kafka Streams", "≥ 0.3 ×", "no JDK"), told("speed", [1234.5], "/s")])
    assert "| Kafka Streams | ≥ 0.3 × | not measured | not measured | no JDK |" in table
    assert "| speed |  | 1,234 /s |  |  |" in table


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_measured(share: float, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_figures_have_three_digits_that_count() -> None:
    assert [figure(value) for value in (0, 0.01234, 1.234, 12.34, 1234.5)] == [
        "0.00",
        "0.0123",
        "1.23",
        "12.3",
        "1,234",
    ]


def test_a_new_measurement_replaces_its_section_and_leaves_the_others() -> None:
    old = as_document([section("speed", told("a", [1], "")), section("memory", told("b", [1], ""))], {}, "2026-01-01")
    old = json.loads(json.dumps(old))
    found = merged(old, [section("memory", told("b", [2], "")), section("bare")], ["speed", "bare", "memory"])
    assert [one.name for one in found] == ["speed", "bare", "memory"]
    assert found[0].rows == [told("a", [1], "")]
    assert found[2].rows == [told("b", [2], "")]


def test_the_report_says_of_quick_sections_that_they_are_not_to_be_quoted() -> None:
    quick = Section("speed", "Speed", [told("a", [1], "")], "words", {}, 1, quick=True, at="now")
    text = document([quick], {"cores": 2}, "2026-01-01")
    assert "cores 2." in text
    assert "1 round, now, quick mode" in text


def test_the_readme_section_is_put_in_once_and_then_replaced() -> None:
    readme = "# Bellwether\n\n## Two commands\nmake\n\n## Run it for real\nsettings\n"
    first = spliced(readme, readme_section([section("speed", at_least("fast", [1], 2, "×"))], "2026-01-01"))
    again = spliced(first, readme_section([section("speed", at_least("fast", [3], 2, "×"))], "2026-01-02"))
    assert "| fast | ≥ 2 × | 1.00 × | **not reached** |\n\n## Run it for real\nsettings\n" in first
    assert again.count("## Speed") == 1
    assert "| fast | ≥ 2 × | 3.00 × | reached |\n\n## Run it for real\nsettings\n" in again
    assert again.startswith("# Bellwether\n\n## Two commands\nmake\n\n## Speed\n")


def test_only_rows_with_targets_are_in_the_readme() -> None:
    text = readme_section([section("speed", told("beside", [1], ""), at_least("fast", [1], 2, "×"))], "2026-01-01")
    assert "beside" not in text


def test_a_worker_that_counts_wrong_has_no_time() -> None:
    course = Course("events", 5, 2)
    require_count("right", {"a": 2, "b": 3}, course, done=5)
    with pytest.raises(WrongResult, match="4 events of 2 customers"):
        require_count("wrong", {"a": 2, "b": 2}, course, done=5)
    with pytest.raises(WrongResult, match="5 events of 1 customers"):
        require_count("wrong", {"a": 5}, course, done=5)


def test_a_worker_that_was_stopped_must_have_counted_what_it_had_done() -> None:
    course = Course("events", 5, 2)
    require_count("right", {"a": 3}, course, done=2)
    with pytest.raises(WrongResult, match="2 of 5 were done"):
        require_count("wrong", {"a": 1}, course, done=2)
    with pytest.raises(WrongResult, match="6 events"):
        require_count("wrong", {"a": 6}, course, done=2)


def test_a_lap_that_was_cut_is_told_with_the_part_that_was_done() -> None:
    mix = week_mix(400)
    events = len(mix.events)
    found = {
        "fast": [Finish(Lap(events - 1, 2.0, 1.0))],
        "slow": [Finish(Lap(events // 4 - 1, 3.0, 3.0, cut=True))],
    }
    lines = text_of(mix, found).splitlines()
    assert "| 2.00 | whole |" in next(line for line in lines if line.startswith("| fast"))
    assert "| 3.00 | cut: 25% |" in next(line for line in lines if line.startswith("| slow"))


def test_laps_can_be_written_as_json(tmp_path: Path) -> None:
    laps = Section("speed", "Speed", [], data={"x": [asdict(Finish(Lap(10, 2.0, 1.0), {"y": 1.0}))]})
    readme = tmp_path / "README.md"
    readme.write_text("# Bellwether\n")
    bench.write([laps], tmp_path, readme)
    [written] = tmp_path.glob("*.json")
    [kept] = json.loads(written.read_text())["sections"]
    assert kept["data"]["x"][0]["lap"] == {"events": 10, "seconds": 2.0, "cpu_s": 1.0, "cut": False}


def test_nobody_has_a_second_turn_before_everybody_had_one() -> None:
    names = [f"C{number}" for number in range(50)]
    one, other = turned(names, 75, "one"), turned(names, 75, "other")
    assert sorted(one[:50]) == sorted(other[:50]) == sorted(names)
    assert len(set(one[50:])) == 25
    assert one != other


@pytest.mark.parametrize("mix", [sample_mix(1), week_mix(1), busy_mix(1)], ids=lambda mix: mix.name)
def test_a_mix_ends_behind_its_last_event(mix: Mix) -> None:
    assert mix.ends > max(decode(raw).time for _, raw in mix.events)


def test_the_way_of_a_warning_is_told_in_means_of_what_was_measured() -> None:
    names = ("answer_seconds", "batch_seconds", "decide_seconds", "changelog_seconds", "batch_steps")
    before = {f"bellwether_rules_{name}_{end}": 5.0 for name in names for end in ("sum", "count")}
    sums = dict(zip(names, (0.4, 0.2, 0.1, 0.06, 20), strict=True))
    after = {f"bellwether_rules_{name}_count": 7.0 for name in names}
    after |= {f"bellwether_rules_{name}_sum": 5 + total for name, total in sums.items()}
    assert list(ways_ms(before, after).values()) == pytest.approx([200, 100, 50, 30, 20, 10])


def test_samples_are_told_by_the_purpose_of_their_code() -> None:
    main = "thread (0x1): MainThread;run (/x/faust/worker.py:1);"
    batch = f"{main}apply_batch (/x/services/rules/partition.py:9)"
    stacks = [
        f"{batch};Core.settle (/x/services/rules/core.py:5);f (/x/facts.py:1) 100",
        f"{batch} 60",
        f"{main}getmany (/x/faust/consumer.py:9) 40",
        "thread (0x2): Consumer;run (/x/faust/x.py:1);fetch (/x/aiokafka/consumer/fetcher.py:7) 20",
    ]
    assert shares("\n".join(stacks), 2) == {
        "ask the rules": 0.25,
        "partition host: batches, due queue, cursor": 0.15,
        "Faust and the event loop": 0.1,
        "fetch": 0.05,
        "main thread waiting": 0.5,
    }


def test_the_events_of_the_bench_are_valid_and_the_same_each_time() -> None:
    mix = busy_mix(1_000)
    assert mix.events == busy_mix(1_000).events
    names = chosen(["A", "B"], 40, "seed", favourite="A")
    assert names.count("A") >= 20
    series = [*lone_events(names, BEGIN, timedelta(0), "x"), *week_events(names, BEGIN, timedelta(0), "y"), *mix.events]
    decoded = [decode(raw) for _, raw in series]
    assert len({event.id for event in decoded}) == len(series)
    assert [event.subject for event in decoded] == [customer_id for customer_id, _ in series]


def test_the_smallest_rulebook_may_be_published() -> None:
    assert one_rule_book()


def test_growth_is_from_the_first_tenth_to_the_last() -> None:
    points = [(float(n), 100.0 + n, 50.0) for n in range(100)]
    assert growth_mib(points) == (90.0, 0.0)


def test_the_soak_runs_only_when_it_is_asked_for() -> None:
    assert bench.parsed([]).only is None
    assert set(bench.ALONE) == {"soak"}
    assert bench.parsed(["--only", "soak", "speed", "--quick"]).only == ["soak", "speed"]


def test_on_the_compiled_core_a_section_is_measured_beside_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench.wanted(bench.parsed(["--only", "latency", "recovery", "--compiled"])) == [
        "latency",
        "latency, compiled",
        "recovery",
    ]
    assert not set(bench.wanted(bench.parsed([]))) & set(bench.BOTH)
    assert bench.wanted(bench.parsed(["--only", "speed, compiled"])) == ["speed, compiled"]

    stages: list[Stage] = []

    def measure(stage: Stage) -> Section:
        stages.append(stage)
        return section("speed", at_least("fast", [1], 2, "×"), told("beside", [1], ""))

    monkeypatch.setitem(bench.SECTIONS, "speed", measure)
    stage = Stage("", Path(), QUICK, 1, quick=True, meter=Meter(1))
    both = [bench.measured(name, stage) for name in ("speed", "speed, compiled")]

    assert [row.measure for row in both[1].rows] == ["fast, compiled", "beside"]
    assert [one.compiled for one in stages] == ["", FOLDER]
    course = Course("events", 0, 0)
    workers = [Bellwether(one, course, "worker", Topics("bw"), "wall") for one in stages]
    assert [worker.env()[SWITCH] for worker in workers] == ["", FOLDER]
    assert stages[0].named("bw-bare") != stages[1].named("bw-bare")
    old = as_document(both, {}, "2026-01-01")
    kept = merged(json.loads(json.dumps(old)), [section("bare")], bench.ORDER)
    assert [one.name for one in kept] == ["speed", "speed, compiled", "bare"]
    assert "| fast, compiled | ≥ 2 × |" in readme_section(kept, "2026-01-01")


def test_compiled_and_interpreted_are_compared_round_by_round() -> None:
    found = {
        compiled.AS_IT_IS: [{"busy hour, live": 400.0}, {"busy hour, live": 200.0}, {"busy hour, live": 300.0}],
        compiled.COMPILED: [{"busy hour, live": 200.0}, {"busy hour, live": 180.0}, {"busy hour, live": 240.0}],
    }
    assert "| busy hour, live | 300 | 200 | 0.8 (0.5–0.9) |" in compiled.told(found)
