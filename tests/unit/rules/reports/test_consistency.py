"""What must hold for any world: parts add up to the whole, and the order of customers makes no difference."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest

from services.rules.reports.catalogue import CATALOGUE
from services.rules.reports.customer import Customer
from services.rules.reports.model import Cell, Row
from services.rules.reports.query import GroupBy
from tests.unit.rules.making import payment
from tests.unit.rules.reports.making import activity, customer, order, owned, profile, stage, tables

REGIONS, PEOPLE = ("east", "west"), ("ada", "ben", "cy")


def some_world(seed: int) -> list[Customer]:
    """A dozen customers with a quarter's business."""
    rng = random.Random(seed)

    def at() -> str:
        return f"2026-{rng.randrange(1, 4):02d}-{rng.randrange(1, 29):02d} {rng.randrange(24):02d}:00"

    world = []
    for number in range(12):
        events = [
            *([owned("2026-01-01", rng.choice(PEOPLE))] if rng.random() < 0.8 else []),
            *([profile(region=rng.choice(REGIONS))] if rng.random() < 0.8 else []),
            *(
                order(f"O{n}", at(), f"{rng.randrange(1, 999)}.00", cost="1.00", line=rng.choice("xyz"))
                for n in range(4)
            ),
            *(payment(f"P{n}", at()[:10], f"{rng.randrange(1, 999)}.50") for n in range(rng.randrange(3))),
            *(activity(rng.choice(["call", "visit"]), at(), rng.choice(PEOPLE), id=f"A{n}") for n in range(5)),
            *(stage(f"D{n}", at(), rng.choice(["lead", "needs", "won", "lost"]), id=f"S{n}") for n in range(3)),
        ]
        world.append(customer(f"C{number}", *events))
    return world


def cny(cell: Cell) -> Decimal:
    return cell.get("CNY", Decimal(0)) if isinstance(cell, dict) else Decimal(0)


def totals(rows: list[Row]) -> tuple[Decimal, Decimal, int]:
    return (
        sum((cny(row["sales"]) for row in rows), Decimal(0)),
        sum((cny(row["collections"]) for row in rows), Decimal(0)),
        sum(int(str(row["orders"])) for row in rows),
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("by", ["region", "team", "person"])
def test_groups_add_up_to_the_whole(seed: int, by: GroupBy) -> None:
    world = some_world(seed)
    (whole,) = tables("K2", world, "2026-01-01", "2026-03-31")["results"]

    parts = tables("K2", world, "2026-01-01", "2026-03-31", by=by)["results"]

    assert totals(parts) == totals([whole])
    assert totals([whole])[2] == 48


@pytest.mark.parametrize("seed", range(5))
def test_months_add_up_to_the_quarter(seed: int) -> None:
    world = some_world(seed)
    months = [("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-28"), ("2026-03-01", "2026-03-31")]

    parts = [row for since, until in months for row in tables("K2", world, since, until)["results"]]

    assert totals(parts) == totals(tables("K2", world, "2026-01-01", "2026-03-31")["results"])


@pytest.mark.parametrize("seed", range(5))
def test_people_asked_one_by_one_add_up_to_all_that_have_an_owner(seed: int) -> None:
    world = some_world(seed)
    everybody = tables("K1", world, "2026-01-01", "2026-03-31")["daily"]

    one_by_one = [row for who in PEOPLE for row in tables("K1", world, "2026-01-01", "2026-03-31", owner=who)["daily"]]

    def counted(rows: list[Row]) -> Counter[str]:
        return Counter({name: sum(int(str(row[name])) for row in rows) for name in ("calls", "visits")})

    assert counted(one_by_one) == counted(everybody)
    assert counted(everybody).total() == 60


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_the_order_of_customers_makes_no_difference(name: str) -> None:
    world = some_world(7)

    forth = tables(name, world, "2026-01-01", "2026-03-31", by="region")
    back = tables(name, world[::-1], "2026-01-01", "2026-03-31", by="region")

    assert forth == back
