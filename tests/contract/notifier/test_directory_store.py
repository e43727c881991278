"""The directory in both databases: who wins when sources say different things, versions, and what others see of it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.common.database import Database
from services.notifier import directory_store, owners_store
from services.notifier.directory import DirectoryInvalid
from services.notifier.directory_entries import Said
from services.notifier.directory_import import NoFallback, take_in, take_in_file
from services.notifier.directory_live import DirectoryEmpty, LiveDirectory
from services.notifier.owners import OwnerEvent
from services.notifier.people import Directory
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, DIRECTORY, DIRECTORY_YAML, HOUR, NOON


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "people.yaml"
    made.write_text(DIRECTORY_YAML, encoding="utf-8")
    return made


def restart(database: Database, file: Path, at: datetime) -> Directory:
    """What a notifier does with the operator's file as it starts."""
    take_in_file(database, file, at)
    return LiveDirectory(database)()


def say(database: Database, source: str, *said: Said, at: datetime = NOON, prune: bool = False) -> Directory:
    with database.writing() as tx:
        return take_in(tx, source, said, at, "test", prune=prune).directory


def learn(database: Database, *events: OwnerEvent, at: datetime = NOON + DAY) -> Directory:
    with database.writing() as tx:
        owners_store.learn(tx, events, at)
        found = directory_store.read(tx)
    assert found is not None
    return found


def owned(customer: str, owner: str) -> Said:
    return Said("owner", customer, {"owner": owner})


def told(id: str, owner: str | None, at: datetime, supersedes: str | None = None, customer: str = "C1") -> OwnerEvent:
    return OwnerEvent("crm", id, customer, at, at, owner, supersedes)


def test_the_operators_file_is_what_the_notifier_decides_by(database: Database, file: Path) -> None:
    found = restart(database, file, NOON)
    assert (found.people, found.customers, found.fallback) == (DIRECTORY.people, DIRECTORY.customers, "sun")
    assert found.version == 1


