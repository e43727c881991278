"""Good rule files with one thing wrong each: what can be true, texts, examples, and how far back they reach."""

from __future__ import annotations

from tests.unit.rules.lint_cases import Wrong, wrong

TRUTH = {
    "a count below nothing": wrong(
        "R9", 'op: ">=", value: $limit', 'op: "<", value: 0', "can never hold: changes is a whole"
    ),
    "a count from nothing": wrong(
        "R9", 'op: ">=", value: $limit', 'op: ">=", value: 0', "always holds: changes is a whole"
    ),
    "a share in per cent": wrong(
        "R38", 'default: "0.5", min: "0.05", max: "1"', 'default: "50"', "from 0 to 1", "when: {"
    ),
    "a rank from nothing": wrong("R38", 'op: ">=", value: $least_share', 'op: ">=", value: 0', "or ask `op: known`"),
    "an archive filled by half a hundred": wrong(
        "R35", 'op: "<", value: 1}', 'op: "<", value: 50}', "always holds: filled"
    ),
    "a mean out of its scale": wrong("R12", 'op: "<=", value: $worst', 'op: "<", value: 1', "a number from 1 to 5"),
    "a time that has not passed": wrong(
        "R24s", 'op: ">", value: $limit', 'op: "<", value: 0s', "can never hold: in_stage is a time that has passed"
    ),
    "`known` of what can always be measured": wrong(
        "R9", 'op: ">=", value: $limit', "op: known, value: true", "can always be measured"
    ),
    "above and below": Wrong(
        "R5a",
        (('op: "<", value: $limit', 'op: "<", value: 1h'),),
        "all:",
        "can never hold: its parts contradict each other",
    ),
    "either above or below": wrong(
        "R9",
        'when: {fact: changes, op: ">=", value: $limit}',
        "when: {any: [{fact: changes, op: '>=', value: $limit}, {fact: changes, op: '<', value: $limit}]}",
        "always holds, whatever happens",
    ),
    "a part that the other implies": wrong(
        "R9",
        'when: {fact: changes, op: ">=", value: $limit}',
        "when: {all: [{fact: changes, op: '>=', value: $limit}, {fact: changes, op: '>', value: 0}]}",
        "changes > 0 makes no difference: the rest implies it",
    ),
    "a part that implies the other": wrong(
        "R9",
        'when: {fact: changes, op: ">=", value: $limit}',
        "when: {any: [{fact: changes, op: '>=', value: $limit}, {fact: changes, op: '>', value: 8}]}",
        "changes > 8 makes no difference: the rest holds whenever it does",
    ),
    "an escalation that the rule rules out": wrong(
        "R8",
        'when: {fact: waiting, op: ">=", value: $critical_after}',
        'when: {fact: waiting, op: "<", value: 1d}',
        "can never hold while the rule does",
    ),
    "an escalation that always holds": wrong(
        "R8",
        "critical_after: {type: duration, default: 21d",
        "critical_after: {type: duration, default: 2d",
        "holds whenever the rule does: give the rule that severity",
        "  - {to: critical",
    ),
    "a class behind one that always comes first": wrong(
        "R25",
        "long_years: {type: int, default: 3",
        "long_years: {type: int, default: 1",
        "growth is never given",
        'when: {fact: years, op: ">=", value: $growth_years}',
    ),
    "a class for the others that there are not": Wrong(
        "R25",
        (
            (
                'when: {fact: years, op: "<", value: $growth_years}',
                'when: {any: [{fact: years, op: "<", value: 1}, {fact: years, op: known, value: false}]}',
            ),
        ),
        "value: none",
        "none is never given: one of the classes always holds",
    ),
    "a point's field that its filter rules out": wrong(
        "R24e", "need_confirmed, op: known, value: false", 'to, op: "==", value: won', "can never hold"
    ),
}

MANY = [f"c{number}" for number in range(14)]
COUNTED = "".join(
    f"  {name}: {{shape: count, of: customer.owner_changed, window: {days}d, label: {{zh: 次, en: n}}}}\n"
    for days, name in enumerate(MANY, start=1)
)
OFTEN = "".join(
    f"    - {{all: [{{fact: {one}, op: '>', value: 5}}, {{fact: {one}, op: '<', value: 9}}]}}\n" for one in MANY
)
CONTRADICTION = "    - {all: [{fact: c0, op: '>', value: 7}, {fact: c0, op: '<', value: 6}]}\n"
TRUTH["two that contradict each other among very many"] = Wrong(
    "R9",
    (
        ("facts:\n", f"facts:\n{COUNTED}"),
        (
            'when: {fact: changes, op: ">=", value: $limit}',
            f"when:\n  any:\n    - {{fact: changes, op: '>=', value: $limit}}\n{CONTRADICTION}{OFTEN}",
        ),
    ),
    "- {all: [{fact: c0",
    "can never hold: its parts contradict each other",
)

