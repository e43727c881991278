"""Good rule files with one thing wrong each: the names in them, and the kinds of what they compare."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from services.rules.books import SHIPPED, load, read_files
from services.rules.compiling import Loaded
from services.rules.linting import lint

FILES = read_files(SHIPPED)[0]


def file_of(rule: str) -> str:
    return next(name for name in FILES if name.startswith(f"{rule}_"))


def mutated(rule: str, *changes: tuple[str, str]) -> str:
    text = FILES[file_of(rule)]
    for old, new in changes:
        assert old in text, f"{rule} does not say {old!r} any more"
        text = text.replace(old, new, 1)
    return text


@lru_cache(maxsize=1)
def others() -> tuple[Loaded, ...]:
    return tuple(load(FILES, {})[0])


def errors(rule: str, text: str) -> list[str]:
    """What is said of one changed file among the shipped ones: that it does not compile, or what the lint finds."""
    loaded, problems = load({file_of(rule): text}, {})
    beside = [one for one in others() if one.rule.id != rule]
    found = [one for one in lint([*beside, *loaded], bounds=False) if one.file == file_of(rule)]
    return problems + [one.text for one in found if one.level == "error"]


class Wrong(NamedTuple):
    """A change of a shipped rule, the line that must be named (by what stands on it), and what must be said."""

    rule: str
    changes: tuple[tuple[str, str], ...]
    at: str
    said: str


def wrong(rule: str, old: str, new: str, said: str, at: str | None = None) -> Wrong:
    return Wrong(rule, ((old, new),), at or new.strip().splitlines()[0], said)


NAMES = {
    "an unknown fact": wrong("R3", "{fact: show_days,", "{fact: shown_days,", "did you mean show_days?"),
    "an unknown field of a filter": wrong("R3", "where: {kind:", "where: {knd:", "has no field knd (fields:"),
    "the field that was meant": wrong("R3", "where: {kind:", "where: {knd:", "did you mean kind?"),
    "an unknown field of `field`": wrong("R12", "field: score", "field: scor", "has no field scor"),
    "an unknown field of `once_per`": wrong(
        "R24c", "[opportunity_id, status]", "[opportunity_id, state]", "did you mean status?"
    ),
    "an unknown field of `match`": wrong("R14", "match: {feedback_id:", "match: {feedback:", "has no field feedback "),
    "an unknown field of `matching`": wrong("R15", "matching: {late:", "matching: {lat:", "did you mean late?"),
    "an unknown field of a point": wrong("R13", "{field: sentiment,", "{field: mood,", "has no field mood"),
    "a label of no field": wrong("R13", "  sentiment: {zh", "  feeling: {zh", "has no field feeling"),
    "free text": wrong("R13", "{field: sentiment,", "{field: headline,", "is not kept for rules to read"),
    "an unknown parameter": wrong("R3", "value: $days}", "value: $day}", "there is no parameter $day (params:"),
    "an unknown shape": wrong("R3", "shape: distinct_days", "shape: distinct_day", "did you mean distinct_days?"),
    "an unknown event": wrong("R3", "of: competitor.activity", "of: competitor.activities", "competitor.activity?"),
    "an unknown condition": wrong("R6", "{condition: tier}", "{condition: tiers}", "did you mean tier?"),
    "an unknown result": wrong("R10a", "of: R10\n", "of: R99\n", "R99 is no class or score of this rulebook"),
    "the result of a rule that gives none": wrong("R10a", "of: R10\n", "of: R9\n", "is no class or score"),
    "an unused parameter": wrong(
        "R3", "facts:\n", "  more: {type: int, default: 1, label: {zh: 多, en: more}}\nfacts:\n", "write $more where"
    ),
    "a parameter that only the text shows": wrong(
        "R9", "value: $limit}", "value: 2}", "nothing uses the parameter limit", "limit: {type"
    ),
    "an unused fact": wrong(
        "R14",
        "when: {",
        "  more: {shape: count, of: feedback.raised, label: {zh: 多, en: more}}\nwhen: {",
        "nothing uses",
    ),
    "an unused condition": wrong(
        "R28",
        "conditions:\n",
        "conditions:\n  odd: {fact: contracts, op: '>', value: 3}\n",
        "nothing uses the condition odd",
        "odd: {fact",
    ),
    "an unused label of a field": wrong(
        "R13",
        "fields:\n",
        "fields:\n  source: {zh: 来源, en: source}\n",
        "nothing uses the field source",
        "source: {zh: 来",
    ),
    "a name in the summary that nothing has": wrong(
        "R14", "客户提出的意见已 {waiting}", "客户提出的意见已 {waitin}", "{waitin} is no fact, parameter or field"
    ),
    "a name in the advice": wrong(
        "R14", "Tell the customer today", "Tell {waiting} today", "only filled in in the summary"
    ),
    "a name that one language lacks": wrong(
        "R14", "(standard {limit}).", "(standard).", "the other language shows {limit}, this one does not"
    ),
    "the run of a rule without one": wrong("R9", "{changes} times", "{run} times", "{run} is no fact"),
    "a fact and a parameter of one name": Wrong(
        "R9",
        (("  limit: {type", "  changes: {type"), ("$limit", "$changes")),
        "changes: {type",
        "is a fact and a parameter",
    ),
}

TYPES = {
    "a word that is at least something": wrong(
        "R10a", 'op: "==", value: key_cultivation', 'op: ">=", value: 5', "cannot be >= anything: use =="
    ),
    "a length of time against a number": wrong(
        "R14", 'op: ">=", value: $limit', 'op: ">=", value: 7', "is no duration"
    ),
    "a length of time against a number of a parameter": Wrong(
        "R14",
        (("limit: {type: duration, default: 7d, min: 1h, max: 90d", "limit: {type: int, default: 7, min: 1, max: 9"),),
        "when: {fact: waiting",
        "needs a parameter of the type duration",
    ),
    "a length of time that equals": wrong("R14", 'op: ">=", value: $limit', 'op: "==", value: $limit', "is never =="),
    "a number against a length of time": wrong(
        "R9", 'op: ">=", value: $limit', 'op: ">=", value: $window', "is a number and $window a length of time"
    ),
    "a number against a word": wrong(
        "R9", 'op: ">=", value: $limit', 'op: "==", value: many', "compare it with a number"
    ),
    "a word that a field never holds": wrong(
        "R3", "default: [trade_show]", "default: [trade_shows]", "never “trade_shows”: write one of those; did you mean"
    ),
    "a word that a point's field never holds": wrong(
        "R2", 'op: "==", value: announced', 'op: "==", value: anounced', "did you mean announced?"
    ),
    "a class that the other rule cannot give": wrong(
        "R10a", "value: key_cultivation", "value: cultivation", "did you mean key_cultivation?"
    ),
    "true written as a word": wrong("R29", 'op: "==", value: true', 'op: "==", value: "yes"', "write true or false"),
    "true in a filter written as a word": wrong(
        "R22", "automated: {not: true}", "automated: {not: 'yes'}", "true or false"
    ),
    "`has` of what is no list": wrong("R28", "kind: {is: $kind}", "kind: {has: $kind}", "is a word and no list"),
    "`is` of a list": wrong("R28", "parts: {has: $written}", "parts: {is: $written}", "ask `has`"),
    "`at_least` of a word": wrong("R28", "kind: {is: $kind}", "kind: {at_least: 3}", "is a word and no number"),
    "`is` of money": wrong(
        "R16", "    field: amount\n", "    where: {amount: {is: 5}}\n    field: amount\n", "use at_least"
    ),
    "`is` of a day": wrong("R33", "next_at: {known: false}", "next_at: {is: today}", "ask `known`"),
    "a number out of a field's bounds": wrong(
        "R12", "field: score", "where: {score: {at_least: 6}}\n    field: score", "is at most 5 and never at_least 6"
    ),
    "`known` of what is always there": wrong("R9", "old: {known: true}", "new: {known: true}", "is always there"),
    "an empty list": wrong("R33", "{not_in: $unreached}", "{not_in: []}", "is compared with an empty list"),
    "the sum of words": wrong("R12", "field: score", "field: case_id", "needs a field that holds a number"),
    "money without a currency": wrong(
        "R16", "    currency: $currency\n", "", "add `currency: CNY`", "    field: amount"
    ),
    "a currency of what is no money": wrong(
        "R12", "field: score", "currency: CNY\n    field: score", "is no money: take `currency` away"
    ),
    "a word for a mapping": wrong(
        "R14",
        "after: {of: feedback.raised}",
        "after: feedback.raised",
        "a mapping stands where another of them is wanted",
        "shape: waiting",
    ),
    "a key that is missing": wrong(
        "R14", "    answer: {of: feedback.answered}\n", "", "answer is missing", "shape: waiting"
    ),
    "a day that equals": Wrong(
        "R13",
        (("{field: sentiment, op: in, value: $sentiments}", "{field: at, op: '==', value: x}"),),
        "{field: at,",
        "is a day or an instant, and only `op: known` can be asked",
    ),
    "an empty list in a condition": wrong(
        "R32", "op: in, value: $grades", "op: in, value: []", "can never hold: grade"
    ),
    "a sum up to less than nothing": wrong(
        "R16",
        "    field: amount\n",
        "    where: {amount: {below: 0}}\n    field: amount\n",
        "is at least 0 and never below 0",
    ),
    "the latest of a list": wrong(
        "R24s",
        "of: stage_visits\n    field: stage",
        "of: activity.logged\n    field: parts",
        "of a single field",
        "field: parts",
    ),
    "a word that the latest value never is": Wrong(
        "R24s",
        (("of: stage_visits\n    field: stage", "of: contact.role_set\n    field: decision_role"),),
        "closed_stages: {type",
        "user, and never “won”",
    ),
    "a word in the window's own events": wrong(
        "R9",
        "    window: $window",
        "    window: {since: {of: external.noted, where: {kind: {is: gossip}}}}",
        "never “gossip”",
    ),
    "fields of what is no point": wrong(
        "R9", "audience:", "fields: {old: {zh: 旧, en: old}}\naudience:", "only a point shows"
    ),
    "an expiry that is no day": wrong(
        "R17", "field: valid_until", "field: assessor", "name a field that holds the last day"
    ),
    "a default of another kind": wrong("R24s", 'default: ""', "default: 5", "the default 5 is none"),
    "a run that counts nothing": Wrong(
        "R1",
        (
            ("run: late_run", "run: owed"),
            (
                "facts:\n",
                "facts:\n  owed: {shape: level, series: open_balance, currency: CNY, label: {zh: 欠, en: owed}}\n",
            ),
        ),
        "run: owed",
        "counts no periods: name a fact",
    ),
    "a streak without a run": wrong("R1", "run: late_run\n", "", "a streak needs `run`", "kind: streak"),
    "a weight that is no number": wrong("R15", "weight: amount", "weight: fault", "a mean needs a field that holds"),
    "a weight without a currency": wrong(
        "R15", "weight: amount\n    currency: $currency", "weight: amount", "add `currency: CNY`"
    ),
    "the greatest of words": wrong(
        "R12",
        "shape: mean\n    of: service_case.closed\n    field: score",
        "shape: max\n    of: service_case.closed\n    field: case_id",
        "a max needs a field that holds",
        "field: case_id",
    ),
    "a run of what has no periods": wrong(
        "R8",
        "audience: [owner, superior]",
        "run: waiting\naudience: [owner, superior]",
        "a stretch has no `run`",
        "kind: stretch",
    ),
    "an escalation to no more": wrong(
        "R8", "{to: critical,", "{to: low,", "is not above the rule's own severity, medium"
    ),
    "a scale beyond what there is": wrong("R11c", "[1, 100]", "[2, 100]", "never 2: scale what there is"),
    "a part above a hundred": wrong("R11c", "[1, 100]", "[1, 150]", "and 150 does not"),
    "a scale of words": wrong(
        "R19", 'map: {A: "100", B: "80", C: "60", D: "20"}', 'scale: [["0", "0"]]', "give a `map`"
    ),
    "a map with a class that there is not": wrong("R19", "map: {A:", "map: {AA:", "never “AA”: take it away"),
    "a map of numbers": wrong("R20", 'scale: [["0", "0"], ["1", "100"]]', 'map: {A: "1"}', "is a number and no word"),
}
