"""`bellwether explain`: how one customer stands, in words and as a document."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from schemas.customers import ClassNow, NearMiss, OpenEpisode, ScoreInput, ScoreNow
from schemas.warnings import Bilingual
from services.cli import main
from services.rules.snapshots import Judged
from tests.unit.rules.reports.making import order, owned, records

Run = Any

NOON = datetime(2026, 4, 1, 4, tzinfo=UTC)


def words(text: str) -> Bilingual:
    return Bilingual(zh=f"中{text}", en=text)


JUDGED = Judged(
    classes={
        "R26": ClassNow(
            value="head", rule_name=words("Contribution"), name=words("head"), advice=words("First."), ranked_at=NOON
        ),
        "R15": ClassNow(value=None, rule_name=words("Credit")),
    },
    scores={
        "R20": ScoreNow(
            value=None,
            rule_name=words("RFM"),
            inputs=[
                ScoreInput(
                    name="recency", label=words("recency"), value="0.8", weight=Decimal(2), part=Decimal("80.0")
                ),
                ScoreInput(name="monetary", label=words("amount"), weight=Decimal(1)),
            ],
            missing=["monetary"],
        )
    },
    episodes=[OpenEpisode(rule="R1", rule_name=words("Late twice"), id="i", severity="high", start=NOON)],
    near_misses=[
        NearMiss(rule="R1b", rule_name=words("Stays away"), text=words("late payments: 2 of 3")),
        NearMiss(rule="R7", rule_name=words("Follow-up"), text=words("due in 4 d"), due=NOON),
    ],
)


@pytest.fixture
def bellwether(tmp_path: Path) -> Run:
    """bellwether("C1", ...): `explain` on a file with the customers acme and bolt."""
    file = tmp_path / "world.jsonl"
    lines = [
        *records("acme", order("O1", "2026-03-05")),
        *records("acme", owned("2026-01-01", "ada"), order("O1", "2026-03-05"), judged=JUDGED),
        *records("bolt", order("O1", "2026-03-05")),
    ]
    file.write_bytes(b"\n".join(lines) + b"\n")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["explain", *arguments, "--snapshots", str(file)])

    return run


def test_it_tells_everything_in_english(bellwether: Run) -> None:
    done = bellwether("acme", "--language", "en")

    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "acme  as of 2030-01-01 00:00  owner ada",
        "",
        "Classes",
        "  R15 Credit: not known: too little to go by",
        "  R26 Contribution: head (ranking of 2026-04-01 12:00)",
        "      First.",
        "",
        "Scores",
        "  R20 RFM: not known: too little to go by",
        "      recency: 0.8 → 80.0 points (weight 2)",
        "      amount: – → missing (weight 1)",
        "",
        "Open warnings, tasks and suggestions",
        "  R1 Late twice (high, since 2026-04-01 12:00)",
        "",
        "Rules that are near",
        "  R7 Follow-up: due in 4 d (due 2026-04-01 12:00)",
        "  R1b Stays away: late payments: 2 of 3",
    ]


def test_it_speaks_chinese_unless_told_otherwise(bellwether: Run) -> None:
    lines = bellwether("acme").output.splitlines()

    assert lines[0] == "acme  截至 2030-01-01 00:00  负责人 ada"
    assert "  R1 中Late twice（高，自 2026-04-01 12:00）" in lines


def test_of_a_customer_of_whom_nothing_is_said_every_section_says_none(bellwether: Run) -> None:
    assert bellwether("bolt", "--language", "en").output.splitlines().count("  none") == 4


def test_the_document_is_the_snapshot_with_the_soonest_first(bellwether: Run) -> None:
    document = json.loads(bellwether("acme", "--json").output)

    assert document["customer_id"] == "acme"
    assert [near["rule"] for near in document["near_misses"]] == ["R7", "R1b"]
    assert document["scores"]["R20"]["missing"] == ["monetary"]


def test_an_unknown_customer_is_said_to_be_unknown(bellwether: Run) -> None:
    done = bellwether("nobody")

    assert done.exit_code == 1
    assert 'nothing is known of a customer "nobody"' in done.output


def test_counters_alone_are_no_customer(tmp_path: Path) -> None:
    (tmp_path / "months.jsonl").write_bytes(records("acme", order("O1", "2026-03-05"))[0])

    done = CliRunner().invoke(main, ["explain", "acme", "--snapshots", str(tmp_path / "months.jsonl")])

    assert done.exit_code == 1
    assert "nothing is known" in done.output
