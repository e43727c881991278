"""Dashboards as Grafana reads them. That their queries name what is scraped, tests/e2e/test_prometheus.py shows."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.commands import ROOT
from tests.support.queries import DASHBOARDS, panels

PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
TYPES = {"stat", "timeseries", "bargauge", "table"}

each_dashboard = pytest.mark.parametrize("file", DASHBOARDS, ids=[file.stem for file in DASHBOARDS])


def read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or above)


def test_there_is_one_for_business_and_one_for_technology() -> None:
    assert [read(file)["uid"] for file in DASHBOARDS] == ["bellwether-business", "bellwether-technology"]


@each_dashboard
def test_the_file_is_named_after_its_uid(file: Path) -> None:
    dashboard = read(file)
    assert file.stem == dashboard["uid"]
    assert dashboard["title"].startswith("Bellwether: ")
    assert dashboard["schemaVersion"] >= 36


@each_dashboard
def test_every_panel_has_a_title_a_place_and_queries_of_the_chosen_prometheus(file: Path) -> None:
    dashboard = read(file)
    (choice,) = dashboard["templating"]["list"]
    assert (choice["name"], choice["type"], choice["query"]) == ("datasource", "datasource", "prometheus")
    numbers = [panel["id"] for panel in panels(dashboard)]
    assert len(numbers) == len(set(numbers))
    for panel in panels(dashboard):
        assert panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["type"] in TYPES
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))
        assert references, panel["title"]


@each_dashboard
def test_no_panel_lies_over_another_or_beyond_the_edge(file: Path) -> None:
    places = [panel["gridPos"] for panel in read(file)["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


def test_the_prometheus_that_is_provisioned_is_the_one_chosen_first() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    for file in DASHBOARDS:
        (choice,) = read(file)["templating"]["list"]
        assert choice["current"] == {"text": source["name"], "value": source["uid"]}


def test_the_dashboards_are_loaded_from_a_folder_that_is_set() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "bellwether.yml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"] == {"path": "$BELLWETHER_DASHBOARDS"}
