"""The lint beyond single files: twins, bounds, the horizon, silence, kinds; and what it must not complain of."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from schemas.events import CUSTOMER_EVENTS
from services.rules.books import load
from services.rules.checking import check_files, report
from services.rules.dues import FIELDS as INSTALMENT_FIELDS
from services.rules.forms import SERIES, THINGS
from services.rules.linting import lint
from services.rules.linting_kinds import DERIVED, event_kinds, field_kind
from services.rules.yearly import FIELDS as ANNIVERSARY_FIELDS
from tests.support.commands import call_bellwether
from tests.unit.rules.lint_cases import FILES, errors, file_of, mutated, others


def warnings(rule: str, text: str) -> list[str]:
    loaded, _ = load({file_of(rule): text}, {})
    found = lint([*(one for one in others() if one.rule.id != rule), *loaded])
    return [one.text for one in found if one.level == "warning"]


# ---- two rules that say the same

TWIN = ("id: R9\n", "id: R9x\n")


def twin(rule: str, *changes: tuple[str, str]) -> list[str]:
    """What is said of a copy of a rule beside all the others."""
    loaded, problems = load({"zz_copy.yaml": mutated(rule, *changes)}, {})
    found = lint([*others(), *loaded], bounds=False)
    return problems + [one.said for one in found if one.file == "zz_copy.yaml" and "says the same" in one.said]


def test_a_copy_under_another_name_says_the_same() -> None:
    assert twin("R9", TWIN) == [f"says the same as R9 in {file_of('R9')}: take one of them away, or make them differ"]


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("R9", [("value: $limit}", "value: 2}")]),  # the default itself
        ("R9", [('op: ">=", value: $limit', 'op: ">", value: 1')]),  # more than one is at least two
        ("R9", [("when: {", "when: {not: {not: {"), ("$limit}", "$limit}}}")]),
        ("R9", [("  changes:\n", "  moves:\n"), ("fact: changes", "fact: moves")]),  # other names
        ("R9", [("severity: medium", "severity: low"), ("频繁更换对接人", "对接人换得太多")]),  # other words
        ("R39c", [('contracts, op: ">=", value: 1', 'contracts, op: ">", value: 0')]),
        ("R6", [("monthly_receipts: {type", "from_receipts: {type"), ("value: $monthly_", "value: $from_")]),
        ("R2", []),
        ("R20", []),
        ("R25", []),
    ],
)
def test_what_is_said_otherwise_is_still_the_same(rule: str, changes: list[tuple[str, str]]) -> None:
    (said,) = twin(rule, (f"id: {rule}\n", f"id: {rule}x\n"), *changes)
    assert f"says the same as {rule} in " in said


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("R9", [("value: $limit}", "value: 3}")]),
        ("R9", [("default: 365d", "default: 364d")]),
        ("R9", [("output: warning", "output: task")]),
        ("R14", [("{of: feedback.raised}", "{of: feedback.raised, where: {kind: {is: complaint}}}")]),
        ("R2", [("per: contact\n", "")]),
        ("R20", [('weight: "1"', 'weight: "2"')]),
        ("R25", [("value: growth", "value: growing")]),
        ("R6", [("stay_months: {type: int, default: 2", "stay_months: {type: int, default: 3")]),
    ],
)
def test_rules_that_differ_are_no_twins(rule: str, changes: list[tuple[str, str]]) -> None:
    assert twin(rule, (f"id: {rule}\n", f"id: {rule}x\n"), *changes) == []


# ---- bounds and the horizon


@pytest.mark.parametrize(
    ("rule", "old", "new", "said"),
    [
        ("R9", "default: 2, min: 1", "default: 2, min: 0", "$limit may be set to its least, 0, and then line"),
        ("R28c", "max: 3", "max: 5", "a run of 5 years cannot be seen"),
        ("R9", "max: 1000d", "max: 2000d", "looks back over 2000 days"),
        ("R38", 'max: "1"', 'max: "100"', "can never hold: share is a number from 0 to 1"),
    ],
)
def test_bounds_that_allow_too_much_are_a_warning(rule: str, old: str, new: str, said: str) -> None:
    text = mutated(rule, (old, new))
    assert errors(rule, text) == []
    (warning,) = warnings(rule, text)
    assert said in warning
    assert warning.endswith("narrow its bounds")
    line = next(number for number, one in enumerate(text.splitlines(), start=1) if new in one)
    assert warning.startswith(f"{file_of(rule)}:{line}: {rule}: ")


def test_a_shorter_horizon_makes_windows_too_wide() -> None:
    assert [one for one in lint(others(), 36, bounds=False) if "remembered" in one.said] == []
    wide = {one.rule for one in lint(others(), 11, bounds=False) if "only 11 months are remembered" in one.said}
    assert {"R9", "R16", "R23a"} <= wide
    assert not {"R3", "R8"} & wide


# ---- silence


def test_a_rule_about_silence_without_a_feed_is_warned_of() -> None:
    text = mutated("R14", ("source: crm\n", ""))
    (warning,) = warnings("R14", text)
    assert "waiting is about something missing, and no `source` is named" in warning
    assert warnings("R14", mutated("R14", ("source: crm\n", "source: null\n"))) == []
    assert errors("R14", text) == []


def test_a_feed_that_one_rule_alone_names_almost_like_another_is_warned_of() -> None:
    (warning,) = warnings("R14", mutated("R14", ("source: crm\n", "source: cmr\n")))
    assert "R14: no other rule waits for the feed cmr; did you mean crm?" in warning
    assert warnings("R14", mutated("R14", ("source: crm\n", "source: telephone\n"))) == []


# ---- what is right


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("R31", [("default: 0s, min: 0s", "default: 0s, min: 0s")]),  # a grace of no time at all
        ("R13", [("default: [negative]", "default: [negative, neutral, positive]")]),  # a list of all the words
        ("R12", [('default: "2"', 'default: "5"')]),  # every score that there is
        ("R30", [("max_hops: {type: int, default: 2", "max_hops: {type: int, default: 0")]),
        (
            "R13",
            [("{field: kind, op: in, value: $kinds}", "{field: kind, op: known, value: true}"), ("  kinds: {", "  #")],
        ),
        ("R9", [("old: {known: true}", "old: {not: zhang.wei}")]),
    ],
)
def test_what_may_well_be_meant_is_let_through(rule: str, changes: list[tuple[str, str]]) -> None:
    assert errors(rule, mutated(rule, *changes)) == []


# ---- kinds


def test_every_field_of_every_series_has_a_kind() -> None:
    fields = {name: things[1] for name, things in THINGS.items()}
    fields |= {"instalments": INSTALMENT_FIELDS, "anniversaries": ANNIVERSARY_FIELDS}
    assert set(fields) == set(SERIES) == set(DERIVED)
    for name, known in fields.items():
        assert known == set(DERIVED[name]) if isinstance(known, frozenset) else known in CUSTOMER_EVENTS


def test_kinds_are_read_from_the_wire_models() -> None:
    for kind, model in CUSTOMER_EVENTS.items():
        assert len(event_kinds(kind)) == len(model.model_fields)
    score = field_kind("service_case.closed", "score")
    assert (score.sort, score.low, score.high, score.whole, score.absent) == (
        "number",
        Decimal(1),
        Decimal(5),
        True,
        True,
    )
    assert field_kind("external.noted", "sentiment").values == frozenset({"negative", "neutral", "positive"})
    assert not field_kind("external.noted", "sentiment").absent, "there is a default"
    assert field_kind("payment.received", "amount").money
    assert not field_kind("survey.answered", "nps").money
    assert field_kind("activity.logged", "with").sort == "list", "under its name on the wire"
    assert field_kind("stage_steps", "need_confirmed").sort == "bool"
    assert field_kind("profile.updated", "fields.important").sort == "any"
    assert field_kind("order.placed", "promised_date").sort == "day"


# ---- the command


def test_the_command_tells_warnings_and_fails_on_them_only_when_strict(tmp_path: Path) -> None:
    text = mutated("R14", ("source: crm\n", ""))
    (tmp_path / "R14.yaml").write_text(text, encoding="utf-8")
    done = call_bellwether("rules", "check", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "1 rules and 6 examples are right\n")
    assert done.stderr.startswith("warning: R14.yaml:")
    assert call_bellwether("rules", "check", "--strict", str(tmp_path)).returncode == 1
    (tmp_path / "R14.yaml").write_text(text.replace("value: $limit", "value: 0s"), encoding="utf-8")
    done = call_bellwether("rules", "check", "--json", str(tmp_path))
    assert done.returncode == 1
    told = orjson.loads(done.stdout)
    assert (told["rules"], told["examples"], told["right"]) == (1, 6, False)
    assert {(one["level"], one["file"], one["rule"]) for one in told["findings"]} == {
        ("error", "R14.yaml", "R14"),
        ("warning", "R14.yaml", "R14"),
    }
    assert all(isinstance(one["line"], int) and one["said"] for one in told["findings"])


def test_problems_of_every_sort_have_their_place_in_the_report() -> None:
    files = {"a.yaml": "id: [", "b.yaml": FILES[file_of("R9")].replace("default: 2,", "default: 3,"), "c.yaml": "- x"}
    checked = check_files(files, {"R8": {"limit": "1d"}}, ["d.yaml: cannot be read: no such file"])
    rows = report(checked, 3)["findings"]
    assert [(row["file"], row["line"], row["rule"]) for row in rows[:4]] == [
        ("d.yaml", None, None),
        ("a.yaml", 2, None),
        ("c.yaml", 1, None),
        (None, None, None),
    ]
    assert all(row["file"] == "b.yaml" and row["rule"] == "R9" and "example “" in row["said"] for row in rows[4:])


# ---- values in force, and files that mean harm


def test_what_is_set_counts_and_not_the_default() -> None:
    loaded, problems = load(FILES, {"R5a": {"remind_after": "80h"}, "R8": {"critical_after": "3d"}})
    found = {one.rule: one.said for one in lint(loaded, bounds=False) if one.level == "error"}
    assert problems == []
    assert found == {
        "R5a": "can never hold: its parts contradict each other; take one of them away",
        "R8": "holds whenever the rule does: give the rule that severity instead",
    }


LEAF = '{fact: changes, op: ">=", value: $limit}'


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("when: " + "{not: " * 40 + LEAF + "}" * 40, "nested more than 32 levels deep"),
        ("when: " + "{any: [" * 400 + LEAF + "]}" * 400, "nested more than 32 levels deep"),
        (
            "conditions: {c0: "
            + LEAF
            + "".join(f", c{n}: {{all: [{{condition: c{n - 1}}}]}}" for n in range(1, 9))
            + "}\nwhen: {condition: c8}",
            "conditions name others more than 5 deep",
        ),
        (
            "conditions: {c0: "
            + LEAF
            + "".join(f", c{n}: {{any: [{', '.join([f'{{condition: c{n - 1}}}'] * 9)}]}}" for n in range(1, 4))
            + "}\nwhen: {condition: c3}",
            "more than 500 comparisons",
        ),
        (
            "conditions: {c0: {condition: c1}, c1: {condition: c0}}\nwhen: {condition: c0}",
            "a condition contains itself",
        ),
    ],
    ids=["nots", "anys", "names of names", "many of many", "itself"],
)
def test_conditions_that_go_on_and_on_are_refused(condition: str, said: str) -> None:
    (problem,) = errors("R9", mutated("R9", (f"when: {LEAF}", condition)))
    assert said in problem
