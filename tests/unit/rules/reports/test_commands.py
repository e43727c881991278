"""`bellwether report` and `bellwether ranks publish` on a file: what people and programs get to see."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from deploy.ports import free_port
from schemas.codec import decode, encode
from schemas.events import Event
from schemas.reference import RanksPublished
from services.cli import main
from services.rules.reports.catalogue import CATALOGUE
from tests.unit.rules.making import payment
from tests.unit.rules.reports.making import activity, order, owned, profile, records, reference_event

Run = Any


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A file with two customers, a plan and a promotion."""
    lines = [
        *records(
            "acme",
            owned("2026-01-01", "ada"),
            profile(region="=华东"),
            order("O1", "2026-03-05", "100.00", cost="60.00", line="valves"),
            order("O2", "2026-03-06", "8.50", currency="USD"),
            payment("P1", "2026-03-31", "70.00"),
            activity("visit", "2026-03-02", "ada"),
        ),
        *records("bolt", order("O1", "2026-03-05", "300.00", cost="250.00", line="pumps")),
        encode(plan("sales", "1000.00")),
    ]
    file = tmp_path / "world.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def test_the_lifetime_value_is_of_twelve_months_and_says_so(world: Path, bellwether: Run) -> None:
    told = json.loads(bellwether("report", "K4", "--snapshots", world, "--format", "json").stdout)
    assert (told["from"], told["until"]) == ("2025-04-16", "2026-04-15")
    told = bellwether("report", "K4", "--snapshots", world, "--from", "2026-01-01", "--format", "json")
    assert json.loads(told.stdout)["from"] == "2025-04-16"
    assert "--from 2026-01-01 is left out" in told.stderr


def test_a_report_of_nobody_is_no_report_full_of_zeros(tmp_path: Path, bellwether: Run) -> None:
    file = tmp_path / "nobody.jsonl"
    file.write_bytes(encode(plan("sales", "1.00")) + b"\n")
    refused = bellwether("report", "K2", "--snapshots", file)
    assert refused.exit_code == 1
    assert f"there is no customer in {file}: it must hold records" in refused.output


def test_somebody_of_whom_nothing_is_known_is_told(world: Path, bellwether: Run) -> None:
    told = bellwether("report", "K2", "--snapshots", world, "--owner", "adda")
    assert 'nobody called "adda"' in told.stderr
    assert "did you mean ada?" in told.stderr
    assert "nobody called" not in bellwether("report", "K2", "--snapshots", world, "--owner", "ada").stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("K6", "no promotion was announced in these days"),
        ("R37", "no promotion was announced in these days"),
        ("R36", "no plan of a person's least margin"),
    ],
)
def test_a_table_without_rows_says_why(name: str, said: str, world: Path, bellwether: Run) -> None:
    assert said in bellwether("report", name, "--snapshots", world, "--language", "en").stdout
    told = json.loads(bellwether("report", name, "--snapshots", world, "--format", "json").stdout)
    assert said in next(iter(told["tables"].values()))["nothing"]["en"]


def plan(metric: str, amount: str) -> Event:
    data = {"plan_id": "P", "period": "2026", "metric": metric, "scope": "company", "amount": amount, "currency": "CNY"}
    return reference_event("plan.set", "2026-01-01", **data)


@pytest.fixture
def bellwether(tmp_path: Path) -> Run:
    """bellwether("report", ...) at noon of 15 April 2026 in Shanghai."""
    clock = tmp_path / "clock"
    clock.write_text("2026-04-15T12:00:00+08:00")
    env = {
        "BELLWETHER_CLOCK": f"manual:{clock}",
        "BELLWETHER_KAFKA": "127.0.0.1:1",
        "BELLWETHER_DIRECTORY": None,
        "BELLWETHER_DATABASE_URL": None,
        "BELLWETHER_DATA_DIR": str(tmp_path / "data"),
    }

    def run(*arguments: str | Path, **settings: str) -> Result:
        return CliRunner().invoke(main, [str(one) for one in arguments], env={**env, **settings})

    return run


def rows(result: Result, table: str) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["tables"][table]["rows"]
    return found


MARCH = ("--from", "2026-03-01", "--until", "2026-03-31")


def test_json_has_exact_money_and_a_reason_where_a_figure_is_not_known(bellwether: Run, world: Path) -> None:
    result = bellwether("report", "K2", *MARCH, "--format", "json", "--snapshots", world)

    (row,) = rows(result, "results")
    assert row["sales"] == {"CNY": "400.00", "USD": "8.50"}
    assert row["collections"] == {"CNY": "70.00"}
    assert row["cycle_mean_days"] is None
    assert row["reasons"]["cycle_mean_days"]["zh"] == "期间内没有可追溯到线索的赢单"
    document = json.loads(result.stdout)
    assert (document["report"], document["from"], document["until"]) == ("K2", "2026-03-01", "2026-03-31")
    assert document["customers"] == 2


