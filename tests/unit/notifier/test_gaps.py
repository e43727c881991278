"""What is missing in a directory is found, and said once in both languages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.notifier.gaps import SHOWN, find_gaps, summary
from services.notifier.people import DEPARTMENTS, Absence, Customer, Department, Directory, Method, Person
from tests.unit.notifier.making import DAY, NOON

ANN = Person("ann", "Ann", "sales", email="ann@example.com", reports_to="bob")
BOB = Person("bob", "Bob", "sales", email="bob@example.com")
OWNED = Customer("C1", "X", "ann")


def directory(*people: Person, customers: tuple[Customer, ...] = (OWNED,), fallback: str = "bob") -> Directory:
    return Directory({one.id: one for one in people}, {one.id: one for one in customers}, fallback)


FIN = Person("fin", "Fin", "finance", email="fin@example.com")


def divided(*people: Person, without: str = "") -> Directory:
    """With somebody in each department that reviews draw in, who has an address."""
    names = {one.department for one in people}
    more = [
        Person(name, name, name, email=f"{name}@example.com") for name in DEPARTMENTS if name not in (*names, without)
    ]
    return directory(*people, *more)


def found(given: Directory) -> list[tuple[str, str]]:
    return [(gap.kind, gap.subject) for gap in find_gaps(given)]


def test_a_directory_in_order_has_none() -> None:
    assert found(directory(ANN, BOB)) == []


@pytest.mark.parametrize(
    ("given", "gap"),
    [
        (directory(ANN, BOB, customers=(OWNED, Customer("C2", "Y"))), ("no_owner", "C2")),
        (directory(ANN, BOB, customers=(Customer("C1", "X", "gone"),)), ("owner_unknown", "C1")),
        (directory(ANN, replace(BOB, reports_to="gone")), ("superior_unknown", "bob")),
        (directory(ANN, replace(BOB, reports_to="ann")), ("loop", "ann")),
        (directory(replace(ANN, email=None, methods=()), BOB), ("no_method", "ann")),
        (directory(replace(ANN, email=None, methods=(Method("email", "a@b.c"),)), BOB), ("unverified_only", "ann")),
        (replace(divided(ANN, BOB), offices=(Department("sales", head="gone"),)), ("head_unknown", "sales")),
        (divided(ANN, BOB, without="service"), ("no_lead", "service")),
        (divided(ANN, BOB, *(Person(f"f{n}", "F", "finance") for n in range(9))), ("no_lead", "finance")),
        (divided(ANN, replace(BOB, department="finance"), replace(FIN, email=None, methods=())), ("no_method", "fin")),
        (
            replace(directory(ANN, BOB), absences=(Absence("ann", NOON, NOON + DAY, "gone"),)),
            ("delegate_unknown", "ann"),
        ),
    ],
)
def test_each_kind_of_gap_is_found(given: Directory, gap: tuple[str, str]) -> None:
    assert found(given) == [gap]


def test_nobody_is_left_to_page_where_neither_owner_nor_superiors_nor_fallback_have_an_address() -> None:
    mute = [replace(one, email=None, methods=()) for one in (ANN, BOB)]
    kinds = found(directory(*mute))
    assert ("nobody_to_page", "ann") in kinds
    assert ("nobody_to_page", "bob") in kinds
    assert kinds[0][0] == "nobody_to_page"


def test_who_is_never_paged_needs_no_address() -> None:
    assert found(divided(ANN, BOB, Person("cat", "Cat", "legal"))) == []


def test_a_company_that_is_not_divided_into_departments_needs_nobody_to_lead_them() -> None:
    assert found(directory(ANN, BOB)) == []
    missing = [("no_lead", "finance"), ("no_lead", "service")]
    assert found(directory(ANN, BOB, Person("cat", "Cat", "legal"))) == missing
    assert found(replace(directory(ANN, BOB), offices=(Department("sales", head="bob"),))) == missing


def test_a_longer_loop_is_told_once_from_its_first_person() -> None:
    people = [Person(id, id, "s", reports_to=to, email="x@example.com") for id, to in ("cb", "ba", "ac", "da")]
    (gap,) = find_gaps(Directory({one.id: one for one in people}, {}, "a"))
    assert gap.said.en == "The reporting line loops: a -> c -> b -> a."


def test_a_page_names_the_first_of_each_kind_and_counts_the_rest() -> None:
    customers = tuple(Customer(f"C{number:03}", "X") for number in range(SHOWN + 5))
    said = summary(find_gaps(directory(ANN, BOB, customers=customers)))
    assert said.en.count("has no owner") == SHOWN
    assert said.en.endswith("There are 5 more of this kind.")
    assert "另有 5 项" in said.zh
