"""Templates of messages: which is taken, what they may do, how they are shortened, and what lint finds."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from schemas.cases import Money
from schemas.warnings import Bilingual
from services.cli import main
from services.notifier.channels.fitting import utf8
from services.notifier.contents import Notice
from services.notifier.escaping import FLAVOURS, Flavour, Shape
from services.notifier.links import LinkAction
from services.notifier.messages import MARKDOWN_BYTES, READ, SUMMARY_BYTES, Letters
from services.notifier.people import Directory, Language, Person
from services.notifier.template_files import SHIPPED, NoTemplates, read_folder, with_own
from services.notifier.template_lint import lint
from services.notifier.templating import BadTemplate, Problem, Templates
from services.notifier.words import load_words
from services.rules.books import SHIPPED as RULES
from tests.unit.notifier.golden_pages import NOW, every_sample, golden, letters, pages
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, PEOPLE, make_warning, r1

WANG, CHEN = PEOPLE[0], PEOPLE[2]
RAISED = Notice("key-1", "raised", "owner", "case-1", r1(), NOON + DAY)


def own(**templates: str) -> Letters:
    """Letters with templates of an operator: `zh__page__plain` for zh/page.plain.j2."""
    named = {f"{name.replace('__', '.').replace('zh.', 'zh/', 1)}.j2": text for name, text in templates.items()}
    return made(Templates(read_folder(SHIPPED), named))


def made(templates: Templates, flavour: Flavour | None = None) -> Letters:
    return Letters(
        DIRECTORY, "http://console.test", ZoneInfo("Asia/Shanghai"), load_words(), templates, flavour=flavour
    )


@pytest.mark.parametrize(("language", "file"), list(golden()), ids=["zh", "en"])
def test_every_rules_page_reads_as_it_did(language: Language, file: Path) -> None:
    assert pages(language) == file.read_text(encoding="utf-8"), "python -m tests.unit.notifier.golden_pages, then read"


def test_shipped_templates_say_all_that_they_must_of_every_rule_in_every_shape() -> None:
    assert lint(letters(), every_sample(), NOW) == []


def test_the_most_special_template_is_taken_and_only_for_its_language_kind_or_rule() -> None:
    special = own(zh__page__plain="全部", zh__page__plain__breached="逾期", zh__page__plain__R1="{{ page.rule }}")
    assert special.single(RAISED, WANG).text == "R1"
    assert special.single(replace(RAISED, warning=make_warning()), WANG).text == "全部"
    assert special.single(replace(RAISED, kind="breached", warning=make_warning()), WANG).text == "逾期"
    assert "What happened" in special.single(RAISED, CHEN).text


def test_a_template_of_an_operator_that_fails_is_replaced_by_ours_and_told_once(tmp_path: Path) -> None:
    (tmp_path / "page.plain.j2").write_text("line\n{{ page.nonsense }}", encoding="utf-8")
    told: list[Problem] = []
    broken = made(with_own(tmp_path, told.append))
    expected = made(with_own(None)).single(RAISED, WANG).text
    assert [broken.single(RAISED, WANG).text for _ in range(3)] == [expected] * 3
    assert told == [Problem("page.plain.j2", 2, "there is no part named 'nonsense'")]


@pytest.mark.parametrize(
    "source",
    [
        "{{ page.link.__class__ }}",
        "{{ page.customer.format(1) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ page.customer | safe }}",
        "{{ page.customer | e }}",
        "{{ page.customer | tojson }}",
        "{{ lipsum() }}",
        "{% for i in range(9) %}{% endfor %}",
        "{{ page.update({}) }}",
        "{% include '/etc/passwd' %}",
        "{{ page.nothing }}",
        "{{ 1 / 0 }}",
        "{% if %}",
    ],
)
def test_what_a_template_must_not_do_is_an_error_with_its_line(source: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        own(page__plain=f"\n\n{source}").templates.try_to_fill("plain", ["page.plain.j2"], {"page": {"customer": "C"}})
    assert (refused.value.problem.file, refused.value.problem.line) == ("page.plain.j2", 3)


@pytest.mark.parametrize(
    "source",
    [
        "{{ page.customer }}",
        "{{ page.customer | upper }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(page.customer) ~ page.customer ~ (page.customer | lower) }}",
        "{{ page.customer[:3] + page.customer }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m('') ~ (page.customer + page.customer) }}",
        "{% set x %}{{ page.customer }}{% endset %}{{ x ~ page.customer }}",
        "{{ [page.customer, page.customer] | join('') }}",
        "{{ '%s' % page.customer }}",
        "{% autoescape false %}{{ page.customer }}{% endautoescape %}",
        "{{ page.customer | replace('x', page.customer) | trim }}",
        "{% for one in page.customer %}{{ one }}{% endfor %}",
    ],
)
@pytest.mark.parametrize(
    ("shape", "wanted"), [("html", "&lt;"), ("wecom", "＜"), ("feishu", "&#60;"), ("slack", "&lt;")]
)
def test_whatever_a_template_does_with_a_name_it_comes_out_escaped(source: str, shape: Shape, wanted: str) -> None:
    filled = Templates({"t.j2": source}).fill(shape, ["t.j2"], {"page": {"customer": "<x>*[b](c)"}})
    assert wanted in filled
    assert "<" not in filled.replace("&lt;", "")
    assert shape == "html" or ("*[" not in filled and "](" not in filled)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("length", [10, 400, 3000, 20_000])
def test_markdown_fits_what_the_channel_takes_and_keeps_deadline_and_link(flavour: Flavour, length: int) -> None:
    long = Bilingual(zh="长" * length, en="l" * length)
    warning = r1(advice=long, clause=long, clears=long)
    markdown = made(with_own(None), flavour).single(replace(RAISED, warning=warning), WANG).markdown
    assert 0 < utf8(markdown) <= MARKDOWN_BYTES[flavour]
    assert "2026-03-03 12:00 +0800" in markdown
    assert "http://console.test/cases/case-1" in markdown
    assert ("内容过长" in markdown) is (length > 2000 or (length == 400 and flavour in ("wecom", "slack")))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_digest_in_markdown_fits_too_and_says_how_much_more_there_is(flavour: Flavour) -> None:
    name = Bilingual(zh="预" * 90, en="w" * 90)
    notices = [
        replace(RAISED, key=str(number), warning=make_warning(str(number), customer_id=f"N{number}", name=name))
        for number in range(60)
    ]
    markdown = made(with_own(None), flavour).digest(notices, WANG).markdown
    assert 0 < utf8(markdown) <= MARKDOWN_BYTES[flavour]
    assert "还有" in markdown


@pytest.mark.parametrize("length", [10, 500, 5000])
def test_the_line_is_bounded_in_bytes_and_cut_between_characters(length: int) -> None:
    summary = Bilingual(zh="情" * length, en="s" * length)
    told = r1().evidence.model_copy(update={"summary": summary})
    for person in (WANG, CHEN):
        line = made(with_own(None)).single(replace(RAISED, warning=r1(evidence=told)), person).summary
        assert utf8(line) <= SUMMARY_BYTES
        assert "\ufffd" not in line
        assert line.endswith("…") is (length > 400 or (length > 150 and person is WANG))


def test_what_is_at_risk_is_what_people_said_or_what_the_customer_is_worth() -> None:
    said = replace(RAISED, value=Money(amount="1250000.50", currency="EUR"))  # type: ignore[arg-type]
    assert "风险金额\n  1,250,000.50 EUR" in made(with_own(None)).single(said, WANG).text
    worth = letters().single(replace(RAISED, warning=make_warning(customer_id="C-1024")), WANG).text
    assert "风险金额\n  客户年价值约 1,200,000.00" in worth
    assert "风险金额" not in made(with_own(None)).single(RAISED, WANG).text


@pytest.mark.parametrize(
    ("action", "zh", "en"),
    [
        ("acknowledge", "确认收到", "Acknowledge"),
        ("open_review", "开始审核", "Open the review"),
        ("finish_task", "已完成", "Done"),
    ],
)
def test_a_link_to_act_is_the_readers_own(action: LinkAction, zh: str, en: str) -> None:
    def acting(notice: Notice, to: Person, _: Directory) -> Mapping[LinkAction, str]:
        return {action: f"http://console.test/act/{to.id}/{notice.key}"}

    signed = replace(made(with_own(None), "wecom"), acting=acting)
    plain, mail = signed.single(RAISED, WANG), signed.single(RAISED, CHEN)
    assert f"{zh}: http://console.test/act/wang/key-1" in plain.text
    assert f"[{zh}](http://console.test/act/wang/key-1)" in plain.markdown
    assert f'<a href="http://console.test/act/chen/key-1">{en}</a>' in mail.html
    for other in {"Acknowledge", "Open the review", "Done"} - {en}:
        assert f">{other}</a>" not in mail.html


@pytest.mark.parametrize("kind", READ)
def test_a_channel_gets_what_it_reads_and_no_other_shape_is_written(kind: str) -> None:
    message = made(with_own(None)).for_channel(kind).single(RAISED, WANG)
    flavour, forms = READ[kind]
    assert message.subject
    assert message.text
    assert (bool(message.html), bool(message.summary)) == ("html" in forms, "summary" in forms)
    assert bool(message.markdown) is (flavour is not None)


@pytest.fixture
def one_rule(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the rule R1 alone: what all rules say is looked at above."""
    folder = tmp_path_factory.mktemp("rules")
    (file,) = RULES.glob("R1_*.yaml")
    shutil.copy(file, folder)
    return str(folder)