PEOPLE = {
    "a warning that nobody is told of": wrong(
        "R9", "audience: [owner, superior]\n", "", "nobody is told of the warning: add audience", "output: warning"
    ),
    "a review that nobody could finish": wrong(
        "R1", "quorum: 2", "quorum: 4", "4 departments are wanted and 3 named", "quorum: 4"
    ),
    "a department twice": wrong(
        "R1", "[sales, finance, service]", "[sales, sales, service]", "names a department twice"
    ),
    "a review of a task": wrong(
        "R11",
        "audience: [owner]",
        "audience: [owner]\nreview: {within_hours: 24, departments: [sales], quorum: 1}",
        "only a warning is reviewed",
        "review: {",
    ),
    "the severity of a class": wrong(
        "R25", "output: class", "output: class\nseverity: high", "told to nobody", "severity:"
    ),
    "a department without a name": wrong(
        "R24c", "department: technical", "department: ''", "is empty: name a department"
    ),
}

TEXTS = {
    "nothing that would end it": wrong(
        "R9",
        "clears:\n  zh: 时间范围内的更换次数降到门槛以下。\n  en: Fewer changes within the window than the limit.\n",
        "",
        "nobody is told what would end it: add clears",
        "id: R9",
    ),
    "an input without a label": wrong(
        "R11c", "label: {zh: 基础信息, en: basic}, ", "", "the input basic has no label", "- {fact: basic, weight"
    ),
    "what stands for a missing input, out of bounds": wrong(
        "R11c", "missing: 0", "missing: 500", "between 0 and 100, and 500 does not", "missing: 500"
    ),
    "no translation": wrong(
        "R9", "en: The customer's owner keeps changing", "en: 频繁更换对接人", "says the same in zh and en"
    ),
    "English for Chinese": wrong("R9", "zh: 频繁更换对接人", "zh: Owner changes", "has no Chinese character"),
    "Chinese for English": wrong("R9", "en: owner changes}", "en: 更换}", "has no Latin letter"),
    "an empty text": wrong("R9", "en: owner changes}", 'en: " "}', "has no text in en"),
    "a fact without a label": wrong(
        "R9",
        "    label: {zh: 更换负责人次数, en: owner changes}\n",
        "",
        "the fact changes has no label",
        "shape: count",
    ),
    "a label in one language": wrong(
        "R9", ", en: owner changes}", "}", "give a text in zh and one in en", "shape: count"
    ),
    "a parameter without a label": wrong(
        "R9", ", label: {zh: 次数, en: changes}", "", "limit has no label", "limit: {type"
    ),
    "a compared field without a label": wrong(
        "R13", "  sentiment: {zh: 倾向, en: sentiment}\n", "", "is compared and has no label", "{field: sentiment"
    ),
    "a class whose name is not translated": wrong(
        "R25", "en: growing (one to three years)", "en: 成长客户（1至3年）", "the same"
    ),
}

EXAMPLES = {
    "two examples of one name": wrong(
        "R14",
        "name: answered on the tenth day",
        "name: a complaint that nobody answers",
        "more than one example is named",
        "name: a complaint",
    ),
    "an end before the last event": wrong(
        "R14",
        'until: "2026-04-10T00:00:00+08:00"',
        'until: "2026-03-01T00:00:00+08:00"',
        "before the last event, of 2026-03-02",
    ),
}

REACH = {
    "a window wider than the horizon": wrong(
        "R9",
        "default: 365d, min: 30d, max: 1000d",
        "default: 1200d",
        "only 36 months are remembered",
        "    window: $window",
    ),
    "months wider than the horizon": wrong(
        "R16", "window: {months: $months}", "window: {months: 37}", "make it narrower"
    ),
    "periods wider than the horizon": wrong(
        "R16", "window: {months: $months}", "window: {calendar: year, full: 3}", "looks back over 47 months"
    ),
    "a trend wider than the horizon": wrong(
        "R23a", "back: $back_months", "back: 36", "looks back over", "shape: trend"
    ),
    "a run of months that nobody sees": wrong(
        "R1", 'op: ">=", value: $months', 'op: ">=", value: 41', "only 40 months are looked at"
    ),
    "a run of years that nobody sees": wrong(
        "R28c", 'op: ">=", value: $years', 'op: ">=", value: 4', "a run of 4 years cannot be seen"
    ),
    "a run without a beginning": wrong(
        "R28",
        'customer: {fact: contracts, op: ">="',
        'customer: {fact: contracts, op: "<"',
        "so it has no beginning",
        "while: customer",
    ),
    "a fact that asks itself": Wrong(
        "R28",
        (("customer: {fact: contracts,", "customer: {fact: missed_months,"),),
        "shape: missed",
        "compares missed_months itself",
    ),
}
