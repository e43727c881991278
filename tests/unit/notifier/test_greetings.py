"""Whether a customer is greeted: decided as a value, case by case, and what the file and the archive may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import orjson
import pytest

from schemas.topics import Topics
from services.notifier import channels_wiring, group_reader
from services.notifier.greetings.deciding import (
    Contact,
    House,
    Occasion,
    Signer,
    Verdict,
    decide,
    fill,
    whom,
    write,
)
from services.notifier.greetings.file import GreetingsInvalid, read_greetings
from services.notifier.greetings.follower import MourningFollower, mourning_in
from services.notifier.greetings.store import Mourning
from services.notifier.tables import open_database
from tests.support.records import Rec
from tests.unit.notifier.making import NOON

DAY = date(2026, 3, 10)
SHANGHAI = ZoneInfo("Asia/Shanghai")
MORNING = datetime(2026, 3, 10, 9, 0, tzinfo=SHANGHAI)
BIRTHDAY = Occasion("g1", "C1", "K1", DAY)
CONTACT = Contact("C1", "K1", "周总", "zhou@jiangnan.example", "zh", welcome=True, main=True)
HOUSE = House("风铃精密", mourning=frozenset({date(2026, 12, 13)}))
WANG = Signer("wang", "王强", "wang@example.com")


def verdict(
    occasion: Occasion = BIRTHDAY,
    contact: Contact | None = CONTACT,
    house: House = HOUSE,
    bereaved: tuple[date, ...] = (),
    signer: Signer | None = WANG,
    now: datetime = MORNING,
) -> Verdict:
    return decide(occasion, contact, house, bereaved, signer, now)


def test_everybody_has_said_yes_and_it_is_the_day() -> None:
    assert verdict() is Verdict.SEND


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (MORNING - timedelta(days=1), Verdict.NOT_YET),
        (MORNING - timedelta(minutes=1), Verdict.NOT_YET),
        (MORNING + timedelta(hours=14, minutes=59), Verdict.SEND),
        (MORNING + timedelta(hours=15), Verdict.PASSED),
    ],
)
def test_a_greeting_goes_on_its_day_from_the_set_hour_on_and_never_after_it(now: datetime, expected: Verdict) -> None:
    assert verdict(now=now) is expected


def test_nobody_is_named_who_has_not_said_yes() -> None:
    assert verdict(signer=None) is Verdict.NOBODY_SIGNS
    company = replace(HOUSE, company_signs=True)
    assert verdict(signer=None, house=company) is Verdict.SEND
    assert "王强" not in write(BIRTHDAY, CONTACT, company, None).text
    assert "风铃精密" in write(BIRTHDAY, CONTACT, company, None).text


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, Verdict.SEND), (0, Verdict.MOURNING), (7, Verdict.MOURNING), (8, Verdict.SEND)]
)
def test_nobody_is_greeted_in_mourning_nor_soon_after_it(days: int, expected: Verdict) -> None:
    assert verdict(bereaved=(DAY - timedelta(days=days),)) is expected


def test_nobody_is_greeted_on_a_day_of_the_countrys_mourning() -> None:
    sad = replace(BIRTHDAY, day=date(2026, 12, 13))
    assert verdict(sad, now=datetime(2026, 12, 13, 10, tzinfo=SHANGHAI)) is Verdict.MOURNING


@pytest.mark.parametrize(
    ("occasion", "contact", "expected"),
    [
        (replace(BIRTHDAY, done=True), CONTACT, Verdict.BY_HAND),
        (replace(BIRTHDAY, withdrawn=True), CONTACT, Verdict.WITHDRAWN),
        (BIRTHDAY, None, Verdict.NO_CONTACT),
        (BIRTHDAY, replace(CONTACT, welcome=False), Verdict.NOT_WELCOME),
    ],
)
def test_a_greeting_needs_its_occasion_and_somebody_who_wants_it(
    occasion: Occasion, contact: Contact | None, expected: Verdict
) -> None:
    assert verdict(occasion, contact) is expected


def test_a_birthday_is_the_contacts_and_an_anniversary_is_for_who_stands_for_the_customer() -> None:
    other = Contact("C1", "K2", "吴工", "wu@jiangnan.example", welcome=True)
    stranger = Contact("C2", "K1", "别人", "x@other.example", welcome=True, main=True)
    everybody = (stranger, other, CONTACT)
    assert whom(BIRTHDAY, everybody) == CONTACT
    assert whom(replace(BIRTHDAY, subject="K2"), everybody) == other
    assert whom(replace(BIRTHDAY, subject="K3"), everybody) is None
    assert whom(replace(BIRTHDAY, subject="cooperation"), everybody) == CONTACT
    assert whom(replace(BIRTHDAY, subject="cooperation"), (other,)) is None


def test_a_name_is_text_in_a_greeting() -> None:
    evil = replace(CONTACT, name="{signature}{0.__class__}<script>\r\nBcc: x@y.example")
    greeting = write(BIRTHDAY, evil, HOUSE, WANG)
    assert "{signature}{0.__class__}" in greeting.text
    assert "<script>" not in greeting.html
    assert "\n" not in greeting.subject
    assert fill("{name} {other}", {"name": "{name}"}) == "{name} {other}"


FILE = """
smtp: {env: GREETINGS_SMTP}
company: 风铃精密
contacts:
  - {customer: C1, id: K1, name: 周总, email: zhou@jiangnan.example, welcome: true}