def test_lint_tells_file_line_and_what_is_missing(tmp_path: Path, one_rule: str) -> None:
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "page.plain.R1.j2").write_text("{{ page.title }}\n{{ page.deadline }}\n", encoding="utf-8")
    html = (SHIPPED / "page.html.j2").read_text(encoding="utf-8").replace("{{ row(t.do, [page.do]) -}}", "")
    (tmp_path / "page.html.j2").write_text(html, encoding="utf-8")
    (tmp_path / "page.markdown.j2").write_text("{{ page.why | join('') * 200 }}", encoding="utf-8")
    answer = CliRunner().invoke(main, ["templates", "lint", "--rules", one_rule, str(tmp_path)])
    assert answer.exit_code == 1
    assert "zh/page.plain.R1.j2:2: there is no part named 'deadline' (R1, raised, zh)" in answer.output
    assert "page.html.j2:1: does not show page.do" in answer.output
    assert "page.markdown.j2:1: does not show page.link" in answer.output
    assert "is longer than the 4096 bytes of wecom" in answer.output


def test_lint_says_where_something_is_no_template_at_all(tmp_path: Path, one_rule: str) -> None:
    (tmp_path / "page.plain.j2").write_text("fine\n{% for %}\n", encoding="utf-8")
    answer = CliRunner().invoke(main, ["templates", "lint", "--rules", one_rule, str(tmp_path)])
    assert answer.exit_code == 1
    assert answer.output.startswith("page.plain.j2:2: ")


