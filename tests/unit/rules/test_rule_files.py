"""Rule files: the shipped ones do what their examples say, and a bad one is refused with a sentence that helps."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.codec import encode
from services.rules.books import SHIPPED, parse_overrides, read_files, read_rules
from services.rules.compiling import compile_rule
from services.rules.definition import BadRule, Definition, parse_definition, parse_duration
from services.rules.examples import run_examples
from services.rules.rulebook import Rulebook
from services.rules.series import Events
from tests.support.commands import call_bellwether
from tests.unit.rules.making import event

FILES = sorted(SHIPPED.glob("*.yaml"))
R3 = SHIPPED / "R3_competitors_at_trade_fairs.yaml"


@cache
def read(file: Path) -> Definition:
    return parse_definition(file.read_text(encoding="utf-8"), file.name)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_shipped_rule_does_what_its_examples_say(file: Path) -> None:
    verdicts = run_examples(read(file), file.name, {one.id: one for one in map(read, FILES)})
    assert [(verdict.example, verdict.problem) for verdict in verdicts if verdict.problem] == []


def test_the_rules_of_this_release_are_there() -> None:
    rules = {rule.id: rule for rule in read_rules(SHIPPED)}
    assert len(rules) == 59
    for name in ("R1", "R1b", "R2", "R3"):
        review = rules[name].definition.review
        assert review is not None, "R4: a superior's review within 24 hours, by a cross-department team"
        assert (review.within_hours, review.quorum) == (24, 2)


def test_a_rule_is_only_asked_about_events_that_it_reads() -> None:
    book = Rulebook([rule for rule in read_rules(SHIPPED) if rule.id in ("R2", "R3", "R5")])

    def reading(kind: str) -> set[str]:
        return {reader.rule.id for watched in book.watching(Events(kind)) for reader in watched.readers}

    assert reading("contact.changed") == {"R2"}
    assert reading("contract.signed") == {"R5"}
    assert reading("lead.created") == set()


def changed(**changes: Any) -> str:
    """R3's file with some keys replaced (None: left out)."""
    raw = yaml.safe_load(R3.read_text(encoding="utf-8"))
    for name, value in changes.items():
        if value is None:
            del raw[name]
        else:
            raw[name] = value
    return yaml.safe_dump(raw, allow_unicode=True)


def refusal(text: str) -> str:
    with pytest.raises(BadRule) as refused:
        compile_rule(parse_definition(text, "R3.yaml"), {}, "R3.yaml")
    return str(refused.value)


SHOW_DAYS = {"shape": "distinct_days", "of": "competitor.activity", "window": "90d"}
BAD: dict[str, tuple[str, str]] = {
    "an unknown fact": (
        changed(when={"fact": "shown_days", "op": ">=", "value": 2}),
        "unknown fact 'shown_days' (facts: show_days)",
    ),
    "an unknown shape": (changed(facts={"show_days": {"shape": "median"}}), "unknown shape 'median'"),
    "an unknown event": (
        changed(facts={"show_days": {**SHOW_DAYS, "of": "competitor.seen"}}),
        "unknown event type or series 'competitor.seen'",
    ),
    "an unknown field": (
        changed(facts={"show_days": {**SHOW_DAYS, "where": {"sort": {"is": "trade_show"}}}}),
        "competitor.activity has no field sort",
    ),
    "an unknown parameter": (
        changed(when={"fact": "show_days", "op": ">=", "value": "$dayz"}),
        "there is no parameter $dayz (params: days, kinds, window)",
    ),
    "an unknown key of a fact": (
        changed(facts={"show_days": {**SHOW_DAYS, "windows": "3d"}}),
        "unknown key 'windows'",
    ),
    "a missing key of a fact": (
        changed(facts={"show_days": {"shape": "distinct_days", "window": "90d"}}),
        "facts.show_days: of is missing",
    ),
    "an unknown comparison": (changed(when={"fact": "show_days", "op": "=>", "value": 2}), "unknown op '=>'"),
    "a float as a threshold": (
        changed(when={"fact": "show_days", "op": ">=", "value": 0.1}),
        "0.1 is no number that is exact: write it as a text",
    ),
    "a word where a number is wanted": (
        changed(when={"fact": "show_days", "op": ">=", "value": "many"}),
        "'many' is no number",
    ),
    "a condition that contains itself": (
        changed(conditions={"often": {"condition": "often"}}),
        "a condition contains itself",
    ),
    "a tag that YAML cannot use": ("id: !!int ''", "not usable YAML"),
    "an empty condition": (changed(when={"all": []}), "give a list of conditions"),
    "an unknown condition": (changed(when={"condition": "important"}), "there is no condition 'important'"),
    "a missing translation": (changed(name={"zh": "展会"}), "name.en: is missing: add the text in English"),
    "a missing clause": (changed(clause=None), "clause: is missing: add the policy behind the rule"),
    "an unknown key": (changed(urgency="high"), "urgency: there is no such key (known here: id, name"),
    "a misspelt key": (changed(sevrity="high"), "R3: sevrity: there is no such key; did you mean severity?"),
    "a misspelt key of a part": (
        changed(review={"hour": 1}),
        "review.hour: there is no such key; did you mean hours?",
    ),
    "a misspelt word": (changed(output="warnin"), "output: 'warnin' is none of warning, task"),
    "a small id": (changed(id="r3"), "id: 'r3' cannot be used: write a capital letter"),
    "a number for a list": (changed(audience=3), "audience: 3 stands here: write a list"),
    "an empty text": (changed(name={"zh": "展会", "en": ""}), "name.en: is empty: write the text in English"),
    "a key that is said twice": (R3.read_text(encoding="utf-8") + "severity: low\n", "severity: is said twice"),
    "bounds the wrong way round": (
        changed(params={"days": {"type": "int", "default": 2, "min": 3, "max": 1}}),
        "its least, 3, lies above its greatest, 1",
    ),
    "a wrong window": (
        changed(facts={"show_days": {**SHOW_DAYS, "window": "ninety days"}}),
        "'ninety days' is no duration such as 30d",
    ),
    "a default beyond its bounds": (
        changed(
            params={
                "days": {"type": "int", "default": 0, "min": 1},
                "window": {"type": "duration", "default": "90d"},
                "kinds": {"type": "list", "default": ["trade_show"]},
            }
        ),
        "R3.days: 0 is below the least allowed, 1",
    ),
    "no example that stays quiet": (
        changed(examples=[{"name": "x", "events": [], "until": "2026-01-01T00:00:00Z", "fires": [["a", None]]}] * 2),
        "no example stays quiet",
    ),
    "not YAML": ("id: [R3", "R3.yaml:2: not valid YAML"),
    "not a mapping": ("- R3", "a rule file holds one mapping"),
    "an alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nid: *b", "stands here: write a text"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_rule_file_is_refused_and_told_why(name: str) -> None:
    text, said = BAD[name]
    assert said in refusal(text)


def test_a_parameter_that_is_out_of_its_bounds_names_its_line() -> None:
    text = R3.read_text(encoding="utf-8").replace("default: 2, min: 1", "default: 0, min: 1")
    line = next(n for n, said in enumerate(text.splitlines(), start=1) if "default: 0, min: 1" in said)
    assert f"R3.yaml:{line}: R3: R3.days: 0 is below" in refusal(text)


def test_a_key_that_is_said_twice_names_the_line_of_the_second() -> None:
    text = R3.read_text(encoding="utf-8") + "severity: low\n"
    assert f"R3.yaml:{len(text.splitlines())}: R3: severity: is said twice" in refusal(text)


def test_a_file_that_is_not_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "R3.yaml").write_text(R3.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "R40.yml").write_text("", encoding="utf-8")
    assert read_files(tmp_path)[1] == ["R40.yml: is not read: name it R40.yaml"]


