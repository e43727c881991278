"""What must become of cases over time: an independent model, written from the words of the issue and docs/cases.md.

It knows nothing of the notifier's code but the people's directory as data. Where the notifier reckons instants, the
model asks at each tick how much time has passed, by a table of all minutes: working hours are counted, not computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tests.simulation.case_company import Calendar, People

Told = tuple[datetime, str, str, str]
"""When somebody is told: at, kind, person, warning or task."""


@dataclass
class Review:
    """A review that is demanded: asked at `since`, with `total_min` minutes, of `holder`."""

    working: bool
    hours: int
    since: datetime
    total_min: int
    holder: str
    asked: list[str]
    told: int = 0
    opened: bool = False
    departments: tuple[str, ...] = ()


@dataclass
class Wanted:
    """A department that was asked at `since` to join because of a warning, with `total_min` minutes."""

    about: str
    working: bool
    since: datetime
    total_min: int
    reminded: bool = False


@dataclass
class Item:
    """Something to do, with the day on which people are reminded next."""

    person: str
    remind_at: datetime
    times: int = 0
    open: bool = True


@dataclass
class Warned:
    id: str
    severity: str
    order: int
    state: str = "standing"
    review: Review | None = None


@dataclass
class OpenCase:
    customer: str
    warnings: dict[str, Warned] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    idle_at: datetime | None = None
    came_back: int = 0
    assignee: str | None = None
    delegated: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    wanted: dict[str, Wanted] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)

    @property
    def waited_for(self) -> list[Warned]:
        return [w for w in self.warnings.values() if w.review and not w.review.opened and w.state != "withdrawn"]

    @property
    def gravest(self) -> str:
        """Standing before ended before withdrawn; then the gravest; of equals the first."""
        states, grades = ["withdrawn", "ended", "standing"], ["low", "medium", "high", "critical"]
        found = sorted(self.warnings.values(), key=lambda w: w.order)
        return max(found, key=lambda w: (states.index(w.state), grades.index(w.severity))).id


@dataclass
class Model:
    """Every open case and list, and whom it has told of what."""

    calendar: Calendar
    people: People
    cases: dict[str, OpenCase] = field(default_factory=dict)
    tasks: dict[str, Item] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    missed: int = 0
    met: int = 0
    order: int = 0

    # -- who

    def acts_for(self, case: OpenCase | None, person: str, at: datetime) -> str:
        passed = [person]
        while case and person in case.delegated and at < case.delegated[person][1]:
            following = case.delegated[person][0]
            if following in passed:
                break
            passed.append(following)
            person = following
        return self.people.stands_in(person, at)

    def line(self, customer: str, case: OpenCase | None, at: datetime) -> list[str]:
        """Who is asked for a review, in turn: those above the owner, then the fallback, as they are there."""
        owner = self.people.owner(customer)
        there = [self.people.there(one, at) for one in (*self.people.above(owner), self.people.fallback)]
        present = [one for one in dict.fromkeys(there) if one]
        acting = self.people.stands_in(owner, at)
        found = [p for p in present if p not in (owner, acting)] or [p for p in present if p != owner]
        found = found or [acting]
        deputies = list(dict.fromkeys(self.acts_for(case, one, at) for one in found))
        parties = (owner, self.acts_for(case, owner, at))
        return [one for one in deputies if one not in parties] or deputies

    def worker(self, case: OpenCase) -> str:
        return case.assignee if case.assignee in self.people.all else self.people.owner(case.customer)  # type: ignore[return-value]

    def may_review(self, case: OpenCase, at: datetime) -> list[str]:
        """Who is sure to be entitled: who is asked now, and the owner's superiors who are there."""
        holders = [w.review.holder for w in case.waited_for if w.review]
        owner = self.people.owner(case.customer)
        asked = [p for p in dict.fromkeys([*holders, *self.people.above(owner)]) if p in self.people.all]
        return [p for p in asked if p != owner] or asked or self.line(case.customer, case, at)

    # -- what comes

    def called(
        self,
        customer: str,
        warning: str,
        severity: str,
        kind: str,
        at: datetime,
        demand: tuple[int, bool, tuple[str, ...]] | None,
        found_at: datetime,
        within_days: int | None,
    ) -> None:
        """A warning is new, or worse: people are told, its review begins, its departments are asked, its advice is
        something to do."""
        case = self.cases.setdefault(customer, OpenCase(customer))
        warned = case.warnings.get(warning)
        if warned is None:
            self.order += 1
            warned = case.warnings[warning] = Warned(warning, severity, self.order)
        warned.severity, warned.state = severity, "standing"
        line = self.line(customer, case, at)
        if demand and (warned.review is None or warned.review.opened):
            hours, working, departments = demand
            passed = self.calendar.passed_min(found_at, at, working=working)
            left = hours * 60 - passed
            total = left if left > 0 else hours * 60
            warned.review = Review(working, hours, at, total, line[0], [line[0]], departments=departments)
        whom = [self.acts_for(case, self.people.owner(customer), at), line[0]]
        if case.assignee:
            whom.append(self.acts_for(case, self.worker(case), at))
        if warned.review and not warned.review.opened:
            whom.append(warned.review.holder)
        self._tell(at, kind, whom, warning)
        self._draw_in(case, warned, whom, at)
        self._to_do(case.items, warning, self.worker(case), severity, within_days, at)
        self._busy(case, at)

    def _draw_in(self, case: OpenCase, warned: Warned, told: list[str], at: datetime) -> None:
        """Each department of the review that has not joined is asked, once; who is told anyway has heard of it."""
        review = warned.review
        if review is None:
            return
        whom: list[str] = []
        for department in review.departments:
            leads = self.people.leads(department)
            if not leads or department in case.joined or department in case.wanted:
                continue
            left = self._left_min(review, at)
            total = left if left > 0 else review.hours * 60
            case.wanted[department] = Wanted(warned.id, review.working, at, total)
            whom += [self.acts_for(case, lead, at) for lead in leads]
        self._tell(at, "join", [one for one in whom if one not in told], warned.id)

    def listed(self, customer: str, task: str, severity: str, within_days: int | None, at: datetime) -> None:
        """A task for the owner's list."""
        whom = self.people.stands_in(self.people.owner(customer), at)
        self._tell(at, "nudge", [whom], task)
        self._to_do(self.tasks, task, whom, severity, within_days, at)

    def _to_do(
        self, items: dict[str, Item], name: str, person: str, severity: str, within_days: int | None, at: datetime
    ) -> None:
        days = within_days or {"critical": 1, "high": 3, "medium": 5, "low": 10}[severity]
        day, _ = self.calendar.after_days(at, days)
        items[name] = Item(person, self.calendar.morning_from(day))

    def _busy(self, case: OpenCase, at: datetime) -> None:
        day, clock = self.calendar.after_days(at, 3)
        case.idle_at, case.came_back = self.calendar.instant(day, clock), 0

    def withdrawn(self, customer: str, warning: str, at: datetime) -> None:
        case = self.cases[customer]
        case.warnings[warning].state = "withdrawn"
        case.items[warning].open = False
        if all(one.state == "withdrawn" for one in case.warnings.values()):
            self._over(case)
            return
        # It may be wanted for another warning of the case still, which asks by itself.
        case.wanted = {name: one for name, one in case.wanted.items() if one.about != warning}
        for other in case.warnings.values():
            if other.state != "withdrawn":
                self._draw_in(case, other, [], at)
        day, clock = self.calendar.after_days(at, 3)
        case.idle_at = self.calendar.instant(day, clock)

    def _over(self, case: OpenCase) -> None:
        del self.cases[case.customer]

    # -- what people do

    def acted(self, customer: str, at: datetime) -> None:
        self._busy(self.cases[customer], at)

    def department_joined(self, customer: str, department: str, at: datetime) -> None:
        self.cases[customer].joined.add(department)
        self.acted(customer, at)

    def opened_review(self, customer: str, at: datetime) -> None:
        for warned in self.cases[customer].waited_for:
            assert warned.review is not None
            warned.review.opened = True
            self.met += 1
        self.acted(customer, at)

    def assigned(self, customer: str, actor: str, person: str, at: datetime) -> None:
        case = self.cases[customer]
        before = self.worker(case)
        for item in case.items.values():
            if item.open and item.person == before:
                item.person = person
        case.assignee = person
        self._tell(at, "assigned", [person] if person != actor else [], case.gravest)
        self.acted(customer, at)

    def delegated(self, customer: str, actor: str, person: str, until: datetime, at: datetime) -> None:
        case = self.cases[customer]
        case.delegated[actor] = (person, until)
        for warned in case.waited_for:
            if warned.review and warned.review.holder == actor:
                warned.review.holder = person
                warned.review.asked.append(person)
        self._tell(at, "assigned", [person], case.gravest)
        for warned in case.waited_for:
            if warned.review and self._left_min(warned.review, at) > 0:
                self._hand_over(case, warned, warned.review, at)
        self.acted(customer, at)

    def closed(self, customer: str) -> None:
        self._over(self.cases[customer])

    # -- what happens by itself

    def tick(self, at: datetime) -> None:
        for case in list(self.cases.values()):
            before = len(self.told)
            for warned in case.waited_for:
                assert warned.review is not None
                self._review(case, warned, warned.review, at)
            if not case.waited_for and case.idle_at and at >= case.idle_at:
                self._idle(case, at)
            for name, item in case.items.items():
                about = name if name in case.warnings else case.gravest
                self._remind(case, about, item, at)
            self._remind_departments(case, self.told[before:], at)
        for name, item in self.tasks.items():
            self._remind(None, name, item, at)

    def _review(self, case: OpenCase, warned: Warned, review: Review, at: datetime) -> None:
        passed = self.calendar.passed_min(review.since, at, working=review.working)
        line = self.line(case.customer, case, at)
        following = next((one for one in line if one not in review.asked), line[-1])
        if passed >= review.total_min:
            self.missed += 1
            review.since, review.total_min, review.told = at, review.hours * 60, 0
            review.holder = following
            review.asked.append(following)
            self._tell(at, "breached", [following], warned.id)
            return
        due = self._reminders_due(review, passed)
        if not self._hand_over(case, warned, review, at) and due > review.told:
            review.told = due
            self._tell(at, "due_soon", [review.holder], warned.id)

    def _remind_departments(self, case: OpenCase, now_told: list[Told], at: datetime) -> None:
        """Once, when half of the time is over; who is told of the warning at this moment anyway needs no more."""
        told = {(person, about) for _, _, person, about in now_told}
        for department, one in case.wanted.items():
            passed = self.calendar.passed_min(one.since, at, working=one.working)
            if one.reminded or department in case.joined or passed * 2 < one.total_min:
                continue
            one.reminded = True
            deputies = [self.acts_for(case, lead, at) for lead in self.people.leads(department)]
            whom = [person for person in deputies if (person, one.about) not in told]
            self._tell(at, "join_due", whom, one.about)
            told.update((person, one.about) for person in whom)

    def _left_min(self, review: Review, at: datetime) -> int:
        return review.total_min - self.calendar.passed_min(review.since, at, working=review.working)

    def _reminders_due(self, review: Review, passed: int) -> int:
        """How many of the two nudges are over. With two hours in all, half of them and an hour before their end are
        one; with less there is no hour before the end in the second half."""
        half = passed * 2 >= review.total_min
        last_hour = passed >= review.total_min - 60 and (review.total_min - 60) * 2 >= review.total_min
        return half + (last_hour and review.total_min != 120)

    def _hand_over(self, case: OpenCase, warned: Warned, review: Review, at: datetime) -> bool:
        """Who is asked must be among those who can be: else the next one is, with what time is left."""
        line = self.line(case.customer, case, at)
        if review.holder in line:
            return False
        review.holder = next((one for one in line if one not in review.asked), line[-1])
        review.asked.append(review.holder)
        passed = self.calendar.passed_min(review.since, at, working=review.working)
        review.told = self._reminders_due(review, passed)
        self._tell(at, "due_soon", [review.holder], warned.id)
        return True

    def _idle(self, case: OpenCase, at: datetime) -> None:
        """Told to who works on it and the owner, and each time to one more of those above."""
        # The ladder here is the people's as they are there; what was delegated is followed from each of them.
        owner = self.people.owner(case.customer)
        there = [self.people.there(one, at) for one in (*self.people.above(owner), self.people.fallback)]
        present = [one for one in dict.fromkeys(there) if one]
        acting = self.people.stands_in(owner, at)
        above = [p for p in present if p not in (owner, acting)] or [p for p in present if p != owner]
        above = above or [acting]
        rung = above[min(case.came_back, len(above) - 1)]
        whom = [self.acts_for(case, one, at) for one in (owner, self.worker(case), rung)]
        self._tell(at, "idle", whom, case.gravest)
        day, clock = self.calendar.after_days(at, 3)
        case.idle_at = self.calendar.instant(day, clock)
        case.came_back += 1

    def _remind(self, case: OpenCase | None, about: str, item: Item, at: datetime) -> None:
        if not item.open or at < item.remind_at:
            return
        deputy = self.acts_for(case, item.person, at)
        whom = [deputy]
        if item.times >= 3:
            boss = next(iter(self.people.above(deputy)), None)
            whom.append(self.acts_for(case, boss, at) if boss else self.people.fallback)
        self._tell(at, "reminder", whom, about)
        item.times += 1
        day, _ = self.calendar.after_days(at, 1 if item.times < 3 else 5)
        item.remind_at = self.calendar.morning_from(day)

    def _tell(self, at: datetime, kind: str, whom: list[str], about: str) -> None:
        self.told += [(at, kind, person, about) for person in dict.fromkeys(whom)]
