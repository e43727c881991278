"""A changed file of routes is in force without a restart; one that cannot be used changes nothing and is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.notifier.metrics import refused_routes
from services.notifier.routing import Routes
from services.notifier.routing_file import RoutesInvalid, load_routes, parse_routes
from services.notifier.routing_follower import RoutesFollower
from tests.unit.notifier.making import make_warning
from tests.unit.notifier.office import Office

OWNER, CHEN, SUN = ("tell: owner\n", "tell: person:chen\n", "tell: person:sun\n")


class Operator:
    """Somebody who edits the file, and the follower that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "routes.yaml"
        self.in_force: list[Routes] = []
        self.registry = CollectorRegistry()
        self._writes = 0
        self.write(OWNER)
        self.follower = RoutesFollower(
            self.file, load_routes(self.file), self.in_force.append, refused_routes(self.registry)
        )

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")
        self._writes += 1
        # The clock of a file system may stand still between two writes of a test.
        os.utime(self.file, (self._writes, self._writes))

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.follower.look()

    def is_refused(self) -> float | None:
        return self.registry.get_sample_value("bellwether_notifier_routes_refused")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def parsed(text: str) -> Routes:
    return parse_routes(text.encode(), Path("routes.yaml"))


def test_a_file_that_nobody_changes_is_taken_once_by_the_start_alone(operator: Operator) -> None:
    operator.look(5)
    assert operator.in_force == []
    assert operator.is_refused() == 0


def test_a_changed_file_is_in_force_once_it_stands_still(operator: Operator) -> None:
    operator.look()
    operator.write(CHEN)
    operator.look(1)
    assert operator.in_force == [], "it may be half written"
    operator.write(SUN)
    operator.look(1)
    assert operator.in_force == []
    operator.look(3)
    assert operator.in_force == [parsed(SUN)]


def test_what_changed_between_the_start_and_the_first_look_is_not_missed(operator: Operator) -> None:
    operator.write(CHEN)
    operator.look()
    assert operator.in_force == [parsed(CHEN)]


def test_a_file_of_another_time_that_says_the_same_changes_nothing(operator: Operator) -> None:
    operator.look()
    operator.write("# who is told\n" + OWNER)
    operator.look()
    assert operator.in_force == []


def test_a_file_that_cannot_be_used_is_refused_once_and_the_old_routes_stay(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    operator.look()
    operator.write("tell: nobody\n")
    operator.look(4)
    assert operator.in_force == []
    assert operator.is_refused() == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert '"nobody" tells nobody' in line
    assert "the routes before it stay in force" in line
    operator.write(OWNER)
    operator.look()
    assert operator.is_refused() == 0, "mended, if only by taking it back"
    operator.write(CHEN)
    operator.look()
    operator.write(OWNER)
    operator.look()
    assert operator.in_force == [parsed(CHEN), parsed(OWNER)], "those of the start can come back"


def test_a_file_that_is_gone_is_missed_and_found_again(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    operator.look()
    operator.file.unlink()
    operator.look(3)
    assert (operator.is_refused(), operator.in_force) == (1, [])
    assert len(caplog.records) == 1
    operator.write(SUN)
    operator.look()
    assert (operator.is_refused(), operator.in_force) == (0, [parsed(SUN)])


@pytest.mark.parametrize(
    "text",
    [
        "name: 2026-02-30",
        "tell: !!int many",
        "name: !!timestamp noon",
        "tell: [[owner]]",
        "routes: &r [{name: a, routes: *r}]",
        "&r {name: a, routes: [*r]}",
    ],
)
def test_whatever_yaml_makes_of_a_file_it_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(RoutesInvalid):
        parsed(text)


def test_the_notifier_decides_by_the_new_routes_from_then_on(tmp_path: Path, operator: Operator) -> None:
    office = Office(tmp_path)
    office.clerk.use_routes(parsed(OWNER))
    refused = refused_routes(CollectorRegistry())
    operator.follower = RoutesFollower(operator.file, parsed(OWNER), office.clerk.use_routes, refused)
    office.clerk.file([make_warning("w1", customer_id="C1")])
    operator.write(CHEN)
    operator.look()
    office.clerk.file([make_warning("w2", customer_id="C2")])
    while office.inbox.round():
        pass
    assert [bool(office.subjects(person)) for person in ("wang", "chen")] == [True, True]
    assert len(office.subjects("wang")) == len(office.subjects("chen")) == 1
    office.database.close()
