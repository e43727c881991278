"""Every query in deploy/, and the series that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.support.commands import ROOT

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"

_MACROS = {"$__rate_interval": "1m", "$__interval": "1m", "$__range": "1h"}
_KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})
_PIECE = re.compile(
    r"""(?P<none>"(?:\\.|[^"\\])*"|\[[^\]]*\]|\b\d[\w.]*
          |\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\))
      | (?P<name>[A-Za-z_:][\w:]*) (?P<labels>\{(?:"(?:\\.|[^"\\])*"|[^"}])*\})?
        (?P<call>(?=\s*\(|\s+(?:by|without)\b))?""",
    re.VERBOSE,
)


class Query(NamedTuple):
    """`where` names the file and the panel or alert."""

    where: str
    text: str


def all_queries() -> list[Query]:
    """Of the dashboards and the alerts, as Prometheus gets to see them."""
    return [*(query for file in DASHBOARDS for query in dashboard_queries(file)), *alert_queries()]


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those in collapsed rows too."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def dashboard_queries(file: Path) -> Iterator[Query]:
    """A panel's queries, with Grafana's own variables filled in."""
    for panel in panels(json.loads(file.read_text(encoding="utf-8"))):
        for target in panel.get("targets", []):
            text = target["expr"]
            for macro, value in _MACROS.items():
                text = text.replace(macro, value)
            yield Query(f"{file.name}: {panel['title']}", text)


def alert_rules() -> list[dict[str, Any]]:
    """The alerts as they are written."""
    document = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def alert_queries() -> Iterator[Query]:
    """Their expressions."""
    for rule in alert_rules():
        yield Query(f"{ALERTS.name}: {rule['alert']}", rule["expr"])


def selectors(text: str) -> list[str]:
    """The series that a query names, each with its matchers: `up{job="x"}`. Once each, in their order."""
    found = []
    for piece in _PIECE.finditer(text):
        name, labels = piece["name"], piece["labels"] or ""
        if name and piece["call"] is None and name.lower() not in _KEYWORDS:
            found.append(name + labels)
    return list(dict.fromkeys(found))
