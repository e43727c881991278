"""Alerts: each is tested firing and quiet, says how grave it is, and leads to a page that says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.common.settings import read_settings
from tests.support.commands import ROOT
from tests.support.programs import require_program
from tests.support.queries import ALERTS, alert_rules

PROMETHEUS = ALERTS.parent
TESTS = PROMETHEUS / "alerts.test.yml"
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
RULES = {rule["alert"]: rule for rule in alert_rules()}


def check(program: str, *arguments: str) -> None:
    """Runs a checking program; what it says when it does not like something is the failure."""
    done = subprocess.run(
        [str(require_program(program)), *arguments],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


def test_prometheus_takes_its_configuration_and_every_rule() -> None:
    check("promtool", "check", "config", "prometheus.yml")


def test_without_any_setting_the_services_of_this_machine_are_scraped() -> None:
    settings = read_settings({})
    ports = {"ingest": settings.ingest_port, "rules": settings.rules_port, "notifier": settings.notifier_port}
    for name, port in ports.items():
        assert yaml.safe_load((PROMETHEUS / "targets" / f"{name}.yml").read_text()) == [
            {"targets": [f"{settings.host}:{port}"]}
        ]


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    check("promtool", "test", "rules", TESTS.name)


def test_the_alertmanager_takes_its_example() -> None:
    check("amtool", "check-config", str(ALERTMANAGER))


@pytest.mark.parametrize("name", RULES)
def test_each_alert_is_tested_firing_and_quiet(name: str) -> None:
    cases = [case for group in read(TESTS)["tests"] for case in group["alert_rule_test"] if case["alertname"] == name]
    assert any(case["exp_alerts"] for case in cases), "never fires"
    assert any(not case["exp_alerts"] for case in cases), "is never quiet"


@pytest.mark.parametrize(("name", "rule"), RULES.items(), ids=list(RULES))
def test_each_alert_says_how_grave_it_is_and_leads_to_its_page(name: str, rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    sections = re.split(r"^### ", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    (section,) = [section for section in sections if section.split("\n", 1)[0].lower() == anchor == name.lower()]
    assert "- Look: " in section
    assert "- Do: " in section


def test_no_alert_is_described_that_does_not_exist() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)$", text, flags=re.MULTILINE)) == set(RULES)


def test_what_the_alertmanager_holds_back_are_alerts_that_exist() -> None:
    matchers = [
        matcher
        for rule in read(ALERTMANAGER)["inhibit_rules"]
        for matcher in rule["source_matchers"] + rule["target_matchers"]
    ]
    named = {name for matcher in matchers for name in re.findall(r"Bellwether\w+", matcher)}
    assert named
    assert named <= set(RULES)