def test_preview_shows_a_rules_page_in_the_language_and_shape_that_was_asked_for(one_rule: str) -> None:
    asked = ["templates", "preview", "--rules", one_rule]
    answer = CliRunner().invoke(main, [*asked, "--rule", "R1", "--language", "zh", "--shape", "wecom"])
    assert answer.exit_code == 0
    assert "**【预警·高】江南精密机械有限公司：连续两月回款延迟**" in answer.output
    assert "Why" not in answer.output
    unknown = CliRunner().invoke(main, [*asked, "--rule", "R999"])
    assert unknown.exit_code == 1
    assert "there is no rule R999" in unknown.output


def test_preview_shows_a_given_warning_and_a_digest(tmp_path: Path) -> None:
    file = tmp_path / "warning.json"
    file.write_text(r1(subject="CONTRACT-7").model_dump_json(), encoding="utf-8")
    answer = CliRunner().invoke(main, ["templates", "preview", "--warning", str(file), "--shape", "plain"])
    assert answer.output.count("CONTRACT-7") == 2, "once in each language"
    digest = CliRunner().invoke(main, ["templates", "preview", "--digest", "--language", "en", "--shape", "subject"])
    assert f"[Digest] {len(every_sample())} pages about 1 customers" in digest.output
    file.write_text("{}", encoding="utf-8")
    assert "has no warning" in CliRunner().invoke(main, ["templates", "preview", "--warning", str(file)]).output


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoTemplates, match="no folder"):
        read_folder(tmp_path / "missing")
    (tmp_path / "page.plain.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(NoTemplates, match="cannot be read"):
        read_folder(tmp_path)
    (tmp_path / "page.plain.j2").write_bytes(b"x" * 70_000)
    with pytest.raises(NoTemplates, match="longer"):
        read_folder(tmp_path)