"""


def read(folder: Path, text: str) -> object:
    (folder / "greetings.yaml").write_text(text, encoding="utf-8")
    return read_greetings(folder / "greetings.yaml")


def test_a_short_file_is_enough_and_decides_nothing_for_people(tmp_path: Path) -> None:
    (tmp_path / "greetings.yaml").write_text(FILE, encoding="utf-8")
    found = read_greetings(tmp_path / "greetings.yaml")
    assert (found.house, found.lead_days) == (House("风铃精密"), 3)
    assert found.house.company_signs is False
    assert found.contacts[0].welcome
    assert "zhou@" not in repr(found)
    assert (House("x").sends_at, Contact("C", "K", "n", "e").welcome) == (time(9), False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FILE.replace("{env: GREETINGS_SMTP}", "smtp://us:secret@mail"), "a secret does not stand in this file"),
        (FILE + "texts: {birthday: {zh: {subject: 好, text: 祝好}}}", "must have {signature}"),
        (FILE + "texts: {birthday: {zh: {subject: 好, text: '{phone} {signature}'}}}", "knows no {phone}"),
        (FILE.replace("welcome: true", "welcome: perhaps"), "contacts.0.welcome"),
        ("contacts: [zhou@jiangnan.example", "is no YAML"),
        ("", "the file"),
    ],
)
def test_a_mistake_in_the_file_is_told_without_anybodys_address(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(GreetingsInvalid) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert "zhou@" not in str(caught.value)
    assert "secret@" not in str(caught.value)


@dataclass
class Record:
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def milestone(id: str, kind: str, day: str, **more: object) -> Record:
    envelope: Mapping[str, object] = {
        "specversion": "1.0",
        "id": id,
        "source": "crm",
        "type": "bellwether.customer.milestone",
        "subject": "C1",
        "time": "2026-03-01T09:00:00+08:00",
        "datacontenttype": "application/json",
        "data": {"kind": kind, "occurs_on": day},
        **more,
    }
    return Record(orjson.dumps(envelope))


def test_the_archive_tells_of_mourning_and_of_nothing_else() -> None:
    records = [
        milestone("m1", "mourning", "2026-03-10"),
        milestone("m2", "opening", "2026-03-11"),
        Record(None),
        Record(b"customer.milestone {"),
        milestone("m3", "mourning", "2026-03-12", supersedes="m1"),
        milestone("m4", "award", "2026-03-12", supersedes="m3"),
        milestone("m5", "mourning", "2026-03-12", supersedes="m3", retracted=True),
    ]
    assert list(mourning_in(records)) == [
        Mourning("crm", "m1", "C1", date(2026, 3, 10)),
        Mourning("crm", "m3", "C1", date(2026, 3, 12), "m1"),
        Mourning("crm", "m4", "C1", None, "m3"),
        Mourning("crm", "m5", "C1", None, "m3"),
    ]


class Broker:
    """A consumer of one partition, of which so many records are handed out at each poll."""

    def __init__(self, *records: Rec) -> None:
        self._records, self._read = records, 0

    def __call__(self, *_: object, **__: object) -> Broker:
        return self

    def assignment(self) -> set[str]:
        return {"p0"}

    def poll(self, **_: object) -> dict[str, list[Rec]]:
        some = self._records[self._read : self._read + 1]
        self._read += len(some)
        return {"p0": list(some)} if some else {}

    def position(self, _: str) -> int:
        return self._read

    def end_offsets(self, _: list[str]) -> dict[str, int]:
        return {"p0": len(self._records)}

    def commit(self) -> None: ...


def test_nobody_is_greeted_before_the_archive_was_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    database.migrate()
    follower = MourningFollower("127.0.0.1:1", Topics("t"), database, lambda: NOON)
    monkeypatch.setattr(group_reader, "KafkaConsumer", Broker(Rec(0, None, b"{}"), Rec(1, None, b"{}")))
    seen = [follower.caught_up]
    for _ in range(2):
        follower.step()
        seen.append(follower.caught_up)
    assert seen == [False, False, True]
    started: dict[str, Callable[[], bool]] = {}
    workers = Mock(**{"start.side_effect": lambda name, step, *_: started.update({name: step})})
    greeter, archive = Mock(**{"step.return_value": True}), Mock(caught_up=False)
    monkeypatch.setattr(channels_wiring, "open_greeter", lambda *_: greeter)
    monkeypatch.setattr(channels_wiring, "MourningFollower", lambda *_: archive)
    channels_wiring.greet_customers(workers, Mock(), Mock(greetings_file=tmp_path), Mock())
    assert (started["greetings"](), greeter.step.call_count) == (False, 0)
    archive.caught_up = True
    assert (started["greetings"](), greeter.step.call_count) == (True, 1)
