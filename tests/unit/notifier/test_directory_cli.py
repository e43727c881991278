"""`bellwether directory` and `bellwether routes` as an operator uses them, on the examples that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schemas.warnings import encode_warning
from services.cli import main
from tests.support.commands import ROOT
from tests.unit.notifier.making import HOUR, NOON, r1

EXAMPLES = ROOT / "deploy" / "examples"
SHEETS = [str(EXAMPLES / f"{name}.csv") for name in ("people", "customers", "departments", "absences")]


class Operator:
    """Somebody at a terminal, with a database of their own."""

    def __init__(self, folder: Path) -> None:
        self.env = {"BELLWETHER_DATABASE_URL": f"sqlite:///{folder / 'notifier.db'}"}
        self.folder = folder

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env=self.env)

    def lines(self, *arguments: str) -> list[str]:
        done = self.run(*arguments)
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_the_examples_are_imported_checked_shown_and_tried(operator: Operator) -> None:
    imported = operator.lines("directory", "import", *SHEETS, "--fallback", "li.na")
    assert imported == ["version 1, 21 changes; 6 people, 4 customers, 0 gaps"]
    assert operator.run("directory", "check").exit_code == 0
    assert "C003  Nordic Pumps AB  region 海外  class A  value 1150000.00" in operator.lines(
        "directory", "show", "--customer", "C003"
    )
    shown = operator.lines("directory", "show", "--person", "zhang.wei")
    assert "email: z…@example.com (verified)" in shown
    routes = str(EXAMPLES / "routes.yaml")
    assert operator.run("routes", "check", routes, "--strict").exit_code == 0
    told = operator.lines(
        "routes", "test", "--customer", "C001", "--rule", "R1", "--severity", "critical", "--routes", routes,
        "--at", "2026-12-22T12:00:00+08:00",
    )  # fmt: skip
    assert "route: all > finance hears of late payment" in told
    assert "route: all > key accounts > key accounts in danger" in told
    # His superior is away and has named him to stand in, so that the one above is asked.
    assert "asked in turn: li.na" in told
    (first,) = [line for line in told if "zhang.wei" in line and "raised" in line]
    assert first.startswith("2026-12-22 12:00")
    assert "wecom_app" in first
    assert any("2026-12-23 12:00" in line and "breached" in line for line in told)


def test_a_warning_of_the_topic_can_be_tried_and_nonsense_is_refused(operator: Operator) -> None:
    operator.lines("directory", "import", *SHEETS, "--fallback", "li.na")
    file = operator.folder / "warning.json"
    file.write_bytes(encode_warning(r1(customer_id="C002")))
    at = (NOON + HOUR).isoformat()
    told = operator.lines("routes", "test", str(file), "--at", at)
    assert told[0] == "R1 (medium) of 北方重工集团: class B, region 华北, value 860000.00, department sales"
    file.write_text("{}")
    refused = operator.run("routes", "test", str(file))
    assert refused.exit_code == 1
    assert "that is no warning: id: Field required" in refused.stderr


def test_gaps_and_routes_that_end_in_nobody_fail_a_pipeline(operator: Operator) -> None:
    people, customers = operator.folder / "people.csv", operator.folder / "customers.csv"
    people.write_text("id,name,department\na,A,sales\n")
    customers.write_text("id,name,owner\nC1,X,gone\nC2,Y,\n")
    imported = operator.run("directory", "import", str(people), str(customers), "--fallback", "a")
    assert imported.exit_code == 0, "what is there is better than nothing"
    assert "owner_unknown: The owner gone of customer C1 is not in the directory." in imported.stdout
    assert imported.stdout.endswith("1 people, 2 customers, 4 gaps\n")
    assert operator.run("directory", "check").exit_code == 1
    checked = operator.run("routes", "check")
    assert checked.exit_code == 1
    assert "error: all: ends in nobody: no verified address of a" in checked.stdout


def test_a_dry_run_and_a_refusal_change_nothing(operator: Operator) -> None:
    tried = operator.lines("directory", "import", *SHEETS, "--fallback", "li.na", "--dry-run")
    assert tried[-1].startswith("it would be version 1")
    refused = operator.run("directory", "import", *SHEETS)
    assert refused.exit_code == 1
    assert "name somebody with --fallback" in refused.stderr
    assert operator.lines("directory", "versions") == []
    assert "there is no directory" in operator.run("directory", "show").stderr


def test_leave_is_noted_and_taken_back(operator: Operator) -> None:
    operator.lines("directory", "import", *SHEETS, "--fallback", "li.na")
    days = ["--from", "2026-01-01", "--to", "2099-12-31"]
    operator.lines("directory", "away", "zhang.wei", *days, "--delegate", "chen.jing")
    assert "now: chen.jing, for zhang.wei is away" in operator.lines("directory", "show", "--customer", "C001")
    operator.lines("directory", "away", "zhang.wei", *days, "--cancel")
    assert "away now" not in "".join(operator.lines("directory", "show"))
    assert operator.run("directory", "away", "nobody", *days).exit_code == 1
    before = operator.lines("directory", "show", "--version", "2", "--customer", "C001")
    assert "now: chen.jing, for zhang.wei is away" in before