def test_csv_has_a_column_for_each_currency_and_no_formulas(bellwether: Run, world: Path) -> None:
    result = bellwether(
        "report", "K2", *MARCH, "--by", "region", "--format", "csv", "--language", "en", "--snapshots", world
    )

    east, unknown = csv.DictReader(io.StringIO(result.stdout))
    assert (east["region"], east["sales_CNY"], east["sales_USD"]) == ("'=华东", "100.00", "8.50")
    assert (unknown["region"], unknown["sales_CNY"], unknown["sales_USD"]) == ("", "300.00", "")
    assert "collections: no money was received in the period" in unknown["reasons"]


def test_several_tables_stand_apart_in_csv_and_can_be_picked(bellwether: Run, world: Path) -> None:
    whole = bellwether("report", "P1", *MARCH, "--format", "csv", "--snapshots", world).stdout
    assert [line for line in whole.splitlines() if line in ("results", "funnel", "classes", "")] == [
        "results",
        "",
        "funnel",
        "",
        "classes",
    ]

    one = bellwether("report", "P1", *MARCH, "--format", "csv", "--table", "results", "--snapshots", world).stdout
    assert one.startswith("customers,")
    assert "funnel" not in one


def test_a_printed_table_is_in_the_language_asked_for(bellwether: Run, world: Path) -> None:
    chinese = bellwether("report", "K2", *MARCH, "--snapshots", world).stdout
    english = bellwether("report", "K2", *MARCH, "--language", "en", "--snapshots", world).stdout

    assert "平均客单价" in chinese
    assert "400.00 CNY" in chinese
    assert "Average order" in english
    assert "– Mean sales cycle, days: no deal was won that goes back to a lead" in english


def test_brackets_in_names_are_printed_as_they_are(bellwether: Run, tmp_path: Path) -> None:
    file = tmp_path / "world.jsonl"
    file.write_bytes(b"\n".join(records("acme", profile(region="[red]east[/] :smile:"), order("O1", "2026-03-05"))))

    assert "[red]east[/] :smile:" in bellwether("report", "K2", *MARCH, "--by", "region", "--snapshots", file).stdout


@pytest.mark.parametrize("name", list(CATALOGUE))
@pytest.mark.parametrize("by", [None, "region", "product_line", "team", "person"])
def test_every_report_works_in_every_comparison_and_form(
    bellwether: Run, world: Path, name: str, by: str | None
) -> None:
    for form in ("json",) if by else ("json", "csv", "table"):
        choice = ("--by", by) if by else ()
        result = bellwether("report", name, *MARCH, *choice, "--format", form, "--snapshots", world)
        assert result.exit_code == 0, result.output