def test_a_problem_names_the_line() -> None:
    text = R3.read_text(encoding="utf-8").replace("severity: high", "severity: urgent")
    line = text.splitlines().index("severity: urgent") + 1
    assert refusal(text).startswith(f"R3.yaml:{line}: R3: severity:")


def test_a_folder_with_bad_files_tells_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(changed(id="A"), encoding="utf-8")
    (tmp_path / "b.yaml").write_text(changed(id="A"), encoding="utf-8")
    (tmp_path / "c.yaml").write_text("id: [", encoding="utf-8")
    with pytest.raises(BadRule) as refused:
        read_rules(tmp_path)
    assert len(refused.value.problems) == 2
    assert "b.yaml:86: A is also in a.yaml: give each rule its own id" in refused.value.problems
    with pytest.raises(BadRule, match="there is no rule file"):
        read_rules(tmp_path / "nothing")


def test_parameters_are_set_by_name_within_their_bounds() -> None:
    rules = {rule.id: rule for rule in read_rules(SHIPPED, parse_overrides(["R3.days=3", "R3.window=30d"]))}
    assert (rules["R3"].params["days"], rules["R3"].params["window"]) == (3, parse_duration("30d"))
    for setting, said in {
        "R3.dayz=3": "R3 has no parameter dayz",
        "R3.days=0": "below the least allowed, 1",
        "R3.days=many": "'many' is no whole number",
        "R99.days=3": "there is no rule R99",
        "R1.tolerance=NaN": "no finite number",
        "R1.exclude_disputed=maybe": "neither true nor false",
    }.items():
        with pytest.raises(BadRule, match=said):
            read_rules(SHIPPED, parse_overrides([setting]))
    with pytest.raises(ValueError, match="RULE.PARAM=VALUE"):
        parse_overrides(["R3.days"])


def test_rules_check_runs_the_shipped_rulebook_and_points_at_a_bad_file(tmp_path: Path) -> None:
    good = call_bellwether("rules", "check")
    assert (good.returncode, good.stdout) == (0, "59 rules and 343 examples are right\n")
    (tmp_path / "R3.yaml").write_text(BAD["an unknown fact"][0], encoding="utf-8")
    wrong = R3.read_text(encoding="utf-8").replace("id: R3", "id: R33").replace("value: $days", "value: 3")
    (tmp_path / "R33.yaml").write_text(wrong, encoding="utf-8")
    bad = call_bellwether("rules", "check", str(tmp_path))
    assert bad.returncode == 1
    assert ": R3: when: unknown fact 'shown_days' (facts: show_days)" in bad.stderr
    assert "R33: example “two days within ninety”: should find [2026-04-10T10:00:00+08:00" in bad.stderr


def test_a_backtest_says_what_it_cannot_use(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    usable = encode(event("contract.signed", "2026-03-02", contract_id="V")).decode()
    events.write_text(f'{{"id": 1\n{{"specversion": "1.0"}}\n\n{usable}\n', encoding="utf-8")
    done = call_bellwether("backtest", "--events", str(events), "--json")
    assert done.returncode == 0
    assert "events.jsonl:1: not valid JSON" in done.stderr
    assert '"refused": 2' in done.stdout
    for options, said in {
        ("--until", "tomorrow"): "--until: ",
        ("--set", "R1.months=100"): "above the greatest allowed, 36",
        ("--set", "months=1"): "RULE.PARAM=VALUE",
    }.items():
        refused = call_bellwether("backtest", "--events", str(events), *options)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
