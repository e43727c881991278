"""Ninety days of cases, with no sleeping: every deadline is met or escalated, and nobody hears of anything else.

The notifier's clerk on SQLite, two of it in turn as two replicas have it, stopped for days and started anew, against
the model of case_model.py. Seeds are printed; BELLWETHER_SEED plays one again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from schemas import warnings as wire
from services.common.workdays import OwnDays
from services.notifier.actions import Acknowledge, Action, Close, Comment, DecideReview, Join, OpenReview
from services.notifier.case import Case, Verdict
from services.notifier.clerk import Clerk
from services.notifier.clocks import Clocks
from services.notifier.handing import Assign, Delegate, FinishTask
from services.notifier.house import House
from services.notifier.people import Directory
from services.notifier.store import find_open_case
from services.notifier.tables import open_database, pages
from services.notifier.worktime import WorkCalendar
from tests.simulation.case_company import Calendar, People
from tests.simulation.case_model import Model, OpenCase
from tests.simulation.case_script import (
    DAY,
    DEPARTMENTS,
    HOUR,
    MINUTE,
    OWN_DAYS_OFF,
    OWN_DAYS_WORKED,
    START,
    Happening,
    Script,
    write,
)
from tests.support.databases import open_migrated
from tests.unit.notifier.making import make_warning

DEMANDS = (None, (24, False), (24, True), (2, False), (8, True))
"""Reviews that are demanded: within so many hours, by the wall or in working hours."""


@dataclass
class Play:
    """The notifier and the model side by side; `at` is the clock of both."""

    script: Script
    folder: Path
    step: timedelta
    at: datetime = START
    numbers: int = 0
    revisions: Counter[str] = field(default_factory=Counter)
    kept: dict[str, wire.Warning] = field(default_factory=dict)

    def __post_init__(self) -> None:
        zone = ZoneInfo(self.script.zone)
        self.database = open_migrated(open_database, self.folder / "cases.db")
        days = OwnDays(frozenset(OWN_DAYS_OFF), frozenset(OWN_DAYS_WORKED))
        self.house = House(Clocks(WorkCalendar(zone, days)))
        calendar = Calendar(START - 3 * DAY, self.script.days + 20, zone, OWN_DAYS_OFF, OWN_DAYS_WORKED)
        self.model = Model(calendar, People(self.directory()))
        self.clerks = self.hired()

    def directory(self) -> Directory:
        """The newest one."""
        return [directory for at, directory in self.script.directories if at <= self.at][-1]

    def hired(self) -> list[Clerk]:
        """Two notifiers on one database, as after a restart."""
        return [Clerk(self.database, self.directory, lambda: self.at, house=self.house) for _ in range(2)]

    def run(self) -> None:
        """From the first day to the last."""
        waiting = list(self.script.happenings)
        ticks = 0
        for n in range(self.script.days * DAY // self.step):
            at = START + self.step * n
            if any(begins <= at < ends for begins, ends in self.script.outages):
                self.clerks = self.hired()
                continue
            while waiting and waiting[0].at <= at:
                self.happen(waiting.pop(0))
            self.now(at)
            ticks += 1
            self.clerks[ticks % 2].tick()
            self.model.tick(at)

    def now(self, at: datetime) -> None:
        self.at = at
        self.model.people = People(self.directory())

    # -- what happens

    def happen(self, one: Happening) -> None:
        self.now(one.at)
        dice, case = random.Random(one.dice), self.model.cases.get(one.customer)
        match one.what:
            case "raise" | "task":
                self.warn(one, dice)
            case _ if case is None:
                return
            case "worsen" | "end" | "withdraw":
                self.change(one, dice, case)
            case _:
                self.act(one, dice, case)

    def warn(self, one: Happening, dice: random.Random) -> None:
        self.numbers += 1
        demand = dice.choice(DEMANDS) if one.what == "raise" else None
        team = ("sales", *dice.sample(DEPARTMENTS, dice.randrange(4)))
        found_at = self.at - MINUTE * dice.choice((0, 0, 7, 90, 26 * 60))
        severity: wire.Severity = dice.choice(wire.SEVERITIES)
        within = dice.choice((None, None, 1, 2, 6))
        review = None
        if demand:
            due, hours = found_at + HOUR * demand[0], "working" if demand[1] else "wall"
            review = wire.Review(within_hours=demand[0], due=due, departments=list(team), quorum=1, hours=hours)  # type: ignore[arg-type]
        warning = make_warning(
            f"w{self.numbers}",
            customer_id=one.customer,
            severity=severity,
            output="task" if one.what == "task" else "warning",
            review=review,
            act_within_days=within,
            start=found_at - HOUR,
            detected_at=found_at,
            first_detected_at=found_at,
        )
        self.kept[warning.id] = warning
        self.clerks[0].file([warning])
        if one.what == "task":
            self.model.listed(one.customer, warning.id, severity, within, self.at)
        else:
            wanted = (*demand, team) if demand else None
            self.model.called(one.customer, warning.id, severity, "raised", self.at, wanted, found_at, within)

    def change(self, one: Happening, dice: random.Random, case: OpenCase) -> None:
        standing = [name for name, held in case.warnings.items() if held.state != "withdrawn"]
        before = self.kept[dice.choice(standing)]
        self.revisions[before.id] += 1
        news = {"revision": before.revision + 1, "detected_at": self.at}
        if one.what == "withdraw":
            self.file(before, change="withdrawn", **news)
            self.model.withdrawn(one.customer, before.id, self.at)
        elif one.what == "end":
            self.file(before, change="ended", end=self.at, **news)
            case.warnings[before.id].state = "ended"
        else:
            self.file(before, change="amended", severity="critical", pages_again=True, end=None, **news)
            asked = before.review
            demand = (asked.within_hours, asked.hours == "working", tuple(asked.departments)) if asked else None
            # A review that is demanded anew is of what is worse now, and that is found now.
            within = before.act_within_days
            self.model.called(one.customer, before.id, "critical", "amended", self.at, demand, self.at, within)

    def file(self, before: wire.Warning, **news: object) -> None:
        self.kept[before.id] = before.model_copy(update={"pages_again": False, **news})
        self.clerks[1].file([self.kept[before.id]])

    def act(self, one: Happening, dice: random.Random, case: OpenCase) -> None:
        customer, model = one.customer, self.model
        people = sorted(model.people.all)
        actor = dice.choice(people)
        match one.what:
            case "acknowledge":
                if self.do(customer, Acknowledge(actor)) is Verdict.DONE:
                    model.acted(customer, self.at)
            case "comment":
                self.must(customer, Comment(actor, "looked at"))
                model.acted(customer, self.at)
            case "assign" if (person := dice.choice(people)) != model.worker(case):
                self.must(customer, Assign(actor, person))
                model.assigned(customer, actor, person, self.at)
            case "review":
                self.review(customer, case, dice)
            case "delegate":
                self.delegate(customer, case, dice)
            case "join":
                self.join(customer, case, dice)
            case "finish":
                self.finish(customer, case, dice)
            case "close":
                self.close(customer, case, dice)

    def finish(self, customer: str, case: OpenCase, dice: random.Random) -> None:
        still = [name for name, item in case.items.items() if item.open and item.person in self.model.people.all]
        if still:
            name = dice.choice(still)
            self.must(customer, FinishTask(case.items[name].person, name))
            case.items[name].open = False
            self.model.acted(customer, self.at)

    def join(self, customer: str, case: OpenCase, dice: random.Random) -> None:
        department, actor = dice.choice(sorted({"sales", *case.wanted})), dice.choice(sorted(self.model.people.all))
        if self.do(customer, Join(actor, department)) is Verdict.DONE:
            self.model.department_joined(customer, department, self.at)

    def review(self, customer: str, case: OpenCase, dice: random.Random) -> None:
        if case.waited_for:
            self.must(customer, OpenReview(dice.choice(self.model.may_review(case, self.at))))
            self.model.opened_review(customer, self.at)

    def delegate(self, customer: str, case: OpenCase, dice: random.Random) -> None:
        holders = [held.review.holder for held in case.waited_for if held.review]
        owner = self.model.people.owner(customer)
        actor = dice.choice([*holders, owner, "chief"])
        others = [one for one in sorted(self.model.people.all) if one not in (actor, owner)]
        if actor not in self.model.people.all or self.model.people.is_away(actor, self.at):
            return
        person, until = dice.choice(others), self.at + HOUR * dice.randrange(5, 200)
        self.must(customer, Delegate(actor, person, until))
        self.model.delegated(customer, actor, person, until, self.at)

    def close(self, customer: str, case: OpenCase, dice: random.Random) -> None:
        reviewed = any(held.review and held.state != "withdrawn" for held in case.warnings.values())
        if reviewed:
            actor = dice.choice(self.model.may_review(case, self.at))
            self.model.met += len(case.waited_for)
            self.must(customer, DecideReview(actor, "act", "visit them"))
            self.do(customer, Join(actor, "sales"))
        self.must(customer, Close(dice.choice(sorted(self.model.people.all)), "watch", "settled"))
        self.model.closed(customer)

    def do(self, customer: str, action: Action) -> Verdict:
        outcome = self.clerks[0].act(self.case(customer).id, action)
        assert outcome is not None
        assert outcome.refusals == (), (self.at, action, outcome.refusals)
        return outcome.verdict

    def must(self, customer: str, action: Action) -> None:
        verdict = self.do(customer, action)
        assert verdict is Verdict.DONE, (self.at, action, verdict)

    def case(self, customer: str) -> Case:
        with self.database.reading() as tx:
            found = find_open_case(tx, customer)
        assert found is not None, f"{self.at}: {customer} has no open case"
        return found

    # -- what came of it

    def sent(self) -> list[tuple[datetime, str, str, str]]:
        """Whom the notifier told of what, by its outbox."""
        columns = pages.c.created_at, pages.c.kind, pages.c.person, pages.c.warning_id
        with self.database.reading() as tx:
            rows = tx.execute(select(*columns).where(pages.c.kind != "withdrawn").order_by(pages.c.id)).all()
        return [(at, kind, person, warning) for at, kind, person, warning in rows]


def seeds(count: int) -> Sequence[int]:
    given = os.environ.get("BELLWETHER_SEED")
    return [int(given)] if given else [random.randrange(10**6) for _ in range(count)]


def play(seed: int, folder: Path, customers: int, step: timedelta) -> Play:
    print(f"BELLWETHER_SEED={seed}")
    one = Play(write(seed, 90, customers), folder, step)
    one.run()
    return one


def first_difference(told: list[tuple[datetime, str, str, str]], sent: list[tuple[datetime, str, str, str]]) -> str:
    missing, added = Counter(told) - Counter(sent), Counter(sent) - Counter(told)
    lines = [f"  {'missing' if one in missing else 'not expected'}: {one}" for one in sorted([*missing, *added])]
    return "\n".join(lines[:12])


def check(seed: int, folder: Path, customers: int, step: timedelta) -> Counter[str]:
    """Every page that is due is there, at the tick at which it is, to whom it is due; and no other."""
    one = play(seed, folder, customers, step)
    told, sent = one.model.told, one.sent()
    assert Counter(told) == Counter(sent), f"seed {seed} in {one.script.zone}:\n{first_difference(told, sent)}"
    kinds = Counter(kind for _, kind, _, _ in sent)
    print(f"  {one.script.zone}: {dict(kinds)}, reviews met {one.model.met}, missed and escalated {one.model.missed}")
    return kinds


def test_ninety_days_of_cases_go_as_the_independent_model_says(tmp_path: Path) -> None:
    (seed,) = seeds(1)
    kinds = check(seed, tmp_path, 4, HOUR)
    assert set(kinds) >= {"raised", "breached", "due_soon", "reminder"}


@pytest.mark.nightly
def test_many_companies_over_ninety_days(tmp_path: Path) -> None:
    for number, seed in enumerate(seeds(40)):
        folder = tmp_path / str(number)
        folder.mkdir()
        check(seed, folder, 30, HOUR / 2)
