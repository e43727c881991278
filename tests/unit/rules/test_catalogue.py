"""The catalogue of rules: the committed pages are current, and say what the rule files say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from services.cli import main
from services.rules.books import SHIPPED, read_rules
from services.rules.catalogue import catalogue
from services.rules.catalogue_words import LANGUAGES, Language, duration_words, value_words
from services.rules.definition import Definition, parse_definition

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def shipped() -> list[Definition]:
    return [rule.definition for rule in read_rules(SHIPPED)]


def page_of(file: str, language: Language) -> str:
    """The catalogue of one shipped file."""
    definition = parse_definition((SHIPPED / file).read_text(encoding="utf-8"), file)
    return catalogue([definition], language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_committed_pages_are_current(language: Language, shipped: list[Definition]) -> None:
    page = (DOCS / f"rulebook.{language}.md").read_text(encoding="utf-8")
    assert page == catalogue(shipped, language), "run `bellwether rules catalogue` and commit what it writes"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_has_its_clause_parameters_and_examples_on_the_page(
    language: Language, shipped: list[Definition]
) -> None:
    page = catalogue(shipped, language)
    for rule in shipped:
        assert f"### {rule.id} {getattr(rule.name, language)}" in page
        assert getattr(rule.clause, language).strip() in page
        assert all(f"| `{name}` |" in page for name in rule.params)
        assert all(f"- {example.name}" in page for example in rule.examples)
    # Nothing that was meant to be put into words is left as Python or as a reference to a parameter.
    assert "{'" not in page
    assert "$" not in page
    assert "None" not in page


def test_the_index_goes_by_number_and_not_by_letter(shipped: list[Definition]) -> None:
    page = catalogue(list(reversed(shipped)), "en")
    places = [page.index(f"| [{name}](#{name.lower()})") for name in ("R1", "R1b", "R2", "R3", "R5", "R7")]
    assert places == sorted(places)


def test_a_condition_is_said_in_words_with_its_parameters_default_and_name() -> None:
    page = page_of("R3_competitors_at_trade_fairs.yaml", "en")
    assert "- days with competitors at fairs is at least 2 (`days`)" in page
    assert "(kind in trade_show (`kinds`))" in page
    assert "| `window` | window | 90 days | 1 day … 400 days |" in page


def test_a_condition_that_has_a_name_is_written_out() -> None:
    page = page_of("R7_important_customer_not_followed_up.yaml", "zh")
    assert "- 以下全部成立：\n  - 以下任一成立：" in page
    assert "  - 距上次联系 超过 30 天 (`limit`)" in page


def test_who_is_told_and_what_the_review_demands_is_said() -> None:
    page = page_of("R2_key_contact_changes.yaml", "en")
    assert "| subject | each contact |" in page
    assert "| who is told | the owner, the superior |" in page
    assert "by the superior within 24 hours; at least 2 of sales, finance, service before the case may close" in page


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        ("30d", "30 天", "30 days"),
        ("1h", "1 小时", "1 hour"),
        (["left", "replaced"], "left、replaced", "left, replaced"),
        (True, "是", "yes"),
        (0, "0", "0"),
        ("", "空", "empty"),
        (None, "—", "—"),
    ],
)
def test_a_value_is_said_as_people_read_it(value: object, zh: str, en: str) -> None:
    assert (value_words(value, "zh"), value_words(value, "en")) == (zh, en)


def test_a_word_that_looks_like_a_duration_is_none() -> None:
    assert duration_words("3months", "en") is None


def test_check_names_the_page_that_is_old_and_says_what_to_run(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(main, ["rules", "catalogue", "--to", str(tmp_path)]).exit_code == 0
    assert run.invoke(main, ["rules", "catalogue", "--check", "--to", str(tmp_path)]).exit_code == 0
    (tmp_path / "rulebook.en.md").write_text("old", encoding="utf-8")
    refused = run.invoke(main, ["rules", "catalogue", "--check", "--to", str(tmp_path)])
    assert refused.exit_code == 1
    assert "rulebook.en.md" in refused.output
    assert "rulebook.zh.md" not in refused.output
    assert "bellwether rules catalogue" in refused.output
    assert (tmp_path / "rulebook.en.md").read_text(encoding="utf-8") == "old", "a check writes nothing"


def test_one_language_and_a_folder_of_ones_own(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    raw = yaml.safe_load((SHIPPED / "R3_competitors_at_trade_fairs.yaml").read_text(encoding="utf-8"))
    (rules / "mine.yaml").write_text(yaml.safe_dump({**raw, "id": "R99"}, allow_unicode=True), encoding="utf-8")
    done = CliRunner().invoke(
        main, ["rules", "catalogue", str(rules), "--language", "zh", "--to", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.output
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["rulebook.zh.md"]
    assert "### R99 在行业展会频繁接触竞品" in (tmp_path / "out" / "rulebook.zh.md").read_text(encoding="utf-8")


def test_classes_are_a_table_from_the_top_with_a_condition_in_one_line() -> None:
    page = page_of("R15_credit_grade.yaml", "en")
    rows = [line for line in page.splitlines() if line.startswith(("| `A`", "| `D`", "| `none`"))]
    assert [row.split("`")[1] for row in rows] == ["D", "A", "none"]
    assert (
        "grave delays is at least 1 (`long_count`) or share in time by amount is less than 0.70 (`c_from`)" in rows[0]
    )
    assert "| otherwise |" in rows[2]
    assert "\n| severity |" not in page, "a class is no warning"


def test_a_score_tells_what_each_input_weighs_and_gives() -> None:
    page = page_of("R19_composite.yaml", "en")
    assert "| credit grade | 0.30 | A → 100, B → 80, C → 60, D → 20 | the others take its weight |" in page
    assert "result of another rule, rule [R15](#r15)" in page


def test_a_point_tells_its_series_the_filter_and_the_options() -> None:
    assert "`stage_steps` (from is opportunity, to is not lost)" in page_of("R24a_decision_chain_not_mapped.yaml", "en")
    assert "`anniversaries`, `lead` 3 days (`lead`)" in page_of("R29_greeting_due.yaml", "en")
    assert "| department to act | legal |" in page_of("R24cl_contract_review_wanted.yaml", "en")
    assert "| once for each | `opportunity_id`, `status` |" in page_of("R24cl_contract_review_wanted.yaml", "en")


def test_what_makes_it_graver_is_said() -> None:
    page = page_of("R10b_risk_watch.yaml", "zh")
    assert "**升级**\n\n- 紧急：决策人变动或传言 不少于 1" in page
