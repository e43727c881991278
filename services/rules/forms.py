"""From a fact as a rule file declares it to the object that measures it. PURE."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from schemas.events import CUSTOMER_EVENTS
from services.rules import derived, promises, yearly
from services.rules.calendar import DAY, NEVER, Micros, PeriodName
from services.rules.definition import SUBJECTS, Definition, parse_duration
from services.rules.dues import FIELDS as INSTALMENT_FIELDS
from services.rules.dues import Instalments, Movements
from services.rules.extremes import Max, Mean, WeightedMean
from services.rules.facts import Fact
from services.rules.judging import Checklist, Filled, Rank, Result, measure_of
from services.rules.measuring import Field
from services.rules.missed import Missed
from services.rules.monthly import BestMonth, Trend
from services.rules.periods import LatePolicy
from services.rules.series import Filter, Path, Pick, Source, Test, Word, events_of, interned
from services.rules.streaks import Streak
from services.rules.tallying import Changes, Count, Counted, Distinct, DistinctDays, Share, Sum
from services.rules.timing import Latest, PastUsualGap, SinceLast, YearsSinceFirst
from services.rules.waiting import Match, Waiting
from services.rules.wanted import Misplaced, check_field, did_you_mean, exact, has_field, listed, only, within
from services.rules.windows import Ever, Full, Present, Rolling, RollingMonths, Since, Window

AMOUNT = "amount"
Raw = Mapping[str, Any]

THINGS: dict[str, tuple[Source, frozenset[str] | str]] = {
    "receipts": (derived.Receipts(), derived.Receipts.FIELDS),
    "orders": (derived.Orders(), derived.Orders.FIELDS),
    "promises": (promises.Promises(), promises.FIELDS),
    "stage_steps": (derived.StageSteps(), "opportunity.stage_changed"),
    "stage_visits": (derived.StageVisits(), derived.StageVisits.FIELDS),
    "milestones": (derived.Milestones(), derived.Milestones.FIELDS),
}
"""Derived series without options, with their fields (or the event whose fields they have)."""

SERIES = (*THINGS, "instalments", "anniversaries")


class Forms:
    """Reads the facts of one definition; its methods raise ValueError with a sentence."""

    def __init__(self, definition: Definition, params: Mapping[str, Any]) -> None:
        self.definition = definition
        self.params = params
        self.subject = Path.of(SUBJECTS[definition.per]) if definition.per else None

    # -- values

    def value(self, raw: Any) -> Any:
        """A value, with a parameter put in for `$name`."""
        if isinstance(raw, str) and raw.startswith("$"):
            if raw[1:] not in self.params:
                meant = did_you_mean(raw[1:], self.params)
                raise ValueError(f"there is no parameter {raw} (params: {listed(self.params)}){meant}")
            return self.params[raw[1:]]
        return raw

    def duration(self, raw: Any) -> Micros:
        """A length of time, as a text or a parameter."""
        value = self.value(raw)
        if value is raw:
            return parse_duration(raw)
        kind = self.definition.params[raw[1:]].type
        if kind != "duration":
            raise ValueError(f"{raw} is of the type {kind}: a length of time needs a parameter of the type duration")
        return int(value)

    def whole(self, raw: Any, least: int = 0, greatest: int = 1200) -> int:
        """A whole number within bounds."""
        value = self.value(raw)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= greatest:
            raise ValueError(f"{raw!r} is no whole number from {least} to {greatest}")
        return value

    def decimal(self, raw: Any) -> Decimal:
        """A number that is exact."""
        return exact(self.value(raw))

    # -- series

    def pick(self, raw: Any, *also: str) -> Pick:
        """`of` and `where`, with the options of the series; the keys of `also` are read by somebody else."""
        only(raw, {"of", "where", *self._options(raw.get("of")), *also})
        source, fields = self.source(raw)
        with within("where"):
            where = self.where(raw.get("where"), raw["of"], fields)
        carries = self.subject is not None and has_field(raw["of"], fields, str(self.subject))
        return interned(Pick(source, where, self.subject if carries else None))

    def _options(self, of: Any) -> set[str]:
        if of == "instalments":
            return {"grace_days", "exclude_disputed", "tolerance"}
        return {"lead"} if of == "anniversaries" else set()

    def source(self, raw: Raw) -> tuple[Source, frozenset[str] | str]:
        """The source that `of` names, and its fields."""
        of = raw["of"]
        if of in CUSTOMER_EVENTS:
            return events_of(of), of
        if of in THINGS:
            return THINGS[of]
        if of == "instalments":
            return Instalments(self.policy(raw)), INSTALMENT_FIELDS
        if of == "anniversaries":
            return yearly.Anniversaries(self.duration(raw.get("lead", "0d")) // DAY), yearly.FIELDS
        meant = did_you_mean(of, (*CUSTOMER_EVENTS, *SERIES))
        raise Misplaced(
            f"unknown event type or series {of!r} (as in invoice.issued; series: {listed(SERIES)}){meant}", ["of"]
        )

    def policy(self, raw: Raw) -> LatePolicy:
        """When an instalment counts as late."""
        exclude = self.value(raw.get("exclude_disputed", True))
        if not isinstance(exclude, bool):
            raise ValueError(f"exclude_disputed: {exclude!r} is neither true nor false")
        return LatePolicy(
            self.whole(raw.get("grace_days", 0), 0, 3660), exclude, self.decimal(raw.get("tolerance", "0.01"))
        )

    def where(self, raw: Any, of: str, fields: frozenset[str] | str) -> Filter:
        """The filter of a pick."""
        if raw is not None and not isinstance(raw, dict):
            raise ValueError("is a mapping of fields, as in {kind: {is: visit}}")
        return Filter(tuple(self._test(str(path), test, of, fields) for path, test in (raw or {}).items()))

    def _test(self, path: str, test: Any, of: str, fields: frozenset[str] | str) -> Test:
        with within(path):
            return self._checked_test(path, test, of, fields)

    def _checked_test(self, path: str, test: Any, of: str, fields: frozenset[str] | str) -> Test:
        check_field(of, fields, path)
        words: dict[str, Word] = {"is": "in", "in": "in", "not": "not_in", "not_in": "not_in"}
        words |= {word: word for word in ("has", "at_least", "at_most", "above", "below", "known")}
        if not isinstance(test, dict) or len(test) != 1 or not set(test) <= set(words):
            raise ValueError(f"give one of {listed(words)}")
        ((word, operand),) = test.items()
        value = self.value(operand)
        if words[word] in ("in", "not_in"):
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(one, (str, int, bool)) for one in values):
                raise ValueError("compare with words, whole numbers, true or false")
            return Test(Path.of(path), words[word], frozenset(values))
        if word == "known" and not isinstance(value, bool):
            raise ValueError("known is true or false")
        if word in ("at_least", "at_most", "above", "below"):
            value = exact(value)
        return Test(Path.of(path), words[word], value)

    def window(self, raw: Any) -> Window:
        """The window of a fact."""
        with within("window"):
            return self._window(raw)

    def _window(self, raw: Any) -> Window:
        if raw is None:
            return Ever()
        if not isinstance(raw, dict):
            return Rolling(self._positive(self.duration(raw)))
        if "months" in raw:
            only(raw, {"months"})
            return RollingMonths(self.whole(raw["months"], 1))
        if "since" in raw:
            only(raw, {"since"})
            return Since(self.pick(raw["since"]))
        only(raw, {"calendar", "full"})
        every = self.every(raw.get("calendar"))
        return Full(every, self.whole(raw["full"], 1)) if "full" in raw else Present(every)

    @staticmethod
    def _positive(length: Micros) -> Micros:
        if length <= 0:
            raise ValueError("must be longer than nothing")
        return length

    def every(self, raw: Any) -> PeriodName:
        """The name of a calendar period."""
        every = self.value(raw)
        if every not in ("week", "month", "quarter", "year"):
            raise ValueError(f"{every!r} is no period (periods: week, month, quarter, year)")
        name: PeriodName = every
        return name

    # -- facts

    def fact(self, raw: Raw) -> Fact:
        """The fact of a declaration."""
        shapes = self._shapes()
        shape = raw.get("shape")
        if shape not in shapes:
            raise ValueError(f"unknown shape {shape!r} (shapes: {listed(shapes)}){did_you_mean(shape, shapes)}")
        label = raw.get("label", {"zh": "", "en": ""})
        if not isinstance(label, dict) or not all(isinstance(label.get(one), str) for one in ("zh", "en")):
            raise ValueError("label: give a text in zh and one in en")
        if raw.get("of") == "instalments" and "late" in (raw.get("where") or {}) and shape not in ("count", "share"):
            raise ValueError(
                f"{shape}: whether an instalment is late may be unknown; count or share can tell, {shape} cannot"
            )
        try:
            return shapes[shape]({key: value for key, value in raw.items() if key not in ("shape", "label")})
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is missing") from None

    def _shapes(self) -> dict[str, Callable[[Raw], Fact]]:
        return {
            "count": lambda raw: self._counted(Count, raw),
            "sum": lambda raw: self._measured(Sum, raw),
            "mean": self._mean,
            "max": lambda raw: self._named(Max, raw),
            "share": self._share,
            "distinct": lambda raw: self._named(Distinct, raw),
            "distinct_days": lambda raw: self._counted(DistinctDays, raw),
            "changes": lambda raw: self._named(Changes, raw),
            "latest": self._latest,
            "filled": self._filled,
            "since_last": self._since_last,
            "past_usual_gap": self._past_usual_gap,
            "anniversaries_since_first": lambda raw: YearsSinceFirst(self.pick(raw)),
            "waiting": self._waiting,
            "streak": self._streak,
            "missed": self._missed,
            "trend": self._trend,
            "best_month": self._best_month,
            "level": self._level,
            "rank": self._rank,
            "result": self._result,
            "checklist": self._checklist,
        }

    def _counted(self, shape: type[Counted], raw: Raw) -> Fact:
        return shape(self.pick(raw, "window"), self.window(raw.get("window")))

    def _named(self, shape: type[Distinct | Changes | Max], raw: Raw) -> Fact:
        pick = self.pick(raw, "window", "field")
        return shape(pick, self.window(raw.get("window")), path=self.path(raw, raw["field"]))

    def path(self, raw: Raw, dotted: Any) -> Path:
        """A field of the items of a declaration."""
        if not isinstance(dotted, str) or not dotted:
            raise ValueError("field: give the name of a field")
        _, fields = self.source(raw)
        with within(*(["field"] if raw.get("field") == dotted else [])):
            check_field(raw["of"], fields, dotted)
        return Path.of(dotted)

    def _field(self, raw: Raw) -> Field:
        currency = self.value(raw.get("currency"))
        if currency is not None and not re.fullmatch("[A-Z]{3}", str(currency)):
            raise ValueError(f"currency: {currency!r} is no currency such as CNY")
        return Field(self.path(raw, raw["field"]), currency)

    def _measured(self, shape: type[Sum], raw: Raw) -> Fact:
        pick = self.pick(raw, "window", "field", "currency")
        return shape(pick, self.window(raw.get("window")), field=self._field(raw))

    def _mean(self, raw: Raw) -> Fact:
        if "weight" not in raw:
            return self._measured(Mean, raw)
        pick, window = self.pick(raw, "window", "field", "currency", "weight"), self.window(raw.get("window"))
        weight = self._field({**raw, "field": raw["weight"]})
        return WeightedMean(pick, window, field=Field(self.path(raw, raw["field"])), weight=weight)

    def _share(self, raw: Raw) -> Fact:
        pick = self.pick(raw, "window", "field", "currency", "matching")
        _, fields = self.source(raw)
        with within("matching"):
            matching = self.where(raw["matching"], raw["of"], fields)
        field = self._field(raw) if "field" in raw else None
        return Share(pick, self.window(raw.get("window")), matching=matching, field=field)

    def _latest(self, raw: Raw) -> Fact:
        pick = self.pick(raw, "field", "default", "expires")
        expires = self.value(raw.get("expires"))
        after, on = None, None
        if isinstance(expires, dict):
            only(expires, {"field", "else"})
            on = self.path(raw, expires["field"])
            after = self.duration(expires["else"]) if "else" in expires else None
        elif expires is not None:
            after = self.duration(expires)
        default = self.value(raw.get("default"))
        if default is not None and not isinstance(default, (str, int, Decimal)):
            raise ValueError(f"default: {default!r} is neither a word nor a whole number, nor true or false")
        path = self.path(raw, raw["field"])
        said = Filter((*pick.where.tests, Test(path, "said", None)))
        return Latest(interned(Pick(pick.source, said, pick.subject)), path, default, after, on)

    def _filled(self, raw: Raw) -> Fact:
        only(raw, {"of", "section", "fields", "tells"})
        if raw.get("tells", "share") not in ("share", "missing"):
            raise ValueError("tells: is `share`, or `missing` for the names of those that have no value")
        names = self.value(raw["fields"])
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError("fields: give a list of field names")
        source, _ = self.source({"of": raw.get("of", "profile.updated")})
        section = Test(Path.of("section"), "in", frozenset({self.value(raw["section"])}))
        return Filled(Pick(source, Filter((section,))), tuple(names), raw.get("tells") == "missing")

    def _since_last(self, raw: Raw) -> Fact:
        pick = self.pick(raw, "otherwise")
        otherwise = raw.get("otherwise", {})
        condition = otherwise.get("condition") if isinstance(otherwise, dict) else None
        if condition is not None:
            self.condition(condition)
        events = self.pick({k: v for k, v in otherwise.items() if k != "condition"}) if "of" in otherwise else None
        return SinceLast(pick, condition, events)

    def condition(self, name: Any) -> str:
        """The name of a condition that there is."""
        if name not in self.definition.conditions:
            known = self.definition.conditions
            raise ValueError(f"there is no condition {name!r} (conditions: {listed(known)}){did_you_mean(name, known)}")
        return str(name)

    def _past_usual_gap(self, raw: Raw) -> Fact:
        pick = self.pick(raw, "least", "times")
        return PastUsualGap(pick, self.duration(raw["least"]), self.whole(raw["times"], 1, 100))

    def _waiting(self, raw: Raw) -> Fact:
        only(raw, {"after", "answer", "match", "first_only", "restarts", "early"})
        with within("after"):
            after = self.pick(raw["after"])
        answers = raw["answer"] if isinstance(raw["answer"], list) else [raw["answer"]]
        picks = []
        for answer in answers:
            source, fields = self.source(answer)
            only(answer, {"of", "where"})
            picks.append(interned(Pick(source, self.where(answer.get("where"), answer["of"], fields))))
            for path in raw.get("match", {}):
                with within("match", path):
                    check_field(answer["of"], fields, path)
        match = tuple(
            Match(Path.of(answer), self.path(raw["after"], field)) for answer, field in raw.get("match", {}).items()
        )
        flags = {name: bool(self.value(raw.get(name, False))) for name in ("first_only", "restarts", "early")}
        return Waiting(after, tuple(picks), match, **flags)

    def _streak(self, raw: Raw) -> Fact:
        only(raw, {"series", "grace_days", "exclude_disputed", "tolerance"})
        if raw["series"] not in ("late_months", "overdue_month_ends"):
            raise ValueError(f"unknown series {raw['series']!r} (series: late_months, overdue_month_ends)")
        return Streak(raw["series"], self.policy(raw))

    def _missed(self, raw: Raw) -> Fact:
        only(raw, {"every", "each", "while", "working"})
        if not isinstance(raw["each"], list) or not raw["each"]:
            raise ValueError("each: give a list of what must occur in the period")
        each = tuple(self.pick(one) for one in raw["each"])
        return Missed(self.every(raw["every"]), each, self.condition(raw["while"]), bool(raw.get("working", False)))

    def _trend(self, raw: Raw) -> Fact:
        pick = self.pick(raw, "field", "currency", "months", "back")
        return Trend(pick, self._field(raw), self.whole(raw["months"], 1, 36), back=self.whole(raw["back"], 1, 36))

    def _best_month(self, raw: Raw) -> Fact:
        only(raw, {"series", "currency", "months"})
        if raw["series"] != "receipts":
            raise ValueError(f"unknown series {raw['series']!r} (series: receipts)")
        field = self._field({"of": "receipts", "field": AMOUNT, "currency": raw["currency"]})
        return BestMonth(Pick(derived.Receipts()), field, self.whole(raw["months"], 1, 36))

    def _level(self, raw: Raw) -> Fact:
        only(raw, {"series", "currency"})
        if raw["series"] not in ("open_balance", "overdue_balance"):
            raise ValueError(f"unknown series {raw['series']!r} (series: open_balance, overdue_balance)")
        currency = self.value(raw["currency"])
        return Sum(Pick(Movements(raw["series"])), Ever(), field=Field(Path.of(AMOUNT), currency))

    def _rank(self, raw: Raw) -> Fact:
        only(raw, {"measure", "months", "max_age", "unknown", "tells"})
        if raw.get("tells", "place") not in ("place", "note"):
            raise ValueError("tells: is `place`, or `note` for what is said of the place in words")
        if raw.get("unknown", "unknown") not in ("unknown", "none"):
            raise ValueError("unknown: is `none` where no ranking counts as not ranked")
        measure = str(self.value(raw["measure"]))
        if "months" in raw:
            measure = measure_of(measure, self.whole(raw["months"], 1, 36))
        max_age = self.duration(raw["max_age"]) if "max_age" in raw else NEVER
        return Rank(measure, max_age, raw.get("unknown") == "none", raw.get("tells") == "note")

    def _result(self, raw: Raw) -> Fact:
        only(raw, {"of"})
        return Result(str(raw["of"]))

    def _checklist(self, raw: Raw) -> Fact:
        only(raw, {"lists"})
        lists = raw["lists"]
        lists = {stage: self.value(tasks) for stage, tasks in lists.items()} if isinstance(lists, dict) else lists
        if not isinstance(lists, dict) or not all(isinstance(tasks, list) and tasks for tasks in lists.values()):
            raise ValueError("lists: give for each stage the kinds of its tasks")
        visits, tasks = self.pick({"of": "stage_visits"}), self.pick({"of": "task.completed"})
        return Checklist(visits, tasks, tuple((stage, frozenset(kinds)) for stage, kinds in lists.items()))
