"""The fallback is paged once about each gap, whoever finds it and however often."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import select

from services.common.database import Database
from services.notifier.channels.inbox import InboxChannel
from services.notifier.desk import Desk
from services.notifier.directory_metrics import DirectoryCollector
from services.notifier.dispatcher import Dispatcher
from services.notifier.gaps_telling import GapTeller
from services.notifier.messages import Letters
from services.notifier.people import Customer, Directory
from services.notifier.tables import pages as table
from services.notifier.words import load_words
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DIRECTORY

FULL = replace(
    DIRECTORY,
    customers={id: one for id, one in DIRECTORY.customers.items() if one.owner},
    people={**DIRECTORY.people, "sun": replace(DIRECTORY.people["sun"], email="sun@example.com")},
)


def missing(*customers: str) -> Directory:
    """A directory in order, but for customers that nobody owns."""
    return replace(FULL, customers={**FULL.customers, **{id: Customer(id, id) for id in customers}})


def pages(database: Database) -> list[str]:
    """To whom pages were written down for the inbox."""
    with database.reading() as tx:
        return list(tx.execute(select(table.c.person).where(table.c.channel == "inbox")).scalars())


def teller(database: Database, clock: Clock) -> GapTeller:
    return GapTeller(database, clock, ("email",))


def test_a_directory_in_order_pages_nobody(database: Database, clock: Clock) -> None:
    assert not teller(database, clock).look(FULL)
    assert pages(database) == []


def test_gaps_are_a_task_of_the_fallback_with_one_page(database: Database, clock: Clock, desk: Desk) -> None:
    assert teller(database, clock).look(missing("N1", "N2"))
    assert pages(database) == ["sun"]
    (task,) = desk.list_tasks("sun")
    assert task.warning.name.zh == "通讯录有 2 个新缺口"
    assert "Customer N1 has no owner." in task.warning.evidence.summary.en


def test_the_same_gaps_are_told_once_by_all_notifiers_together(database: Database, clock: Clock) -> None:
    one, other = teller(database, clock), teller(database, clock)
    one.look(missing("N1"))
    one.look(missing("N1"))
    other.look(missing("N1"))
    teller(database, clock).look(missing("N1"))
    assert len(pages(database)) == 1


def test_only_what_is_new_is_told_again(database: Database, clock: Clock, desk: Desk) -> None:
    looking = teller(database, clock)
    looking.look(missing("N1"))
    looking.look(missing("N1", "N2"))
    assert len(pages(database)) == 2
    (task,) = desk.list_tasks("sun")
    assert "N2" in task.warning.evidence.summary.en
    assert "N1" not in task.warning.evidence.summary.en


def test_with_the_last_gap_the_task_ends_and_nobody_is_told(database: Database, clock: Clock, desk: Desk) -> None:
    looking = teller(database, clock)
    looking.look(missing("N1"))
    looking.look(FULL)
    assert len(pages(database)) == 1
    assert desk.list_tasks("sun") == []


def test_a_gap_that_comes_back_is_told_again(database: Database, clock: Clock) -> None:
    looking = teller(database, clock)
    for directory in (missing("N1"), FULL, missing("N1")):
        looking.look(directory)
    assert len(pages(database)) == 2


def test_the_page_is_a_message_like_others(database: Database, clock: Clock, desk: Desk, tmp_path: Path) -> None:
    teller(database, clock).look(missing("N1"))
    letters = Letters(missing("N1"), "http://console", ZoneInfo("Asia/Shanghai"), load_words())
    Dispatcher(database, InboxChannel(database, tmp_path / "inbox.jsonl", clock), letters, clock).round()
    (message,) = desk.inbox("sun")
    assert "Customer N1 has no owner." in message.text


def test_prometheus_is_told_how_many_gaps_of_which_kind_are_open(database: Database, clock: Clock) -> None:
    teller(database, clock).look(missing("N1", "N2"))
    registry = CollectorRegistry()
    registry.register(DirectoryCollector(database, replace(FULL, version=7)))
    said = generate_latest(registry).decode()
    assert 'bellwether_notifier_directory_gaps{kind="no_owner"} 2.0' in said
    assert 'bellwether_notifier_directory_gaps{kind="loop"} 0.0' in said
    assert "bellwether_notifier_directory_version 7.0" in said
    assert "N1" not in said