def test_the_same_file_again_is_no_new_version(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    file.write_text(DIRECTORY_YAML + "\n# a comment makes it another file, and says nothing new\n", encoding="utf-8")
    assert restart(database, file, NOON + DAY).version == 1


def test_what_is_gone_from_the_file_is_gone_as_it_always_was(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    lines = [line for line in DIRECTORY_YAML.splitlines() if "id: C4" not in line and "id: C2" not in line]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert set(restart(database, file, NOON + DAY).customers) == {"C1", "C3"}


def test_what_came_otherwise_is_kept_when_the_file_is_read_again(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    say(database, "api", owned("C1", "chen"), at=NOON + HOUR)
    learn(database, told("e1", "li", NOON + 2 * HOUR, customer="C2"))
    file.write_text(DIRECTORY_YAML.replace("区", "区 "), encoding="utf-8")
    found = restart(database, file, NOON + DAY).customers
    assert (found["C1"].owner, found["C2"].owner) == ("chen", "li")


def test_a_file_that_says_something_new_of_an_entry_wins_over_what_was_said_before(
    database: Database, file: Path
) -> None:
    restart(database, file, NOON)
    say(database, "api", owned("C1", "chen"), at=NOON + HOUR)
    file.write_text(DIRECTORY_YAML.replace("owner: wang, region", "owner: li, region"), encoding="utf-8")
    assert restart(database, file, NOON + DAY).customers["C1"].owner == "li"
    assert say(database, "api", owned("C1", "zhao"), at=NOON + 2 * DAY).customers["C1"].owner == "zhao"


def test_an_owner_that_the_file_names_no_more_is_the_one_whom_others_name(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    learn(database, told("e1", "chen", NOON - DAY))
    assert LiveDirectory(database)().customers["C1"].owner == "wang"
    file.write_text(DIRECTORY_YAML.replace("owner: wang, region", "region"), encoding="utf-8")
    assert restart(database, file, NOON + DAY).customers["C1"].owner == "chen"


def test_a_file_that_contradicts_itself_changes_nothing(database: Database, file: Path) -> None:
    before = restart(database, file, NOON)
    file.write_text(DIRECTORY_YAML.replace("owner: zhao", "owner: nobody"), encoding="utf-8")
    with pytest.raises(DirectoryInvalid, match='the owner "nobody" is not among the people'):
        restart(database, file, NOON + DAY)
    assert LiveDirectory(database)() == before


def test_the_file_may_name_people_whom_another_source_brought(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    say(database, "hr", Said("person", "new", {"name": "New", "department": "sales"}))
    file.write_text(DIRECTORY_YAML.replace("owner: zhao", "owner: new"), encoding="utf-8")
    assert restart(database, file, NOON + DAY).customers["C4"].owner == "new"


def test_an_import_keeps_what_it_does_not_mention_unless_it_is_the_whole(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    a, b = (Said("customer", id, {"name": id}) for id in ("X1", "X2"))
    say(database, "crm", a, b)
    assert {"X1", "X2"} <= say(database, "crm", a, at=NOON + HOUR).customers.keys()
    pruned = say(database, "crm", a, at=NOON + 2 * HOUR, prune=True).customers
    assert "X1" in pruned
    assert "X2" not in pruned
    assert "C1" in pruned, "another source's"


def test_nothing_is_taken_in_that_leaves_no_fallback(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    with pytest.raises(NoFallback):
        say(database, "api", Said("person", "sun", None), at=NOON + HOUR)
    assert "sun" in LiveDirectory(database)().people


def test_without_any_import_there_is_no_directory(database: Database) -> None:
    with pytest.raises(DirectoryEmpty, match="set BELLWETHER_DIRECTORY"):
        LiveDirectory(database)


def test_another_notifier_reads_only_what_has_changed_and_old_values_stay(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    other = LiveDirectory(database)
    before = other()
    assert not other.refresh()
    say(database, "api", owned("C1", "li"), Said("person", "wang", None), at=NOON + HOUR)
    assert other.refresh()
    assert other().customers["C1"].owner == "li"
    assert "wang" not in other().people
    assert before.customers["C1"].owner == "wang"
    assert other() == LiveDirectory(database)()


def test_every_version_can_be_read_again(database: Database, file: Path) -> None:
    first = restart(database, file, NOON)
    second = say(database, "api", owned("C1", "li"), at=NOON + HOUR)
    say(database, "api", Said("customer", "C2", None), Said("owner", "C2", None), at=NOON + 2 * HOUR)
    with database.reading() as tx:
        assert directory_store.read(tx, 1) == first
        assert directory_store.read(tx, 2) == second
        newest = directory_store.versions(tx)[0]
    assert (newest.id, newest.source, newest.actor, newest.changes) == (3, "api", "test", 2)


@pytest.mark.parametrize("seed", range(6))
def test_owners_told_by_events_are_the_same_in_any_order_and_batches(database: Database, file: Path, seed: int) -> None:
    chance = random.Random(seed)
    restart(database, file, NOON)
    events = [
        told("1", "li", NOON + HOUR),
        told("2", "chen", NOON + 3 * HOUR),
        told("3", "zhao", NOON + 2 * HOUR, supersedes="2"),
        told("4", "sun", NOON + HOUR, customer="C2"),
        told("5", None, NOON + 2 * HOUR, supersedes="4", customer="C2"),
        told("6", "wang", NOON - DAY, customer="C4"),
        told("7", "chen", NOON + HOUR, customer="unheard"),
    ]
    events += chance.sample(events, 3)
    chance.shuffle(events)
    while events:
        taken = [events.pop() for _ in range(min(len(events), chance.randint(1, 4)))]
        learn(database, *taken)
    found = LiveDirectory(database)().customers
    owners = {id: found[id].owner for id in ("C1", "C2", "C4", "unheard")}
    assert owners == {"C1": "zhao", "C2": "wang", "C4": "zhao", "unheard": "chen"}, f"seed {seed}"


def test_an_owner_who_is_announced_owns_when_the_time_has_come(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    now = NOON + HOUR
    assert learn(database, told("1", "li", NOON + DAY), at=now).customers["C1"].owner == "wang"
    with database.writing() as tx:
        assert owners_store.due(tx, now) == set()
        assert owners_store.due(tx, NOON + DAY) == {"C1"}
        owners_store.conclude(tx, {"C1"}, NOON + DAY)
        assert owners_store.due(tx, NOON + DAY) == set()
    assert LiveDirectory(database)().customers["C1"].owner == "li"


def test_an_event_that_comes_again_makes_no_version(database: Database, file: Path) -> None:
    restart(database, file, NOON)
    event = told("1", "li", NOON + HOUR)
    version = learn(database, event).version
    assert learn(database, event).version == version


def test_thousands_of_entries_come_in_and_change(database: Database, file: Path, clock: Clock) -> None:
    restart(database, file, clock.at)
    many = [Said("customer", f"M{n}", {"name": f"M{n}"}) for n in range(6000)]
    say(database, "crm", *many)
    changed = [Said("customer", f"M{n}", {"name": "another"}) for n in range(0, 6000, 2)]
    found = say(database, "crm", *changed, at=clock.at + timedelta(hours=1)).customers
    assert sum(customer.name == "another" for customer in found.values()) == 3000
    assert say(database, "crm", *changed, at=clock.at + timedelta(hours=2)).version == 3
