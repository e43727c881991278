"""The people file, and what is wrong with others."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.notifier.directory import DirectoryInvalid, load_directory, read_listing
from services.notifier.gaps import find_gaps
from services.notifier.people import Method, Quiet
from tests.unit.notifier.making import DIRECTORY, DIRECTORY_YAML


def load(tmp_path: Path, text: str) -> list[str]:
    """The problems that loading reports."""
    file = tmp_path / "people.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DirectoryInvalid) as caught:
        load_directory(file)
    return caught.value.problems


PERSON = "{id: a, name: A, department: sales}"


def test_the_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(DIRECTORY_YAML, encoding="utf-8")
    assert load_directory(file) == DIRECTORY


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("people: [{id: a, name: A}]\nfallback: a", 'people[0] "a": department: Field required'),
        (f"people: [{PERSON}]\nfallback: b", 'fallback: "b" is not among the people'),
        (f"people: [{PERSON}, {PERSON}]\nfallback: a", 'people: "a" stands there 2 times'),
        (
            f"people: [{PERSON}]\ncustomers: [{{id: C1, name: X, owner: z}}]\nfallback: a",
            'customers "C1": the owner "z" is not among the people',
        ),
        (
            "people: [{id: a, name: A, department: s, reports_to: z}]\nfallback: a",
            'people "a": reports to "z", who is not among the people',
        ),
        ("people: {}", "people: Input should be a valid list"),
        ("- 1", "the file: Input should be a valid dictionary or instance of Listing"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_that_names_the_entry(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in load(tmp_path, text)


def test_a_loop_in_the_lines_keeps_nobody_from_being_paged(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text("people: [{id: a, name: A, department: s, reports_to: a}]\nfallback: a", encoding="utf-8")
    directory = load_directory(file)
    assert directory.ladder("C1") == ("a",)
    assert "loop" in {gap.kind for gap in find_gaps(directory)}


def test_everything_that_a_person_may_have_is_read(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(WHOLE, encoding="utf-8")
    directory = load_directory(file, ZoneInfo("Asia/Shanghai"))
    ann = directory.people["ann"]
    assert ann.methods == (Method("wecom_app", "ann.w", verified=True), Method("dingtalk", "138"))
    assert (ann.timezone, ann.quiet) == ("Europe/Berlin", Quiet(time(22), time(7)))
    customer = directory.customers["C1"]
    assert (customer.category, customer.value) == ("A", Decimal("1200000.50"))
    assert directory.head_of("sales") == "ann"
    days, instants = directory.absences
    berlin = ZoneInfo("Europe/Berlin")
    # Both days are spent away, by the clock of who is away.
    assert days.start == datetime(2026, 3, 2, tzinfo=berlin)
    assert days.end == datetime(2026, 3, 7, tzinfo=berlin)
    assert instants.start == datetime(2026, 5, 1, 1, tzinfo=UTC)


WHOLE = """
people:
  - id: ann
    name: Ann
    department: sales
    timezone: Europe/Berlin
    quiet: 22:00-07:00
    methods:
      - {channel: wecom_app, address: ann.w, verified: true}
      - {channel: dingtalk, address: "138"}
customers:
  - {id: C1, name: X, owner: ann, class: A, value: 1200000.50}
departments:
  - {id: sales, name: 销售部, head: ann}
absences:
  - {person: ann, start: 2026-03-02, end: 2026-03-06}
  - {person: ann, start: "2026-05-01T09:00:00+08:00", end: "2026-05-01T18:00:00+08:00", delegate: ann}
fallback: ann
"""


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("timezone: Mars/Base", '"Mars/Base" is no time zone'),
        ("quiet: late", '"late" are no hours such as 22:00-07:00'),
        ("methods: [{channel: x}]", "methods.0.address: Field required"),
        ("nickname: A", "nickname: Extra inputs are not permitted"),
    ],
)
def test_a_person_with_a_mistake_is_named(tmp_path: Path, entry: str, problem: str) -> None:
    found = load(tmp_path, f"people: [{{id: a, name: A, department: s, {entry}}}]\nfallback: a")
    assert found[0].startswith('people[0] "a": ')
    assert problem in found[0]


def test_a_file_that_is_not_there_or_no_yaml_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DirectoryInvalid, match="cannot be read"):
        load_directory(tmp_path / "missing.yaml")
    assert "cannot be read" in load(tmp_path, "people: [")[0]


def test_a_reporting_line_runs_from_the_owner_to_the_top() -> None:
    assert DIRECTORY.responsible("C1").superiors == ("li", "chen", "zhao")
    assert DIRECTORY.ladder("C1") == ("li", "chen", "zhao", "sun")
    assert DIRECTORY.ladder("C3") == ("zhao",)


def csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    file = tmp_path / "sheet.csv"
    file.write_bytes(text.encode(encoding))
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_sheet_is_told_by_its_columns_in_whatever_excel_writes(tmp_path: Path, encoding: str) -> None:
    text = "id,name,owner,region,class,value\r\nC1,江南精密,wang,华东,A,1200.50\r\nC2,北方,,,,\r\n"
    listing = read_listing(csv(tmp_path, text, encoding))
    first, second = listing.customers
    assert (first.name, first.owner, first.category, first.value) == ("江南精密", "wang", "A", Decimal("1200.50"))
    assert (second.owner, second.region, second.value) == (None, "", None)


def test_columns_of_methods_become_methods(tmp_path: Path) -> None:
    text = "id,name,department,method.wecom_app,method.dingtalk,methods_verified\na,A,s,w1,,yes\nb,B,s,,d2,no\n"
    first, second = read_listing(csv(tmp_path, text)).people
    assert [(one.channel, one.address, one.verified) for one in first.methods] == [("wecom_app", "w1", True)]
    assert [(one.channel, one.address, one.verified) for one in second.methods] == [("dingtalk", "d2", False)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id,name,department,manager\n", 'people: there is no column "manager"'),
        ("a,b\n1,2\n", "its columns (a, b) are those of no sheet"),
        ("id,name,name\n", 'the column "name" stands there twice'),
        ("id,name\nC1\n", "line 2: it has not as many fields as the first line"),
        ("id,name\nC1,X,Y\n", "line 2: it has not as many fields as the first line"),
        ("id,name\nC1,X\nC1,Y\n", 'customers: "C1" stands there 2 times'),
        ("id,name,value\nC1,X,many\n", 'customers[0] "C1": value: Value error, "many" is no decimal'),
        ("id,name,department,methods_verified\na,A,s,maybe\n", 'line 2: methods_verified is "maybe"'),
        ("person,start,end\na,2026-03-02,2026-03-01\n", "end must be after start"),
        ('id,name\nC1,"X\n', "line "),
    ],
)
def test_what_is_wrong_in_a_sheet_is_said(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DirectoryInvalid) as caught:
        read_listing(csv(tmp_path, text))
    assert problem in caught.value.problems[0]