def test_the_list_names_every_report_in_both_languages(bellwether: Run) -> None:
    shown = bellwether("report", "--list").stdout

    for name, entry in CATALOGUE.items():
        assert name in shown
        assert entry.sentence.zh in shown
        assert entry.sentence.en in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("report", "K9"), 'there is no report "K9"; there are K1, K2'),
        (("report",), "name a report; `bellwether report --list` shows them"),
        (("report", "K1", "--until", "2026-04-16"), "lies in the future: today is 2026-04-15"),
        (("report", "K1", "--from", "2026-04-02", "--until", "2026-04-01"), "comes after --until 2026-04-01"),
        (("report", "K1", "--from", "yesterday"), "is no day such as 2026-03-01"),
        (("report", "K1"), "no Kafka answers at 127.0.0.1:1; start one, or set BELLWETHER_KAFKA"),
        (("ranks", "publish", "--as-of", "2026-05-01T00:00:00Z"), "lies in the future"),
        (("ranks", "publish", "--as-of", "2026-03-01"), "--as-of:"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_with_what_to_do(
    bellwether: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    result = bellwether(*arguments)

    assert result.exit_code != 0
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_table_that_the_report_does_not_have_is_named(bellwether: Run, world: Path) -> None:
    result = bellwether("report", "P1", "--table", "totals", "--snapshots", world)

    assert result.exit_code == 1
    assert 'there is no table "totals"; there are results, funnel, classes' in result.output


@pytest.mark.parametrize(
    ("name", "first"), [("K1", "2026-04-01"), ("K3", "2026-04-01"), ("R34", "2026-04-01"), ("P2", "2026-01-01")]
)
def test_without_days_the_period_is_the_present_month_quarter_or_year(
    bellwether: Run, world: Path, name: str, first: str
) -> None:
    document = json.loads(bellwether("report", name, "--format", "json", "--snapshots", world).stdout)

    assert (document["from"], document["until"]) == (first, "2026-04-15")


def test_plans_are_read_from_the_same_file(bellwether: Run, world: Path) -> None:
    (row,) = rows(bellwether("report", "P2", "--format", "json", "--snapshots", world), "plans")

    assert (row["planned"], row["actual"], row["reached"]) == ("1000.00", "400.00", 0.4)


def test_records_that_cannot_be_read_are_told_and_the_rest_is_reported(bellwether: Run, world: Path) -> None:
    with world.open("ab") as lines:
        lines.write(b'{"record":"customer","customer_id":"cargo"}\n')

    result = bellwether("report", "K2", *MARCH, "--format", "json", "--snapshots", world)

    assert rows(result, "results")[0]["orders"] == 3
    assert "left out: 'cargo'" in result.stderr
    assert "1 records could not be read" in result.stderr


def test_the_directory_fills_in_whose_customers_they_are(bellwether: Run, world: Path, tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text("customers: [{id: bolt, owner: ben}]", encoding="utf-8")

    result = bellwether(
        "report",
        "K2",
        *MARCH,
        "--by",
        "person",
        "--format",
        "json",
        "--snapshots",
        world,
        BELLWETHER_DIRECTORY=str(file),
    )

    assert [row["person"] for row in rows(result, "results")] == ["ada", "ben"]


def test_ranks_go_to_a_file_as_events_that_the_codec_takes(bellwether: Run, world: Path, tmp_path: Path) -> None:
    to = tmp_path / "ranks.jsonl"

    result = bellwether("ranks", "publish", "--snapshots", world, "--to", to)

    assert result.exit_code == 0, result.output
    assert "7 events rank 2 customers as of 2026-04-15T04:00:00+00:00" in result.output
    # Acme's order in USD has no rate: what it ordered in all is not known.
    assert "order_amount_12m: 1 customers have no known figure" in result.stderr
    events = [decode(line) for line in to.read_bytes().splitlines()]
    found = {one.data.measure: one.data.percentiles for one in events if isinstance(one.data, RanksPublished)}
    assert found["order_amount_12m"] == {"bolt": 1.0}
    assert found["rfm_frequency"] == {"acme": 1.0, "bolt": 0.0}


def test_ranks_count_the_days_that_had_begun_before_the_instant(bellwether: Run, world: Path, tmp_path: Path) -> None:
    to = tmp_path / "ranks.jsonl"

    bellwether("ranks", "publish", "--as-of", "2026-03-05T00:00:00+08:00", "--snapshots", world, "--to", to)

    events = [orjson.loads(line) for line in to.read_bytes().splitlines()]
    assert {one["data"]["as_of"] for one in events} == {"2026-03-04T16:00:00Z"}
    # Nobody had ordered before 5 March.
    assert [one["data"]["percentiles"] for one in events] == [{}] * 7


def test_nobody_to_rank_is_no_ranking(bellwether: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")

    result = bellwether("ranks", "publish", "--snapshots", empty, "--to", tmp_path / "ranks.jsonl")

    assert result.exit_code == 1
    assert "there is nobody to rank" in result.output


def regions(result: Result) -> dict[str, str]:
    """Sales by region."""
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout.removeprefix("\ufeff"))))
    return {row["region"]: row["sales_CNY"] for row in rows}


def test_regions_are_those_of_the_notifiers_directory_else_those_of_the_file(
    tmp_path: Path, world: Path, bellwether: Run
) -> None:
    asked = ("report", "K2", *MARCH, "--by", "region", "--format", "csv", "--language", "en", "--snapshots", world)
    file = tmp_path / "people.yaml"
    people = "people: [{id: ada, name: Ada, department: sales}]\nfallback: ada\n"
    file.write_text(people + "customers: [{id: bolt, name: B, owner: ada, region: north}]\n", encoding="utf-8")
    of_file = bellwether(*asked, BELLWETHER_DIRECTORY=str(file))
    assert regions(of_file) == {"'=华东": "100.00", "north": "300.00"}
    assert not (tmp_path / "data" / "notifier.db").exists(), "a report makes no database"

    (tmp_path / "hr.csv").write_text("id,name,region\nbolt,B,south\n", encoding="utf-8")
    assert bellwether("directory", "import", file).exit_code == 0
    assert bellwether("directory", "import", tmp_path / "hr.csv").exit_code == 0
    assert regions(bellwether(*asked, BELLWETHER_DIRECTORY=str(file))) == {"'=华东": "100.00", "south": "300.00"}

    away = {"BELLWETHER_DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/none"}
    while_away = bellwether(*asked, BELLWETHER_DIRECTORY=str(file), **away)
    assert regions(while_away)["north"] == "300.00"
    assert "owners and regions are those of the file" in while_away.stderr
